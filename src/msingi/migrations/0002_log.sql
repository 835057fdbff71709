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
  veil_id uuid,                   -- the court order that hides it from the person for a while
  PRIMARY KEY (person_id, record_id)
);
GRANT USAGE ON SCHEMA log TO msingi_app;
ALTER TABLE log.record ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS wall ON log.record;
CREATE POLICY wall ON log.record USING (
  (SELECT kernel.reach_all()) OR person_id IN (SELECT unnest(kernel.reach()))
  OR person_id = '00000000-0000-0000-0000-000000000000');  -- acts about nobody, sealed for the stack itself
GRANT SELECT, INSERT ON log.record TO msingi_app;
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

-- Court orders by which an institution's accesses to a person, for one purpose, stay out of the person's sight for a
-- while. The entries stand in the log like all others; an order ends by itself, and can be lifted, but not prolonged.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS log.veil (
  person_id uuid NOT NULL,
  veil_id uuid NOT NULL,
  institution text NOT NULL,      -- personal: fraud-prevention, keep 10 years
  purpose text NOT NULL,          -- personal: fraud-prevention, keep 10 years
  ordered_at timestamptz NOT NULL,
  until timestamptz NOT NULL CHECK (until > ordered_at AND until <= ordered_at + interval '10 years'),
  lifted_at timestamptz,
  ordered_by text NOT NULL,       -- the institution of the court that gave the order
  PRIMARY KEY (person_id, veil_id)
);
CREATE INDEX IF NOT EXISTS veil_orders ON log.veil (ordered_by, veil_id DESC);
ALTER TABLE log.veil ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS wall ON log.veil;
CREATE POLICY wall ON log.veil USING (
  (SELECT kernel.reach_all()) OR person_id IN (SELECT unnest(kernel.reach())));
GRANT SELECT, INSERT, UPDATE (lifted_at) ON log.veil TO msingi_app;

-- For everybody: how many such orders and hidden entries there were, and nobody is named.
-- distributed by institution
CREATE TABLE IF NOT EXISTS log.veiled (
  institution text NOT NULL,
  month date NOT NULL,
  orders int NOT NULL DEFAULT 0,
  entries int NOT NULL DEFAULT 0,
  PRIMARY KEY (institution, month)
);
SELECT kernel.grant_plumbing('log', 'veiled');
REVOKE DELETE ON log.veiled FROM msingi_app;

-- Leave what a transaction owes: its entries for the sequencer, the sealed records for their subjects (all under
-- entry 0, whose inner commitments are kept if there are several), and batch roots from entry `roots_from` on.
-- A record that a court order covers, by the institution and purpose of its own act (in a batch they differ) or because
-- `veils` names it, is veiled; that is weighed record by record only where an order is in force on one of the people.
-- Where times, acts, askers or whys are the same for all records, one element stands for all; no veils are none at all.
DROP FUNCTION IF EXISTS log.leave(uuid, bytea, bytea[], uuid[], uuid[], timestamptz[], text[], bytea[], int, bytea[], int[]);
CREATE OR REPLACE FUNCTION log.leave(
  pending uuid, entries bytea, commitments bytea[], people uuid[], records uuid[], times timestamptz[], acts text[],
  sealed bytea[], veils uuid[], roots_from int, roots bytea[], counts int[], askers text[], whys text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  named uuid[] := veils;  -- an order's own line is no access
BEGIN
  INSERT INTO log.pending (id, entries) VALUES (pending, leave.entries);
  IF cardinality(commitments) > 0 THEN
    INSERT INTO log.inner (pending_id, entry_no, commitments) VALUES (pending, 0, leave.commitments[1]);
  END IF;
  IF EXISTS (SELECT FROM log.veil v WHERE v.person_id = ANY (people) AND v.until > now() AND v.lifted_at IS NULL) THEN
    veils := ARRAY(
      SELECT coalesce(given, (
        SELECT v.veil_id FROM log.veil v
        WHERE v.person_id = p AND v.institution = coalesce(asker, askers[1]) AND v.purpose = coalesce(why, whys[1])
          AND v.until > now() AND v.lifted_at IS NULL ORDER BY v.until DESC LIMIT 1))
      FROM unnest(people, veils, askers, whys) WITH ORDINALITY AS x (p, given, asker, why, n) ORDER BY n);
  END IF;
  IF cardinality(people) = 1 THEN
    INSERT INTO log.record (person_id, record_id, at, act, pending_id, entry_no, inner_no, sealed, veil_id)
    VALUES (people[1], records[1], times[1], acts[1], pending, 0, 0, leave.sealed[1], veils[1]);
  ELSIF cardinality(people) > 1 THEN
    INSERT INTO log.record (person_id, record_id, at, act, pending_id, entry_no, inner_no, sealed, veil_id)
    SELECT p, r, coalesce(times[n], times[1]), coalesce(acts[n], acts[1]), pending, 0, n - 1, s, v
    FROM unnest(people, records, leave.sealed, veils) WITH ORDINALITY AS x (p, r, s, v, n);
  END IF;
  IF cardinality(array_remove(veils, NULL)) > cardinality(array_remove(named, NULL)) THEN
    INSERT INTO log.veiled AS c (institution, month, entries)
    SELECT coalesce(asker, askers[1]), date_trunc('month', now()), count(*)
    FROM unnest(askers, named, veils) AS x (asker, before, after)
    WHERE before IS NULL AND after IS NOT NULL GROUP BY 1 ORDER BY 1
    ON CONFLICT (institution, month) DO UPDATE SET entries = c.entries + excluded.entries;
  END IF;
  IF cardinality(roots) > 0 THEN
    INSERT INTO log.batch (pending_id, entry_no, root, count)
    SELECT pending, roots_from + n - 1, r, c FROM unnest(roots, counts) WITH ORDINALITY AS b (r, c, n);
  END IF;
END $$;

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

-- Where the entries of a transaction stand in the tree: at first_index and after it.
-- local
CREATE TABLE IF NOT EXISTS log.placed (
  pending_id uuid PRIMARY KEY,
  first_index bigint NOT NULL,
  count int NOT NULL
);
SELECT kernel.grant_plumbing('log', 'placed');

-- Every tree head that was ever signed. The primary key is the law that no size has two roots.
-- local
CREATE TABLE IF NOT EXISTS log.checkpoint (
  size bigint PRIMARY KEY,
  root bytea NOT NULL,
  note text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT kernel.grant_plumbing('log', 'checkpoint');

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

-- Tokens of a time-stamping authority (RFC 3161) over signed heads: that they existed at the time in the token.
-- local
CREATE TABLE IF NOT EXISTS log.timestamp (
  size bigint PRIMARY KEY,
  token bytea NOT NULL,
  stamped_at timestamptz NOT NULL
);
SELECT kernel.grant_plumbing('log', 'timestamp');
REVOKE UPDATE, DELETE ON log.timestamp FROM msingi_app;

-- Old heads are thinned by the sequencer alone, and young ones by nobody: the wall stands in the database.
ALTER TABLE log.checkpoint ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS shown ON log.checkpoint;
CREATE POLICY shown ON log.checkpoint FOR SELECT USING (true);
DROP POLICY IF EXISTS published ON log.checkpoint;
CREATE POLICY published ON log.checkpoint FOR INSERT WITH CHECK (true);
DROP POLICY IF EXISTS thinned ON log.checkpoint;
CREATE POLICY thinned ON log.checkpoint FOR DELETE USING (size > 0 AND at < now() - interval '1 hour');
CREATE INDEX IF NOT EXISTS checkpoint_at ON log.checkpoint (at);

-- The wall inside the log: the application adds entries and reads; only the sequencer's role takes them out of the
-- queue, grows the tree and publishes its heads, so that nothing which runs in the application's role can rewrite it.
REVOKE UPDATE, DELETE ON log.pending FROM msingi_app;
REVOKE INSERT, UPDATE, DELETE ON log.tile, log.placed, log.checkpoint FROM msingi_app;
GRANT USAGE ON SCHEMA log TO msingi_sequencer;
GRANT SELECT, DELETE ON log.pending TO msingi_sequencer;
GRANT SELECT, INSERT, UPDATE ON log.tile TO msingi_sequencer;
GRANT SELECT, INSERT ON log.placed, log.checkpoint TO msingi_sequencer;
GRANT DELETE ON log.checkpoint TO msingi_sequencer;
GRANT SELECT, DELETE ON log.cosignature TO msingi_sequencer;
GRANT SELECT ON log.timestamp TO msingi_sequencer;
