-- name: followed
-- How far a shard's accounts are followed.
SELECT upto FROM payments.dormancy_followed WHERE shard = $1

-- name: follow_on
-- Remember it.
INSERT INTO payments.dormancy_followed (shard, upto) VALUES ($1, $2)
ON CONFLICT (shard) DO UPDATE SET upto = greatest(dormancy_followed.upto, excluded.upto)

-- name: fresh_accounts
-- Accounts of people after an id, opened before an instant (later ones may still be written), in the order of ids.
SELECT DISTINCT ON (o.account_id) o.account_id, h.kind, h.currency, h.opened_at
FROM payments.account_owner o
JOIN payments.holder h ON h.person_id = o.person_id AND h.account_id = o.account_id
WHERE o.shard = $1 AND o.account_id > $2 AND h.opened_at < $3 ORDER BY o.account_id LIMIT $4

-- name: add_dormancy
-- Follow accounts from now on.
INSERT INTO payments.dormancy (shard, account_id, kind, currency, opened_on, look_on)
SELECT $1, * FROM unnest($2::bigint[], $3::text[], $4::text[], $5::date[], $6::date[]) ON CONFLICT DO NOTHING

-- name: to_look_at
-- Accounts of a shard that are to be looked at by a day, and are not asleep.
SELECT account_id, kind, currency, opened_on, state, falls_on, woken_on FROM payments.dormancy
WHERE shard = $1 AND look_on <= $2 AND state <> 'dormant' ORDER BY look_on, account_id LIMIT $3

-- name: to_hand_over
-- Accounts of a shard that sleep so long that their money is to be handed over, or whose handing-over broke off.
SELECT * FROM payments.dormancy
WHERE shard = $1 AND state = 'dormant' AND (look_on <= $2 OR handing IS NOT NULL) ORDER BY look_on, account_id LIMIT $3

-- name: accounts_of_owners
-- All accounts of whoever holds these accounts: which account leads to which.
SELECT o.account_id AS asked, h.account_id FROM payments.account_owner o
JOIN payments.holder h ON h.person_id = o.person_id WHERE o.shard = $1 AND o.account_id = ANY ($2::bigint[])

-- name: owners_of_many
-- Who holds these accounts.
SELECT account_id, person_id FROM payments.account_owner WHERE shard = $1 AND account_id = ANY ($2::bigint[])

-- name: last_acts
-- When the customer last ordered something on accounts of a shard: a debit that the bank does not make by itself, or
-- cash paid in.
SELECT a.id, greatest(
  (SELECT at FROM payments.movements($1, a.id, 1, 9223372036854775807, 1, 1, NULL, not_codes => $3::text[])),
  (SELECT at FROM payments.movements($1, a.id, 1, 9223372036854775807, 1, 2, NULL, codes => $4::text[]))) AS at
FROM unnest($2::bigint[]) AS a (id)

-- name: put_step
-- What became of accounts; those that were woken meanwhile stay as they are.
UPDATE payments.dormancy d SET state = u.state, look_on = u.look_on, falls_on = u.falls_on,
  since = CASE WHEN u.state = 'dormant' THEN $6::date END
FROM unnest($2::bigint[], $3::text[], $4::date[], $5::date[]) AS u (id, state, look_on, falls_on)
WHERE d.shard = $1 AND d.account_id = u.id AND d.state <> 'dormant'

-- name: next_epoch
-- Make a shard's writer read again before its next batch is kept; the fence's new epoch.
UPDATE payments.shard SET epoch = epoch + 1 WHERE shard = $1 RETURNING epoch

-- name: put_to_sleep
-- Accounts neither pay nor are closed: they sleep (64).
UPDATE payments.account SET flags = flags | 64::smallint
WHERE shard = $1 AND id = ANY ($2::bigint[]) AND flags & 1 = 1 AND flags & 16 = 0 RETURNING id

-- name: wake_up
-- An account sleeps no more.
UPDATE payments.account SET flags = flags & ~64::smallint WHERE shard = $1 AND id = $2 AND flags & 64 = 64

-- name: note_sleepers
-- What the writer must read again.
INSERT INTO payments.sleeper (shard, account_id, epoch) SELECT $1, u.id, $3 FROM unnest($2::bigint[]) AS u (id)
ON CONFLICT (shard, account_id) DO UPDATE SET epoch = excluded.epoch

-- name: dormancy
-- How accounts of a shard stand.
SELECT * FROM payments.dormancy WHERE shard = $1 AND account_id = ANY ($2::bigint[])

-- name: hold_dormancy
-- How an account stands; nobody else changes it until the transaction ends.
SELECT * FROM payments.dormancy WHERE shard = $1 AND account_id = $2 FOR UPDATE

-- name: woken
-- Its customer woke the account.
UPDATE payments.dormancy SET state = 'active', woken_on = $3, look_on = $4, falls_on = NULL, since = NULL
WHERE shard = $1 AND account_id = $2 AND handing IS NULL

-- name: begin_handing
-- The money of an account is to be handed over by this transfer; kept first, so that it is the same one later.
UPDATE payments.dormancy SET handing = $3, amount = $4, attempt = attempt + 1, tier = $5, owner = $6
WHERE shard = $1 AND account_id = $2 AND state = 'dormant'

-- name: lend_account
-- For a moment the account belongs to the handing-over alone: no order of anybody else can debit it.
UPDATE payments.account SET flags = flags & ~64::smallint, owner = $3, tier = 0 WHERE shard = $1 AND id = $2

-- name: return_account
-- The account is its holder's again, and sleeps.
UPDATE payments.account SET flags = flags | 64::smallint, owner = $3, tier = $4 WHERE shard = $1 AND id = $2

-- name: end_handing
-- The handing-over has ended; it is looked at again on a day.
UPDATE payments.dormancy SET handing = NULL, amount = 0, look_on = $3 WHERE shard = $1 AND account_id = $2

-- name: hot_account
-- An account of the ledger as it is: balances, flags, tier, owner.
SELECT posted, reserved, floor, flags, tier, owner, currency FROM payments.account WHERE shard = $1 AND id = $2

-- name: add_unclaimed
-- What was handed over.
INSERT INTO payments.unclaimed (shard, account_id, transfer_id, kind, currency, amount, since, handed_on)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING

-- name: unclaimed_of
-- What is kept of accounts of a shard.
SELECT account_id, transfer_id, amount, claimed, currency FROM payments.unclaimed
WHERE shard = $1 AND account_id = ANY ($2::bigint[]) AND claimed < amount ORDER BY handed_on, transfer_id

-- name: hold_unclaimed
-- What is kept by one transfer; nobody else claims it until the transaction ends.
SELECT amount, claimed FROM payments.unclaimed WHERE shard = $1 AND account_id = $2 AND transfer_id = $3 FOR UPDATE

-- name: claim
-- So much more of it is claimed (below zero: not after all).
UPDATE payments.unclaimed SET claimed = claimed + $4 WHERE shard = $1 AND account_id = $2 AND transfer_id = $3

-- name: trust_account
-- Where the authority keeps unclaimed money in a currency.
SELECT account_id FROM payments.institution_account
WHERE institution = $1 AND kind = 'trust' AND currency = $2 ORDER BY opened_at, account_id LIMIT 1

-- name: add_case
-- Keep a proposal, or an owner's claim.
INSERT INTO payments.sleeper_case (shard, case_id, account_id, what, unclaimed, credit, amount, currency, reason,
  asked_by, asked_at, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING

-- name: open_cases
-- What waits for a second official, and claims whose payment broke off.
SELECT * FROM payments.sleeper_case WHERE state IN ('open', 'paying') ORDER BY state DESC, asked_at LIMIT $1

-- name: hold_case
-- A proposal; nobody else decides it until the transaction ends.
SELECT * FROM payments.sleeper_case WHERE shard = $1 AND case_id = $2 FOR UPDATE

-- name: case_state
-- How a proposal stands, and who decided.
UPDATE payments.sleeper_case SET state = $3, decided_by = $4 WHERE shard = $1 AND case_id = $2

-- name: counts
-- How many accounts are told or sleep, and what was handed over in a period.
SELECT (SELECT count(*) FROM payments.dormancy WHERE state = 'warned') AS warned,
  (SELECT count(*) FROM payments.dormancy WHERE state = 'dormant') AS dormant,
  coalesce(sum(amount), 0)::bigint AS handed, coalesce(sum(claimed), 0)::bigint AS claimed
FROM payments.unclaimed WHERE handed_on BETWEEN $1 AND $2

-- name: handed_between
-- A page of what was handed over in a period.
SELECT * FROM payments.unclaimed WHERE handed_on BETWEEN $1 AND $2 AND transfer_id > $3 ORDER BY transfer_id LIMIT $4
