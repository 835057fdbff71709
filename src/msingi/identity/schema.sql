-- The identity room: people, their versions, how they are found, and the enrolments that wait for a decision.
CREATE SCHEMA IF NOT EXISTS identity;

-- One row per record of a person, held enrolments included. The number is sealed; its blinded form stands below.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.person (
  person_id uuid PRIMARY KEY,
  status text NOT NULL CHECK (status IN ('held', 'active', 'suspended', 'deactivated', 'merged')),
  region text NOT NULL,                 -- personal: statistics, keep life and 30 years
  birth_year int,                       -- personal: statistics, keep life and 30 years
  sex text NOT NULL,                    -- personal: statistics, keep life and 30 years
  number_sealed bytea,                  -- personal: identity-registration, keep life and 30 years
  merged_into uuid,
  enrolled_at timestamptz NOT NULL,
  CHECK ((status IN ('held', 'merged')) = (number_sealed IS NULL)),
  CHECK ((status = 'merged') = (merged_into IS NOT NULL))
);
SELECT kernel.wall('identity', 'person', 'person_id');
CREATE INDEX IF NOT EXISTS person_counts ON identity.person (region, birth_year, status);

-- What was known of a person from `valid_from` until the next version begins: there is no second date that could
-- contradict it, so versions cannot overlap, and the application may only add to this table.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.version (
  person_id uuid NOT NULL,
  valid_from timestamptz NOT NULL,
  reason text NOT NULL,
  sealed bytea NOT NULL,                -- personal: identity-registration, keep life and 30 years
  PRIMARY KEY (person_id, valid_from)
);
SELECT kernel.wall_append_only('identity', 'version', 'person_id');

-- Every number that was ever issued, blinded (HMAC-SHA-256): the primary key is the law that none is issued twice.
-- distributed by number_key
CREATE TABLE IF NOT EXISTS identity.number (
  number_key bytea PRIMARY KEY,
  person_id uuid NOT NULL,
  issued_at timestamptz NOT NULL
);
SELECT kernel.wall_append_only('identity', 'number', 'person_id');

-- Which person a phone finds, blinded; one phone finds one person.
-- distributed by phone_key
CREATE TABLE IF NOT EXISTS identity.phone (
  phone_key bytea PRIMARY KEY,
  person_id uuid NOT NULL
);
SELECT kernel.wall('identity', 'phone', 'person_id');

-- Blinded search keys under which probable duplicates meet. A b-tree and not a GIN array: row-level security lets
-- an index be used only through leakproof operators, which bigint equality is and array overlap is not.
-- distributed by key
CREATE TABLE IF NOT EXISTS identity.search_key (
  key bigint NOT NULL,
  person_id uuid NOT NULL,
  PRIMARY KEY (key, person_id)
);
SELECT kernel.wall('identity', 'search_key', 'person_id');

-- How many people bear a name, under the name's blinded key, so that a rare name weighs more than a common one;
-- and how many people there are, spread over a few rows that many can add to at once.
-- distributed by key
CREATE TABLE IF NOT EXISTS identity.name_count (
  key bigint PRIMARY KEY,
  people bigint NOT NULL
);
SELECT kernel.wall('identity', 'name_count', NULL);

-- Portrait photos; the newest one counts.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.photo (
  person_id uuid NOT NULL,
  taken_at timestamptz NOT NULL,
  sealed bytea NOT NULL,                -- personal: identity-registration, keep life and 30 years
  PRIMARY KEY (person_id, taken_at)
);
SELECT kernel.wall('identity', 'photo', 'person_id');

-- Ties between people: guardian, mother, introducer.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.link (
  person_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('guardian', 'mother', 'introducer')),
  other_id uuid NOT NULL,               -- personal: identity-registration, keep life and 30 years
  since timestamptz NOT NULL,
  PRIMARY KEY (person_id, kind, other_id)
);
SELECT kernel.wall('identity', 'link', 'person_id');

-- Every change of status, in order, with the officer's words.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.status_change (
  person_id uuid NOT NULL,
  at timestamptz NOT NULL,
  status text NOT NULL,
  because text NOT NULL,                -- personal: identity-registration, keep life and 30 years
  PRIMARY KEY (person_id, at)
);
SELECT kernel.wall_append_only('identity', 'status_change', 'person_id');

-- Held enrolments, and what was decided of them. `case_id` grows with time, so it is also the order of the queue.
-- distributed by case_id
CREATE TABLE IF NOT EXISTS identity.duplicate (
  case_id uuid PRIMARY KEY,
  person_id uuid NOT NULL,
  opened_at timestamptz NOT NULL,
  decided_at timestamptz,
  same_as uuid,
  because text                          -- personal: identity-registration, keep life and 30 years
);
SELECT kernel.wall('identity', 'duplicate', 'person_id');
CREATE INDEX IF NOT EXISTS duplicate_waiting ON identity.duplicate (case_id) WHERE decided_at IS NULL;

-- Who the held person may be, with the reasons: fields and levels of agreement, no values.
-- distributed by case_id
CREATE TABLE IF NOT EXISTS identity.candidate (
  case_id uuid NOT NULL,
  person_id uuid NOT NULL,
  bits real NOT NULL,
  reasons jsonb NOT NULL,               -- personal: identity-registration, keep life and 30 years
  PRIMARY KEY (case_id, person_id)
);
SELECT kernel.wall('identity', 'candidate', 'person_id');

-- Registered births. The month is kept for statistics (SDG 16.9.1); the day is in the child's sealed version.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.birth (
  person_id uuid PRIMARY KEY,
  mother_id uuid,                       -- personal: identity-registration, keep life and 30 years
  born_month date NOT NULL,             -- personal: statistics, keep life and 30 years
  region text NOT NULL,                 -- personal: statistics, keep life and 30 years
  place text NOT NULL,                  -- personal: identity-registration, keep life and 30 years
  notified_on date NOT NULL,
  registered_at timestamptz             -- NULL while the child's enrolment is held as a probable duplicate
);
SELECT kernel.wall('identity', 'birth', 'person_id');
CREATE INDEX IF NOT EXISTS birth_counts ON identity.birth (region, born_month) WHERE registered_at IS NOT NULL;
