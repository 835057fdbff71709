-- name: ask_product
-- Somebody wants an account with a product; nothing happens if they have one or are about to.
INSERT INTO payments.product_account (person_id, product, currency, asked_at, since, accrued_to)
VALUES ($1, $2, $3, $4, $5::date, $5::date - 1) ON CONFLICT DO NOTHING

-- name: take_over
-- An opening that broke off is tried again by one.
UPDATE payments.product_account SET asked_at = $3, since = $4::date, accrued_to = $4::date - 1
WHERE person_id = $1 AND product = $2 AND account_id = 0 AND asked_at < $5

-- name: name_account
-- The account is open.
UPDATE payments.product_account SET account_id = $3 WHERE person_id = $1 AND product = $2 AND account_id = 0

-- name: own_products
-- The accounts with products that somebody has.
SELECT * FROM payments.product_account WHERE person_id = $1 ORDER BY since, product

-- name: due
-- Accounts whose days are not counted up to a day.
SELECT person_id, product FROM payments.product_account
WHERE account_id > 0 AND accrued_to < $1 ORDER BY accrued_to, person_id, product LIMIT $2

-- name: product_account
-- One of them, locked until the transaction ends.
SELECT * FROM payments.product_account WHERE person_id = $1 AND product = $2 FOR UPDATE

-- name: add_day
-- A day's line.
INSERT INTO payments.accrual (person_id, product, day, balance, units, begins) VALUES ($1, $2, $3, $4, $5, $6)

-- name: counted
-- How far the days are counted, and what is earned and not settled.
UPDATE payments.product_account SET accrued = $3, accrued_to = $4 WHERE person_id = $1 AND product = $2

-- name: days
-- The lines of some days.
SELECT day, balance, units, begins FROM payments.accrual
WHERE person_id = $1 AND product = $2 AND day >= $3 AND day <= $4 ORDER BY day

-- name: add_month
-- A month is settled.
INSERT INTO payments.product_month (person_id, product, month, interest, fee, carried, result)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: months
-- The settled months of an account, newest first.
SELECT * FROM payments.product_month WHERE person_id = $1 AND product = $2 ORDER BY month DESC LIMIT $3

-- name: months_due
-- Months whose money has not moved.
SELECT m.*, a.account_id, a.currency FROM payments.product_month m
JOIN payments.product_account a ON a.person_id = m.person_id AND a.product = m.product
WHERE m.result <> 'paid' ORDER BY m.attempt, m.month LIMIT $1

-- name: month_result
-- What became of a month's money.
UPDATE payments.product_month SET result = $4, attempt = attempt + $5, fee = $6
WHERE person_id = $1 AND product = $2 AND month = $3

-- name: earning_account
-- The account out of which the bank pays interest, and on which fees arrive.
SELECT account_id FROM payments.institution_account
WHERE institution = $1 AND kind = 'fee' AND currency = $2 ORDER BY opened_at, account_id LIMIT 1
