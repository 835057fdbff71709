-- name: put_application
-- A new application.
INSERT INTO exchange.application (application, institution, member_class, name, contact, subsystem, kid, x, law,
  proved, state, because, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'waiting', '', $11);

-- name: count_waiting
-- How many applications wait: a limit keeps strangers from filling the table.
SELECT count(*) FROM exchange.application WHERE state = 'waiting';

-- name: same_waiting
-- Whether this key asked already, and waits.
SELECT application FROM exchange.application WHERE kid = $1 AND state = 'waiting';

-- name: application_by_id
-- One application, locked for its decision.
SELECT * FROM exchange.application WHERE application = $1 FOR UPDATE;

-- name: application_seen
-- One application.
SELECT * FROM exchange.application WHERE application = $1;

-- name: applications_after
-- Applications in one state, oldest first.
SELECT * FROM exchange.application WHERE state = $1 AND application > $2 ORDER BY application LIMIT $3;

-- name: decide_application
-- The one decision of an application.
UPDATE exchange.application SET state = $2, because = $3, decided_at = $4 WHERE application = $1;

-- name: put_change
-- A change of standing with its reason.
INSERT INTO exchange.standing_change (institution, at, standing, because, actor, actor_institution)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: changes_of
-- The changes of an institution's standing, newest first.
SELECT * FROM exchange.standing_change WHERE institution = $1 ORDER BY at DESC LIMIT $2;

-- name: put_request
-- A new request for a right.
INSERT INTO exchange.right_request (request, wanted, client_institution, owner, owner_institution, asked_by, at,
  state, because, decided_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', '', '');

-- name: request_by_id
-- One request, locked for its decision.
SELECT * FROM exchange.right_request WHERE request = $1 FOR UPDATE;

-- name: decide_request
-- The decision of a request.
UPDATE exchange.right_request SET state = $2, because = $3, decided_by = $4, decided_at = $5, until = $6, wanted = $7
WHERE request = $1;

-- name: requests_after
-- Requests, newest first, before a request; of or to institution $1 unless it is empty, in state $2 unless it is empty.
SELECT * FROM exchange.right_request
WHERE ($1 = '' OR client_institution = $1 OR owner_institution = $1) AND ($2 = '' OR state = $2)
  AND ($3::uuid IS NULL OR request < $3)
ORDER BY request DESC LIMIT $4;

-- name: rights_after
-- Living rights, for everybody to see: by service and client.
SELECT r.*, s.owner FROM exchange.access_right r JOIN exchange.service s USING (service)
LEFT JOIN exchange.subsystem u ON u.subsystem = r.client
WHERE (r.until IS NULL OR r.until > $1) AND ($2 = '' OR r.service = $2)
  AND ($3 = '' OR u.institution = $3) AND (r.service || ' ' || r.client || ' ' || r.purpose) > $4
ORDER BY (r.service || ' ' || r.client || ' ' || r.purpose), r.basis LIMIT $5;

-- name: keys_of
-- The keys of an institution's software, the active ones first.
SELECT k.*, u.name FROM exchange.key k JOIN exchange.subsystem u USING (subsystem)
WHERE u.institution = $1 ORDER BY k.active DESC, k.subsystem, k.since DESC LIMIT 200;

-- name: subsystems_of
-- An institution's software.
SELECT * FROM exchange.subsystem WHERE institution = $1 ORDER BY subsystem LIMIT 200;
