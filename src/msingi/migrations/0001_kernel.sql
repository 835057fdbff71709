-- The kernel's walls and tables. Run by the database owner; the application itself connects as msingi_app, and its
-- sequencer as msingi_sequencer, which alone takes entries of the log out of their queue and grows the tree.
CREATE SCHEMA IF NOT EXISTS kernel;

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'msingi_app') THEN
    CREATE ROLE msingi_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'msingi_sequencer') THEN
    CREATE ROLE msingi_sequencer LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  END IF;
END $$;
GRANT USAGE ON SCHEMA kernel TO msingi_app;

-- The session facts of the running permit, set with SET LOCAL by the one transaction opener.
CREATE OR REPLACE FUNCTION kernel.room() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  RETURN current_setting('msingi.room', true);
CREATE OR REPLACE FUNCTION kernel.reach_all() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  RETURN current_setting('msingi.reach', true) = '*';
CREATE OR REPLACE FUNCTION kernel.reach() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE
  RETURN CASE WHEN current_setting('msingi.reach', true) IN ('', '*') THEN '{}'::uuid[]
              ELSE string_to_array(current_setting('msingi.reach', true), ',')::uuid[] END;

-- Raise the wall around a table: only a permit of this room, and only rows of the people it reaches.
-- `person` is the column that names the person; NULL for a table that holds nothing about people.
-- The facts stand in sub-selects so that they are evaluated once per statement, not once per row; those whom the permit
-- reaches are hashed then, or an act about a thousand people would compare each row with a thousand of them.
CREATE OR REPLACE FUNCTION kernel.wall(room text, tab text, person text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE seen text := format('(SELECT kernel.room()) = %L', room);
BEGIN
  IF person IS NOT NULL THEN
    seen := seen || format(
      ' AND ((SELECT kernel.reach_all()) OR %I IN (SELECT unnest(kernel.reach())))', person);
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO msingi_app', room);
  EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', room, tab);
  EXECUTE format('DROP POLICY IF EXISTS wall ON %I.%I', room, tab);
  EXECUTE format('CREATE POLICY wall ON %I.%I USING (%s)', room, tab, seen);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO msingi_app', room, tab);
END $$;

-- The same, but rows can only be added, never changed or removed by the application.
CREATE OR REPLACE FUNCTION kernel.wall_append_only(room text, tab text, person text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM kernel.wall(room, tab, person);
  EXECUTE format('REVOKE UPDATE, DELETE ON %I.%I FROM msingi_app', room, tab);
END $$;

-- Tables of the kernel's own plumbing: no rows about people, reached by the kernel alone.
CREATE OR REPLACE FUNCTION kernel.grant_plumbing(sch text, tab text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO msingi_app', sch);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO msingi_app', sch, tab);
END $$;

-- Which migrations have run, and what they said.
-- local
CREATE TABLE IF NOT EXISTS kernel.migration (
  name text PRIMARY KEY,
  sha256 bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON kernel.migration TO msingi_app;

-- Claims: one key stands for one intention; the receipt is given again to whoever repeats it.
-- distributed by key
CREATE TABLE IF NOT EXISTS kernel.once (
  key text PRIMARY KEY,
  content_hash bytea NOT NULL,
  receipt bytea,
  at timestamptz NOT NULL DEFAULT now()
);
SELECT kernel.grant_plumbing('kernel', 'once');
REVOKE DELETE ON kernel.once FROM msingi_app;  -- what was claimed stays claimed
CREATE INDEX IF NOT EXISTS once_at ON kernel.once USING brin (at);

-- Events that left with their transaction and wait for delivery.
-- distributed by id
CREATE TABLE IF NOT EXISTS kernel.outbox (
  id uuid PRIMARY KEY DEFAULT uuidv7(),
  kind text NOT NULL,
  payload bytea NOT NULL,
  tries int NOT NULL DEFAULT 0,
  due timestamptz NOT NULL DEFAULT now(),
  failed text
);
SELECT kernel.grant_plumbing('kernel', 'outbox');
CREATE INDEX IF NOT EXISTS outbox_due ON kernel.outbox (due) WHERE failed IS NULL;

-- How often a caller did what has a limit; the key is a keyed hash of the limit, the caller and the window.
-- distributed by key
CREATE TABLE IF NOT EXISTS kernel.tally (
  key bytea PRIMARY KEY,
  count int NOT NULL,
  until timestamptz NOT NULL
);
SELECT kernel.grant_plumbing('kernel', 'tally');
CREATE INDEX IF NOT EXISTS tally_until ON kernel.tally USING brin (until);

-- Each person's own key, wrapped by the keystore's key. Deleting the row erases all that is sealed with it.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS kernel.person_key (
  person_id uuid PRIMARY KEY,
  wrapped bytea NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE kernel.person_key ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS wall ON kernel.person_key;
CREATE POLICY wall ON kernel.person_key USING (
  (SELECT kernel.reach_all()) OR person_id IN (SELECT unnest(kernel.reach())));
GRANT SELECT, INSERT, DELETE ON kernel.person_key TO msingi_app;

-- Stop a transaction that used remembered keys of people if one of these keys is no longer there; MS411 where everybody
-- of them has a key, but another one since: what was to be done can be done again with that.
CREATE OR REPLACE FUNCTION kernel.keys_hold(people uuid[], keys bytea[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE held boolean;
BEGIN
  IF cardinality(people) = 1 THEN  -- as it mostly is, and then with a plan that is made once
    SELECT EXISTS (SELECT FROM kernel.person_key WHERE person_id = people[1] AND wrapped = keys[1]) INTO held;
  ELSE
    SELECT count(*) = cardinality(people) INTO held FROM unnest(people, keys) AS used (p, w)
    JOIN kernel.person_key k ON k.person_id = used.p AND k.wrapped = used.w;
  END IF;
  IF NOT held THEN
    IF (SELECT count(*) FROM kernel.person_key WHERE person_id = ANY (people)) = cardinality(people) THEN
      RAISE EXCEPTION 'a key was renewed' USING ERRCODE = 'MS411';
    END IF;
    RAISE EXCEPTION 'a key was erased' USING ERRCODE = 'MS410';
  END IF;
END $$;

-- What travels with a commit, as functions: their plans are made once, while a statement of the simple protocol is
-- planned each time.
CREATE OR REPLACE FUNCTION kernel.settle(keys text[], receipts bytea[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF cardinality(keys) = 1 THEN  -- as it mostly is
    UPDATE kernel.once SET receipt = receipts[1] WHERE key = keys[1];
  ELSE
    UPDATE kernel.once AS o SET receipt = s.r FROM unnest(keys, receipts) AS s (k, r) WHERE o.key = s.k;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION kernel.emit(kinds text[], payloads bytea[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO kernel.outbox (kind, payload) SELECT k, p FROM unnest(kinds, payloads) AS e (k, p);
END $$;

CREATE OR REPLACE FUNCTION kernel.keep_keys(people uuid[], wrapped bytea[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO kernel.person_key (person_id, wrapped) SELECT p, w FROM unnest(people, keep_keys.wrapped) AS k (p, w);
END $$;
