-- The life cycle: proposals that wait for a second person, and guardianship.
CREATE SCHEMA IF NOT EXISTS identity;

-- What one person proposed and another one decides.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.proposal (
  person_id uuid NOT NULL,
  proposal_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('update', 'merge', 'unmerge', 'revival')),
  fields text[] NOT NULL,
  other_id uuid,                        -- personal: identity-registration, keep life and 30 years
  expected timestamptz NOT NULL,        -- the version that it was proposed upon
  sealed bytea NOT NULL,                -- personal: identity-registration, keep life and 30 years
  proposed_by text NOT NULL,            -- personal: identity-registration, keep life and 30 years
  proposed_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'refused')),
  decided_by text,                      -- personal: identity-registration, keep life and 30 years
  decided_at timestamptz,
  PRIMARY KEY (person_id, proposal_id),
  CHECK ((state = 'open') = (decided_by IS NULL)),
  CHECK (decided_by <> proposed_by OR state = 'refused')  -- law 1, said once more where no code can forget it
);
SELECT kernel.wall('identity', 'proposal', 'person_id');
CREATE INDEX IF NOT EXISTS proposal_open ON identity.proposal (proposal_id) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS proposal_id ON identity.proposal (proposal_id);

-- An id as a range of one: only so can a GiST index hold it without the extension btree_gist, which the embedded
-- server does not have.
DO $$ BEGIN
  IF to_regtype('identity.id_span') IS NULL THEN
    CREATE TYPE identity.id_span AS RANGE (subtype = uuid);
  END IF;
END $$;

-- Who may act for whom, on which days. The same guardian's rights over a person never overlap (law 4); several
-- guardians may.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.guardianship (
  person_id uuid NOT NULL,
  guardian_id uuid NOT NULL,            -- personal: identity-registration, keep life and 30 years
  kind text NOT NULL CHECK (kind IN ('parent', 'kin', 'court', 'institution')),
  during daterange NOT NULL CHECK (NOT isempty(during)),
  because bytea,                        -- personal: identity-registration, keep life and 30 years (sealed)
  granted_at timestamptz NOT NULL,
  end_told boolean NOT NULL DEFAULT false,
  ward identity.id_span GENERATED ALWAYS AS (identity.id_span(person_id, person_id, '[]')) STORED,
  guardian identity.id_span GENERATED ALWAYS AS (identity.id_span(guardian_id, guardian_id, '[]')) STORED,
  PRIMARY KEY (person_id, guardian_id, granted_at),
  CONSTRAINT guardianship_periods UNIQUE (ward, guardian, during WITHOUT OVERLAPS) INCLUDE (person_id)
);
SELECT kernel.wall('identity', 'guardianship', 'person_id');
CREATE INDEX IF NOT EXISTS guardianship_guardian ON identity.guardianship (guardian_id);
CREATE INDEX IF NOT EXISTS guardianship_ends ON identity.guardianship (upper(during)) WHERE NOT end_told;
