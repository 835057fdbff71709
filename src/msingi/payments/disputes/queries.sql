-- name: add_dispute
-- Open a dispute; nothing happens if the transfer is disputed already.
INSERT INTO payments.dispute (dispute_id, payer, payee, payee_institution, debit, credit, payer_name, payee_name, amount,
  currency, paid_at, kind, opened_at, answer_due, decide_due, words)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING

-- name: dispute
-- One dispute, locked until the transaction ends.
SELECT * FROM payments.dispute WHERE dispute_id = $1 FOR UPDATE

-- name: note_hold
-- What is held of the payee's money.
UPDATE payments.dispute SET hold = $2, held = $3 WHERE dispute_id = $1

-- name: answer
-- The other side's answer.
UPDATE payments.dispute SET state = 'answered', answer = $2 WHERE dispute_id = $1 AND state = 'open'

-- name: intend
-- Be the one who ends a dispute by paying back an amount; gives the number of the attempt.
UPDATE payments.dispute SET intent = $2
WHERE dispute_id = $1 AND state IN ('open', 'answered') AND (intent IS NULL OR intent = $2) RETURNING attempt

-- name: try_again
-- The ledger refused an attempt: the next one is another one.
UPDATE payments.dispute SET intent = NULL, attempt = attempt + 1 WHERE dispute_id = $1 AND attempt = $2

-- name: end_dispute
-- How a dispute ended.
UPDATE payments.dispute SET state = $2, refunded = $3, held = 0, reason = $4, decided_by = $5, ended_at = $6
WHERE dispute_id = $1 AND state IN ('open', 'answered')

-- name: note_complaint
-- The case at the register of complaints.
UPDATE payments.dispute SET complaint = $2 WHERE dispute_id = $1

-- name: own_disputes
-- A page of the disputes in which somebody takes part, newest first.
SELECT * FROM payments.dispute
WHERE (payer = $1 OR payee = $1 OR ($2 <> '' AND payee_institution = $2))
  AND ($3::timestamptz IS NULL OR (opened_at, dispute_id) < ($3, $4))
ORDER BY opened_at DESC, dispute_id DESC LIMIT $5

-- name: dispute_queue
-- A page of disputes that wait for a decision, the most urgent first.
SELECT * FROM payments.dispute
WHERE state IN ('open', 'answered') AND ($1::timestamptz IS NULL OR (decide_due, dispute_id) > ($1, $2))
ORDER BY decide_due, dispute_id LIMIT $3

-- name: dispute_counts
-- What everybody may know, since an instant.
SELECT count(*) FILTER (WHERE opened_at > $1) AS opened,
  count(*) FILTER (WHERE ended_at > $1 AND state = 'refunded') AS refunded,
  count(*) FILTER (WHERE ended_at > $1 AND state = 'refused') AS refused,
  count(*) FILTER (WHERE state IN ('open', 'answered')) AS waiting,
  count(*) FILTER (WHERE state IN ('open', 'answered') AND decide_due < $2) AS late,
  count(*) FILTER (WHERE opened_at > $1 AND complaint <> '') AS taken_further
FROM payments.dispute
