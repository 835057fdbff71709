-- The ledger and what stands around it. Amounts are bigint minor units of the row's currency.
-- An account id is dense within its shard: (index << 8) | shard. So an id names its shard, and a hot statement too.
CREATE SCHEMA IF NOT EXISTS payments;

-- One row per shard: the fence that only one writer passes (compare and swap on seq), and the head of its chain.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.shard (
  shard smallint PRIMARY KEY,
  epoch bigint NOT NULL DEFAULT 1,
  seq bigint NOT NULL DEFAULT 1,          -- of the next journal row
  head bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000',
  chapter_rows bigint NOT NULL DEFAULT 1048576  -- of the shard's first chapters (see payments.chapter)
) WITH (fillfactor = 10);
SELECT kernel.wall('payments', 'shard', NULL);

-- The next dense account index of a shard; apart from the fence, so that opening accounts never delays a batch.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.numbering (
  shard smallint PRIMARY KEY,
  next_index bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 10);
SELECT kernel.wall('payments', 'numbering', NULL);
INSERT INTO payments.shard (shard) VALUES (0) ON CONFLICT DO NOTHING;
INSERT INTO payments.numbering (shard) VALUES (0) ON CONFLICT DO NOTHING;

-- The hot, narrow half of an account. Only the writer changes its balances; room to stay HOT (fillfactor).
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.account (
  shard smallint NOT NULL,
  id bigint NOT NULL,
  posted bigint NOT NULL DEFAULT 0,
  reserved bigint NOT NULL DEFAULT 0,
  floor bigint NOT NULL DEFAULT 0,        -- lowest balance: 0 for people, far below zero for the issuing side
  spent bigint NOT NULL DEFAULT 0,        -- paid out on `day`, counted against the tier's day limit
  last_seq bigint NOT NULL DEFAULT 0,     -- of its newest row in the journal, from which its others are found
  day int NOT NULL DEFAULT 0,             -- days since 1970-01-01, UTC
  tier smallint NOT NULL DEFAULT 0,       -- 0: an institution's account, without tier limits
  flags smallint NOT NULL DEFAULT 1,      -- 1 open, 2 no debits, 4 no credits, 8 holder out of use, 16 closed, 32 recovered, 64 dormant
  owner bigint NOT NULL,                  -- keyed hash of the holder: only orders for this holder may debit it
  currency text NOT NULL,
  kind text NOT NULL,
  PRIMARY KEY (shard, id)
) WITH (fillfactor = 60);
SELECT kernel.wall('payments', 'account', NULL);
CREATE INDEX IF NOT EXISTS account_restricted ON payments.account (shard, id) WHERE flags & ~64::smallint <> 1;
REVOKE DELETE ON payments.account FROM msingi_app;

-- When an account last fell asleep or woke, as the epoch of its shard's fence: what writers must read again.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.sleeper (
  shard smallint NOT NULL,
  account_id bigint NOT NULL,
  epoch bigint NOT NULL,
  PRIMARY KEY (shard, account_id)
);
SELECT kernel.wall('payments', 'sleeper', NULL);
CREATE INDEX IF NOT EXISTS sleeper_epoch ON payments.sleeper (shard, epoch);

-- Whose account it is, found by person: the accounts that a person holds.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.holder (
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years after closing
  kind text NOT NULL,
  currency text NOT NULL,
  is_default boolean NOT NULL DEFAULT false,  -- the wallet that a phone number or identity number leads to
  opened_at timestamptz NOT NULL,
  PRIMARY KEY (person_id, account_id)
);
SELECT kernel.wall('payments', 'holder', 'person_id');
-- One default wallet per person, whoever opens it first.
CREATE UNIQUE INDEX IF NOT EXISTS holder_default ON payments.holder (person_id) WHERE is_default;

-- Whose account it is, found by account.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.account_owner (
  shard smallint NOT NULL,
  account_id bigint NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  PRIMARY KEY (shard, account_id, person_id)
);
SELECT kernel.wall('payments', 'account_owner', 'person_id');

-- The accounts of institutions: government, merchants, trust and float accounts, and the issuing account.
-- reference table
CREATE TABLE IF NOT EXISTS payments.institution_account (
  institution text NOT NULL,
  account_id bigint NOT NULL,
  kind text NOT NULL,
  currency text NOT NULL,
  label text NOT NULL DEFAULT '',
  opened_at timestamptz NOT NULL,
  PRIMARY KEY (institution, account_id)
);
SELECT kernel.wall('payments', 'institution_account', NULL);
CREATE INDEX IF NOT EXISTS institution_account_id ON payments.institution_account (account_id);

-- The sub-accounts of an institution's account, one for each other shard in which it pays many people. They are accounts
-- like others; what they hold is shown as the main account's, and comes home when it is not needed.
-- reference table
CREATE TABLE IF NOT EXISTS payments.sub_account (
  account_id bigint NOT NULL,
  shard smallint NOT NULL,
  sub_id bigint NOT NULL,
  used_at timestamptz NOT NULL,
  PRIMARY KEY (account_id, shard)
);
SELECT kernel.wall('payments', 'sub_account', NULL);

-- The journal's chapters: a range of seqs of one shard, which is a partition of its own. Rows are added to the newest,
-- which has no index of accounts; `index_chapter` builds them in bulk when it is full. Until then, and wherever an account
-- has not very many, its rows are found by the links between them (payments.movements). Stands before the journal in the
-- order of names: a room that moves brings its chapters first.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.chapter (
  shard smallint NOT NULL,
  first_seq bigint NOT NULL,
  next_seq bigint NOT NULL,
  indexed boolean NOT NULL DEFAULT false,
  PRIMARY KEY (shard, first_seq),
  CHECK (0 < first_seq AND first_seq < next_seq)
);
SELECT kernel.wall_append_only('payments', 'chapter', NULL);

-- The journal: one row per decided order, posted or rejected, with both legs, both balances after it, and the seq of the
-- row before it in either account (0: none; see payments.movements for which rows those are).
-- COPY does not pass row-level security, so this table's wall is made of other bricks: the application may only
-- insert (a statement trigger asks for this room's permit) and reads through the barrier view journal_seen, and through
-- payments.movements, which shows the same.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.journal (
  shard smallint NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL,
  kind smallint NOT NULL,                 -- 1 post, 2 reserve, 3 commit, 4 abort, 5 reverse, 6 expire, 7 arrive, 8 expect
  pending_id uuid,                        -- the hold that a row ends, or the transfer that it reverses
  debit bigint NOT NULL,                  -- personal: payment, keep 10 years
  credit bigint NOT NULL,                 -- personal: payment, keep 10 years
  amount bigint NOT NULL,                 -- personal: payment, keep 10 years
  debit_after bigint NOT NULL,            -- personal: payment, keep 10 years
  credit_after bigint NOT NULL,           -- personal: payment, keep 10 years
  debit_before bigint NOT NULL,           -- the row before this one in the account that pays
  credit_before bigint NOT NULL,          -- the row before this one in the account that is paid
  currency text NOT NULL,
  code text NOT NULL,                     -- what it is for: P2P, G2P, FUND, ...
  status smallint NOT NULL,               -- 1 posted, 2 rejected
  reason smallint NOT NULL,               -- 0, or why it was rejected
  body_hash bytea NOT NULL,               -- SHA-256 of what was ordered
  at timestamptz NOT NULL,
  permit text NOT NULL,                   -- personal: payment, keep 10 years (who ordered it, purpose, basis)
  timeout_s int NOT NULL,                 -- how long a reservation lasts; 0: until it is ended
  linked boolean NOT NULL,                -- posted or rejected together with the next row
  PRIMARY KEY (shard, seq)
) PARTITION BY RANGE (shard, seq);
CREATE INDEX IF NOT EXISTS journal_pending ON payments.journal (pending_id) WHERE pending_id IS NOT NULL;

-- A new chapter is a new partition. It is made apart and then attached, which nobody waits for who reads or writes others;
-- for the chapters of a room that moves by the trigger, with their indexes, because their rows come after them.
-- pg_temp stands last in the search path, or a caller's temporary type called text would run here as the owner.
CREATE OR REPLACE FUNCTION payments.open_chapter(of_shard smallint, first bigint, next bigint, indexed boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE part text := format('journal_%s_%s', of_shard, first);
BEGIN
  EXECUTE format('CREATE TABLE payments.%I (LIKE payments.journal)', part);
  EXECUTE format('ALTER TABLE payments.journal ATTACH PARTITION payments.%I FOR VALUES FROM (%s, %s) TO (%s, %s)',
    part, of_shard, first, of_shard, next);
  IF indexed THEN
    EXECUTE format('CREATE INDEX ON payments.%I (debit, seq)', part);
    EXECUTE format('CREATE INDEX ON payments.%I (credit, seq)', part);
  END IF;
END $$;
REVOKE ALL ON FUNCTION payments.open_chapter(smallint, bigint, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payments.open_chapter(smallint, bigint, bigint, boolean) TO msingi_app;
CREATE OR REPLACE FUNCTION payments.begin_chapter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_regclass(format('payments.journal_%s_%s', NEW.shard, NEW.first_seq)) IS NULL THEN
    PERFORM payments.open_chapter(NEW.shard, NEW.first_seq, NEW.next_seq, NEW.indexed);
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER begin_chapter AFTER INSERT ON payments.chapter
  FOR EACH ROW EXECUTE FUNCTION payments.begin_chapter();

-- Build an account index of a full chapter in bulk, which costs a fifth of adding each row to it. One index to a call, so
-- that no transaction lasts long; `legs` is debit or credit, and the chapter is indexed when it has both. False where
-- somebody else is at it. What a crash cuts off has not happened.
CREATE OR REPLACE FUNCTION payments.index_chapter(of_shard smallint, first bigint, legs text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET max_parallel_maintenance_workers = 0 AS $$
DECLARE part text := format('journal_%s_%s', of_shard, first);
BEGIN
  IF kernel.room() IS DISTINCT FROM 'payments' OR legs NOT IN ('debit', 'credit')
     OR NOT pg_try_advisory_xact_lock(hashtextextended('payments.' || part, 0)) THEN
    RETURN false;
  END IF;
  PERFORM FROM payments.chapter c JOIN payments.shard s ON s.shard = c.shard
  WHERE c.shard = of_shard AND c.first_seq = first AND NOT c.indexed AND c.next_seq <= s.seq;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON payments.%I (%I, seq)', part || '_' || legs, part, legs);
  IF to_regclass(format('payments.%I', part || '_debit')) IS NOT NULL
     AND to_regclass(format('payments.%I', part || '_credit')) IS NOT NULL THEN
    EXECUTE format('ANALYZE payments.%I', part);
    UPDATE payments.chapter c SET indexed = true WHERE c.shard = of_shard AND c.first_seq = first;
  END IF;
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION payments.index_chapter(smallint, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payments.index_chapter(smallint, bigint, text) TO msingi_app;

-- The directory of transfer ids: makes a repeated order visible, also across shards and months. What was ordered stands
-- in the row that it leads to. In one piece: a batch then opens one table and one index here, not eight.
-- distributed by id
CREATE TABLE IF NOT EXISTS payments.transfer_id (
  id uuid PRIMARY KEY,
  shard smallint NOT NULL,
  seq bigint NOT NULL,
  at timestamptz NOT NULL
);

-- Words that travel with a transfer, and the masked names both sides saw; apart, so that they can be erased.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.remittance (
  shard smallint NOT NULL,
  seq bigint NOT NULL,
  reference text NOT NULL,                -- personal: payment, keep 10 years (in clear: part of the payment, as both sides and their banks read it)
  payer text NOT NULL,                    -- personal: payment, keep 10 years (masked name, or an institution)
  payee text NOT NULL,                    -- personal: payment, keep 10 years (masked name, or an institution)
  PRIMARY KEY (shard, seq)
);

-- The bricks of the journal's wall. Like row-level security, they do not stand in the way of the tables' owner.
CREATE OR REPLACE FUNCTION payments.ask_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF kernel.room() IS DISTINCT FROM 'payments'
     AND NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
    RAISE insufficient_privilege USING MESSAGE = 'only a permit of the payments room writes the journal';
  END IF;
  RETURN NULL;
END $$;
DO $$
DECLARE tab text;
BEGIN
  FOREACH tab IN ARRAY ARRAY['journal', 'transfer_id', 'remittance'] LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER ask_room BEFORE INSERT ON payments.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION payments.ask_room()', tab);
    EXECUTE format('GRANT INSERT ON payments.%I TO msingi_app', tab);
  END LOOP;
END $$;

-- The accounts that the running permit reaches: those of its people, and those of its institution.
CREATE OR REPLACE FUNCTION payments.reached() RETURNS bigint[] LANGUAGE sql STABLE AS $$
  SELECT ARRAY(SELECT account_id FROM payments.holder WHERE person_id = ANY ((SELECT kernel.reach())::uuid[]))
      || ARRAY(SELECT account_id FROM payments.institution_account
               WHERE institution = current_setting('msingi.institution', true) AND institution <> '')
$$;
CREATE OR REPLACE VIEW payments.journal_seen WITH (security_barrier) AS
  SELECT j.*, r.reference, r.payer, r.payee
  FROM payments.journal j LEFT JOIN payments.remittance r ON r.shard = j.shard AND r.seq = j.seq
  WHERE (SELECT kernel.room()) = 'payments'
    AND ((SELECT kernel.reach_all())
         OR j.debit = ANY ((SELECT payments.reached())::bigint[])
         OR j.credit = ANY ((SELECT payments.reached())::bigint[]));
CREATE OR REPLACE VIEW payments.transfer_id_seen WITH (security_barrier) AS
  SELECT * FROM payments.transfer_id WHERE (SELECT kernel.room()) = 'payments';
GRANT SELECT ON payments.journal_seen, payments.transfer_id_seen TO msingi_app;

-- Whether somebody who asks for an account's rows asked for this one.
CREATE OR REPLACE FUNCTION payments.asked_for(
  debit bigint, credit bigint, kind smallint, status smallint, code text,
  account bigint, sides int, kinds smallint[], codes text[], not_codes text[], other bigint, mine bigint[]
) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT status = 1
    AND ((debit = account AND sides & 1 = 1) OR (credit = account AND sides & 2 = 2 AND kind IN (1, 3, 5, 7)))
    AND (kinds IS NULL OR kind = ANY (kinds))
    AND (codes IS NULL OR code = ANY (codes)) AND (not_codes IS NULL OR code <> ALL (not_codes))
    AND (other IS NULL OR other = CASE WHEN debit = account THEN credit ELSE debit END)
    AND (mine IS NULL OR debit = ANY (mine) OR credit = ANY (mine))
$$;

-- Those rows of an account that stand in some chapters, found by their indexes, and in a chapter that has none yet by
-- looking at all its rows in the range. Each statement is planned for its chapter's range, so that one partition is planned
-- and opened, however many there are.
CREATE OR REPLACE FUNCTION payments.searched(
  of_shard smallint, account bigint, low bigint, high bigint, most bigint, sides int, kinds smallint[], codes text[],
  not_codes text[], other bigint, words boolean, mine bigint[]
) RETURNS SETOF payments.journal_seen LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
  chapter payments.chapter%ROWTYPE; found_rows bigint;
BEGIN
  FOR chapter IN SELECT * FROM payments.chapter c WHERE c.shard = of_shard AND c.first_seq < high AND c.next_seq > low
    ORDER BY c.first_seq DESC
  LOOP
    IF chapter.indexed THEN
      RETURN QUERY SELECT j.*, r.reference, r.payer, r.payee FROM (
        SELECT * FROM (
          (SELECT j.* FROM payments.journal j WHERE j.shard = of_shard AND j.debit = account AND sides & 1 = 1
           AND j.seq >= greatest(low, chapter.first_seq) AND j.seq < least(high, chapter.next_seq) AND payments.asked_for(
             j.debit, j.credit, j.kind, j.status, j.code, account, 1, kinds, codes, not_codes, other, mine)
           ORDER BY j.seq DESC LIMIT most)
          UNION ALL
          (SELECT j.* FROM payments.journal j WHERE j.shard = of_shard AND j.credit = account AND sides & 2 = 2
           AND j.seq >= greatest(low, chapter.first_seq) AND j.seq < least(high, chapter.next_seq) AND payments.asked_for(
             j.debit, j.credit, j.kind, j.status, j.code, account, 2, kinds, codes, not_codes, other, mine)
           ORDER BY j.seq DESC LIMIT most)
        ) AS leg ORDER BY leg.seq DESC LIMIT most
      ) AS j LEFT JOIN payments.remittance r ON words AND r.shard = of_shard AND r.seq = j.seq ORDER BY j.seq DESC;
    ELSE
      RETURN QUERY SELECT j.*, r.reference, r.payer, r.payee FROM (
        SELECT j.* FROM payments.journal j WHERE j.shard = of_shard
        AND j.seq >= greatest(low, chapter.first_seq) AND j.seq < least(high, chapter.next_seq)
        AND (j.debit = account OR j.credit = account) AND payments.asked_for(
          j.debit, j.credit, j.kind, j.status, j.code, account, sides, kinds, codes, not_codes, other, mine)
        ORDER BY j.seq DESC LIMIT most
      ) AS j LEFT JOIN payments.remittance r ON words AND r.shard = of_shard AND r.seq = j.seq ORDER BY j.seq DESC;
    END IF;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    most := most - found_rows;
    EXIT WHEN most <= 0;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION payments.searched(smallint, bigint, bigint, bigint, bigint, int, smallint[], text[], text[], bigint,
  boolean, bigint[]) FROM PUBLIC;

-- The rows of an account among the seqs from `low` to before `high`, the newest first, at most `most`: the one way to an
-- account's part of the journal. They are the posted rows that it pays or reserves by, and those that it is paid by;
-- each names the one before it. `sides`: 1 paying, 2 paid, 3 both. `kinds`: NULL for all. `words`: with the words that
-- travelled along. It shows what journal_seen shows.
-- It walks along the links from the account's newest row, or from the row `high` itself where that is one of its rows, as
-- the last of a page is; a few chapters at first, then more. Whoever has more rows than `steps` is searched for beyond them.
-- Its plans are made once for all values: those who ask are many, and each asks for little.
CREATE OR REPLACE FUNCTION payments.movements(
  of_shard smallint, account bigint, low bigint, high bigint, most bigint, sides int DEFAULT 3,
  kinds smallint[] DEFAULT '{1,3,5,7}', codes text[] DEFAULT NULL, not_codes text[] DEFAULT NULL,
  other bigint DEFAULT NULL, words boolean DEFAULT false,
  steps int DEFAULT 2000  -- 3 us each; a chapter of a million rows is looked through in 100 ms
) RETURNS SETOF payments.journal_seen LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
  mine bigint[]; hit payments.journal_seen%ROWTYPE; place bigint; step bigint; back bigint; wide int := 2;
BEGIN
  IF kernel.room() IS DISTINCT FROM 'payments' OR most <= 0 THEN
    RETURN;
  END IF;
  IF NOT kernel.reach_all() THEN
    mine := payments.reached();
  END IF;
  SELECT a.last_seq INTO place FROM payments.account a WHERE a.shard = of_shard AND a.id = account;
  IF high <= place THEN
    SELECT CASE WHEN j.debit = account THEN j.debit_before ELSE j.credit_before END INTO step
    FROM payments.journal j WHERE j.shard = of_shard AND j.seq = high
    AND payments.asked_for(j.debit, j.credit, j.kind, j.status, j.code, account, 3, NULL, NULL, NULL, NULL, NULL);
    place := coalesce(step, place);
  END IF;
  WHILE place >= low AND most > 0 AND steps > 0 LOOP
    SELECT greatest(low, min(c.first_seq)) INTO back FROM (
      SELECT first_seq FROM payments.chapter WHERE shard = of_shard AND first_seq <= place
      ORDER BY first_seq DESC LIMIT wide) AS c;
    step := place;
    wide := wide * 4;
    FOR hit IN
      WITH RECURSIVE walk AS (
        SELECT j.* FROM payments.journal j WHERE j.shard = of_shard AND j.seq = step
        UNION ALL
        SELECT j.* FROM walk w CROSS JOIN LATERAL (
          SELECT j.* FROM payments.journal j WHERE j.shard = of_shard AND j.seq >= back AND j.seq <= step AND j.seq < w.seq
          AND j.seq = CASE WHEN w.debit = account THEN w.debit_before ELSE w.credit_before END LIMIT 1) AS j)
      SELECT w.*, r.reference, r.payer, r.payee FROM walk w LEFT JOIN LATERAL (  -- which keeps the order of the walk
        SELECT r.* FROM payments.remittance r WHERE words AND r.shard = of_shard AND r.seq = w.seq LIMIT 1) AS r ON true
    LOOP
      steps := steps - 1;
      place := CASE WHEN hit.debit = account THEN hit.debit_before ELSE hit.credit_before END;
      IF hit.seq < high AND payments.asked_for(hit.debit, hit.credit, hit.kind, hit.status, hit.code,
        account, sides, kinds, codes, not_codes, other, mine) THEN
        RETURN NEXT hit;
        most := most - 1;
      END IF;
      EXIT WHEN most = 0 OR steps = 0;
    END LOOP;
    IF NOT FOUND THEN  -- somebody took the row away: the checker says so, and the others are found all the same
      steps := 0;
    END IF;
  END LOOP;
  IF place >= low AND most > 0 THEN
    RETURN QUERY SELECT * FROM payments.searched(of_shard, account, low, least(high, place + 1), most, sides, kinds, codes,
      not_codes, other, words, mine);
  END IF;
END $$;
REVOKE ALL ON FUNCTION payments.movements(smallint, bigint, bigint, bigint, bigint, int, smallint[], text[], text[], bigint,
  boolean, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payments.movements(smallint, bigint, bigint, bigint, bigint, int, smallint[], text[], text[],
  bigint, boolean, int) TO msingi_app;

-- The chain: each batch names the head before it, the RFC 6962 root over its rows, and the head after it.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.batch (
  shard smallint NOT NULL,
  first_seq bigint NOT NULL,
  n int NOT NULL CHECK (n > 0),
  at timestamptz NOT NULL,
  prev bytea NOT NULL,
  root bytea NOT NULL,
  head bytea NOT NULL,
  PRIMARY KEY (shard, first_seq)
);
SELECT kernel.wall_append_only('payments', 'batch', NULL);
CREATE INDEX IF NOT EXISTS batch_at ON payments.batch (shard, at);

-- The seq of the first row that was decided at an instant or after it; above all where there is none. Time never runs
-- backwards within a shard, so a range of time is a range of seqs.
CREATE OR REPLACE FUNCTION payments.seq_at(of_shard smallint, instant timestamptz) RETURNS bigint LANGUAGE sql STABLE
AS $$
  SELECT coalesce((SELECT b.first_seq FROM payments.batch b WHERE b.shard = of_shard AND b.at >= instant
                   ORDER BY b.at LIMIT 1), 9223372036854775807)
$$;

-- Write what a batch does to its shard: pass the fence (compare and swap on epoch and seq), begin the journal's next
-- chapter where the last one ends, set the changed balances, and chain the batch. It fails if another writer has moved the shard on. A batch that stands on one which is still being
-- written waits for the end of that one: the fence is found by its key alone, and judged as it was when it was changed.
-- As a function it travels with the commit, its plans are kept, and they never scan the accounts, however few there were
-- when they were made.
CREATE OR REPLACE FUNCTION payments.settle(
  shard smallint, epoch bigint, first_seq bigint, next_seq bigint, n int, prev bytea, root bytea, head bytea,
  at timestamptz, ids bigint[], posted bigint[], reserved bigint[], spent bigint[], day int[], last_seq bigint[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
  stood boolean;
  changed int;
  written bigint;
  chapter_rows bigint;
  rows_each bigint;
BEGIN
  UPDATE payments.shard s SET seq = settle.next_seq, head = settle.head WHERE s.shard = settle.shard
  RETURNING old.epoch = settle.epoch AND old.seq = settle.first_seq, s.chapter_rows INTO stood, chapter_rows;
  IF stood IS NOT TRUE THEN
    RAISE EXCEPTION 'the shard has moved on' USING ERRCODE = 'MS409';
  END IF;
  SELECT c.next_seq INTO written FROM payments.chapter c WHERE c.shard = settle.shard ORDER BY c.first_seq DESC LIMIT 1;
  written := coalesce(written, 1);
  WHILE written < settle.next_seq LOOP  -- the next chapter: a sixteenth of all rows, but not too small and not too large
    rows_each := greatest(1, least(8, written / 16 / chapter_rows)) * chapter_rows;
    PERFORM payments.open_chapter(settle.shard, written, written + rows_each, false);
    INSERT INTO payments.chapter (shard, first_seq, next_seq) VALUES (settle.shard, written, written + rows_each);
    written := written + rows_each;
  END LOOP;
  UPDATE payments.account a
  SET posted = u.posted, reserved = u.reserved, spent = u.spent, day = u.day, last_seq = u.last_seq
  FROM unnest(settle.ids, settle.posted, settle.reserved, settle.spent, settle.day, settle.last_seq)
    AS u (id, posted, reserved, spent, day, last_seq)
  WHERE a.shard = settle.shard AND a.id = u.id;
  GET DIAGNOSTICS changed = ROW_COUNT;
  IF changed <> cardinality(ids) THEN
    RAISE EXCEPTION '% balances changed in memory, % in the database', cardinality(ids), changed;
  END IF;
  INSERT INTO payments.batch (shard, first_seq, n, at, prev, root, head)
  VALUES (settle.shard, settle.first_seq, settle.n, settle.at, settle.prev, settle.root, settle.head);
END $$;

-- Open holds: money reserved by RESERVE rows and not yet committed, aborted or expired. An account's `reserved` is
-- the sum of its holds. Only the writer writes here; whatever ended a hold stands in the journal.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.hold (
  shard smallint NOT NULL,
  id uuid NOT NULL,                       -- of the RESERVE row
  debit bigint NOT NULL,                  -- personal: payment, keep until the hold has ended
  credit bigint NOT NULL,                 -- personal: payment, keep until the hold has ended
  amount bigint NOT NULL CHECK (amount > 0),
  currency text NOT NULL,
  owner bigint NOT NULL,                  -- keyed hash of whoever may end it
  day int NOT NULL,                       -- the day whose limit it counts against
  expires_us bigint NOT NULL,             -- microseconds since 1970-01-01 UTC; 0: never
  PRIMARY KEY (shard, id)
);
SELECT kernel.wall('payments', 'hold', NULL);
CREATE INDEX IF NOT EXISTS hold_due ON payments.hold (shard, expires_us) WHERE expires_us > 0;
CREATE INDEX IF NOT EXISTS hold_away ON payments.hold (shard) WHERE expires_us = 0 AND (credit & 255) <> shard;
CREATE INDEX IF NOT EXISTS hold_debit ON payments.hold (shard, debit);
CREATE INDEX IF NOT EXISTS hold_credit ON payments.hold (shard, credit);

-- The account towards another shard, in a currency: what left for there and has not arrived, or the other way round.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.transit (
  shard smallint NOT NULL,
  other smallint NOT NULL,
  currency text NOT NULL,
  account_id bigint NOT NULL,
  PRIMARY KEY (shard, other, currency)
);
SELECT kernel.wall('payments', 'transit', NULL);

-- How often an actor asked for the name behind an alias in a window of time, so that names cannot be collected.
-- distributed by actor
CREATE TABLE IF NOT EXISTS payments.alias_rate (
  actor text PRIMARY KEY,                 -- personal: fraud-prevention, keep 1 day
  since timestamptz NOT NULL,
  n int NOT NULL
);
SELECT kernel.wall('payments', 'alias_rate', NULL);

-- A payment file as handed in: who pays, who approved, how far it is.
-- distributed by id
CREATE TABLE IF NOT EXISTS payments.payment_file (
  id uuid PRIMARY KEY,
  institution text NOT NULL,
  message_id text NOT NULL,
  message_at text NOT NULL,               -- the file's own CreDtTm, told back in the report
  sha256 bytea NOT NULL,
  currency text NOT NULL,
  lines int NOT NULL,
  total bigint NOT NULL,
  purpose text NOT NULL,
  basis text NOT NULL,
  uploaded_by text NOT NULL,              -- personal: payment, keep 10 years
  uploaded_at timestamptz NOT NULL,
  approved_by text,                       -- personal: payment, keep 10 years
  approved_at timestamptz,
  state text NOT NULL DEFAULT 'waiting',  -- preparing, waiting (for approval), approved, running, finished
  leased_until timestamptz,               -- one program at a time works a file off
  finished_at timestamptz
);
SELECT kernel.wall('payments', 'payment_file', NULL);
CREATE INDEX IF NOT EXISTS payment_file_newest ON payments.payment_file (institution, uploaded_at DESC);
CREATE INDEX IF NOT EXISTS payment_file_due ON payments.payment_file (approved_at) WHERE state IN ('approved', 'running');

-- The payment blocks (PmtInf) of a file: each is paid out of one account.
-- distributed by file_id
CREATE TABLE IF NOT EXISTS payments.payment_block (
  file_id uuid NOT NULL,
  block int NOT NULL,
  block_id text NOT NULL,
  payer bigint NOT NULL,
  first_line int NOT NULL,
  lines int NOT NULL,
  PRIMARY KEY (file_id, block)
);
SELECT kernel.wall('payments', 'payment_block', NULL);

-- The lines of a file that wait, in parts that are worked off as one: sealed, and forgotten once they have ended.
-- distributed by file_id
CREATE TABLE IF NOT EXISTS payments.payment_part (
  file_id uuid NOT NULL,
  part int NOT NULL,
  first_line int NOT NULL,
  lines int NOT NULL,
  total bigint NOT NULL,
  sealed bytea,                           -- personal: payment, keep until the lines have ended (numbers, amounts, words)
  paid int NOT NULL DEFAULT 0,
  rejected int NOT NULL DEFAULT 0,
  paid_amount bigint NOT NULL DEFAULT 0,
  ended_at timestamptz,
  PRIMARY KEY (file_id, part)
);
SELECT kernel.wall('payments', 'payment_part', NULL);

-- The lines of a file that have ended, each with its outcome; nothing about people. As the journal, it is filled by COPY,
-- so it has a trigger and a view for a wall.
-- distributed by file_id
CREATE TABLE IF NOT EXISTS payments.payment_line (
  file_id uuid NOT NULL,
  line int NOT NULL,
  instruction_id text NOT NULL,
  end_to_end_id text NOT NULL,
  amount bigint NOT NULL,
  status smallint NOT NULL,               -- 1 paid, 2 rejected
  reason text NOT NULL,                   -- ISO 20022 ExternalStatusReason1Code
  why text NOT NULL,
  transfer_id uuid,
  at timestamptz NOT NULL,
  PRIMARY KEY (file_id, line)
);
CREATE OR REPLACE TRIGGER ask_room BEFORE INSERT ON payments.payment_line
  FOR EACH STATEMENT EXECUTE FUNCTION payments.ask_room();
GRANT INSERT ON payments.payment_line TO msingi_app;
CREATE OR REPLACE VIEW payments.payment_line_seen WITH (security_barrier) AS
  SELECT * FROM payments.payment_line WHERE (SELECT kernel.room()) = 'payments';
GRANT SELECT ON payments.payment_line_seen TO msingi_app;

-- Holders whose sign-in was given back at a centre: until when their accounts pay out small amounts only.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.recovering (
  person_id uuid PRIMARY KEY,
  until timestamptz NOT NULL              -- personal: fraud-prevention, keep until then
);
SELECT kernel.wall('payments', 'recovering', 'person_id');
CREATE INDEX IF NOT EXISTS recovering_until ON payments.recovering (until);
