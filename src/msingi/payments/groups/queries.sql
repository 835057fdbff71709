-- name: add_body
-- Keep a body whose members are invited.
INSERT INTO payments.body (body_id, kind, owner, label, bound, currency, made_at, lapses_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: add_signers
-- Keep who is to speak for a body.
INSERT INTO payments.signer (body_id, person_id, name, state, since)
SELECT $1, u.person, u.name, u.state, $5 FROM unnest($2::uuid[], $3::text[], $4::text[]) AS u (person, name, state)

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
  (body_id, proposal_id, account_id, credit, payee, amount, currency, code, reference, made_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING

-- name: proposal
-- One payment that waits, while nobody else signs it.
SELECT body_id, proposal_id, account_id, credit, payee, amount, currency, code, reference, made_at, expires_at, state,
  why, attempt
FROM payments.proposal WHERE body_id = $1 AND proposal_id = $2 FOR UPDATE

-- name: proposals
-- The newest payments of some bodies.
SELECT body_id, proposal_id, account_id, credit, payee, amount, currency, code, reference, made_at, expires_at, state,
  why, attempt
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
