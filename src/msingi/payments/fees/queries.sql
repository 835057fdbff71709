-- name: charged_accounts
-- The accounts with products that charge payments, opened or named since an instant.
SELECT account_id FROM payments.product_account
WHERE account_id > 0 AND product = ANY ($1::text[]) AND asked_at >= $2

-- name: opened
-- The index that the next account of each shard will have.
SELECT shard, next_index FROM payments.numbering

-- name: product_of
-- The product of an account.
SELECT product FROM payments.product_account WHERE account_id = $1

-- name: fee
-- What was fixed for a payment.
SELECT * FROM payments.fee WHERE account_id = $1 AND transfer_id = $2

-- name: fees_of_transfer
-- What was fixed for a payment, whoever pays it.
SELECT * FROM payments.fee WHERE transfer_id = $1

-- name: count_one
-- Count a payment of a month; which one it is. Nobody else counts until the transaction ends.
INSERT INTO payments.fee_month (account_id, month, kind, used) VALUES ($1, $2, $3, 1)
ON CONFLICT (account_id, month, kind) DO UPDATE SET used = fee_month.used + 1 RETURNING used

-- name: used
-- How many payments of a month were counted.
SELECT used FROM payments.fee_month WHERE account_id = $1 AND month = $2 AND kind = $3

-- name: count_back
-- A counted payment was refused: it counts no more.
UPDATE payments.fee_month SET used = used - 1 WHERE account_id = $1 AND month = $2 AND kind = $3 AND used > 0

-- name: add_fee
-- Fix what a payment costs; nothing happens if it is fixed.
INSERT INTO payments.fee (account_id, transfer_id, kind, month, amount, fee, tax, currency, product, begins, band, free,
  returned, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING

-- name: fee_state
-- What became of it; only from the state in which it was.
UPDATE payments.fee SET state = $3 WHERE account_id = $1 AND transfer_id = $2 AND state = $4

-- name: fees_due
-- Fees whose payment may have broken off before an instant.
SELECT * FROM payments.fee WHERE state IN ('due', 'owed') AND at < $1 ORDER BY at LIMIT $2

-- name: fees_of_month
-- What payments of a month cost, newest first.
SELECT * FROM payments.fee WHERE account_id = $1 AND month = $2 AND state IN ('taken', 'owed', 'returned')
ORDER BY at DESC, transfer_id LIMIT $3

-- name: labelled_account
-- The account of an institution with a label (taxes), or of a kind (the bank's fees).
SELECT account_id FROM payments.institution_account
WHERE institution = $1 AND currency = $2 AND (label = $3 OR kind = $4) ORDER BY opened_at, account_id LIMIT 1
