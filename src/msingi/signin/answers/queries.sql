-- name: lock_places
-- Let questions about the same person and institution queue; the keys come ascending, so that nobody waits in a ring.
SELECT count(pg_advisory_xact_lock(key)) FROM unnest($1::bigint[]) AS key

-- name: places
-- Counters that exist.
SELECT place, failures, since, locked_until FROM signin.tries WHERE place = ANY ($1::bytea[])

-- name: write_places
-- Write counters of wrong answers.
INSERT INTO signin.tries (place, failures, since, locked_until)
SELECT * FROM unnest($1::bytea[], $2::int[], $3::timestamptz[], $4::timestamptz[])
ON CONFLICT (place) DO UPDATE SET failures = excluded.failures, since = excluded.since,
  locked_until = excluded.locked_until

-- name: forget_places
-- Right answers clear their counters.
DELETE FROM signin.tries WHERE place = ANY ($1::bytea[])

-- name: count_windows
-- Add to counters of a window, ascending, and tell what they are then.
INSERT INTO signin.tries AS t (place, failures, since)
SELECT place, failures, $3 FROM unnest($1::bytea[], $2::int[]) AS new (place, failures) ORDER BY place
ON CONFLICT (place) DO UPDATE SET failures = t.failures + excluded.failures RETURNING place, failures

-- name: try_codes
-- Count a try of each of several codes.
UPDATE signin.challenge c SET tries = tries + 1
FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS a (person_id, challenge_id, bound_to)
WHERE c.person_id = a.person_id AND c.challenge_id = a.challenge_id AND c.bound_to = a.bound_to
RETURNING c.challenge_id, c.code_hash, c.expires_at, c.tries, c.used_at

-- name: use_codes
-- Codes work once.
UPDATE signin.challenge c SET used_at = $3 FROM unnest($1::uuid[], $2::uuid[]) AS a (person_id, challenge_id)
WHERE c.person_id = a.person_id AND c.challenge_id = a.challenge_id

-- name: raise_alarm
-- Keep an alarm; it comes back unless it was raised before in this window and said the same.
INSERT INTO signin.alarm AS a (institution, since, asked, wrong, stopped) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (institution, since) DO UPDATE SET asked = excluded.asked, wrong = excluded.wrong, stopped = excluded.stopped
WHERE excluded.stopped AND NOT a.stopped RETURNING institution

-- name: alarms
-- The newest alarms before an instant.
SELECT institution, since, asked, wrong, stopped FROM signin.alarm WHERE since < $1
ORDER BY since DESC, institution LIMIT $2
