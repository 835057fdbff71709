-- name: add_body
-- Keep a body whose members are invited.
INSERT INTO payments.body (body_id, kind, owner, label, bound, currency, made_at, lapses_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: add_signers
-- Keep who is to speak for a body.
INSERT INTO payments.signer (body_id, person_id, name, state, since)
SELECT $1, u.person, u.name, u.state, $5 FROM unnest($2::uuid[], $3::bytea[], $4::text[]) AS u (person, name, state)
RETURNING 1

-- name: body
-- One body.
SELECT body_id, kind, account_id, owner, label, bound, currency, state, lapses_at
FROM payments.body WHERE body_id = $1

-- name: hold_body
-- One body, while nobody else changes who speaks for it.
SELECT body_id, kind, account_id, owner, label, bound, currency, state, lapses_at
FROM payments.body WHERE body_id = $1 FOR UPDATE

-- name: body_of_account
-- The body that controls an account.
SELECT body_id, kind, account_id, owner, label, bound, currency, state, lapses_at
FROM payments.body WHERE account_id = $1 LIMIT 1

-- name: bodies_of
-- The bodies of a kind that a person speaks for, or is invited to, the newest first.
SELECT b.body_id, b.kind, b.account_id, b.owner, b.label, b.bound, b.currency, b.state, b.lapses_at
FROM payments.signer s JOIN payments.body b ON b.body_id = s.body_id
WHERE s.person_id = $1 AND b.kind = $2 AND b.state <> 'ended' AND s.state IN ('invited', 'active')
  AND (b.state = 'open' OR b.lapses_at > $3) ORDER BY b.made_at DESC LIMIT 50

-- name: open_body
-- Everybody is in: the body has its account.
UPDATE payments.body SET state = 'open', account_id = $2 WHERE body_id = $1 AND state = 'inviting'

-- name: end_body
-- A body has ended: an invitation was declined, or the last one has left.
UPDATE payments.body SET state = 'ended' WHERE body_id = $1

-- name: signers
-- Everybody who was ever asked to speak for some bodies.
SELECT body_id, person_id, name, state, in_use FROM payments.signer
WHERE body_id = ANY ($1::uuid[]) ORDER BY since, person_id

-- name: set_signer
-- Somebody accepts, declines, leaves or is removed.
UPDATE payments.signer SET state = $3, since = $4 WHERE body_id = $1 AND person_id = $2

-- name: forget_holder
-- An account is no longer one of a person's.
DELETE FROM payments.holder WHERE person_id = $1 AND account_id = $2

-- name: forget_owner
-- A person no longer holds an account.
DELETE FROM payments.account_owner WHERE shard = $1 AND account_id = $2 AND person_id = $3

-- name: note_use
-- Count an order, once.
INSERT INTO payments.mandate_use (account_id, person_id, key, amount, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING

-- name: spend_alone
-- Add to what was paid alone today, unless that passes the bound ($4).
INSERT INTO payments.mandate_day AS d (account_id, day, spent) SELECT $1, $2, $3 WHERE $3 <= $4::bigint
ON CONFLICT (account_id, day) DO UPDATE SET spent = d.spent + excluded.spent WHERE d.spent + excluded.spent <= $4

-- name: spent_alone
-- What was paid alone out of an account on a day.
SELECT coalesce((SELECT spent FROM payments.mandate_day WHERE account_id = $1 AND day = $2), 0)::bigint

-- name: add_proposal
-- Keep a payment that waits for signatures; nothing if it is kept already.
INSERT INTO payments.proposal
  (body_id, proposal_id, account_id, credit, payee, amount, currency, code, reference, made_at, expires_at, effect,
   member)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING

-- name: proposal
-- One payment that waits, while nobody else signs it.
SELECT body_id, proposal_id, account_id, credit, payee, amount, currency, code, reference, made_at, expires_at, state,
  why, attempt, effect, member
FROM payments.proposal WHERE body_id = $1 AND proposal_id = $2 FOR UPDATE

-- name: proposals
-- The newest payments of some bodies.
SELECT body_id, proposal_id, account_id, credit, payee, amount, currency, code, reference, made_at, expires_at, state,
  why, attempt, effect, member
FROM payments.proposal WHERE body_id = ANY ($1::uuid[]) ORDER BY made_at DESC LIMIT $2

-- name: add_signature
-- Somebody signs; the first word counts.
INSERT INTO payments.signature (body_id, proposal_id, person_id, agrees, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING

-- name: signatures
-- Who has signed some payments of some bodies.
SELECT proposal_id, person_id FROM payments.signature
WHERE body_id = ANY ($1::uuid[]) AND proposal_id = ANY ($2::uuid[]) AND agrees

-- name: end_proposal
-- How a payment that waited has ended.
UPDATE payments.proposal SET state = $3, ended_at = $4, why = '' WHERE body_id = $1 AND proposal_id = $2 AND state = 'open'

-- name: try_again
-- The ledger refused; the next try needs another key.
UPDATE payments.proposal SET why = $4, attempt = attempt + 1
WHERE body_id = $1 AND proposal_id = $2 AND attempt = $3 AND state = 'open'

-- name: add_group
-- Found a savings group.
INSERT INTO payments.savings_group (body_id, name, share, most_shares, social, interest_permille, loan_times, loan_days,
  currency, began_on, ends_on)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: add_members
-- Name the members of a group.
INSERT INTO payments.member (body_id, person_id, place, name, state)
SELECT $1, u.person, u.place, u.name, u.state
FROM unnest($2::uuid[], $3::int[], $4::bytea[], $5::text[]) AS u (person, place, name, state) RETURNING 1

-- name: group
-- One savings group with its pot.
SELECT g.body_id, g.name, g.share, g.most_shares, g.social, g.interest_permille, g.loan_times, g.loan_days,
  b.account_id AS pot, g.social_account, g.currency, g.cycle, g.began_on, g.ends_on, g.state, b.owner
FROM payments.savings_group g JOIN payments.body b ON b.body_id = g.body_id WHERE g.body_id = $1

-- name: groups_of
-- The groups that a person belongs to or is invited to.
SELECT m.body_id FROM payments.member m JOIN payments.savings_group g ON g.body_id = m.body_id
WHERE m.person_id = $1 AND m.state <> 'left' AND g.state <> 'ended' ORDER BY g.began_on DESC LIMIT 50

-- name: open_group
-- The keys are accepted: the group has its accounts.
UPDATE payments.savings_group SET state = 'open', social_account = $2 WHERE body_id = $1 AND state = 'forming'

-- name: set_group
-- How a group stands.
UPDATE payments.savings_group SET state = $2 WHERE body_id = $1

-- name: next_cycle
-- After the share-out of a cycle the next one begins.
UPDATE payments.savings_group SET state = 'open', cycle = $2 + 1, began_on = $3::date,
  ends_on = $3::date + (ends_on - began_on)
WHERE body_id = $1 AND cycle = $2

-- name: members
-- The members of a group by place.
SELECT person_id, place, name, state FROM payments.member WHERE body_id = $1 ORDER BY place

-- name: set_member
-- Somebody joins or leaves.
UPDATE payments.member SET state = $3 WHERE body_id = $1 AND person_id = $2

-- name: add_entry
-- Write into the group's book what the ledger is about to be asked; nothing if it stands there.
INSERT INTO payments.pot_entry (body_id, entry_id, person_id, cycle, kind, amount, shares, about, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING

-- name: post_entries
-- The ledger has posted them.
UPDATE payments.pot_entry SET state = 'posted' WHERE body_id = $1 AND entry_id = ANY ($2::uuid[])

-- name: drop_entries
-- The ledger has refused them.
DELETE FROM payments.pot_entry WHERE body_id = $1 AND entry_id = ANY ($2::uuid[]) AND state = 'pending'

-- name: pending_entries
-- What stands in the book and may not be in the ledger.
SELECT entry_id, at FROM payments.pot_entry WHERE body_id = $1 AND state = 'pending' LIMIT 1000

-- name: sums
-- What each member paid and got in a cycle, by kind.
SELECT person_id, kind, sum(amount)::bigint AS amount, sum(shares)::int AS shares FROM payments.pot_entry
WHERE body_id = $1 AND cycle = $2 AND state = 'posted' GROUP BY person_id, kind

-- name: shares_on
-- How many shares a member bought on a day, also those whose payment is under way.
SELECT coalesce(sum(shares), 0)::int FROM payments.pot_entry
WHERE body_id = $1 AND person_id = $2 AND kind = 'share' AND at >= $3 AND at < $4
  AND entry_id IS DISTINCT FROM $5::uuid

-- name: pot_entries
-- The newest lines of the group's book.
SELECT entry_id, person_id, kind, amount, shares, at FROM payments.pot_entry
WHERE body_id = $1 AND state = 'posted' AND at < $2 ORDER BY at DESC, entry_id LIMIT $3

-- name: add_debt
-- A member owes the group.
INSERT INTO payments.pot_debt (body_id, debt_id, person_id, cycle, kind, lent, owed, why, due, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING

-- name: debts
-- What members owe and what of it is paid, those that are due first; also what is being paid counts as paid.
SELECT d.debt_id, d.person_id, d.kind, d.lent, d.owed, d.why, d.due, coalesce(sum(e.amount), 0)::bigint AS paid
FROM payments.pot_debt d LEFT JOIN payments.pot_entry e ON e.body_id = d.body_id AND e.about = d.debt_id
  AND e.kind IN ('repayment', 'fine')
WHERE d.body_id = $1 GROUP BY d.body_id, d.debt_id HAVING d.owed > coalesce(sum(e.amount), 0) ORDER BY d.due

-- name: add_payout
-- Who gets what, once all three have signed.
INSERT INTO payments.payout (body_id, proposal_id, place, person_id, account_id, credit, name, amount)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING

-- name: payouts
-- Who gets what.
SELECT place, person_id, account_id, credit, name, amount FROM payments.payout
WHERE body_id = $1 AND proposal_id = $2 ORDER BY place

-- name: add_meeting
-- Keep the record of a meeting.
INSERT INTO payments.meeting (body_id, meeting_id, held_on, present, note, kept_by, at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING

-- name: meetings
-- The newest records of meetings.
SELECT meeting_id, held_on, present, note FROM payments.meeting WHERE body_id = $1 ORDER BY held_on DESC, at DESC LIMIT 20

-- name: person_of_entry
-- Whose line of the group's book it is.
SELECT person_id FROM payments.pot_entry WHERE body_id = $1 AND entry_id = $2
