-- Statements of the health room.

-- name: owners
-- Whose record these ids belong to: id, type, institution and person of each.
SELECT id, rtype, institution, person_id FROM health.directory WHERE id = ANY($1::uuid[])

-- name: lock_conditions
-- Make writers with the same conditions (keyed hashes) wait for each other; in one order, so that none waits in a circle.
SELECT pg_advisory_xact_lock(one) FROM (SELECT DISTINCT unnest($1::bigint[]) AS one ORDER BY one) AS ordered

-- name: add_owner
-- Enter an id into the directory.
INSERT INTO health.directory (id, rtype, institution, person_id) VALUES ($1, $2, $3, $4)

-- name: add_resource
-- Store the first version of a resource of a person's record.
INSERT INTO health.resource
  (person_id, rtype, id, institution, version, created, updated, started, ended, keys, body)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10)

-- name: keep_resource_version
-- Copy the present version of a resource into its history, before it is replaced.
INSERT INTO health.resource_version (person_id, rtype, id, version, institution, updated, body)
SELECT person_id, rtype, id, version, institution, updated, body
FROM health.resource WHERE person_id = $1 AND rtype = $2 AND id = $3

-- name: replace_resource
-- Put a new version in the place of a resource.
UPDATE health.resource SET version = $4, updated = $5, started = $6, ended = $7, keys = $8, body = $9
WHERE person_id = $1 AND rtype = $2 AND id = $3

-- name: lock_resource
-- The present version of a resource, locked until the transaction ends.
SELECT rtype, id, version, updated, institution, person_id, body
FROM health.resource WHERE person_id = $1 AND rtype = $2 AND id = $3 FOR UPDATE

-- name: resource_by_id
-- The present version of a resource.
SELECT rtype, id, version, updated, institution, person_id, body
FROM health.resource WHERE person_id = $1 AND rtype = $2 AND id = $3

-- name: resource_version
-- A replaced version of a resource.
SELECT rtype, id, version, updated, institution, person_id, body
FROM health.resource_version WHERE person_id = $1 AND rtype = $2 AND id = $3 AND version = $4

-- name: resource_history
-- Every version of a resource, newest first, at most $4.
SELECT rtype, id, version, updated, institution, person_id, body
FROM health.resource WHERE person_id = $1 AND rtype = $2 AND id = $3
UNION ALL
SELECT rtype, id, version, updated, institution, person_id, body
FROM health.resource_version WHERE person_id = $1 AND rtype = $2 AND id = $3
ORDER BY version DESC LIMIT $4

-- name: patients_of
-- The Patient that an institution keeps for each of these people.
SELECT rtype, id, version, updated, institution, person_id, body
FROM health.resource WHERE person_id = ANY($1::uuid[]) AND institution = $2 AND rtype = 'Patient'

-- name: record_of
-- Resources of a person's record of the types $3, newest first, at most $4; institution '' means every one.
SELECT rtype, id, version, updated, institution, person_id, body
FROM health.resource
WHERE person_id = $1 AND ($2 = '' OR institution = $2) AND rtype = ANY($3::text[])
ORDER BY started DESC, id DESC LIMIT $4

-- name: everything_of
-- A page of a person's whole record by keyset ($4, $5), of what existed at $3; institution '' means every one.
SELECT rtype, id, version, updated, institution, person_id, body, started
FROM health.resource
WHERE person_id = $1 AND ($2 = '' OR institution = $2) AND created <= $3 AND (started, id) < ($4, $5)
ORDER BY started DESC, id DESC LIMIT $6

-- name: search_person
-- Candidates in one person's record: all of keys $4, one of $5 (if any), existing at $6, after the keyset ($7, $8).
SELECT rtype, id, version, updated, institution, person_id, body, started
FROM health.resource
WHERE person_id = $1 AND rtype = $2 AND ($3 = '' OR institution = $3)
  AND keys @> $4::bigint[] AND (cardinality($5::bigint[]) = 0 OR keys && $5::bigint[])
  AND created <= $6 AND (started, id) < ($7, $8)
  AND started >= $9 AND started <= $10 AND ended >= $11 AND ended <= $12
  AND (cardinality($13::uuid[]) = 0 OR id = ANY($13::uuid[]))
ORDER BY started DESC, id DESC LIMIT $14

-- name: search_institution
-- Candidates among all records of one institution, with the same conditions as search_person.
SELECT rtype, id, version, updated, institution, person_id, body, started
FROM health.resource
WHERE institution = $1 AND rtype = $2
  AND keys @> $3::bigint[] AND (cardinality($4::bigint[]) = 0 OR keys && $4::bigint[])
  AND created <= $5 AND (started, id) < ($6, $7)
  AND started >= $8 AND started <= $9 AND ended >= $10 AND ended <= $11
  AND (cardinality($12::uuid[]) = 0 OR id = ANY($12::uuid[]))
ORDER BY started DESC, id DESC LIMIT $13

-- name: search_registry
-- Candidates in a registry, with the same conditions as search_person.
SELECT rtype, id, version, updated, institution, NULL::uuid AS person_id, body, started
FROM health.registry
WHERE rtype = $1
  AND keys @> $2::bigint[] AND (cardinality($3::bigint[]) = 0 OR keys && $3::bigint[])
  AND created <= $4 AND (started, id) < ($5, $6)
  AND started >= $7 AND started <= $8 AND ended >= $9 AND ended <= $10
  AND (cardinality($11::uuid[]) = 0 OR id = ANY($11::uuid[]))
ORDER BY started DESC, id DESC LIMIT $12

-- name: add_registry
-- Store the first version of a registry entry.
INSERT INTO health.registry (id, rtype, institution, version, created, updated, started, ended, keys, body)
VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9)

-- name: keep_registry_version
-- Copy the present version of a registry entry into its history.
INSERT INTO health.registry_version (id, rtype, version, institution, updated, body)
SELECT id, rtype, version, institution, updated, body FROM health.registry WHERE rtype = $1 AND id = $2

-- name: replace_registry
-- Put a new version in the place of a registry entry.
UPDATE health.registry SET version = $3, updated = $4, started = $5, ended = $6, keys = $7, body = $8
WHERE rtype = $1 AND id = $2

-- name: lock_registry
-- The present version of a registry entry, locked until the transaction ends.
SELECT rtype, id, version, updated, institution, NULL::uuid AS person_id, body
FROM health.registry WHERE rtype = $1 AND id = $2 FOR UPDATE

-- name: registry_by_ids
-- The present versions of registry entries.
SELECT rtype, id, version, updated, institution, NULL::uuid AS person_id, body
FROM health.registry WHERE id = ANY($1::uuid[])

-- name: registry_history
-- Every version of a registry entry, newest first, at most $3.
SELECT rtype, id, version, updated, institution, NULL::uuid AS person_id, body
FROM health.registry WHERE rtype = $1 AND id = $2
UNION ALL
SELECT rtype, id, version, updated, institution, NULL::uuid AS person_id, body
FROM health.registry_version WHERE rtype = $1 AND id = $2
ORDER BY version DESC LIMIT $3

-- name: unpost
-- Take back the counted codes of a resource, before it is posted anew.
DELETE FROM health.posting WHERE person_id = $1 AND id = $2

-- name: post
-- Post a counted code of a resource.
INSERT INTO health.posting (person_id, hash, id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING

-- name: set_cohort
-- When a person was born; the newest statement wins.
INSERT INTO health.cohort (person_id, born) VALUES ($1, $2)
ON CONFLICT (person_id) DO UPDATE SET born = excluded.born

-- name: doses_of_cohort
-- Everyone born in [$1, $2) with a record, and on how many distinct days they were given a code in $3.
SELECT c.person_id, count(DISTINCT p.at::date) AS doses
FROM health.cohort c LEFT JOIN health.posting p ON p.person_id = c.person_id AND p.hash = ANY($3::bigint[])
WHERE c.born >= $1 AND c.born < $2 GROUP BY c.person_id

-- name: forget_person
-- Remove what finds and counts a person's record; the sealed bodies are unreadable once the key is gone.
WITH gone_postings AS (DELETE FROM health.posting WHERE person_id = $1),
     gone_cohort AS (DELETE FROM health.cohort WHERE person_id = $1)
UPDATE health.resource SET keys = '{}', started = created, ended = created WHERE person_id = $1
