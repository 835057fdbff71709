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

-- name: account_of_kind
-- The first account of a kind that an institution holds in a currency.
SELECT account_id FROM payments.institution_account
WHERE institution = $1 AND kind = $2 AND currency = $3 ORDER BY account_id LIMIT 1

-- name: ask_cash
-- Keep cash that was asked for. A code is free again once its cash was paid out, stopped, or not fetched in time.
INSERT INTO payments.cash_out AS c
  (agent, code, person_id, payer, holder, hold, fee_hold, amount, fee, currency, asked_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (agent, code) DO UPDATE SET person_id = excluded.person_id, payer = excluded.payer,
  holder = excluded.holder, hold = excluded.hold, fee_hold = excluded.fee_hold, amount = excluded.amount,
  fee = excluded.fee, currency = excluded.currency, asked_at = excluded.asked_at, expires_at = excluded.expires_at,
  state = 'waiting'
WHERE c.hold = excluded.hold OR c.state <> 'waiting' OR c.expires_at < excluded.asked_at

-- name: cash_asked
-- The cash that a code stands for, at an agent's.
SELECT agent, code, person_id, payer, holder, hold, fee_hold, amount, fee, currency, asked_at, expires_at, state
FROM payments.cash_out WHERE agent = $1 AND code = $2

-- name: cash_of_person
-- The cash that a person asked for and that still waits.
SELECT agent, code, person_id, payer, holder, hold, fee_hold, amount, fee, currency, asked_at, expires_at, state
FROM payments.cash_out WHERE person_id = $1 AND state = 'waiting' AND expires_at > $2 ORDER BY asked_at DESC LIMIT 20

-- name: end_cash
-- Say how cash that was asked for has ended.
UPDATE payments.cash_out SET state = $3 WHERE agent = $1 AND code = $2 AND state = 'waiting'
