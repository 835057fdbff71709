-- name: add_scheme
-- Open a scheme; nothing if the institution's code stands for one already.
INSERT INTO payments.voucher_scheme
  (scheme_id, institution, code, name, payer, trust, currency, digits, groups, days, systems, opened_by, opened_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING

-- name: scheme
-- One scheme.
SELECT * FROM payments.voucher_scheme WHERE scheme_id = $1

-- name: scheme_by_code
-- The scheme that an institution's code stands for.
SELECT * FROM payments.voucher_scheme WHERE institution = $1 AND code = $2

-- name: schemes
-- A page of an institution's schemes by code.
SELECT * FROM payments.voucher_scheme WHERE institution = $1 AND code > $2 ORDER BY code LIMIT $3

-- name: schemes_of_system
-- The open schemes for which a system of the institution acts.
SELECT * FROM payments.voucher_scheme WHERE institution = $1 AND $2 = ANY (systems) AND closed_at IS NULL ORDER BY code

-- name: allot
-- Give money of a scheme to vouchers; nothing where it is not there, or the scheme is closed.
UPDATE payments.voucher_scheme SET allotted = allotted + $2
WHERE scheme_id = $1 AND closed_at IS NULL AND allotted + $2 <= funded

-- name: give_back
-- Money leaves a scheme for its payer: so much of what was put in, and of what was allotted.
UPDATE payments.voucher_scheme SET funded = funded - $2, allotted = allotted - $3 WHERE scheme_id = $1

-- name: close_scheme
-- Close a scheme for good; what is not allotted.
UPDATE payments.voucher_scheme SET closed_at = $2 WHERE scheme_id = $1 AND closed_at IS NULL
RETURNING funded - allotted AS free

-- name: approve_shop
-- Let a shop take vouchers of a scheme, from now on for these groups.
INSERT INTO payments.voucher_shop (scheme_id, shop, groups, details, approved_by, approved_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (scheme_id, shop) DO UPDATE SET groups = excluded.groups, details = excluded.details,
  approved_by = excluded.approved_by, approved_at = excluded.approved_at

-- name: strike_shop
-- A shop takes vouchers of a scheme no more.
DELETE FROM payments.voucher_shop WHERE scheme_id = $1 AND shop = $2

-- name: shop_groups
-- For which groups a shop may take vouchers of a scheme.
SELECT groups FROM payments.voucher_shop WHERE scheme_id = $1 AND shop = $2

-- name: shops
-- A page of the shops of a scheme.
SELECT shop, groups, details FROM payments.voucher_shop WHERE scheme_id = $1 AND shop > $2 ORDER BY shop LIMIT $3

-- name: shop_named
-- The shop that an institution's own register of merchants calls so, in one of its schemes.
SELECT s.shop FROM payments.voucher_shop s JOIN payments.voucher_scheme v ON v.scheme_id = s.scheme_id
WHERE v.institution = $1 AND s.details <> '' AND s.details = $2 ORDER BY s.shop

-- name: takes_vouchers
-- Whether one of some shops takes vouchers of any scheme.
SELECT EXISTS (SELECT 1 FROM payments.voucher_shop WHERE shop = ANY ($1::text[]))

-- name: voucher_places
-- Draw places in the register of vouchers.
SELECT nextval('payments.voucher_place') AS place FROM generate_series(1, $1::int)

-- name: instructions
-- What was issued before under some ids.
SELECT i.instruction_id, i.serial, i.content, v.expires_at, v.printed
FROM payments.voucher_instruction i JOIN payments.voucher v ON v.serial = i.serial
WHERE i.scheme_id = $1 AND i.instruction_id = ANY ($2::text[])

-- name: add_instructions
-- Note which voucher an id became; an id that was taken meanwhile is not noted.
INSERT INTO payments.voucher_instruction (instruction_id, scheme_id, serial, content)
SELECT u.i, $1, u.s, u.c FROM unnest($2::text[], $3::text[], $4::bytea[]) AS u (i, s, c) ON CONFLICT DO NOTHING

-- name: add_vouchers
-- Keep new vouchers; a serial number that exists is not kept again.
INSERT INTO payments.voucher (serial, scheme_id, instruction_id, category, amount, remaining, in_parts, printed, state,
  comment, issued_by, issued_at, expires_at)
SELECT u.serial, $1, u.id, u.category, u.amount, u.amount, u.in_parts, u.printed, 'waiting', u.comment, $9, $10, $11
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::boolean[], $7::boolean[], $8::text[])
  AS u (serial, id, category, amount, in_parts, printed, comment) ON CONFLICT DO NOTHING

-- name: add_numbers
-- Keep the keyed hashes of new vouchers' numbers; one that exists is not kept again.
INSERT INTO payments.voucher_number (key, serial)
SELECT u.k, u.s FROM unnest($1::bytea[], $2::text[]) AS u (k, s) ON CONFLICT DO NOTHING

-- name: add_holders
-- Say to whom new vouchers are given.
INSERT INTO payments.voucher_holder (person_id, serial, given_at)
SELECT u.p, u.s, $3 FROM unnest($1::uuid[], $2::text[]) AS u (p, s) ON CONFLICT DO NOTHING

-- name: holders
-- Who holds some vouchers.
SELECT serial, person_id FROM payments.voucher_holder WHERE serial = ANY ($1::text[])

-- name: vouchers_of
-- The newest vouchers of a person that were handed out, with who gives them.
SELECT v.*, s.institution, s.name, s.currency, s.digits
FROM payments.voucher_holder h JOIN payments.voucher v ON v.serial = h.serial
JOIN payments.voucher_scheme s ON s.scheme_id = v.scheme_id
WHERE h.person_id = $1 AND v.state <> 'waiting' ORDER BY h.given_at DESC, v.serial LIMIT $2

-- name: vouchers
-- Some vouchers, with the institution and the currency of their scheme.
SELECT v.*, s.institution, s.name, s.currency, s.digits
FROM payments.voucher v JOIN payments.voucher_scheme s ON s.scheme_id = v.scheme_id WHERE v.serial = ANY ($1::text[])

-- name: lock_vouchers
-- Hold some vouchers until the transaction ends, always in the same order.
SELECT serial FROM payments.voucher WHERE serial = ANY ($1::text[]) ORDER BY serial FOR UPDATE

-- name: voucher_page
-- A page of a scheme's vouchers by serial number.
SELECT v.*, s.institution, s.name, s.currency, s.digits
FROM payments.voucher v JOIN payments.voucher_scheme s ON s.scheme_id = v.scheme_id
WHERE v.scheme_id = $1 AND v.serial > $2 ORDER BY v.serial LIMIT $3

-- name: set_states
-- Say in which state some vouchers are from now on; wrong tries are forgotten.
UPDATE payments.voucher SET state = $2, tries = 0 WHERE serial = ANY ($1::text[])

-- name: serial_of_number
-- The voucher that a number spends.
SELECT serial FROM payments.voucher_number WHERE key = $1

-- name: tried
-- A wrong number was tried on a voucher; after some of them it is blocked.
UPDATE payments.voucher SET tries = tries + 1, state = CASE WHEN tries + 1 >= $2 THEN 'blocked' ELSE state END
WHERE serial = $1 AND state = 'active'

-- name: spending
-- What was taken of a voucher under a key.
SELECT serial, key, shop, account_id, amount, state, transfer_id, begun_at FROM payments.voucher_spending
WHERE serial = $1 AND key = $2

-- name: begin_spending
-- A shop takes something of a voucher: noted before it is paid.
INSERT INTO payments.voucher_spending (serial, key, shop, account_id, amount, state, begun_by, begun_at)
VALUES ($1, $2, $3, $4, $5, 'begun', $6, $7)

-- name: take
-- Take an amount off a voucher.
UPDATE payments.voucher SET remaining = remaining - $2, state = $3, tries = 0 WHERE serial = $1

-- name: end_spending
-- Say how a spending has ended, once.
UPDATE payments.voucher_spending SET state = $3, transfer_id = $4 WHERE serial = $1 AND key = $2 AND state = 'begun'

-- name: put_back
-- The ledger did not pay: what was taken off a voucher is put back, and it can be spent again unless it has ended.
UPDATE payments.voucher SET remaining = remaining + $2, state = CASE WHEN state = 'used' THEN 'active' ELSE state END
WHERE serial = $1

-- name: spendings_open
-- What shops took, was begun before a moment, and has not ended.
SELECT serial, key, shop, account_id, amount, state, transfer_id, begun_at FROM payments.voucher_spending
WHERE state = 'begun' AND begun_at < $1 ORDER BY begun_at LIMIT $2

-- name: spendings_of
-- What was taken of a voucher, in its order.
SELECT serial, key, shop, account_id, amount, state, transfer_id, begun_at FROM payments.voucher_spending
WHERE serial = $1 ORDER BY begun_at, key LIMIT $2

-- name: waiting_paper
-- Vouchers of one issue that wait to be handed out to whoever holds the paper, made here, by serial number.
SELECT v.serial, v.category, v.amount, v.expires_at FROM payments.voucher v
WHERE v.scheme_id = $1 AND v.issued_at = $2 AND v.state = 'waiting' AND v.expires_at > $3 AND NOT v.printed
  AND NOT EXISTS (SELECT 1 FROM payments.voucher_holder h WHERE h.serial = v.serial)
ORDER BY v.serial LIMIT $4

-- name: issues
-- What of a scheme was issued together and waits to be handed out: when, how many, and how many of them are paper.
SELECT v.issued_at, count(*)::int AS vouchers, sum(v.amount)::bigint AS amount,
  (count(*) FILTER (WHERE NOT v.printed AND NOT EXISTS (
    SELECT 1 FROM payments.voucher_holder h WHERE h.serial = v.serial)))::int AS paper
FROM payments.voucher v WHERE v.scheme_id = $1 AND v.state = 'waiting' AND v.expires_at > $2
GROUP BY v.issued_at ORDER BY v.issued_at DESC LIMIT $3

-- name: serials_of_issue
-- The vouchers of one issue that wait to be handed out.
SELECT serial FROM payments.voucher
WHERE scheme_id = $1 AND issued_at = $2 AND state = 'waiting' ORDER BY serial LIMIT $3

-- name: redemptions
-- What shops took of a scheme's vouchers, newest first.
SELECT s.serial, s.shop, s.amount, s.begun_at FROM payments.voucher_spending s
JOIN payments.voucher v ON v.serial = s.serial
WHERE v.scheme_id = $1 AND s.state = 'paid' AND s.begun_at < $2 ORDER BY s.begun_at DESC, s.key LIMIT $3

-- name: restful
-- Schemes that have vouchers which ended, or whose time is over, with something left.
SELECT DISTINCT scheme_id FROM payments.voucher WHERE remaining > 0 AND (state IN ('used', 'cancelled', 'expired')
  OR (state IN ('waiting', 'active', 'blocked') AND expires_at <= $1)) LIMIT 100

-- name: release
-- Take what is left off a scheme's vouchers that have ended, some at a time; the sum, and of how many. Vouchers of
-- which something is being paid right now wait.
WITH due AS (
  SELECT v.serial FROM payments.voucher v WHERE v.scheme_id = $1 AND v.remaining > 0
    AND (v.state IN ('used', 'cancelled', 'expired')
      OR (v.state IN ('waiting', 'active', 'blocked') AND v.expires_at <= $2))
    AND NOT EXISTS (SELECT 1 FROM payments.voucher_spending s WHERE s.serial = v.serial AND s.state = 'begun')
  ORDER BY v.serial LIMIT $3 FOR UPDATE SKIP LOCKED),
gone AS (
  UPDATE payments.voucher v SET remaining = 0,
    state = CASE WHEN v.state IN ('used', 'cancelled') THEN v.state ELSE 'expired' END
  FROM due WHERE v.serial = due.serial RETURNING old.remaining AS freed)
SELECT coalesce(sum(freed), 0)::bigint AS freed, count(*)::int AS vouchers FROM gone

-- name: add_move
-- Note money that is put into a scheme or goes back; nothing if the key is taken.
INSERT INTO payments.voucher_move (scheme_id, key, amount, vouchers, is_return, asked_by, at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING

-- name: move
-- One movement of a scheme's money.
SELECT scheme_id, key, amount, vouchers, is_return, settled, transfer_id, at FROM payments.voucher_move
WHERE scheme_id = $1 AND key = $2

-- name: moves
-- A page of a scheme's movements, newest first.
SELECT scheme_id, key, amount, vouchers, is_return, settled, transfer_id, at FROM payments.voucher_move
WHERE scheme_id = $1 ORDER BY at DESC, key LIMIT $2

-- name: moves_open
-- Money that goes back and has not arrived.
SELECT scheme_id, key, amount, vouchers, is_return, settled, transfer_id, at FROM payments.voucher_move
WHERE NOT settled AND is_return ORDER BY at LIMIT $1

-- name: settle_move
-- The transfer of a movement was posted, once.
UPDATE payments.voucher_move SET settled = true, transfer_id = $3 WHERE scheme_id = $1 AND key = $2 AND NOT settled

-- name: put_in
-- What was put into a scheme can be given to vouchers.
UPDATE payments.voucher_scheme SET funded = funded + $2 WHERE scheme_id = $1
