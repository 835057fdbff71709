-- name: shard
-- Where a shard stands: epoch, next seq, head of the chain, instant of the last batch.
SELECT s.epoch, s.seq, s.head,
  (SELECT b.at FROM payments.batch b WHERE b.shard = s.shard ORDER BY b.first_seq DESC LIMIT 1) AS last_at
FROM payments.shard s WHERE s.shard = $1

-- name: settle_batch
-- Pass the fence, set the changed balances, and chain the batch: all or nothing.
-- The columns of balances come as array literals: writing them element by element would be slow.
SELECT payments.settle($1::smallint, $2, $3, $4, $5, $6::bytea, $7::bytea, $8::bytea, $9::timestamptz,
  $10::text::bigint[], $11::text::bigint[], $12::text::bigint[], $13::text::bigint[], $14::text::int[],
  $15::text::bigint[])

-- name: add_holds
-- Keep holds that begin.
INSERT INTO payments.hold (shard, id, debit, credit, amount, currency, owner, day, expires_us)
SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::int[],
  $9::bigint[]) RETURNING 1

-- name: end_holds
-- Forget holds that have ended.
DELETE FROM payments.hold WHERE shard = $1 AND id = ANY ($2::uuid[])

-- name: holds
-- All open holds of a shard, for the writer's memory.
SELECT id, debit, credit, amount, currency, owner, day, expires_us FROM payments.hold WHERE shard = $1

-- name: shards_due
-- The shards in which the time of some hold is over.
SELECT DISTINCT shard FROM payments.hold WHERE expires_us > 0 AND expires_us <= $1

-- name: transits
-- The accounts of a shard towards others.
SELECT other, currency, account_id FROM payments.transit WHERE shard = $1

-- name: claim_transit
-- Take the place of an account towards another shard; nothing happens if it is taken.
INSERT INTO payments.transit (shard, other, currency, account_id) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING

-- name: name_transit
-- Say which account it is.
UPDATE payments.transit SET account_id = $4 WHERE shard = $1 AND other = $2 AND currency = $3

-- name: originals
-- Posted rows that orders name, with what was posted in their name: paid back, or the hold's end. The journal is asked
-- for keys: behind its view a join alone would read all of it.
WITH t AS MATERIALIZED (SELECT shard, seq, at FROM payments.transfer_id_seen WHERE id = ANY ($1::uuid[]))
SELECT j.id, j.kind, j.debit, j.credit, j.currency, j.amount,
  (SELECT coalesce(sum(r.amount), 0)::bigint FROM payments.journal_seen r
   WHERE r.shard = $2 AND r.pending_id = j.id AND r.kind = 5 AND r.status = 1) AS reversed
FROM payments.journal_seen j
WHERE j.shard = $2 AND j.status = 1 AND j.id = ANY ($1::uuid[])
  AND j.seq = ANY (ARRAY(SELECT seq FROM t))

-- name: known_ids
-- How orders with these ids ended, for those who repeat them.
WITH t AS MATERIALIZED (SELECT * FROM payments.transfer_id_seen WHERE id = ANY ($1::uuid[]))
SELECT j.id, j.body_hash, j.seq, j.reason, j.debit_after, j.credit_after, j.at
FROM payments.journal_seen j
WHERE j.shard = ANY (ARRAY(SELECT shard FROM t)) AND j.seq = ANY (ARRAY(SELECT seq FROM t))
  AND j.id = ANY ($1::uuid[])

-- name: accounts_page
-- A page of a shard's accounts in the order of their ids, for the writer's memory.
SELECT id, posted, reserved, floor, spent, last_seq, day, tier, flags, owner, currency FROM payments.account
WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: accounts_by_id
-- Some accounts of a shard, for the writer's memory.
SELECT id, posted, reserved, floor, spent, last_seq, day, tier, flags, owner, currency FROM payments.account
WHERE shard = $1 AND id = ANY ($2::bigint[])

-- name: touched_since
-- The accounts that journal rows from a seq on have touched.
SELECT debit AS id FROM payments.journal_seen WHERE shard = $1 AND seq >= $2 AND status = 1
UNION SELECT credit FROM payments.journal_seen WHERE shard = $1 AND seq >= $2 AND status = 1

-- name: full_chapters
-- The chapters of the journal that are full and have no index of accounts yet, the oldest first.
SELECT c.shard, c.first_seq FROM payments.chapter c JOIN payments.shard s ON s.shard = c.shard
WHERE NOT c.indexed AND c.next_seq <= s.seq ORDER BY c.first_seq, c.shard

-- name: index_chapter
-- Build one index of a full chapter; false where there is nothing to do, or somebody else does it.
SELECT payments.index_chapter($1, $2, $3)

-- name: next_index
-- Take some dense account indexes of a shard; gives the first of them.
UPDATE payments.numbering SET next_index = next_index + $2 WHERE shard = $1 RETURNING next_index - $2

-- name: open_accounts
-- Open accounts in the ledger, without money; ids and owners as texts.
INSERT INTO payments.account (shard, id, owner, floor, tier, currency, kind)
SELECT $1, u.id, u.owner, $4, $5, $6, $7 FROM unnest($2::text::bigint[], $3::text::bigint[]) AS u (id, owner)
RETURNING 1

-- name: add_holders
-- Say whose the accounts are, by person; people and accounts as texts.
INSERT INTO payments.holder (person_id, account_id, kind, currency, is_default, opened_at)
SELECT u.person, u.account, $3, $4, u.is_default, $6
FROM unnest($1::text::uuid[], $2::text::bigint[], $5::boolean[]) AS u (person, account, is_default) RETURNING 1

-- name: add_owners
-- Say whose the accounts are, by account; accounts and people as texts.
INSERT INTO payments.account_owner (shard, account_id, person_id)
SELECT $1, u.account, u.person FROM unnest($2::text::bigint[], $3::text::uuid[]) AS u (account, person) RETURNING 1

-- name: add_institution_account
-- Say which institution holds an account.
INSERT INTO payments.institution_account (institution, account_id, kind, currency, label, opened_at)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: default_wallets
-- The default wallets of some people, who are given as one text.
SELECT person_id, account_id, currency FROM payments.holder WHERE person_id = ANY ($1::text::uuid[]) AND is_default

-- name: held_accounts
-- The accounts that a person holds, with their balances, the default one first.
WITH h AS MATERIALIZED (SELECT * FROM payments.holder WHERE person_id = $1)
SELECT h.account_id, h.kind, h.currency, h.is_default, h.opened_at, '' AS label, a.posted, a.reserved, a.floor, a.tier,
  NULL::bigint AS part_of
FROM h LEFT JOIN (SELECT * FROM payments.account
  WHERE (shard, id) IN (SELECT (account_id & 255)::smallint, account_id FROM h)) a ON a.id = h.account_id
ORDER BY h.is_default DESC, h.account_id

-- name: institution_accounts
-- The accounts that an institution holds, with their balances.
WITH i AS MATERIALIZED (SELECT i.*, s.account_id AS part_of FROM payments.institution_account i
  LEFT JOIN payments.sub_account s ON s.sub_id = i.account_id WHERE i.institution = $1)
SELECT i.account_id, i.kind, i.currency, false AS is_default, i.opened_at, i.label, a.posted, a.reserved, a.floor,
  a.tier, i.part_of
FROM i LEFT JOIN (SELECT * FROM payments.account
  WHERE (shard, id) IN (SELECT (account_id & 255)::smallint, account_id FROM i)) a ON a.id = i.account_id
ORDER BY i.account_id

-- name: owner_of
-- The person who holds an account.
SELECT person_id FROM payments.account_owner WHERE shard = $1 AND account_id = $2 LIMIT 1

-- name: owners_of
-- Everybody who holds an account.
SELECT person_id FROM payments.account_owner WHERE shard = $1 AND account_id = $2 ORDER BY person_id

-- name: signer_in_use
-- Whether a person's identity is in use, for whatever the person holds together with others.
UPDATE payments.signer SET in_use = $2 WHERE person_id = $1 AND in_use <> $2

-- name: institution_of
-- The institution that holds an account.
SELECT institution, label, kind, currency FROM payments.institution_account WHERE account_id = $1 LIMIT 1

-- name: issue_account
-- The account of the issuing side in a currency.
SELECT institution, account_id FROM payments.institution_account WHERE kind = 'issue' AND currency = $1 LIMIT 1

-- name: account
-- One account of the ledger.
SELECT currency, kind, flags, posted, reserved, floor FROM payments.account WHERE shard = $1 AND id = $2

-- name: entries
-- A page of an account's posted entries, newest first, before a seq.
SELECT seq, id, at, CASE WHEN debit = $2 THEN -amount ELSE amount END AS amount,
  CASE WHEN debit = $2 THEN debit_after ELSE credit_after END AS balance, CASE WHEN debit = $2 THEN credit ELSE debit END AS other,
  CASE WHEN debit = $2 THEN payee ELSE payer END AS name, reference, code
FROM payments.movements($1, $2, 1, $3, $4, words => true) ORDER BY seq DESC

-- name: balance_at
-- The balance of an account after its last entry up to an instant.
SELECT CASE WHEN debit = $2 THEN debit_after ELSE credit_after END AS balance
FROM payments.movements($1, $2, 1, payments.seq_at($1, $3::timestamptz + interval '1 microsecond'), 1)

-- name: transfer
-- One transfer as journalled, if the permit reaches one of its accounts.
WITH t AS MATERIALIZED (SELECT * FROM payments.transfer_id_seen WHERE id = $1)
SELECT j.* FROM payments.journal_seen j
WHERE j.shard = (SELECT shard FROM t) AND j.seq = (SELECT seq FROM t)

-- name: count_alias
-- Count one alias look-up of an actor in the running window; gives the count, which starts again for one that began
-- before $3.
INSERT INTO payments.alias_rate AS r (actor, since, n) VALUES ($1, $2, 1)
ON CONFLICT (actor) DO UPDATE SET
  n = CASE WHEN r.since <= $3 THEN 1 ELSE r.n + 1 END,
  since = CASE WHEN r.since <= $3 THEN $2 ELSE r.since END
RETURNING n

-- name: shards
-- All shards and where they stand.
SELECT shard, epoch, seq, head FROM payments.shard ORDER BY shard

-- name: batches_page
-- A page of a shard's batches in order, for the checker.
SELECT first_seq, n, at, prev, root, head FROM payments.batch WHERE shard = $1 AND first_seq > $2
ORDER BY first_seq LIMIT $3

-- name: journal_page
-- A page of a shard's journal in order, with what the id directory says of each row, for the checker.
WITH j AS MATERIALIZED (SELECT * FROM payments.journal_seen WHERE shard = $1 AND seq >= $2 AND seq < $3)
SELECT j.shard, j.seq, j.id, j.kind, j.pending_id, j.debit, j.credit, j.amount, j.debit_after, j.credit_after,
  j.currency, j.code, j.status, j.reason, j.body_hash, j.at, j.permit, j.timeout_s, j.linked,
  j.debit_before, j.credit_before, j.reference,
  (t.seq = j.seq AND t.shard = j.shard AND t.at = j.at) AS listed
FROM j LEFT JOIN (
  SELECT * FROM payments.transfer_id_seen WHERE id = ANY (ARRAY(SELECT id FROM j))) t ON t.id = j.id
ORDER BY j.seq

-- name: journal_extent
-- How many rows the journal and the id directory of a shard have, and the last seq.
SELECT (SELECT count(*) FROM payments.journal_seen WHERE shard = $1) AS rows,
       (SELECT coalesce(max(seq), 0) FROM payments.journal_seen WHERE shard = $1) AS last_seq,
       (SELECT count(*) FROM payments.transfer_id_seen WHERE shard = $1) AS ids

-- name: reversed_ids
-- The transfers that posted rows of a shard reverse, for the checker.
SELECT DISTINCT pending_id FROM payments.journal_seen
WHERE shard = $1 AND pending_id IS NOT NULL AND kind = 5 AND status = 1

-- name: every_holder
-- Everybody who holds an account, each once; for published figures.
SELECT DISTINCT person_id FROM payments.holder

-- name: add_file
-- Keep a payment file that was handed in.
INSERT INTO payments.payment_file (id, institution, message_id, message_at, sha256, currency, lines, total, purpose,
  basis, uploaded_by, uploaded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)

-- name: add_block
-- Keep a payment block of a file: which account pays, and which lines.
INSERT INTO payments.payment_block (file_id, block, block_id, payer, first_line, lines) VALUES ($1, $2, $3, $4, $5, $6)

-- name: add_part
-- Keep lines of a file that wait, sealed together.
INSERT INTO payments.payment_part (file_id, part, first_line, lines, total, sealed) VALUES ($1, $2, $3, $4, $5, $6)

-- name: file
-- A payment file with its progress.
SELECT f.*, l.paid, l.rejected, l.paid_amount
FROM payments.payment_file f CROSS JOIN LATERAL (
  SELECT coalesce(sum(paid), 0)::int AS paid, coalesce(sum(rejected), 0)::int AS rejected,
    coalesce(sum(paid_amount), 0)::bigint AS paid_amount
  FROM payments.payment_part WHERE file_id = $1) AS l
WHERE f.id = $1

-- name: files
-- An institution's newest payment files with their progress.
SELECT f.*, l.paid, l.rejected, l.paid_amount
FROM payments.payment_file f CROSS JOIN LATERAL (
  SELECT coalesce(sum(paid), 0)::int AS paid, coalesce(sum(rejected), 0)::int AS rejected,
    coalesce(sum(paid_amount), 0)::bigint AS paid_amount
  FROM payments.payment_part WHERE file_id = f.id) AS l
WHERE f.institution = $1 ORDER BY f.uploaded_at DESC LIMIT $2

-- name: approve_file
-- Approve a file that waits for it.
UPDATE payments.payment_file SET state = 'approved', approved_by = $2, approved_at = $3
WHERE id = $1 AND state = 'waiting'

-- name: lease_file
-- Become the one program that works a file off, for some seconds; also to go on doing so ($3: until when it was mine).
UPDATE payments.payment_file SET state = 'running', leased_until = $2
WHERE id = $1 AND state IN ('approved', 'running') AND (leased_until IS NULL OR leased_until < now() OR leased_until = $3)

-- name: finish_file
-- Every line of a file has ended.
UPDATE payments.payment_file SET state = 'finished', finished_at = $2, leased_until = NULL
WHERE id = $1 AND state = 'running' AND NOT EXISTS (
  SELECT 1 FROM payments.payment_part WHERE file_id = $1 AND ended_at IS NULL)

-- name: release_file
-- Leave a file for whoever comes next.
UPDATE payments.payment_file SET leased_until = NULL WHERE id = $1 AND leased_until = $2

-- name: due_files
-- Approved files that nobody works off at present, the oldest first.
SELECT id FROM payments.payment_file
WHERE state IN ('approved', 'running') AND (leased_until IS NULL OR leased_until < now()) ORDER BY approved_at LIMIT 10

-- name: blocks
-- The payment blocks of a file.
SELECT block, block_id, payer, first_line, lines FROM payments.payment_block WHERE file_id = $1 ORDER BY block

-- name: waiting_part
-- The next part of a file that waits, after a part.
SELECT part, first_line, lines, sealed FROM payments.payment_part
WHERE file_id = $1 AND part > $2 AND ended_at IS NULL ORDER BY part LIMIT 1

-- name: waiting_parts
-- The parts of a file that wait and have lines in a range.
SELECT part, first_line, sealed FROM payments.payment_part
WHERE file_id = $1 AND first_line <= $3 AND first_line + lines > $2 AND ended_at IS NULL ORDER BY part

-- name: end_part
-- A part of a file has ended, unless it had; who was to be paid is forgotten.
UPDATE payments.payment_part SET paid = $3, rejected = $4, paid_amount = $5, ended_at = $6, sealed = NULL
WHERE file_id = $1 AND part = $2 AND ended_at IS NULL

-- name: lines_between
-- The lines of a file in a range that have ended; those that went back say so (NOAS: no answer from the customer).
SELECT l.line, l.instruction_id, l.end_to_end_id, l.amount, l.status, coalesce(r.reason, l.reason) AS reason,
  coalesce(r.why, l.why) AS why, l.transfer_id, l.at
FROM payments.payment_line_seen l LEFT JOIN (
  SELECT line, 'NOAS' AS reason, 'Not collected: returned on ' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS why
  FROM payments.returned_line WHERE file_id = $1) r ON r.line = l.line
WHERE l.file_id = $1 AND l.line BETWEEN $2 AND $3 ORDER BY l.line

-- name: rejected_page
-- A page of a file's lines that were rejected, in order.
SELECT line, instruction_id, end_to_end_id, amount, status, reason, why, transfer_id, at
FROM payments.payment_line_seen WHERE file_id = $1 AND line > $2 AND status = 2 ORDER BY line LIMIT $3

-- name: restricted
-- The accounts of a shard that may not do everything, read again whenever the fence has moved: few, because the
-- many that only sleep (64) are read again only when they fell asleep or woke after the epoch that is remembered.
SELECT id FROM payments.account WHERE shard = $1 AND flags & ~64::smallint <> 1
UNION SELECT account_id FROM payments.sleeper WHERE shard = $1 AND epoch > $2

-- name: restrict_holder
-- Set or lift one flag ($2) on all accounts of a person; gives the shards in which something changed. When an identity
-- is out of use (8), a joint account stays open to its other holders: this one signs for it no more.
UPDATE payments.account a SET flags = CASE WHEN $3 THEN a.flags | $2::smallint ELSE a.flags & ~$2::smallint END
FROM payments.holder h
WHERE h.person_id = $1 AND a.shard = (h.account_id & 255)::smallint AND a.id = h.account_id
  AND (a.flags & $2::smallint <> 0) <> $3 AND (h.kind <> 'joint' OR $2::smallint <> 8)
RETURNING a.shard

-- name: move_fence
-- Make every writer of these shards read again before its next batch is kept.
UPDATE payments.shard SET epoch = epoch + 1 WHERE shard = ANY ($1::smallint[])

-- name: flag_account
-- Set or lift flags ($3) of an account that is not closed.
UPDATE payments.account SET flags = CASE WHEN $4 THEN flags | $3::smallint ELSE flags & ~$3::smallint END
WHERE shard = $1 AND id = $2 AND flags & 1 = 1 AND flags & 16 = 0

-- name: close_account
-- Close an account that holds nothing and that no hold touches; its fence has been moved.
UPDATE payments.account a SET flags = flags | 16::smallint
WHERE shard = $1 AND id = $2 AND flags & 16 = 0 AND posted = 0 AND reserved = 0
  AND NOT EXISTS (SELECT 1 FROM payments.hold h WHERE h.shard = $1 AND (h.debit = $2 OR h.credit = $2))

-- name: no_default
-- A closed wallet is no longer the one that a phone number leads to.
UPDATE payments.holder SET is_default = false WHERE person_id = $1 AND account_id = $2

-- name: holder_ref_of
-- The keyed hash of whoever holds an account.
SELECT owner FROM payments.account WHERE shard = $1 AND id = $2

-- name: open_shard
-- Give a shard its fence.
INSERT INTO payments.shard (shard) VALUES ($1) ON CONFLICT DO NOTHING

-- name: open_numbering
-- Give a shard its numbering of accounts.
INSERT INTO payments.numbering (shard) VALUES ($1) ON CONFLICT DO NOTHING

-- name: waiting_crossings
-- Open reservations for accounts of other shards, made before an instant.
WITH h AS MATERIALIZED (
  SELECT id FROM payments.hold WHERE shard = $1 AND expires_us = 0 AND (credit & 255) <> shard)
SELECT t.id, t.seq FROM payments.transfer_id_seen t WHERE t.id = ANY (ARRAY(SELECT id FROM h)) AND t.at < $2
ORDER BY t.seq LIMIT 200

-- name: hold_of
-- An open hold.
SELECT id, debit, credit, amount, currency, owner, day, expires_us FROM payments.hold WHERE shard = $1 AND id = $2

-- name: promises
-- Open holds for what another shard has reserved, a page in the order of their ids, made before an instant.
WITH h AS MATERIALIZED (
  SELECT id, debit, credit, amount, currency, owner FROM payments.hold
  WHERE shard = $1 AND (debit & 255) <> shard AND id > $2)
SELECT h.id, h.debit, h.credit, h.amount, h.currency, h.owner
FROM h JOIN (SELECT * FROM payments.transfer_id_seen WHERE id = ANY (ARRAY(SELECT id FROM h))) t ON t.id = h.id
WHERE t.at < $3 ORDER BY h.id LIMIT 500

-- name: still_held
-- Those of some holds that are open.
SELECT id FROM payments.hold WHERE shard = $1 AND id = ANY ($2::uuid[])

-- name: sub_accounts
-- The sub-accounts of an account.
SELECT shard, sub_id FROM payments.sub_account WHERE account_id = $1

-- name: take_sub_accounts
-- The sub-accounts of an account, for one user at a time.
SELECT shard, sub_id FROM payments.sub_account WHERE account_id = $1 ORDER BY shard FOR UPDATE

-- name: add_sub_account
-- Keep a sub-account, unless there is one.
INSERT INTO payments.sub_account AS s (account_id, shard, sub_id, used_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id, shard) DO UPDATE SET used_at = excluded.used_at RETURNING s.sub_id

-- name: use_sub_account
-- Note that a sub-account is being used.
UPDATE payments.sub_account SET used_at = $3 WHERE account_id = $1 AND shard = $2

-- name: pays_now
-- Whether a file is being paid out of an account.
SELECT EXISTS (SELECT 1 FROM payments.payment_file f JOIN payments.payment_block b ON b.file_id = f.id
  WHERE f.state = 'running' AND b.payer = $1)

-- name: mains
-- The accounts that have sub-accounts.
SELECT DISTINCT account_id FROM payments.sub_account ORDER BY account_id

-- name: listed_ids
-- Those of some transfer ids that have been decided.
SELECT id FROM payments.transfer_id_seen WHERE id = ANY ($1::uuid[])

-- name: rows_between
-- Journal rows of a shard, with the owner of each open hold among them.
SELECT j.*, h.owner FROM payments.journal_seen j LEFT JOIN payments.hold h ON h.shard = j.shard AND h.id = j.id
WHERE j.shard = $1 AND j.seq BETWEEN $2 AND $3 ORDER BY j.seq

-- name: end_of
-- The row that paid out of a hold.
SELECT * FROM payments.journal_seen WHERE pending_id = $1 AND kind = 3 AND status = 1 LIMIT 1

-- name: keep_recovering
-- A holder's sign-in was given back; the latest end counts.
INSERT INTO payments.recovering AS r (person_id, until) VALUES ($1, $2)
ON CONFLICT (person_id) DO UPDATE SET until = greatest(r.until, excluded.until)

-- name: recovered_by
-- Holders whose days of small amounts are over, first those whose ended first.
SELECT person_id FROM payments.recovering WHERE until <= $1 ORDER BY until LIMIT $2

-- name: end_recovering
-- The days of small amounts are over; none if a later recovery began others.
DELETE FROM payments.recovering WHERE person_id = $1 AND until <= $2
