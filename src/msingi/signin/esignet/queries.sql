-- name: put_login
-- Keep a sign-in that eSignet's doors have begun.
INSERT INTO signin.login (login_hash, sealed, expires_at) VALUES ($1, $2, $3)

-- name: login
-- A sign-in under way.
SELECT sealed FROM signin.login WHERE login_hash = $1 AND expires_at > $2

-- name: held_login
-- A sign-in under way, held until the transaction is over.
SELECT sealed FROM signin.login WHERE login_hash = $1 AND expires_at > $2 FOR UPDATE

-- name: change_login
-- The sign-in is one step further.
UPDATE signin.login SET sealed = $2 WHERE login_hash = $1

-- name: sweep_logins
-- Forget sign-ins that ran out.
DELETE FROM signin.login WHERE expires_at < $1
