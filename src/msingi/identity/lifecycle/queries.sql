-- name: add_proposal
-- A proposal that waits for a second person.
INSERT INTO identity.proposal
  (person_id, proposal_id, kind, fields, other_id, expected, sealed, proposed_by, proposed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: open_proposals
-- Proposals that nobody has decided, oldest first, after a given one.
SELECT person_id, proposal_id, kind, fields, other_id, proposed_by, proposed_at, state, decided_by, decided_at
FROM identity.proposal WHERE state = 'open' AND proposal_id > $1 ORDER BY proposal_id LIMIT $2

-- name: open_count
-- How many proposals wait.
SELECT count(*) FROM identity.proposal WHERE state = 'open'

-- name: proposals_of
-- The proposals about a person, newest first.
SELECT person_id, proposal_id, kind, fields, other_id, proposed_by, proposed_at, state, decided_by, decided_at
FROM identity.proposal WHERE person_id = $1 ORDER BY proposal_id DESC LIMIT $2

-- name: lock_proposal
-- One proposal, locked against a second decision.
SELECT person_id, proposal_id, kind, fields, other_id, proposed_by, proposed_at, state, decided_by, decided_at,
  expected, sealed
FROM identity.proposal WHERE proposal_id = $1 FOR UPDATE

-- name: close_proposal
-- What was decided of a proposal.
UPDATE identity.proposal SET state = $3, decided_by = $4, decided_at = $5, sealed = $6
WHERE person_id = $1 AND proposal_id = $2

-- name: add_guardianship
-- A guardian's right. The constraint on the periods refuses a second one at the same time.
INSERT INTO identity.guardianship (person_id, guardian_id, kind, during, because, granted_at)
VALUES ($1, $2, $3, daterange($4, $5), $6, $7)

-- name: add_enrolled_guardians
-- The guardians who were named at enrolment, until the first day as an adult where that is known.
INSERT INTO identity.guardianship (person_id, guardian_id, kind, during, granted_at)
SELECT u.person_id, u.guardian_id, u.kind, daterange($4, u.until), $6
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $5::date[]) AS u (person_id, guardian_id, kind, until)
WHERE u.until IS NULL OR u.until > $4
ON CONFLICT DO NOTHING

-- name: end_guardianship
-- A guardian's right ends before the day $3; one that had not begun is taken back altogether.
WITH ended AS (
  UPDATE identity.guardianship SET during = daterange(lower(during), $3), end_told = true
  WHERE person_id = $1 AND guardian_id = $2 AND lower(during) < $3 AND (upper(during) IS NULL OR upper(during) > $3)
  RETURNING 1
), undone AS (
  DELETE FROM identity.guardianship WHERE person_id = $1 AND guardian_id = $2 AND lower(during) >= $3 RETURNING 1
)
SELECT (SELECT count(*) FROM ended) + (SELECT count(*) FROM undone)

-- name: guardians
-- Who may act for a person on a day, as it was known at an instant.
SELECT person_id, guardian_id, kind, lower(during) AS since, upper(during) AS until FROM identity.guardianship
WHERE person_id = $1 AND during @> $2::date AND granted_at <= $3 ORDER BY granted_at, guardian_id

-- name: wards
-- For whom a person may act on a day, also by a record that was merged into the person's.
WITH RECURSIVE me (person_id) AS (
  SELECT $1::uuid UNION SELECT p.person_id FROM identity.person p JOIN me ON p.merged_into = me.person_id
)
SELECT g.person_id, g.guardian_id, g.kind, lower(g.during) AS since, upper(g.during) AS until
FROM identity.guardianship g JOIN me ON g.guardian_id = me.person_id
WHERE g.during @> $2::date ORDER BY g.granted_at, g.person_id LIMIT 100

-- name: ended_guardianships
-- Rights that ended by time, and nobody was told yet.
SELECT DISTINCT person_id FROM (
  SELECT person_id FROM identity.guardianship WHERE NOT end_told AND upper(during) <= $1 ORDER BY upper(during) LIMIT $2
) AS due

-- name: told_ends
-- Everybody was told that these rights ended.
UPDATE identity.guardianship SET end_told = true
WHERE person_id = ANY ($1::uuid[]) AND NOT end_told AND upper(during) <= $2
