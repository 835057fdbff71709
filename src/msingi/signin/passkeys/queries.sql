-- name: put_passkey
-- Keep a new passkey; nothing comes back if this key is somebody's already or there are too many.
INSERT INTO signin.passkey (person_id, passkey_id, public_key, sign_count, name, made_at, seen_at)
SELECT $1, $2, $3, $4, $5, $6, $6 WHERE (SELECT count(*) FROM signin.passkey WHERE person_id = $1) < $7
ON CONFLICT (person_id, passkey_id) DO NOTHING RETURNING passkey_id

-- name: passkeys
-- The passkeys of somebody, newest first.
SELECT passkey_id, public_key, sign_count, name, made_at, seen_at FROM signin.passkey
WHERE person_id = $1 ORDER BY made_at DESC

-- name: held_passkey
-- One passkey of somebody, held until the transaction is over.
SELECT passkey_id, public_key, sign_count, name, made_at, seen_at FROM signin.passkey
WHERE person_id = $1 AND passkey_id = $2 FOR UPDATE

-- name: used_passkey
-- A passkey was used.
UPDATE signin.passkey SET sign_count = $3, seen_at = $4 WHERE person_id = $1 AND passkey_id = $2

-- name: remove_passkey
-- Forget a passkey.
DELETE FROM signin.passkey WHERE person_id = $1 AND passkey_id = $2 RETURNING passkey_id

-- name: remove_all_passkeys
-- Forget all passkeys of somebody.
DELETE FROM signin.passkey WHERE person_id = $1
