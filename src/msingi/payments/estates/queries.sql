-- name: add_estate
-- Propose an estate; nothing if one is proposed or open already.
INSERT INTO payments.estate (person_id, estate_id, account, number, authority, issued_on, currency, heirs, made_by,
  made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING

-- name: estate
-- One estate.
SELECT * FROM payments.estate WHERE estate_id = $1

-- name: hold_estate
-- One estate, while nobody else changes how it stands.
SELECT * FROM payments.estate WHERE estate_id = $1 FOR UPDATE

-- name: decide_estate
-- A second officer agrees or refuses.
UPDATE payments.estate SET state = $3, decided_by = $4, decided_at = $5
WHERE person_id = $1 AND estate_id = $2 AND state = 'proposed'

-- name: close_estate
-- Everything is paid and closed.
UPDATE payments.estate SET state = 'closed', closed_at = $3 WHERE person_id = $1 AND estate_id = $2 AND state = 'open'

-- name: add_stopped
-- Standing orders that ended.
UPDATE payments.estate SET stopped = stopped + $3 WHERE person_id = $1 AND estate_id = $2

-- name: estates
-- A page of the estates, the newest first.
SELECT * FROM payments.estate WHERE ($1::timestamptz IS NULL OR (made_at, estate_id) < ($1, $2))
ORDER BY made_at DESC, estate_id DESC LIMIT $3

-- name: open_estates
-- Estates that are open, in the order of their ids.
SELECT estate_id FROM payments.estate WHERE state = 'open' AND estate_id > $1 ORDER BY estate_id LIMIT $2

-- name: parts
-- What the heirs of an estate were to get, and how that stands.
SELECT account, round, place, heir, amount, attempt, state, why FROM payments.estate_part
WHERE person_id = $1 AND estate_id = $2 ORDER BY account, round, place

-- name: add_parts
-- Write down what each heir gets.
INSERT INTO payments.estate_part (person_id, estate_id, account, round, place, heir, amount, at)
SELECT $1, $2, $3, $4, u.place, u.heir, u.amount, $8
FROM unnest($5::int[], $6::bigint[], $7::bigint[]) AS u (place, heir, amount)

-- name: set_part
-- How one heir's part stands.
UPDATE payments.estate_part SET state = $6, why = $7, attempt = $8
WHERE person_id = $1 AND estate_id = $2 AND account = $3 AND round = $4 AND place = $5

-- name: close_account
-- An empty account of somebody who died is closed for good; nothing if it is not empty, or another holder's.
UPDATE payments.account SET flags = flags | 16::smallint
WHERE shard = $1 AND id = $2 AND owner = $3 AND posted = 0 AND reserved = 0 AND flags & 16::smallint = 0
