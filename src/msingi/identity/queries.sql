-- name: lock_stripes
-- Wait for every other enrolment under way that shares one of these stripes of search keys (law 3). And let this
-- transaction plan with indexes only: a plan made and kept while the register was small would scan it when it is large.
SELECT count(pg_advisory_xact_lock(7211, stripe)), set_config('enable_seqscan', 'off', true)
FROM (SELECT unnest($1::int[]) AS stripe) AS s

-- name: candidates
-- For each row of a batch, the people who share most of its search keys, at most $3, with their newest version.
WITH hit AS (
  SELECT u.place, k.person_id, count(*) AS shared
  FROM unnest($1::bigint[], $2::int[]) AS u (key, place)
  CROSS JOIN LATERAL (SELECT s.person_id FROM identity.search_key s WHERE s.key = u.key LIMIT 200) AS k
  GROUP BY 1, 2
), best AS (
  SELECT place, person_id, row_number() OVER (PARTITION BY place ORDER BY shared DESC, person_id) AS standing FROM hit
)
SELECT b.place, b.person_id, p.merged_into, v.sealed
FROM best b
CROSS JOIN LATERAL (SELECT r.merged_into FROM identity.person r WHERE r.person_id = b.person_id LIMIT 1) AS p
CROSS JOIN LATERAL (
  SELECT n.sealed FROM identity.version n WHERE n.person_id = b.person_id ORDER BY n.valid_from DESC LIMIT 1) AS v
WHERE b.standing <= $3

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
-- New records of people, held ones included.
INSERT INTO identity.person (person_id, status, region, birth_year, sex, number_sealed, enrolled_at)
SELECT u.person_id, u.status, u.region, u.birth_year, u.sex, u.number_sealed, $7
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bytea[])
  AS u (person_id, status, region, birth_year, sex, number_sealed)

-- name: add_versions
-- New versions, each valid from $4 on until the next one begins.
INSERT INTO identity.version (person_id, valid_from, reason, sealed)
SELECT u.person_id, $4, $3, u.sealed FROM unnest($1::uuid[], $2::bytea[]) AS u (person_id, sealed)

-- name: add_search_keys
-- Search keys of people.
INSERT INTO identity.search_key (key, person_id)
SELECT u.key, u.person_id FROM unnest($1::bigint[], $2::uuid[]) AS u (key, person_id)
ON CONFLICT DO NOTHING

-- name: add_photos
-- Photos of people.
INSERT INTO identity.photo (person_id, taken_at, sealed)
SELECT u.person_id, $3, u.sealed FROM unnest($1::uuid[], $2::bytea[]) AS u (person_id, sealed)

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
-- Held enrolments for the queue.
INSERT INTO identity.duplicate (case_id, person_id, opened_at)
SELECT u.case_id, u.person_id, $3 FROM unnest($1::uuid[], $2::uuid[]) AS u (case_id, person_id)

-- name: add_candidates
-- Who the held people may be, and why.
INSERT INTO identity.candidate (case_id, person_id, bits, reasons)
SELECT u.case_id, u.person_id, u.bits, u.reasons
FROM unnest($1::uuid[], $2::uuid[], $3::real[], $4::jsonb[]) AS u (case_id, person_id, bits, reasons)

-- name: by_number
-- Which people these blinded numbers belong to, and where their records stand.
SELECT n.number_key AS key, n.person_id, p.status
FROM identity.number n JOIN identity.person p ON p.person_id = n.person_id WHERE n.number_key = ANY ($1::bytea[])

-- name: by_phone
-- Which person a blinded phone finds, and where the record stands.
SELECT f.person_id, p.status
FROM identity.phone f JOIN identity.person p ON p.person_id = f.person_id WHERE f.phone_key = $1

-- name: people
-- People as they are now, with their newest version.
SELECT p.person_id, p.status, p.number_sealed, p.merged_into, p.enrolled_at, v.valid_from, v.sealed
FROM identity.person p
CROSS JOIN LATERAL (
  SELECT n.valid_from, n.sealed FROM identity.version n
  WHERE n.person_id = p.person_id ORDER BY n.valid_from DESC LIMIT 1) AS v
WHERE p.person_id = ANY ($1::uuid[])

-- name: links
-- The ties of people to others.
SELECT person_id, kind, other_id FROM identity.link WHERE person_id = ANY ($1::uuid[]) ORDER BY kind, other_id

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
INSERT INTO identity.status_change (person_id, at, status, because) VALUES ($1, $2, $3, $4)

-- name: drop_search_keys
-- Search keys that a person has no longer.
DELETE FROM identity.search_key WHERE key = ANY ($1::bigint[]) AND person_id = $2

-- name: waiting_cases
-- Held enrolments that nobody has decided, oldest first, after a given one.
SELECT case_id, person_id, opened_at FROM identity.duplicate
WHERE decided_at IS NULL AND case_id > $1 ORDER BY case_id LIMIT $2

-- name: waiting_count
-- How many held enrolments wait.
SELECT count(*) FROM identity.duplicate WHERE decided_at IS NULL

-- name: lock_case
-- One case, locked against a second decision.
SELECT case_id, person_id, opened_at, decided_at, same_as FROM identity.duplicate WHERE case_id = $1 FOR UPDATE

-- name: case_candidates
-- The candidates of cases, the most alike first.
SELECT case_id, person_id, bits, reasons FROM identity.candidate
WHERE case_id = ANY ($1::uuid[]) ORDER BY case_id, bits DESC, person_id

-- name: close_case
-- What was decided of a case.
UPDATE identity.duplicate SET decided_at = $2, same_as = $3, because = $4 WHERE case_id = $1

-- name: add_birth
-- A birth; it counts as registered once its child is enrolled.
INSERT INTO identity.birth (person_id, mother_id, born_month, region, place, notified_on, registered_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: register_held_birth
-- A held child was enrolled after all, so its birth is registered now.
UPDATE identity.birth SET registered_at = $2 WHERE person_id = $1 AND registered_at IS NULL

-- name: move_held_birth
-- A held child was a known person: the birth becomes that person's, unless it is registered already.
INSERT INTO identity.birth (person_id, mother_id, born_month, region, place, notified_on, registered_at)
SELECT $2, mother_id, born_month, region, place, notified_on, $3 FROM identity.birth
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
