-- name: paid_lately
-- What somebody paid or reserved out of an account since an instant, newest first.
SELECT at, amount, credit, id FROM payments.movements($2, $1, payments.seq_at($2, $3::timestamptz + interval '1 microsecond'),
  9223372036854775807, $4, 1, '{1,2}') ORDER BY seq DESC

-- name: came_lately
-- What was paid into an account since an instant and before a seq, newest first; the payers' references where people paid.
SELECT m.seq, m.at, m.amount, a.owner FROM payments.movements($2, $1,
  payments.seq_at($2, $3::timestamptz + interval '1 microsecond'), $5, $4, 2, '{1,3}') m
LEFT JOIN payments.account a ON a.shard = (m.debit & 255) AND a.id = m.debit AND a.tier > 0 ORDER BY m.seq DESC

-- name: paid_before
-- Whether an account ever paid another one.
SELECT EXISTS (SELECT 1 FROM payments.movements($2, $1, 1, 9223372036854775807, 1, 1, '{1,3}', other => $3))

-- name: was_decided
-- Whether the ledger has decided an order with this id.
SELECT EXISTS (SELECT 1 FROM payments.transfer_id_seen WHERE id = $1)

-- name: movements
-- The newest movements of an account, for an officer.
SELECT j.at, CASE WHEN j.debit = $1 THEN -j.amount ELSE j.amount END AS amount,
  CASE WHEN j.debit = $1 THEN j.credit ELSE j.debit END AS other, j.code
FROM payments.movements($3, $1, 1, 9223372036854775807, $2) j ORDER BY j.seq DESC

-- name: add_stop
-- Keep a payment that a rule stopped.
INSERT INTO payments.stopped_payment (person_id, stop_id, at, payer_name, debit, credit, payee_name, owner, amount,
  currency, told, rules, version, state, case_id, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING

-- name: stop
-- One stopped payment of somebody.
SELECT * FROM payments.stopped_payment WHERE person_id = $1 AND stop_id = $2

-- name: use_pass
-- Use what an officer let go: this payment, or one like it.
UPDATE payments.stopped_payment SET state = 'used' WHERE person_id = $1 AND stop_id = (
  SELECT stop_id FROM payments.stopped_payment
  WHERE person_id = $1 AND state = 'allowed' AND until > $2 AND (stop_id = $3 OR
    (debit = $4 AND credit = $5 AND currency = $6 AND amount >= $7))
  ORDER BY (stop_id = $3) DESC, amount LIMIT 1 FOR UPDATE)

-- name: stops
-- A page of somebody's stopped payments, newest first.
SELECT * FROM payments.stopped_payment
WHERE person_id = $1 AND ($2::timestamptz IS NULL OR (at, stop_id) < ($2, $3)) ORDER BY at DESC, stop_id DESC LIMIT $4

-- name: under_check
-- A stopped payment is in an officer's hands.
UPDATE payments.stopped_payment SET state = 'checking', case_id = $3, due_at = $4 WHERE person_id = $1 AND stop_id = $2

-- name: say_to_payer
-- The desk's words to the payer.
UPDATE payments.stopped_payment SET said = $3 WHERE person_id = $1 AND stop_id = $2

-- name: end_stop
-- What an officer decided about a stopped payment.
UPDATE payments.stopped_payment SET state = $3, until = $4, said = $5, due_at = NULL
WHERE person_id = $1 AND stop_id = $2

-- name: add_case
-- Open a case.
INSERT INTO payments.fraud_case (case_id, person_id, reference, kind, stop_id, rules, opened_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: queue
-- A page of cases that wait for an officer, the most urgent first.
SELECT c.*, coalesce(s.amount, 0) AS amount, coalesce(s.currency, '') AS currency
FROM payments.fraud_case c
LEFT JOIN payments.stopped_payment s ON s.person_id = c.person_id AND s.stop_id = c.stop_id
WHERE c.state IN ('open', 'taken', 'proposed') AND ($1::timestamptz IS NULL OR (c.due_at, c.case_id) > ($1, $2))
ORDER BY c.due_at, c.case_id LIMIT $3

-- name: fraud_case
-- One case with its payment, locked until the transaction ends.
SELECT c.*, coalesce(s.amount, 0) AS amount, coalesce(s.currency, '') AS currency,
  coalesce(s.debit, 0) AS debit, coalesce(s.credit, 0) AS credit, coalesce(s.payer_name, '') AS payer_name,
  coalesce(s.payee_name, '') AS payee_name, coalesce(s.version, '') AS version, coalesce(s.told, '') AS told,
  coalesce(s.owner, 0) AS owner, s.at AS stopped_at
FROM payments.fraud_case c
LEFT JOIN payments.stopped_payment s ON s.person_id = c.person_id AND s.stop_id = c.stop_id
WHERE c.case_id = $1 FOR UPDATE OF c

-- name: move_case
-- A step of a case.
UPDATE payments.fraud_case SET state = $2, taken_by = $3, proposed_by = $4, decided_by = $5, decided_at = $6
WHERE case_id = $1

-- name: add_note
-- Write into a case.
INSERT INTO payments.fraud_note (case_id, note_id, person_id, at, author, words) VALUES ($1, $2, $3, $4, $5, $6)

-- name: notes
-- What stands in a case, oldest first.
SELECT at, author, words FROM payments.fraud_note WHERE case_id = $1 ORDER BY note_id

-- name: add_report
-- Keep a report.
INSERT INTO payments.fraud_report (case_id, person_id, at, body) VALUES ($1, $2, $3, $4)

-- name: report
-- The report on a case.
SELECT body FROM payments.fraud_report WHERE case_id = $1

-- name: counts
-- What everybody may know of the desk, since an instant.
SELECT (SELECT count(*) FROM payments.stopped_payment WHERE at > $1) AS stopped,
  (SELECT count(*) FROM payments.fraud_case WHERE kind = 'contest' AND opened_at > $1) AS contested,
  (SELECT count(*) FROM payments.stopped_payment WHERE at > $1 AND state IN ('allowed', 'used')) AS let_go,
  (SELECT count(*) FROM payments.stopped_payment WHERE at > $1 AND state = 'refused') AS stayed,
  (SELECT count(*) FROM payments.fraud_case WHERE state IN ('open', 'taken', 'proposed')) AS open_cases,
  (SELECT count(*) FROM payments.fraud_case WHERE state IN ('open', 'taken', 'proposed') AND due_at < $2) AS late_cases

-- name: look_at
-- Watch somebody; the later end counts, and none is the latest.
INSERT INTO payments.fraud_watch AS w (person_id, why, since, until) VALUES ($1, $2, $3, $4)
ON CONFLICT (person_id, why) DO UPDATE SET since = excluded.since,
  until = CASE WHEN w.until IS NULL OR excluded.until IS NULL THEN NULL ELSE greatest(w.until, excluded.until) END

-- name: look_away
-- Watch somebody for a reason no longer.
DELETE FROM payments.fraud_watch WHERE person_id = $1 AND why = $2

-- name: forget_watched
-- Forget those whose time is over.
DELETE FROM payments.fraud_watch WHERE until < $1

-- name: watched
-- Everybody who is watched.
SELECT person_id, why, until FROM payments.fraud_watch WHERE until IS NULL OR until > $1

-- name: put_list
-- A list in force, newly imported.
INSERT INTO payments.sanction_list (list, sha256, entries, imported_at, imported_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (list) DO UPDATE SET sha256 = excluded.sha256, entries = excluded.entries, compared = 0,
  imported_at = excluded.imported_at, imported_by = excluded.imported_by, compared_at = NULL

-- name: drop_entries
-- Forget the entries of a list.
DELETE FROM payments.sanction_entry WHERE list = $1

-- name: put_entries
-- Keep the entries of a list.
INSERT INTO payments.sanction_entry (list, place, ref, body)
SELECT $1, u.place, u.ref, u.body FROM unnest($2::int[], $3::text[], $4::bytea[]) AS u (place, ref, body)
RETURNING 1

-- name: lists
-- The lists in force.
SELECT list, sha256, entries, compared, imported_at, compared_at FROM payments.sanction_list ORDER BY list

-- name: lists_to_compare
-- Lists that are not compared to the end, or whose last comparison is older than an instant.
SELECT list, compared FROM payments.sanction_list WHERE compared > 0 OR compared_at IS NULL OR compared_at < $1
ORDER BY list

-- name: entries
-- Some entries of a list.
SELECT place, ref, body FROM payments.sanction_entry WHERE list = $1 AND place >= $2 ORDER BY place LIMIT $3

-- name: compared
-- How far a list is compared.
UPDATE payments.sanction_list SET compared = $2, compared_at = coalesce($3, compared_at) WHERE list = $1

-- name: add_hit
-- Somebody is alike to an entry; nothing happens if that is known.
INSERT INTO payments.sanction_hit (person_id, list, ref, bits, case_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
