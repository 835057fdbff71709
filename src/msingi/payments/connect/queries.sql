-- name: link
-- Say where payees are paid; what was said of them before is replaced.
INSERT INTO payments.address AS a (key, institution, sealed, linked_by, linked_at)
SELECT u.key, $1, u.sealed, $4, $5 FROM unnest($2::bytea[], $3::bytea[]) AS u (key, sealed)
ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed, linked_by = $4, linked_at = $5

-- name: unlink
-- Forget where payees are paid; gives the keys that were there.
DELETE FROM payments.address WHERE institution = $1 AND key = ANY ($2::bytea[]) RETURNING key

-- name: linked
-- Where payees are paid.
SELECT key, sealed FROM payments.address WHERE institution = $1 AND key = ANY ($2::bytea[])

-- name: keep_batch
-- Note a batch that was checked or handed in; the payment file that it became stays.
INSERT INTO payments.batch_order AS b (institution, batch_id, request_id, source_id, file_id, content, failed, at)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7::jsonb, '[]'), $8)
ON CONFLICT (institution, batch_id) DO UPDATE SET request_id = $3, source_id = $4,
  file_id = coalesce(b.file_id, $5), content = coalesce(b.content, $6), failed = coalesce($7::jsonb, b.failed), at = $8

-- name: batch
-- A batch of an institution's.
SELECT institution, batch_id, request_id, source_id, file_id, content, failed, at FROM payments.batch_order
WHERE institution = $1 AND batch_id = $2

-- name: answer_to
-- Note which peer is told when a batch has ended.
UPDATE payments.batch_order SET answer_to = $3 WHERE institution = $1 AND batch_id = $2

-- name: batch_of_file
-- The batch that a payment file was, if a peer wants to be told.
SELECT institution, batch_id, answer_to FROM payments.batch_order WHERE file_id = $1 AND answer_to <> ''
