-- name: put_request
-- Keep a request that waits for a person's decision.
INSERT INTO signin.request (person_id, request_id, client_id, secret_hash, wish, made_at, expires_at)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7)

-- name: waiting
-- What waits for a person, newest first.
SELECT request_id, client_id, wish, made_at, expires_at FROM signin.request
WHERE person_id = $1 AND decided = 'waiting' AND expires_at > $2 ORDER BY made_at DESC LIMIT 50

-- name: held_request
-- A request with all that decides about it, held until the transaction is over.
SELECT client_id, secret_hash, wish, terms, made_at, expires_at, decided, polled_at, slow FROM signin.request
WHERE person_id = $1 AND request_id = $2 FOR UPDATE

-- name: decide_request
-- The person said yes or no.
UPDATE signin.request SET decided = $3, terms = $4::jsonb WHERE person_id = $1 AND request_id = $2

-- name: poll_request
-- The software asked whether there is a decision.
UPDATE signin.request SET polled_at = $3, slow = $4, decided = $5 WHERE person_id = $1 AND request_id = $2

-- name: sweep_requests
-- Forget requests that ran out.
DELETE FROM signin.request WHERE expires_at < $1
