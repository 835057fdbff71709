-- name: put_wallet_key
-- Bind a wallet's key to somebody, in place of the one that the same software bound before.
INSERT INTO signin.wallet_key (person_id, client_id, name, public_key, by_pin, made_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4::jsonb, $5, $6, $6, $7)
ON CONFLICT (person_id, client_id) DO UPDATE SET name = excluded.name, public_key = excluded.public_key,
  by_pin = excluded.by_pin, made_at = excluded.made_at, seen_at = excluded.seen_at, expires_at = excluded.expires_at

-- name: wallet_keys
-- The wallet keys of somebody that still work, newest first.
SELECT client_id, name, public_key, by_pin, made_at, seen_at, expires_at FROM signin.wallet_key
WHERE person_id = $1 AND expires_at > $2 ORDER BY made_at DESC LIMIT 50

-- name: used_wallet_key
-- A wallet key was used.
UPDATE signin.wallet_key SET seen_at = $3 WHERE person_id = $1 AND client_id = $2

-- name: remove_wallet_key
-- Forget a wallet key.
DELETE FROM signin.wallet_key WHERE person_id = $1 AND client_id = $2 RETURNING client_id

-- name: remove_all_wallet_keys
-- Forget all wallet keys of somebody.
DELETE FROM signin.wallet_key WHERE person_id = $1

-- name: newest_code
-- The code that was sent last to somebody at the wish of one software.
SELECT challenge_id FROM signin.challenge WHERE person_id = $1 AND bound_to = $2 ORDER BY sent_at DESC LIMIT 1

-- name: is_taken
-- Whether something that may come once has come.
SELECT true FROM signin.seen WHERE seen = $1
