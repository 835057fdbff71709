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

-- name: merchants
-- Some shops by their numbers.
SELECT code, account_id, name, latin, city, category, registrar, registered_at, closed_at
FROM payments.merchant WHERE code = ANY ($1::text[])

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
-- The posted entries of an account in a period (the newest of them), in the order in which they were booked.
SELECT seq, id, at, CASE WHEN debit = $2 THEN -amount ELSE amount END AS amount,
  CASE WHEN debit = $2 THEN debit_after ELSE credit_after END AS balance, CASE WHEN debit = $2 THEN credit ELSE debit END AS other,
  CASE WHEN debit = $2 THEN payee ELSE payer END AS name, reference, code
FROM payments.movements($1, $2, payments.seq_at($1, $3), payments.seq_at($1, $4), $5, words => true) ORDER BY seq

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

-- name: bill_place
-- Draw the next place among the bills.
SELECT nextval('payments.bill_place')

-- name: add_bill
-- Keep a bill.
INSERT INTO payments.bill (reference, account_id, asker, name, title, amount, currency, made_at, expires_at, is_public)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: send_bill
-- Send a bill to one person.
INSERT INTO payments.request (person_id, reference, asked_at) VALUES ($1, $2, $3)

-- name: bill
-- One bill by its reference.
SELECT reference, account_id, asker, name, title, amount, currency, made_at, expires_at, is_public, attempt, taker,
  taken_at, state, paid_at
FROM payments.bill WHERE reference = $1

-- name: bill_is_sent
-- Whether a bill was sent to one of the people whom the permit reaches.
SELECT EXISTS (SELECT 1 FROM payments.request WHERE reference = $1)

-- name: bills_of_asker
-- A page of the bills of one asker, newest first.
SELECT reference, account_id, asker, name, title, amount, currency, made_at, expires_at, is_public, attempt, taker,
  taken_at, state, paid_at
FROM payments.bill WHERE asker = $1 AND (made_at, reference) < ($2, $3) ORDER BY made_at DESC, reference DESC LIMIT $4

-- name: bills_for_person
-- The open bills that were sent to a person.
SELECT b.reference, b.account_id, b.asker, b.name, b.title, b.amount, b.currency, b.made_at, b.expires_at,
  b.is_public, b.attempt, b.taker, b.taken_at, b.state, b.paid_at
FROM payments.request r JOIN payments.bill b ON b.reference = r.reference
WHERE r.person_id = $1 AND b.state = 'open' AND b.expires_at > $2 ORDER BY r.asked_at DESC LIMIT 50

-- name: try_again
-- After a rejected payment: the bill may be paid by a new transfer.
UPDATE payments.bill SET attempt = attempt + 1, taker = NULL
WHERE reference = $1 AND attempt = $2 AND state = 'open'

-- name: take_bill
-- From here on one account alone pays a bill; nothing changes if another one has taken it meanwhile.
UPDATE payments.bill SET taker = $2, taken_at = $3
WHERE reference = $1 AND state = 'open' AND attempt = $4 AND taker IS NOT DISTINCT FROM $5

-- name: decided
-- Whether the ledger has decided an order with an id, either way.
SELECT EXISTS (SELECT 1 FROM payments.transfer_id_seen WHERE id = $1)

-- name: end_bill
-- Say how an open bill has ended.
UPDATE payments.bill SET state = $2, paid_at = $3 WHERE reference = $1 AND state = 'open'

-- name: add_standing
-- Keep an order that repeats.
INSERT INTO payments.standing_order
  (person_id, id, payer, payee, own_name, name, amount, currency, reference, every, first_day, last_day, due,
   fee)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $11, $13)

-- name: standing_of_person
-- The orders of a person that repeat, the newest first.
SELECT person_id, id, payer, payee, own_name, name, amount, currency, reference, every, first_day, last_day, due,
  last_result, fee
FROM payments.standing_order WHERE person_id = $1 ORDER BY id DESC LIMIT 100

-- name: standing_due
-- Orders whose day has come.
SELECT person_id, id, payer, payee, own_name, name, amount, currency, reference, every, first_day, last_day, due,
  last_result, fee
FROM payments.standing_order WHERE due <= $1 ORDER BY due, id LIMIT $2

-- name: standing_done
-- After a day's payment: when the next one is due, and how this one ended. Nothing if somebody was faster.
UPDATE payments.standing_order SET due = $4, last_result = $5 WHERE person_id = $1 AND id = $2 AND due = $3

-- name: stop_standing
-- Stop an order that repeats.
UPDATE payments.standing_order SET due = NULL WHERE person_id = $1 AND id = $2 AND due IS NOT NULL

-- name: telling
-- Which receipts a person wants by text message.
SELECT cash, received, made, balance FROM payments.telling WHERE person_id = $1

-- name: choose_telling
-- A person chooses which receipts come by text message.
INSERT INTO payments.telling (person_id, cash, received, made, balance, since) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (person_id) DO UPDATE SET cash = excluded.cash, received = excluded.received, made = excluded.made,
  balance = excluded.balance, since = excluded.since

-- name: told
-- How far a shard has been told, and how far it has got: from there on, if it was never told.
SELECT s.seq AS next_seq, coalesce(t.seq, s.seq) AS seq, t.seq IS NULL AS is_new
FROM payments.shard s LEFT JOIN payments.told t ON t.shard = s.shard WHERE s.shard = $1

-- name: tell_on
-- A shard is told up to before a seq.
INSERT INTO payments.told AS t (shard, seq) VALUES ($1, $2)
ON CONFLICT (shard) DO UPDATE SET seq = greatest(t.seq, excluded.seq)

-- name: to_be_told
-- The movements of some rows of the journal whose holders want a message, with both sides.
SELECT j.seq, j.id, j.amount, j.currency, j.code, j.at, o.person_id, (o.account_id = j.debit) AS paid,
  CASE WHEN o.account_id = j.debit THEN j.debit_after ELSE j.credit_after END AS after,
  CASE WHEN o.account_id = j.debit THEN j.payee ELSE j.payer END AS name,
  CASE WHEN o.account_id = j.debit THEN j.credit ELSE j.debit END AS other, t.cash, t.received, t.made, t.balance
FROM payments.telling t JOIN payments.account_owner o ON o.person_id = t.person_id AND o.shard = $1
JOIN payments.journal_seen j ON j.shard = $1 AND j.seq >= $2 AND j.seq < $3 AND (j.debit = o.account_id
  OR j.credit = o.account_id)
WHERE j.status = 1 AND j.kind IN (1, 3, 7) AND j.at >= t.since ORDER BY j.seq, o.person_id

-- name: move_float
-- An agency's cash moves through another account of its agent from now on.
UPDATE payments.merchant SET account_id = $3 WHERE code = $1 AND account_id = $2 AND closed_at IS NULL

-- name: till_of
-- The drawer of a teller: an account of the bank with the teller's label.
SELECT account_id FROM payments.institution_account
WHERE institution = $1 AND kind = 'float' AND label = $2 AND currency = $3 ORDER BY opened_at LIMIT 1

-- name: last_count
-- When a drawer was last counted, and what was in it.
SELECT at, counted FROM payments.till_count WHERE till = $1 ORDER BY at DESC LIMIT 1

-- name: add_count
-- A drawer was counted.
INSERT INTO payments.till_count (till, at, staff, expected, counted) VALUES ($1, $2, $3, $4, $5)

-- name: read_again
-- Make a shard's writer read again before its next batch is kept; the fence's new epoch.
UPDATE payments.shard SET epoch = epoch + 1 WHERE shard = $1 RETURNING epoch

-- name: set_tier
-- An open account of a person stands in another tier.
UPDATE payments.account SET tier = $3 WHERE shard = $1 AND id = $2 AND tier > 0 AND flags & 17 = 1

-- name: note_changed
-- What the writer must read again, though nothing restricts it.
INSERT INTO payments.sleeper (shard, account_id, epoch) VALUES ($1, $2, $3)
ON CONFLICT (shard, account_id) DO UPDATE SET epoch = excluded.epoch
