-- name: unfinished
-- The newest comparison that is not over.
SELECT sweep_id, begun_at, at, shares, done, compared, pairs, opened FROM identity.sweep
WHERE done < shares ORDER BY sweep_id DESC LIMIT 1 FOR UPDATE

-- name: begin
-- A comparison begins.
INSERT INTO identity.sweep (sweep_id, begun_at, at, shares) VALUES ($1, $2, $2, $3)

-- name: advance
-- A part is done; only the next one counts, so that two programs at work on one comparison do not count twice.
UPDATE identity.sweep SET at = $2, done = done + 1, compared = compared + $4, pairs = pairs + $5, opened = opened + $6
WHERE sweep_id = $1 AND done = $3

-- name: sweeps
-- Comparisons, the newest first.
SELECT sweep_id, begun_at, at, shares, done, compared, pairs, opened FROM identity.sweep ORDER BY sweep_id DESC LIMIT $1

-- name: meeting_keys
-- The search keys of one part that two records bear, and not too many to say anything, with the records.
SELECT key, array_agg(person_id) AS people FROM identity.search_key
WHERE key % $1 = $2 GROUP BY key HAVING count(*) BETWEEN 2 AND $3

-- name: standing
-- Those of these people whose record stands for itself, with their newest version.
SELECT p.person_id, p.enrolled_at, v.sealed FROM identity.person p
CROSS JOIN LATERAL (
  SELECT n.sealed FROM identity.version n WHERE n.person_id = p.person_id ORDER BY n.valid_from DESC LIMIT 1) AS v
WHERE p.person_id = ANY ($1::uuid[]) AND p.status IN ('active', 'suspended')
