-- Rooms that move to a machine of their own: what was closed, sent and taken; and the functions that copy their rows.
CREATE SCHEMA IF NOT EXISTS exchange;

-- Rooms on their way out of this installation, or into it.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.move (
  room text PRIMARY KEY,
  side text NOT NULL CHECK (side IN ('out', 'in')),
  other text NOT NULL,
  state text NOT NULL CHECK (state IN ('closed', 'sent', 'taking', 'taken', 'confirmed')),
  since timestamptz NOT NULL,
  root text NOT NULL DEFAULT ''
);
SELECT kernel.wall('exchange', 'move', NULL);

-- The parts of a room that were taken, so that a taking that was cut off goes on where it stopped.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.move_part (
  room text NOT NULL,
  part int NOT NULL,
  PRIMARY KEY (room, part)
);
SELECT kernel.wall('exchange', 'move_part', NULL);

-- These functions of the database's owner work only inside the acts that may move a room.
CREATE OR REPLACE FUNCTION exchange.only_in(acts text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT current_setting('msingi.act', true) = ANY (acts) OR NOT kernel.reach_all() THEN
    RAISE EXCEPTION 'no room may be moved like this' USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;

-- Everything that a room keeps: its tables, what it claimed, its columns with their types, what orders the rows, and
-- which column is sealed for a person under which label. Tables that name others stand behind them.
CREATE OR REPLACE FUNCTION exchange.room_tables(wanted text)
RETURNS TABLE (tab text, cols text[], types text[], keys text[], person text, sealed text, label text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT n.nspname || '.' || c.relname,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attgenerated = '' ORDER BY a.attnum),
    ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
      AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum),
    ARRAY(SELECT a.attname::text FROM pg_index i, pg_attribute a WHERE i.indrelid = c.oid AND i.indisprimary
      AND a.attrelid = c.oid AND a.attnum = ANY (i.indkey) ORDER BY array_position(i.indkey::int2[], a.attnum)),
    coalesce(k.person, ''), coalesce(k.sealed, ''), coalesce(k.label, '')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN governance.keeping k ON k.tab = n.nspname || '.' || c.relname
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND (n.nspname = wanted OR c.oid = 'kernel.once'::regclass)
  ORDER BY (SELECT count(*) FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'), 1;
END $$;

-- The rows of one of these tables as text, always in the same order, with the label and the person of a sealed value.
CREATE OR REPLACE FUNCTION exchange.room_rows(room text, wanted text)
RETURNS TABLE (cells text[], label text, person uuid) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET bytea_output = 'hex' SET datestyle = 'ISO, YMD' AS $$
DECLARE one record;
BEGIN
  PERFORM exchange.only_in(ARRAY['exchange.send_room', 'exchange.take_room']);
  SELECT * INTO STRICT one FROM exchange.room_tables(room) t WHERE t.tab = wanted;
  RETURN QUERY EXECUTE format('SELECT ARRAY[%s], %s, %s FROM %s t %s ORDER BY %s',
    (SELECT string_agg(format('t.%I::text', c), ', ') FROM unnest(one.cols) c),
    CASE WHEN one.sealed = '' THEN 'NULL::text' ELSE '(' || one.label || ')::text' END,
    CASE WHEN one.sealed = '' THEN 'NULL::uuid' ELSE format('t.%I', one.person) END,
    one.tab::regclass, CASE WHEN wanted = 'kernel.once' THEN format('WHERE starts_with(t.key, %L)', room || ':') ELSE '' END,
    (SELECT string_agg(format('t.%I::text COLLATE "C"', c), ', ') FROM unnest(one.keys) c));
END $$;

-- Put rows as text into one of these tables; how many.
CREATE OR REPLACE FUNCTION exchange.put_room_rows(room text, wanted text, rows jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD' AS $$
DECLARE one record; done bigint;
BEGIN
  PERFORM exchange.only_in(ARRAY['exchange.take_part']);
  SELECT * INTO STRICT one FROM exchange.room_tables(room) t WHERE t.tab = wanted;
  EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM jsonb_array_elements($1) AS r',
    one.tab::regclass, (SELECT string_agg(quote_ident(c), ', ') FROM unnest(one.cols) c),
    (SELECT string_agg(format('(r ->> %s)::%s', no - 1, kind), ', ')
     FROM unnest(one.types) WITH ORDINALITY AS x (kind, no))) USING rows;
  GET DIAGNOSTICS done = ROW_COUNT;
  RETURN done;
END $$;

-- Where the counters of a room stand, and put them there.
CREATE OR REPLACE FUNCTION exchange.room_counters(room text) RETURNS TABLE (counter text, last bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.sequencename::text, s.last_value FROM pg_sequences s WHERE s.schemaname = room ORDER BY 1 $$;
CREATE OR REPLACE FUNCTION exchange.put_room_counter(room text, counter text, last bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM exchange.only_in(ARRAY['exchange.take_room']);
  PERFORM setval(format('%I.%I', room, counter)::regclass, last);
END $$;

-- Whether anybody was served in a room here: rows of people, or entries of a journal.
CREATE OR REPLACE FUNCTION exchange.room_used(room text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE one record; used boolean;
BEGIN
  FOR one IN SELECT t.tab, t.cols FROM exchange.room_tables(room) t WHERE t.tab <> 'kernel.once' LOOP
    CONTINUE WHEN NOT one.cols && ARRAY['person_id', 'seq'] OR one.tab LIKE '%.shard';
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one.tab::regclass) INTO used;
    IF used THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END $$;

-- Take out what a room that was never used holds from its first start, so that another's rows can take its place.
-- False, and nothing is done, where anybody was served here.
CREATE OR REPLACE FUNCTION exchange.empty_room(room text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE one record;
BEGIN
  PERFORM exchange.only_in(ARRAY['exchange.begin_taking']);
  IF exchange.room_used(room) THEN
    RETURN false;
  END IF;
  FOR one IN SELECT t.tab FROM exchange.room_tables(room) t WHERE t.tab <> 'kernel.once' LOOP
    EXECUTE format('TRUNCATE %s CASCADE', one.tab::regclass);
  END LOOP;
  RETURN true;
END $$;

-- Nothing of a room changes any more: waits for whoever is writing, and no longer than the given time. Once the other
-- machine has all of it, what stays here is an old copy, which an erasure and retention reach like everything else.
CREATE OR REPLACE FUNCTION exchange.room_moves() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF current_setting('msingi.act', true) IN ('governance.answer', 'governance.destroy_due') AND EXISTS (
    SELECT FROM exchange.move m WHERE m.room = TG_TABLE_SCHEMA AND m.side = 'out' AND m.state = 'confirmed') THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'the room is on its way to another machine' USING ERRCODE = 'MS503';
END $$;
CREATE OR REPLACE FUNCTION exchange.close_room(room text, wait_ms int) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE one record;
BEGIN
  PERFORM exchange.only_in(ARRAY['exchange.close_room']);
  PERFORM set_config('lock_timeout', wait_ms::text, true);
  FOR one IN SELECT t.tab FROM exchange.room_tables(room) t WHERE t.tab <> 'kernel.once' LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER room_moves BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
      'FOR EACH STATEMENT EXECUTE FUNCTION exchange.room_moves()', one.tab::regclass);
  END LOOP;
END $$;
CREATE OR REPLACE FUNCTION exchange.open_room(room text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE one record;
BEGIN
  PERFORM exchange.only_in(ARRAY['exchange.reopen_room']);
  FOR one IN SELECT t.tab FROM exchange.room_tables(room) t WHERE t.tab <> 'kernel.once' LOOP
    EXECUTE format('DROP TRIGGER IF EXISTS room_moves ON %s', one.tab::regclass);
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION exchange.room_tables, exchange.room_rows, exchange.put_room_rows, exchange.room_counters,
  exchange.put_room_counter, exchange.room_used, exchange.empty_room, exchange.close_room, exchange.open_room,
  exchange.room_moves FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exchange.room_tables, exchange.room_rows, exchange.put_room_rows, exchange.room_counters,
  exchange.put_room_counter, exchange.room_used, exchange.empty_room, exchange.close_room, exchange.open_room TO msingi_app;
