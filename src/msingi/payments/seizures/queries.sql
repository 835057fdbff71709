-- name: add_seizure
-- Enter an order.
INSERT INTO payments.seizure (seizure_id, account, pay_to, pay_to_name, number, authority, issued_on, last_day, amount,
  protected, currency, made_by, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING

-- name: seizure
-- One seizure with what is held and was paid.
SELECT s.seizure_id, s.account, s.pay_to, s.pay_to_name, s.number, s.authority, s.issued_on, s.last_day, s.amount,
  s.protected, s.currency, s.state, s.made_by, s.made_at, s.why,
  coalesce((SELECT sum(p.amount) FROM payments.seizure_part p WHERE p.seizure_id = s.seizure_id
    AND p.state IN ('asked', 'open', 'paying')), 0)::bigint AS held,
  coalesce((SELECT sum(p.amount) FROM payments.seizure_part p WHERE p.seizure_id = s.seizure_id
    AND p.state = 'paid'), 0)::bigint AS paid
FROM payments.seizure s WHERE s.seizure_id = $1

-- name: hold_seizure
-- One seizure, while nobody else changes it.
SELECT seizure_id FROM payments.seizure WHERE seizure_id = $1 FOR UPDATE

-- name: parts
-- What a seizure holds.
SELECT place, hold, amount, state FROM payments.seizure_part WHERE seizure_id = $1 ORDER BY place

-- name: add_part
-- Hold something more; written before the ledger is asked.
INSERT INTO payments.seizure_part (seizure_id, place, hold, amount) VALUES ($1, $2, $3, $4)

-- name: set_part
-- How a part stands.
UPDATE payments.seizure_part SET state = $3 WHERE seizure_id = $1 AND place = $2

-- name: end_seizure
-- How a seizure ended; nothing if it had ended.
UPDATE payments.seizure SET state = $2, ended_by = $3, why = $4 WHERE seizure_id = $1 AND state = 'active'

-- name: active
-- Seizures that are in force, or whose day is over, in the order in which they are looked at.
SELECT seizure_id FROM payments.seizure WHERE state = 'active' AND seizure_id > $1 ORDER BY seizure_id LIMIT $2

-- name: of_accounts
-- The seizures of some accounts, newest first.
SELECT seizure_id FROM payments.seizure WHERE account = ANY ($1::bigint[]) ORDER BY made_at DESC, seizure_id LIMIT 100

-- name: page_of_seizures
-- A page of all seizures, newest first.
SELECT seizure_id, made_at FROM payments.seizure
WHERE $1::timestamptz IS NULL OR (made_at, seizure_id) < ($1, $2::uuid)
ORDER BY made_at DESC, seizure_id DESC LIMIT $3
