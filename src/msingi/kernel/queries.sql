-- name: claim
-- Claim a key; no row comes back if somebody claimed it before.
INSERT INTO kernel.once (key, content_hash) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING RETURNING key

-- name: claimed
-- The first claim of a key: what it was about and its receipt.
SELECT content_hash, receipt FROM kernel.once WHERE key = $1

-- name: claim_many
-- Claim several keys in their order; those that somebody claimed before do not come back.
INSERT INTO kernel.once (key, content_hash) SELECT * FROM unnest($1::text[], $2::bytea[]) AS wanted (k, h) ORDER BY k
ON CONFLICT (key) DO NOTHING RETURNING key

-- name: claimed_many
-- The first claims of several keys.
SELECT key, content_hash, receipt FROM kernel.once WHERE key = ANY ($1::text[])

-- name: settle_many
-- Keep the receipts of claims.
SELECT kernel.settle($1, $2)

-- name: emit_many
-- Put events into the outbox, in the act's own transaction.
SELECT kernel.emit($1, $2)

-- name: due_events
-- Take events of one lane that are due, skipping those that another worker holds: $2 are the kinds that are handed to
-- somebody outside, $3 says whether those are meant, or all others.
SELECT id, kind, payload, tries FROM kernel.outbox
WHERE failed IS NULL AND due <= now() AND (kind = ANY ($2::text[])) = $3 ORDER BY due, id LIMIT $1 FOR UPDATE SKIP LOCKED

-- name: delivered
-- Remove delivered events.
DELETE FROM kernel.outbox WHERE id = ANY ($1::uuid[])

-- name: postpone
-- Try an event again after some seconds; the reason is kept once it has failed for good.
UPDATE kernel.outbox SET tries = tries + 1, due = now() + make_interval(secs => $2), failed = $3 WHERE id = $1

-- name: person_keys
-- The wrapped keys of people, given as one text.
SELECT person_id, wrapped FROM kernel.person_key WHERE person_id = ANY ($1::text::uuid[])

-- name: make_person_keys
-- Keep the wrapped keys of new people.
INSERT INTO kernel.person_key (person_id, wrapped) SELECT * FROM unnest($1::uuid[], $2::bytea[])
ON CONFLICT (person_id) DO NOTHING RETURNING person_id

-- name: new_person_keys
-- Keep the wrapped keys of people who have none.
SELECT kernel.keep_keys($1, $2)

-- name: keys_hold
-- Stop the transaction unless these people still have these wrapped keys.
SELECT kernel.keys_hold($1, $2)

-- name: erase_person_key
-- Destroy a person's key, and with it all that was sealed.
DELETE FROM kernel.person_key WHERE person_id = $1

-- name: count_up
-- Add to a count, and give its sum.
INSERT INTO kernel.tally AS t (key, count, until) VALUES ($1, $2, $3)
ON CONFLICT (key) DO UPDATE SET count = least(t.count + excluded.count, 1000000000) RETURNING count

-- name: forget_counts
-- Forget counts whose window is over.
DELETE FROM kernel.tally WHERE until < $1
