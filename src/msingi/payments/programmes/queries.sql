-- name: add_programme
-- Open a programme, unless the institution has one of this code.
INSERT INTO payments.programme (programme_id, institution, code, name, payer, currency, amount, eligibility, opened_by,
  opened_at, claim_days, warn_days)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (institution, code) DO NOTHING

-- name: programme
-- A programme by its id.
SELECT p.* FROM payments.programme p WHERE p.programme_id = $1

-- name: programme_by_code
-- A programme by its institution and code.
SELECT p.* FROM payments.programme p WHERE p.institution = $1 AND p.code = $2

-- name: programmes
-- A page of an institution's programmes in the order of their codes.
SELECT p.* FROM payments.programme p WHERE p.institution = $1 AND p.code > $2 ORDER BY p.code LIMIT $3

-- name: count_people
-- How many people stand in each of some programmes.
SELECT programme_id, count(*) AS people FROM payments.beneficiary
WHERE programme_id = ANY ($1::uuid[]) AND ended_at IS NULL GROUP BY programme_id

-- name: close_programme
-- End a programme; what was paid stays.
UPDATE payments.programme SET closed_at = $2 WHERE programme_id = $1 AND closed_at IS NULL

-- name: take_in
-- Take people into a programme; those who stand in it already are left as they are. Gives those who are new.
INSERT INTO payments.beneficiary AS b (person_id, programme_id, enrolled_by, enrolled_at)
SELECT u.person, $1, $3, $4 FROM unnest($2::uuid[]) AS u (person)
ON CONFLICT (person_id, programme_id) DO UPDATE SET ended_at = NULL, enrolled_by = $3, enrolled_at = $4
WHERE b.ended_at IS NOT NULL
RETURNING person_id

-- name: take_out
-- Somebody leaves a programme.
UPDATE payments.beneficiary SET ended_at = $3 WHERE person_id = $2 AND programme_id = $1 AND ended_at IS NULL

-- name: list_page
-- A page of those who stand in a programme.
SELECT person_id, enrolled_by, enrolled_at FROM payments.beneficiary
WHERE programme_id = $1 AND ended_at IS NULL AND person_id > $2 ORDER BY person_id LIMIT $3

-- name: lock_programme
-- One at a time: opening a cycle of a programme waits for whoever is opening one.
SELECT closed_at FROM payments.programme WHERE programme_id = $1 FOR UPDATE

-- name: last_attempt
-- The last file of a cycle, and how far it is.
SELECT c.attempt, f.state FROM payments.cycle c JOIN payments.payment_file f ON f.id = c.file_id
WHERE c.programme_id = $1 AND c.label = $2 ORDER BY c.attempt DESC LIMIT 1

-- name: first_file
-- The first payment file of a cycle.
SELECT file_id FROM payments.cycle WHERE programme_id = $1 AND label = $2 AND attempt = 1

-- name: someone_left
-- Whether somebody stands in the programme whom no file of this cycle has paid.
SELECT EXISTS (
  SELECT 1 FROM payments.beneficiary b WHERE b.programme_id = $1 AND b.ended_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM payments.cycle c JOIN payments.cycle_line d ON d.file_id = c.file_id AND d.person_id = b.person_id
    JOIN payments.payment_line_seen l ON l.file_id = d.file_id AND l.line = d.line
    WHERE c.programme_id = $1 AND c.label = $2 AND l.status = 1))

-- name: add_file
-- The payment file of a cycle, empty until everybody has been checked.
INSERT INTO payments.payment_file (id, institution, message_id, message_at, sha256, currency, lines, total, purpose,
  basis, uploaded_by, uploaded_at, state)
VALUES ($1, $2, $3, $4, $5, $6, 0, 0, $7, $8, $9, $10, 'preparing')

-- name: add_block
-- The one block of a cycle's file: everybody is paid out of the programme's account.
INSERT INTO payments.payment_block (file_id, block, block_id, payer, first_line, lines) VALUES ($1, 0, $2, $3, 1, 0)

-- name: add_cycle
-- Open a cycle, or a retry of it.
INSERT INTO payments.cycle (file_id, programme_id, label, attempt, opened_by, opened_at)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: cycles
-- The newest cycles of a programme, with the progress of their files.
SELECT c.*, f.state, f.lines, f.total, f.currency,
  (SELECT coalesce(sum(l.paid), 0)::int FROM payments.payment_part l WHERE l.file_id = c.file_id) AS paid,
  (SELECT coalesce(sum(l.rejected), 0)::int FROM payments.payment_part l WHERE l.file_id = c.file_id) AS rejected,
  (SELECT count(*) FROM payments.cycle_line d WHERE d.file_id = c.file_id) AS checked,
  (SELECT count(*) FROM payments.cycle_line d WHERE d.file_id = c.file_id AND d.line IS NULL) AS left_out
FROM payments.cycle c JOIN payments.payment_file f ON f.id = c.file_id
WHERE c.programme_id = $1 ORDER BY c.opened_at DESC, c.attempt DESC LIMIT $2

-- name: cycle_of_file
-- Which programme a cycle's file belongs to.
SELECT programme_id FROM payments.cycle WHERE file_id = $1

-- name: left_out
-- A page of those who were left out of a cycle.
SELECT person_id, why FROM payments.cycle_line
WHERE file_id = $1 AND line IS NULL AND person_id > $2 ORDER BY person_id LIMIT $3

-- name: due_cycles
-- Cycles whose list has not been checked to the end, the oldest first.
SELECT file_id FROM payments.cycle WHERE NOT ready ORDER BY opened_at LIMIT 10

-- name: open_cycle
-- A cycle that is being checked, with what its lines need; whoever else checks it waits.
SELECT c.file_id, c.programme_id, c.label, p.institution, p.name, p.amount, p.currency, p.eligibility, c.cursor,
  c.opened_at, (SELECT count(*) FROM payments.cycle_line d WHERE d.file_id = c.file_id AND d.line IS NOT NULL) AS lines
FROM payments.cycle c JOIN payments.programme p ON p.programme_id = c.programme_id
WHERE c.file_id = $1 AND NOT c.ready FOR UPDATE OF c

-- name: to_check
-- The next people to check: in the programme, and paid by no earlier file of this cycle.
SELECT b.person_id FROM payments.beneficiary b
WHERE b.programme_id = $1 AND b.ended_at IS NULL AND b.person_id > $3 AND NOT EXISTS (
  SELECT 1 FROM payments.cycle c JOIN payments.cycle_line d ON d.file_id = c.file_id AND d.person_id = b.person_id
  JOIN payments.payment_line_seen l ON l.file_id = d.file_id AND l.line = d.line
  WHERE c.programme_id = $1 AND c.label = $2 AND l.status = 1)
ORDER BY b.person_id LIMIT $4

-- name: add_part
-- Lines of a cycle's payment file that wait, sealed together; parts follow each other.
INSERT INTO payments.payment_part (file_id, part, first_line, lines, total, sealed)
SELECT $1, (SELECT count(*) FROM payments.payment_part WHERE file_id = $1), $2, $3, $4, $5

-- name: add_checked
-- What the check said of people.
INSERT INTO payments.cycle_line (file_id, person_id, line, why)
SELECT $1, * FROM unnest($2::uuid[], $3::int[], $4::text[]) RETURNING 1

-- name: move_cursor
-- How far the list has been checked.
UPDATE payments.cycle SET cursor = $2 WHERE file_id = $1

-- name: make_ready
-- Everybody has been checked: from here on the file waits for its approval, or is finished if it is empty.
UPDATE payments.cycle SET ready = true, cursor = NULL WHERE file_id = $1

-- name: close_file
-- The file has all its lines; it is named by what they come to.
UPDATE payments.payment_file f SET lines = l.lines, total = l.total,
  state = CASE WHEN l.lines > 0 THEN 'waiting' ELSE 'finished' END,
  finished_at = CASE WHEN l.lines > 0 THEN NULL ELSE $2::timestamptz END
FROM (SELECT coalesce(sum(lines), 0)::int AS lines, coalesce(sum(total), 0)::bigint AS total
      FROM payments.payment_part WHERE file_id = $1) AS l
WHERE f.id = $1 AND f.state = 'preparing'

-- name: close_block
-- The one block of the file holds all its lines.
UPDATE payments.payment_block b SET lines = f.lines FROM payments.payment_file f
WHERE b.file_id = $1 AND f.id = $1

-- name: unlooked
-- Cycles whose payments may be uncollected and were not all looked at: paid so long ago that people are to be told.
SELECT c.file_id, c.looked_line, p.name, p.claim_days, p.warn_days, f.finished_at, f.currency, f.lines
FROM payments.cycle c JOIN payments.programme p ON p.programme_id = c.programme_id
JOIN payments.payment_file f ON f.id = c.file_id
WHERE c.ready AND NOT c.looked AND p.claim_days > 0 AND f.state = 'finished'
  AND f.finished_at + make_interval(days => p.claim_days - p.warn_days) <= $1 ORDER BY c.opened_at LIMIT 10

-- name: paid_lines
-- Some lines of a cycle that were paid, with their people.
SELECT d.line, d.person_id, l.amount, l.transfer_id
FROM payments.cycle_line d
JOIN payments.payment_line_seen l ON l.file_id = d.file_id AND l.line = d.line AND l.status = 1
WHERE d.file_id = $1 AND d.line > $2 AND d.line <= $3
ORDER BY d.line

-- name: paid_into
-- Into which accounts some transfers of a shard were paid.
WITH t AS MATERIALIZED (SELECT * FROM payments.transfer_id_seen WHERE id = ANY ($1::uuid[]))
SELECT j.id, j.credit FROM payments.journal_seen j
WHERE j.shard = ANY (ARRAY(SELECT shard FROM t)) AND j.seq = ANY (ARRAY(SELECT seq FROM t))
  AND j.id = ANY ($1::uuid[])

-- name: used_accounts
-- Those of some accounts of a shard that have ever paid anything out.
SELECT a.id AS debit FROM unnest($2::bigint[]) AS a (id) WHERE EXISTS (
  SELECT 1 FROM payments.movements($1, a.id, 1, 9223372036854775807, 1, 1, NULL, not_codes => '{UNCL}'))

-- name: looked_at
-- How far a cycle's payments were looked at.
UPDATE payments.cycle SET looked_line = $2, looked = $3 WHERE file_id = $1

-- name: add_uncollected
-- Payments that people are told of.
INSERT INTO payments.uncollected
  (person_id, file_id, line, account_id, transfer_id, amount, currency, programme, told_at, returns_at)
SELECT u.person, $1, u.line, u.account, u.transfer, u.amount, $7, $8, $9, $10
FROM unnest($2::uuid[], $3::int[], $4::bigint[], $5::uuid[], $6::bigint[]) AS u (person, line, account, transfer, amount)
ON CONFLICT DO NOTHING

-- name: own_uncollected
-- What a person was told of and can still keep.
SELECT * FROM payments.uncollected WHERE person_id = $1 AND state = 'told' ORDER BY returns_at, file_id, line LIMIT 50

-- name: keep_uncollected
-- A person keeps what she was told of.
UPDATE payments.uncollected SET state = 'kept' WHERE person_id = $1 AND state = 'told'

-- name: overdue
-- Payments that people were told of, and that go back now.
SELECT * FROM payments.uncollected WHERE state IN ('told', 'returning') AND returns_at <= $1 ORDER BY returns_at LIMIT $2

-- name: end_uncollected
-- How a payment that was told of has ended.
UPDATE payments.uncollected SET state = $4 WHERE person_id = $1 AND file_id = $2 AND line = $3 AND state = 'returning'

-- name: begin_return
-- A payment that was told of is being ended: its holder keeps it no more by a word.
UPDATE payments.uncollected SET state = 'returning'
WHERE person_id = $1 AND file_id = $2 AND line = $3 AND state IN ('told', 'returning')

-- name: add_returned
-- A line that was paid has gone back.
INSERT INTO payments.returned_line (file_id, line, transfer_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
