-- The transparency log: what an act leaves, and the tree that it becomes part of.
CREATE SCHEMA IF NOT EXISTS log;

-- Entries of committed transactions that wait for their place in the tree: 32 bytes each, one after the other.
-- local
CREATE TABLE IF NOT EXISTS log.pending (
  id uuid PRIMARY KEY,
  entries bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
SELECT kernel.grant_plumbing('log', 'pending');

-- What a leaf says about a person, readable only with the person's key: {"record": ..., "salt": ...}.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS log.record (
  person_id uuid NOT NULL,
  record_id uuid NOT NULL,
  at timestamptz NOT NULL,        -- personal: subject-access, keep 10 years
  act text NOT NULL,              -- personal: subject-access, keep 10 years
  pending_id uuid NOT NULL,
  entry_no int NOT NULL,
  inner_no int NOT NULL,
  sealed bytea NOT NULL,          -- personal: subject-access, keep 10 years
  PRIMARY KEY (person_id, record_id)
);
GRANT USAGE ON SCHEMA log TO msingi_app;
ALTER TABLE log.record ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS wall ON log.record;
CREATE POLICY wall ON log.record USING (
  (SELECT kernel.reach_all()) OR person_id = ANY ((SELECT kernel.reach())::uuid[])
  OR person_id = '00000000-0000-0000-0000-000000000000');  -- acts about nobody, sealed for the stack itself
GRANT SELECT, INSERT ON log.record TO msingi_app;
CREATE INDEX IF NOT EXISTS record_newest ON log.record (person_id, at DESC, record_id DESC);
CREATE INDEX IF NOT EXISTS record_pending ON log.record (pending_id);

-- The commitments under an entry that covers several records, to build the inner path of a proof.
-- distributed by pending_id
CREATE TABLE IF NOT EXISTS log.inner (
  pending_id uuid NOT NULL,
  entry_no int NOT NULL,
  commitments bytea NOT NULL,
  PRIMARY KEY (pending_id, entry_no)
);
SELECT kernel.grant_plumbing('log', 'inner');
REVOKE UPDATE, DELETE ON log.inner FROM msingi_app;
