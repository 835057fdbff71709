-- The transparency log: what an act leaves, and the tree that it becomes part of.
CREATE SCHEMA IF NOT EXISTS log;

-- Entries of committed transactions that wait for their place in the tree: 32 bytes each, one after the other.
-- local
CREATE TABLE IF NOT EXISTS log.pending (
  id uuid PRIMARY KEY,
  entries bytea STORAGE EXTERNAL NOT NULL CHECK (length(entries) > 0 AND length(entries) % 32 = 0),
  at timestamptz NOT NULL DEFAULT now()
);
SELECT kernel.grant_plumbing('log', 'pending');
-- A queue: every row soon dies, so clean by number of dead rows and not by their share.
ALTER TABLE log.pending SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

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

-- The tree hashes that rooms left for whole batches of acts, where they stand, and how many acts each covers.
-- distributed by pending_id
CREATE TABLE IF NOT EXISTS log.batch (
  pending_id uuid NOT NULL,
  entry_no int NOT NULL,
  root bytea NOT NULL,
  count int NOT NULL,
  PRIMARY KEY (pending_id, entry_no)
);
SELECT kernel.grant_plumbing('log', 'batch');
REVOKE UPDATE, DELETE ON log.batch FROM msingi_app;
CREATE INDEX IF NOT EXISTS batch_root ON log.batch (root);

-- The tree in tiles of 256 hashes (C2SP tlog-tiles); level -1 holds the entries themselves. A row grows until its
-- tile is full and never changes before its end, so that each partial tile ever published is the beginning of it.
-- local
CREATE TABLE IF NOT EXISTS log.tile (
  level smallint NOT NULL,
  n bigint NOT NULL,
  bytes bytea STORAGE EXTERNAL NOT NULL,   -- hashes do not compress
  PRIMARY KEY (level, n)
);
SELECT kernel.grant_plumbing('log', 'tile');
REVOKE DELETE ON log.tile FROM msingi_app;

-- Where the entries of a transaction stand in the tree: at first_index and after it.
-- local
CREATE TABLE IF NOT EXISTS log.placed (
  pending_id uuid PRIMARY KEY,
  first_index bigint NOT NULL,
  count int NOT NULL
);
SELECT kernel.grant_plumbing('log', 'placed');
REVOKE UPDATE, DELETE ON log.placed FROM msingi_app;

-- Every tree head that was ever signed. The primary key is the law that no size has two roots.
-- local
CREATE TABLE IF NOT EXISTS log.checkpoint (
  size bigint PRIMARY KEY,
  root bytea NOT NULL,
  note text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT kernel.grant_plumbing('log', 'checkpoint');
REVOKE UPDATE, DELETE ON log.checkpoint FROM msingi_app;

-- What witnesses signed of our tree heads: one signature line each.
-- local
CREATE TABLE IF NOT EXISTS log.cosignature (
  size bigint NOT NULL,
  witness text NOT NULL,
  line text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (size, witness)
);
SELECT kernel.grant_plumbing('log', 'cosignature');
REVOKE UPDATE, DELETE ON log.cosignature FROM msingi_app;

-- Other logs that this stack witnesses: the newest tree head that it cosigned for each (C2SP tlog-witness).
-- local
CREATE TABLE IF NOT EXISTS log.followed (
  origin text PRIMARY KEY,
  size bigint NOT NULL DEFAULT 0,
  root bytea,
  note text NOT NULL DEFAULT '',
  at timestamptz NOT NULL DEFAULT now()
);
SELECT kernel.grant_plumbing('log', 'followed');
REVOKE DELETE ON log.followed FROM msingi_app;
