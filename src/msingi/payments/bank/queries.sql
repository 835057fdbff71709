-- name: merchant_place
-- Draw the next place in the register of shops.
SELECT nextval('payments.merchant_place')

-- name: add_merchant
-- Register a shop.
INSERT INTO payments.merchant (code, account_id, name, latin, city, category, registrar, registered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: merchant
-- One shop by its number.
SELECT code, account_id, name, latin, city, category, registrar, registered_at, closed_at
FROM payments.merchant WHERE code = $1

-- name: merchants_of_accounts
-- The shops that are paid into some accounts, oldest first.
SELECT code, account_id, name, latin, city, category, registrar, registered_at, closed_at
FROM payments.merchant WHERE account_id = ANY ($1::bigint[]) ORDER BY registered_at, code

-- name: merchants_of_registrar
-- A page of the shops that an institution registered, newest first.
SELECT code, account_id, name, latin, city, category, registrar, registered_at, closed_at
FROM payments.merchant WHERE registrar = $1 AND (registered_at, code) < ($2, $3)
ORDER BY registered_at DESC, code DESC LIMIT $4

-- name: close_merchant
-- Close a shop of an institution's register for good.
UPDATE payments.merchant SET closed_at = $3 WHERE code = $1 AND registrar = $2 AND closed_at IS NULL

-- name: entries_between
-- The posted entries of an account in a period, in the order in which they were booked.
SELECT * FROM (
  (SELECT seq, id, at, -amount AS amount, debit_after AS balance, credit AS other, payee AS name, reference, code
   FROM payments.journal_seen WHERE shard = $1 AND debit = $2 AND at >= $3 AND at < $4
   AND status = 1 AND kind NOT IN (2, 4, 6))
  UNION ALL
  (SELECT seq, id, at, amount, credit_after, debit, payer, reference, code
   FROM payments.journal_seen WHERE shard = $1 AND credit = $2 AND at >= $3 AND at < $4
   AND status = 1 AND kind NOT IN (2, 4, 6))
) AS leg ORDER BY seq LIMIT $5
