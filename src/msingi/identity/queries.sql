-- name: lock_stripes
-- Wait for every other enrolment under way that shares one of these stripes of search keys (law 3). And let this
-- transaction plan with indexes only: a plan made and kept while the register was small would scan it when it is large.
SELECT count(pg_advisory_xact_lock(7211, stripe)), set_config('enable_seqscan', 'off', true)
FROM (SELECT unnest($1::int[]) AS stripe) AS s

-- name: search
-- All that an enrolment asks the register, in one round trip: for each row of a batch the people who share its rarest
-- search keys, at most $3, with their newest version and their wrapped key; how many people bear each of the names $4;
-- and which of the phones $5 find somebody. A shared key weighs by how few people have it (in bits, as in a register of
-- a million): whoever shares one with hundreds stands behind whoever shares one with nobody else.
WITH met AS (
  SELECT u.place, k.person_id, count(*) OVER (PARTITION BY u.place, u.key) AS bearers
  FROM unnest($1::bigint[], $2::int[]) AS u (key, place)
  CROSS JOIN LATERAL (SELECT s.person_id FROM identity.search_key s WHERE s.key = u.key LIMIT 200) AS k
), hit AS (
  SELECT place, person_id, sum(20 - 1.4427 * ln(bearers::float8)) AS weight FROM met GROUP BY 1, 2
), best AS (
  SELECT place, person_id, row_number() OVER (PARTITION BY place ORDER BY weight DESC, person_id) AS standing FROM hit
)
SELECT b.place, b.person_id, v.sealed, w.wrapped, NULL::bigint AS name, NULL::bigint AS people
FROM best b
CROSS JOIN LATERAL (
  SELECT n.sealed FROM identity.version n WHERE n.person_id = b.person_id ORDER BY n.valid_from DESC LIMIT 1) AS v
CROSS JOIN LATERAL (SELECT k.wrapped FROM kernel.person_key k WHERE k.person_id = b.person_id LIMIT 1) AS w
WHERE b.standing <= $3
UNION ALL
SELECT NULL, NULL, NULL, NULL, c.key, c.people FROM identity.name_count c WHERE c.key = ANY ($4::bigint[])
UNION ALL
SELECT NULL, f.person_id, f.phone_key, NULL, NULL, NULL FROM identity.phone f WHERE f.phone_key = ANY ($5::bytea[])

-- name: merged
-- Which of these records were merged, and into whom.
SELECT person_id, merged_into FROM identity.person WHERE person_id = ANY ($1::uuid[]) AND merged_into IS NOT NULL

-- name: name_counts
-- How many people bear each of these names (or count under these keys of the total).
SELECT key, people FROM identity.name_count WHERE key = ANY ($1::bigint[])

-- name: count_names
-- Count new bearers of names; the keys arrive ascending, so that two enrolments never wait for each other in a ring.
INSERT INTO identity.name_count AS n (key, people)
SELECT u.key, u.people FROM unnest($1::bigint[], $2::bigint[]) AS u (key, people)
ON CONFLICT (key) DO UPDATE SET people = n.people + excluded.people

-- name: issue_numbers
-- Keep new numbers under their blinded keys; one that was ever issued before does not come back.
INSERT INTO identity.number (number_key, person_id, issued_at)
SELECT u.number_key, u.person_id, $3 FROM unnest($1::bytea[], $2::uuid[]) AS u (number_key, person_id)
ON CONFLICT (number_key) DO NOTHING RETURNING number_key

-- name: add_people
-- New records of people with all that finds them, in one call.
SELECT identity.add_people($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)

-- name: add_versions
-- New versions, each valid from $4 on until the next one begins.
INSERT INTO identity.version (person_id, valid_from, reason, sealed)
SELECT u.person_id, $4, $3, u.sealed FROM unnest($1::uuid[], $2::bytea[]) AS u (person_id, sealed) RETURNING 1

-- name: add_search_keys
-- Search keys of people.
INSERT INTO identity.search_key (key, person_id)
SELECT u.key, u.person_id FROM unnest($1::bigint[], $2::uuid[]) AS u (key, person_id)
ON CONFLICT DO NOTHING

-- name: add_photos
-- Photos of people.
INSERT INTO identity.photo (person_id, taken_at, sealed)
SELECT u.person_id, $3, u.sealed FROM unnest($1::uuid[], $2::bytea[]) AS u (person_id, sealed) RETURNING 1

-- name: add_links
-- Ties of people to others.
INSERT INTO identity.link (person_id, kind, other_id, since)
SELECT u.person_id, u.kind, u.other_id, $4 FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS u (person_id, kind, other_id)
ON CONFLICT DO NOTHING

-- name: link_phones
-- Let phones find people; a phone that finds somebody already does not come back.
INSERT INTO identity.phone (phone_key, person_id)
SELECT u.phone_key, u.person_id FROM unnest($1::bytea[], $2::uuid[]) AS u (phone_key, person_id)
ON CONFLICT (phone_key) DO NOTHING RETURNING person_id

-- name: unlink_phone
-- A phone finds a person no longer.
DELETE FROM identity.phone WHERE phone_key = $1 AND person_id = $2

-- name: add_cases
-- Cases for the queue.
INSERT INTO identity.duplicate (case_id, person_id, opened_at, kind)
SELECT u.case_id, u.person_id, $3, u.kind FROM unnest($1::uuid[], $2::uuid[], $4::text[]) AS u (case_id, person_id, kind)
RETURNING 1

-- name: add_candidates
-- Who the held people may be, and why.
INSERT INTO identity.candidate (case_id, person_id, bits, reasons)
SELECT u.case_id, u.person_id, u.bits, u.reasons
FROM unnest($1::uuid[], $2::uuid[], $3::real[], $4::jsonb[]) AS u (case_id, person_id, bits, reasons)
ON CONFLICT (case_id, person_id) DO UPDATE SET bits = excluded.bits, reasons = excluded.reasons

-- name: asked_before
-- Of these pairs, those that somebody was asked about, or that two people joined or parted: with the case that still
-- waits, if one does, and the fields that spoke in any.
SELECT u.place, o.case_id, c.bits, c.reasons
FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS u (one, other, place)
JOIN identity.duplicate d ON d.person_id IN (u.one, u.other)
JOIN identity.candidate c ON c.case_id = d.case_id AND c.person_id IN (u.one, u.other) AND c.person_id <> d.person_id
LEFT JOIN identity.duplicate o ON o.case_id = d.case_id AND o.decided_at IS NULL
UNION ALL
SELECT u.place, NULL, 0, '[]'::jsonb FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS u (one, other, place)
WHERE EXISTS (SELECT 1 FROM identity.proposal p WHERE p.person_id IN (u.one, u.other)
  AND p.other_id IN (u.one, u.other) AND p.kind IN ('merge', 'unmerge'))

-- name: waiting_case_of
-- The case of a person that waits, if there is one.
SELECT case_id FROM identity.duplicate WHERE person_id = $1 AND decided_at IS NULL ORDER BY case_id LIMIT 1 FOR UPDATE

-- name: by_number
-- Which people these blinded numbers (given as one text) belong to, and where their records stand.
SELECT n.number_key AS key, n.person_id, p.status
FROM identity.number n JOIN identity.person p ON p.person_id = n.person_id WHERE n.number_key = ANY ($1::text::bytea[])

-- name: by_phone
-- Which person a blinded phone finds, and where the record stands.
SELECT f.person_id, p.status
FROM identity.phone f JOIN identity.person p ON p.person_id = f.person_id WHERE f.phone_key = $1

-- name: people
-- People as they are now, with their newest version and their ties to others.
SELECT p.person_id, p.status, p.number_sealed, p.merged_into, p.enrolled_at, v.valid_from, v.sealed,
  ARRAY(SELECT (l.kind, l.other_id) FROM identity.link l WHERE l.person_id = p.person_id ORDER BY l.kind, l.other_id) AS ties
FROM identity.person p
CROSS JOIN LATERAL (
  SELECT n.valid_from, n.sealed FROM identity.version n
  WHERE n.person_id = p.person_id ORDER BY n.valid_from DESC LIMIT 1) AS v
WHERE p.person_id = ANY ($1::uuid[])

-- name: versions
-- All versions of a person, oldest first.
SELECT valid_from, reason, sealed FROM identity.version WHERE person_id = $1 ORDER BY valid_from

-- name: newest_photo
-- A person's newest photo.
SELECT sealed FROM identity.photo WHERE person_id = $1 ORDER BY taken_at DESC LIMIT 1

-- name: lock_person
-- A person's record, locked against every other change until this transaction ends.
SELECT status, merged_into FROM identity.person WHERE person_id = $1 FOR UPDATE

-- name: change_status
-- A new status of a person, with the number that comes with it or the person it merges into.
UPDATE identity.person SET status = $2, number_sealed = coalesce($3, number_sealed), merged_into = $4
WHERE person_id = $1

-- name: note_status
-- The history of changes of status.
INSERT INTO identity.status_change (person_id, at, status, cause, because)
SELECT $1, greatest($2, max(at) + interval '1 microsecond'), $3, $4, $5 FROM identity.status_change WHERE person_id = $1

-- name: drop_search_keys
-- Search keys that a person has no longer.
DELETE FROM identity.search_key WHERE key = ANY ($1::bigint[]) AND person_id = $2

-- name: waiting_cases
-- Held enrolments that nobody has decided, oldest first, after a given one.
SELECT case_id, person_id, opened_at, kind FROM identity.duplicate
WHERE decided_at IS NULL AND case_id > $1 ORDER BY case_id LIMIT $2

-- name: waiting_count
-- How many held enrolments wait.
SELECT count(*) FROM identity.duplicate WHERE decided_at IS NULL

-- name: lock_case
-- One case, locked against a second decision.
SELECT case_id, person_id, opened_at, kind, decided_at, same_as FROM identity.duplicate WHERE case_id = $1 FOR UPDATE

-- name: case_candidates
-- The candidates of cases, the most alike first.
SELECT case_id, person_id, bits, reasons FROM identity.candidate
WHERE case_id = ANY ($1::uuid[]) ORDER BY case_id, bits DESC, person_id

-- name: close_case
-- What was decided of a case.
UPDATE identity.duplicate SET decided_at = $2, same_as = $3, because = $4, decided_by = $5 WHERE case_id = $1

-- name: reopen_case
-- A decision that a second officer refused: the newest case of a held person waits again.
UPDATE identity.duplicate SET decided_at = NULL, decided_by = NULL, same_as = NULL, because = NULL
WHERE case_id = (SELECT case_id FROM identity.duplicate WHERE person_id = $1 ORDER BY case_id DESC LIMIT 1)

-- name: merged_by
-- How many cases an officer decided as the same person since an instant.
SELECT count(*) FROM identity.duplicate WHERE decided_at > $2 AND decided_by = $1 AND same_as IS NOT NULL

-- name: decisions_by_officer
-- For each officer since an instant: decisions, how many said "one person", how many came within $2 of the one before,
-- and the median time between two decisions of one sitting (an hour at most).
WITH d AS (
  SELECT decided_by, same_as IS NOT NULL AS same,
    decided_at - lag(decided_at) OVER (PARTITION BY decided_by ORDER BY decided_at, case_id) AS gap
  FROM identity.duplicate WHERE decided_at > $1 AND decided_by IS NOT NULL
)
SELECT decided_by, count(*) AS decided, count(*) FILTER (WHERE same) AS same,
  count(*) FILTER (WHERE gap < $2::interval) AS quick,
  extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY gap)
    FILTER (WHERE gap < interval '1 hour'))::float AS median_s
FROM d GROUP BY decided_by ORDER BY decided DESC, decided_by LIMIT 500

-- name: add_birth
-- A birth; it counts as registered once its child is enrolled.
INSERT INTO identity.birth (person_id, mother_id, born_month, region, place, notified_on, registered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: register_held_birth
-- A held child was enrolled after all, so its birth is registered now.
UPDATE identity.birth SET registered_at = $2 WHERE person_id = $1 AND registered_at IS NULL

-- name: held_birthplace
-- Where a held child was born.
SELECT place FROM identity.birth WHERE person_id = $1 AND registered_at IS NULL

-- name: move_held_birth
-- A held child was a known person: the birth becomes that person's, unless it is registered already.
INSERT INTO identity.birth (person_id, mother_id, born_month, region, place, notified_on, registered_at, moved_from)
SELECT $2, mother_id, born_month, region, $4, notified_on, $3, $1 FROM identity.birth
WHERE person_id = $1 AND registered_at IS NULL
ON CONFLICT (person_id) DO NOTHING

-- name: births_by_region
-- Registered births of children born in $1 or later and not after $2, by region and sex.
SELECT b.region, p.sex, count(*) AS people FROM identity.birth b
JOIN identity.person p ON p.person_id = b.person_id AND p.status IN ('active', 'suspended')
WHERE b.registered_at IS NOT NULL AND b.born_month BETWEEN $1 AND $2 GROUP BY b.region, p.sex ORDER BY b.region, p.sex

-- name: adults_by_region
-- People with a number whose birth year is not after $1, by region.
SELECT region, count(*) AS people FROM identity.person
WHERE status IN ('active', 'suspended') AND birth_year <= $1 GROUP BY region ORDER BY region

-- name: count_people
-- Of these people, those with a number whose birth year is not after $2, by region and sex.
SELECT region, sex, count(*) AS people FROM identity.person
WHERE person_id = ANY ($1::uuid[]) AND status IN ('active', 'suspended') AND birth_year <= $2
GROUP BY region, sex ORDER BY region, sex

-- name: drop_moved_birth
-- The record that a birth had moved away from stands for itself again, so the birth goes back.
DELETE FROM identity.birth WHERE person_id = $2 AND moved_from = $1

-- name: status_of
-- Where a person's record stands, and whom it merged into.
SELECT status, merged_into FROM identity.person WHERE person_id = $1

-- name: statuses
-- Every status that a person had, oldest first.
SELECT at, status, cause, because FROM identity.status_change WHERE person_id = $1 ORDER BY at

-- name: restate
-- The few facts that stand in clear for statistics, as a new version has them.
UPDATE identity.person SET region = $2, birth_year = $3, sex = $4 WHERE person_id = $1

-- name: rely
-- An institution relies on a person from now on.
INSERT INTO identity.relying (person_id, institution, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: rely_no_more
-- An institution relies on a person no longer.
DELETE FROM identity.relying WHERE person_id = $1 AND institution = $2

-- name: rely_on_kept
-- Whoever relied on a merged record relies on the kept one too.
INSERT INTO identity.relying (person_id, institution, since)
SELECT $2, institution, $3 FROM identity.relying WHERE person_id = $1 ON CONFLICT DO NOTHING

-- name: tell
-- Tell every institution that relies on a person.
INSERT INTO identity.notice (institution, person_id, kind, status, other_id, at)
SELECT institution, $1, $2, $3, $4, $5 FROM identity.relying WHERE person_id = $1 RETURNING 1

-- name: notices
-- What an institution is told after its cursor (transaction, notice). Only what was told before the oldest transaction
-- that is still under way: a later one could otherwise show up behind a cursor that has passed it.
SELECT xact::text AS xact, notice_id, person_id, kind, status, other_id, at FROM identity.notice
WHERE institution = $1 AND (xact, notice_id) > ($2::text::xid8, $3::uuid)
  AND xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xact, notice_id LIMIT $4

-- name: forget_notices
-- Forget what was told long ago.
DELETE FROM identity.notice WHERE at < $1

-- name: add_alias
-- A new virtual id, unless that number was ever one before.
INSERT INTO identity.alias (alias_key, alias_id, person_id, sealed, made_at, expires_at, uses_left)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (alias_key) DO NOTHING RETURNING alias_id

-- name: aliases
-- The virtual ids of a person, newest first.
SELECT alias_id, sealed, made_at, expires_at, uses_left, revoked_at FROM identity.alias
WHERE person_id = $1 ORDER BY alias_id DESC LIMIT $2

-- name: live_aliases
-- How many virtual ids of a person still lead somewhere.
SELECT count(*) FROM identity.alias
WHERE person_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) AND uses_left IS DISTINCT FROM 0

-- name: revoke_alias
-- A virtual id leads nowhere from now on.
UPDATE identity.alias SET revoked_at = coalesce(revoked_at, $3) WHERE person_id = $1 AND alias_id = $2 RETURNING alias_id

-- name: use_alias
-- Whom a virtual id stands for, counting the use; the same asker within the errand's time counts once.
UPDATE identity.alias a SET
  uses_left = CASE WHEN a.last_by = $3 AND a.last_at > $2 - $4::interval THEN a.uses_left ELSE a.uses_left - 1 END,
  last_by = $3,
  last_at = CASE WHEN a.last_by = $3 AND a.last_at > $2 - $4::interval THEN a.last_at ELSE $2 END
WHERE a.alias_key = $1 AND a.revoked_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > $2)
  AND (a.uses_left IS NULL OR a.uses_left > 0 OR (a.last_by = $3 AND a.last_at > $2 - $4::interval))
RETURNING a.person_id

-- name: void_death
-- A death was registered in error: the entry stays, and counts no more.
UPDATE identity.civil_entry SET state = 'void'
WHERE person_id = $1 AND kind = 'death' AND state = 'registered'

-- name: begin_delivery
-- A bulk enrolment begins, or begins again: rows that were dealt with are counted anew as they are recognised.
INSERT INTO identity.bulk AS b (source, total, begun_at, at, enrolled, held, refused, by)
VALUES ($1, $2, $3, $3, 0, 0, 0, $4)
ON CONFLICT (source) DO UPDATE SET total = $2, at = $3, enrolled = 0, held = 0, refused = 0

-- name: advance_delivery
-- How far a bulk enrolment is.
UPDATE identity.bulk SET at = $2, enrolled = $3, held = $4, refused = $5 WHERE source = $1

-- name: deliveries
-- Bulk enrolments, the newest first.
SELECT source, total, begun_at, at, enrolled, held, refused FROM identity.bulk ORDER BY begun_at DESC, source LIMIT $1
