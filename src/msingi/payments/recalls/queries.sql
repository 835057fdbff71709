-- name: add_recall
-- Keep a recall; nothing happens if the payment is asked back already.
INSERT INTO payments.recall (recall_id, outgoing, transfer, movement, person, institution, account, other, kind, amount,
  currency, paid_at, opened_at, answer_due, due_at, words)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING

-- name: recall
-- One recall, locked until the transaction ends.
SELECT * FROM payments.recall WHERE recall_id = $1 FOR UPDATE

-- name: recall_steps
-- What happened with a recall, in order.
SELECT at, what FROM payments.recall_step WHERE recall_id = $1 ORDER BY at, what

-- name: add_step
-- Something happened.
INSERT INTO payments.recall_step (recall_id, at, what) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: note_sent
-- When the other bank was last asked.
UPDATE payments.recall SET sent_at = $2 WHERE recall_id = $1

-- name: note_told
-- What the other bank was last answered.
UPDATE payments.recall SET told = $2 WHERE recall_id = $1

-- name: note_late
-- Nobody answered in time; our customer is told once.
UPDATE payments.recall SET late = true WHERE recall_id = $1 AND NOT late

-- name: note_held
-- What is held of our customer's money.
UPDATE payments.recall SET hold = $2, held = $3 WHERE recall_id = $1

-- name: note_answer
-- What the other bank says to a recall of ours.
UPDATE payments.recall SET state = $2, answer = coalesce($3, answer), reason = $4,
  ended_at = CASE WHEN $2 = 'refused' THEN $5::timestamptz END
WHERE recall_id = $1 AND ended_at IS NULL

-- name: note_refund
-- A transfer brought money back, each once.
UPDATE payments.recall SET state = 'refunded', refunded = refunded + $3, refunds = refunds || $2::text, reason = '',
  ended_at = $4
WHERE recall_id = $1 AND NOT $2 = ANY (refunds)

-- name: note_words
-- What our customer says to another bank's wish.
UPDATE payments.recall SET state = 'answered', answer = $2 WHERE recall_id = $1 AND state = 'asked'

-- name: intend_return
-- Be the one who pays back an amount; gives the number of the attempt.
UPDATE payments.recall SET state = 'returning', intent = $2, intent_at = $3, decision = $4, decided_by = $5
WHERE recall_id = $1 AND state IN ('asked', 'answered') RETURNING attempt

-- name: return_again
-- An attempt did not go through: the next one is another one.
UPDATE payments.recall SET state = 'answered', intent = NULL, attempt = attempt + 1, decision = NULL, decided_by = '',
  hold = NULL, held = 0
WHERE recall_id = $1 AND attempt = $2 AND state = 'returning'

-- name: end_return
-- What was to be paid back has left.
UPDATE payments.recall SET state = 'refunded', refunded = intent, held = 0, ended_at = $2
WHERE recall_id = $1 AND state = 'returning'

-- name: end_refused
-- An officer refuses another bank's wish.
UPDATE payments.recall SET state = 'refused', reason = $2, decision = $3, decided_by = $4, held = 0, ended_at = $5
WHERE recall_id = $1 AND state IN ('asked', 'answered')

-- name: note_recall_complaint
-- The case at the register of complaints.
UPDATE payments.recall SET complaint = $2 WHERE recall_id = $1

-- name: own_recalls
-- A page of the recalls that concern somebody, newest first.
SELECT * FROM payments.recall
WHERE (person = $1 OR ($2 <> '' AND institution = $2))
  AND ($3::timestamptz IS NULL OR (opened_at, recall_id) < ($3, $4))
ORDER BY opened_at DESC, recall_id DESC LIMIT $5

-- name: recall_queue
-- A page of what waits: other banks' wishes for an officer, and our own whose day is over; the most urgent first.
SELECT * FROM payments.recall
WHERE ended_at IS NULL AND (NOT outgoing OR due_at < $4) AND ($1::timestamptz IS NULL OR (due_at, recall_id) > ($1, $2))
ORDER BY due_at, recall_id LIMIT $3

-- name: recalls_to_carry
-- Recalls that the stack itself has to go on with: to be asked again, late, on the way back, or not answered yet.
SELECT * FROM payments.recall
WHERE ended_at IS NULL AND recall_id > $1
  AND ((outgoing AND state IN ('asked', 'pending') AND due_at >= $2 AND (sent_at IS NULL OR sent_at < $3))
    OR (outgoing AND NOT late AND due_at < $2) OR state = 'returning' OR (NOT outgoing AND told = ''))
ORDER BY recall_id LIMIT $4

-- name: recalls_untold
-- Ended recalls of other banks whose answer has not been sent.
SELECT * FROM payments.recall
WHERE ended_at IS NOT NULL AND NOT outgoing AND told IN ('', 'PDCR') ORDER BY recall_id LIMIT $1
