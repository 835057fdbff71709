-- name: claim
-- Claim a key; no row comes back if somebody claimed it before.
INSERT INTO kernel.once (key, content_hash) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING RETURNING key

-- name: claimed
-- The first claim of a key: what it was about and its receipt.
SELECT content_hash, receipt FROM kernel.once WHERE key = $1

-- name: settle
-- Keep the receipt of a claim.
UPDATE kernel.once SET receipt = $2 WHERE key = $1

-- name: emit
-- Put an event into the outbox, in the act's own transaction.
INSERT INTO kernel.outbox (kind, payload) VALUES ($1, $2)

-- name: due_events
-- Take events that are due, skipping those that another worker holds.
SELECT id, kind, payload, tries FROM kernel.outbox
WHERE failed IS NULL AND due <= now() ORDER BY due, id LIMIT $1 FOR UPDATE SKIP LOCKED

-- name: delivered
-- Remove delivered events.
DELETE FROM kernel.outbox WHERE id = ANY ($1::uuid[])

-- name: postpone
-- Try an event again after some seconds; the reason is kept once it has failed for good.
UPDATE kernel.outbox SET tries = tries + 1, due = now() + make_interval(secs => $2), failed = $3 WHERE id = $1

-- name: person_key
-- The wrapped key of a person.
SELECT wrapped FROM kernel.person_key WHERE person_id = $1

-- name: person_keys
-- The wrapped keys of several people.
SELECT person_id, wrapped FROM kernel.person_key WHERE person_id = ANY ($1::uuid[])

-- name: make_person_key
-- Keep the wrapped key of a new person.
INSERT INTO kernel.person_key (person_id, wrapped) VALUES ($1, $2) ON CONFLICT (person_id) DO NOTHING

-- name: erase_person_key
-- Destroy a person's key, and with it all that was sealed.
DELETE FROM kernel.person_key WHERE person_id = $1
