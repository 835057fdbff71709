-- name: add_biometric
-- What was captured of a person.
INSERT INTO identity.biometric (person_id, reference_id, taken_at, modalities, missing, sealed)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: add_reference
-- A reference stands for a person.
INSERT INTO identity.reference (reference_id, person_id) VALUES ($1, $2)

-- name: biometrics_of
-- What was captured of a person, newest first, without the records.
SELECT b.reference_id, b.taken_at, b.modalities, b.missing, EXISTS (SELECT 1 FROM identity.abis_task t
  WHERE t.reference_id = b.reference_id AND t.ask = 'identify' AND t.state = 'done') AS compared
FROM identity.biometric b WHERE b.person_id = $1 ORDER BY b.taken_at DESC LIMIT 50

-- name: records
-- The sealed records behind a request that waits for its answer.
SELECT t.person_id, b.sealed FROM identity.abis_task t
JOIN identity.biometric b ON b.person_id = t.person_id AND b.reference_id = t.reference_id
WHERE t.request_id = $1 AND t.ask = 'insert' AND t.state = 'sent'

-- name: add_task
-- A request to the matcher.
INSERT INTO identity.abis_task (request_id, person_id, reference_id, ask, state, due_at)
VALUES ($1, $2, $3, $4, 'waiting', $5)

-- name: take_tasks
-- Take up requests that are due: each is due again later, unless an answer comes.
UPDATE identity.abis_task SET state = 'sent', tries = tries + 1,
  due_at = $1 + least(interval '1 hour', interval '15 seconds' * 2 ^ least(tries, 8))
WHERE request_id IN (SELECT request_id FROM identity.abis_task WHERE state IN ('waiting', 'sent') AND due_at <= $1
  ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING request_id, person_id, reference_id, ask, tries

-- name: lock_task
-- A request, locked against a second answer.
SELECT request_id, person_id, reference_id, ask, tries FROM identity.abis_task
WHERE request_id = $1 AND state IN ('waiting', 'sent') FOR UPDATE

-- name: close_task
-- What became of a request.
UPDATE identity.abis_task SET state = $2, failure = $3 WHERE request_id = $1

-- name: people_behind
-- Whom references stand for.
SELECT reference_id, person_id FROM identity.reference WHERE reference_id = ANY ($1::uuid[])

-- name: orphans
-- References whose records were destroyed, and that the matcher was not yet asked to delete.
SELECT r.reference_id, r.person_id FROM identity.reference r
WHERE NOT EXISTS (SELECT 1 FROM identity.biometric b WHERE b.person_id = r.person_id AND b.reference_id = r.reference_id)
  AND NOT EXISTS (SELECT 1 FROM identity.abis_task t WHERE t.reference_id = r.reference_id AND t.ask = 'delete')
LIMIT $1

-- name: forget_reference
-- The matcher deleted it: nothing is kept of it here either.
WITH gone AS (DELETE FROM identity.reference WHERE reference_id = $1)
DELETE FROM identity.abis_task WHERE reference_id = $1

-- name: drop_tasks
-- What was still to be asked about a reference is not asked any more.
DELETE FROM identity.abis_task WHERE reference_id = $1

-- name: task_counts
-- How many requests wait, are sent, and failed.
SELECT state, count(*) AS tasks FROM identity.abis_task WHERE state <> 'done' GROUP BY state
