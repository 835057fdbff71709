-- name: put_case
-- A new case.
INSERT INTO governance.case (person_id, case_id, reference, kind, institution, stage, state, subject, about, language,
  channel, assisted_by, officer, outcome, ground, opened_at, due_at, answered_at, closed_at, escalated_at, appealed,
  late, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23);

-- name: move_case
-- A case has moved: what a case can change, and nothing else.
UPDATE governance.case SET stage = $3, state = $4, officer = $5, outcome = $6, ground = $7, due_at = $8,
  answered_at = $9, closed_at = $10, escalated_at = $11, appealed = $12, late = $13
WHERE person_id = $1 AND case_id = $2;

-- name: case_by_id
-- One case of a person, locked against concurrent change.
SELECT * FROM governance.case WHERE person_id = $1 AND case_id = $2 FOR UPDATE;

-- name: case_by_reference
-- The case of a person with the reference that they wrote down.
SELECT * FROM governance.case WHERE person_id = $1 AND reference = $2 ORDER BY case_id DESC LIMIT 1;

-- name: count_open
-- How many cases of a person wait for an answer.
SELECT count(*) FROM governance.case WHERE person_id = $1 AND state = 'open';

-- name: cases_of
-- A person's cases, newest first, after the one with id $2 (the highest id to begin with).
SELECT * FROM governance.case WHERE person_id = $1 AND case_id < $2 ORDER BY case_id DESC LIMIT $3;

-- name: queue_of_institution
-- Cases that wait for an institution, oldest first, after the one with id $2.
SELECT * FROM governance.case
WHERE state = 'open' AND stage = 'institution' AND institution = $1 AND case_id > $2 ORDER BY case_id LIMIT $3;

-- name: queue_of_authority
-- Cases that wait for the authority, oldest first, after the one with id $1.
SELECT * FROM governance.case
WHERE state = 'open' AND stage = 'authority' AND case_id > $1 ORDER BY case_id LIMIT $2;

-- name: due_cases
-- Cases whose time may have come at $1, locked, skipping those that others hold; $2 is how long an appeal is possible.
SELECT * FROM governance.case
WHERE (state = 'open' AND due_at <= $1 AND NOT late) OR (state = 'answered' AND answered_at + $2::interval <= $1)
ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED;

-- name: put_message
-- A message of a case.
INSERT INTO governance.message (person_id, case_id, message_id, at, author, name, institution, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: messages_of
-- All messages of a case, in order.
SELECT * FROM governance.message WHERE person_id = $1 AND case_id = $2 ORDER BY message_id;

-- name: put_exhibit
-- A file of a case.
INSERT INTO governance.exhibit (person_id, case_id, exhibit_id, at, media_type, size_bytes, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: exhibits_of
-- The files of a case, without their content.
SELECT exhibit_id, at, media_type, size_bytes FROM governance.exhibit
WHERE person_id = $1 AND case_id = $2 ORDER BY exhibit_id;

-- name: exhibit
-- One file of a case.
SELECT media_type, sealed FROM governance.exhibit WHERE person_id = $1 AND case_id = $2 AND exhibit_id = $3;

-- name: line_of_log
-- The sealed record of the act about the person that a complaint is about.
SELECT sealed FROM log.record WHERE person_id = $1 AND record_id = $2;
