-- name: put_institution
-- A new member; nothing when its code is taken.
INSERT INTO exchange.institution (institution, member_class, name, contact, standing, since)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;

-- name: institution_by_id
-- One member.
SELECT * FROM exchange.institution WHERE institution = $1;

-- name: set_standing
-- Approve or suspend a member.
UPDATE exchange.institution SET standing = $2 WHERE institution = $1;

-- name: institutions_after
-- Members by code; those of other instances, whose code has a colon, stand in their own directories.
SELECT * FROM exchange.institution WHERE institution > $1 AND strpos(institution, ':') = 0 ORDER BY institution LIMIT $2;

-- name: clients
-- Active members and their software, for the X-Road client list.
SELECT i.institution, i.member_class, i.name, u.subsystem, u.name AS subsystem_name
FROM exchange.institution i LEFT JOIN exchange.subsystem u USING (institution)
WHERE i.standing = 'active' AND strpos(i.institution, ':') = 0 ORDER BY i.institution, u.subsystem;

-- name: put_subsystem
-- A new piece of software; nothing when its code is taken.
INSERT INTO exchange.subsystem (subsystem, institution, name, since) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: subsystem_by_id
-- One piece of software and its institution's standing.
SELECT u.*, i.standing FROM exchange.subsystem u JOIN exchange.institution i USING (institution) WHERE u.subsystem = $1;

-- name: put_key
-- A new key; nothing when it is known.
INSERT INTO exchange.key (kid, subsystem, x, active, since) VALUES ($1, $2, $3, true, $4) ON CONFLICT DO NOTHING;

-- name: key_by_kid
-- A key with its software, and its institution's standing.
SELECT k.*, u.institution, u.name, i.standing
FROM exchange.key k JOIN exchange.subsystem u USING (subsystem) JOIN exchange.institution i USING (institution)
WHERE k.kid = $1;

-- name: keys_in_use
-- The keys that may be used now: who may connect where the exchange ends mutual TLS.
SELECT k.kid, k.x
FROM exchange.key k JOIN exchange.subsystem u USING (subsystem) JOIN exchange.institution i USING (institution)
WHERE k.active AND i.standing = 'active';

-- name: stop_key
-- A key is no longer accepted.
UPDATE exchange.key SET active = false WHERE kid = $1;

-- name: put_service
-- Offer a service, or say anew what it offers; another owner's service stays as it is.
INSERT INTO exchange.service (service, owner, title, fields, purposes, bases, needs_consent, about_person, document,
  media_type, url, active, openapi, questions, alias)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (service) DO UPDATE SET title = excluded.title, fields = excluded.fields, purposes = excluded.purposes,
  bases = excluded.bases, needs_consent = excluded.needs_consent, about_person = excluded.about_person,
  document = excluded.document, media_type = excluded.media_type, url = excluded.url, active = excluded.active,
  openapi = excluded.openapi, questions = excluded.questions,
  alias = excluded.alias
WHERE exchange.service.owner = excluded.owner;

-- name: service_by_code
-- One service of the catalogue.
SELECT * FROM exchange.service WHERE service = $1;

-- name: code_by_alias
-- The code of an owner's service that X-Road's clients know under another one.
SELECT service FROM exchange.service WHERE owner = $1 AND alias = $2 AND alias <> '' ORDER BY service LIMIT 1;

-- name: services_after
-- The catalogue by service code; of owner $3 unless empty; whose code, owner or title holds $4 unless empty.
SELECT * FROM exchange.service
WHERE service > $1 AND active AND ($3 = '' OR owner = $3)
  AND ($4 = '' OR strpos(lower(service || ' ' || owner || ' ' || title::text), lower($4)) > 0)
ORDER BY service LIMIT $2;

-- name: put_right
-- Grant a right, or say anew what it gives; the version that it has now.
INSERT INTO exchange.access_right (client, service, purpose, basis, law, fields, endpoints, by_number, version, until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)
ON CONFLICT (client, service, purpose, basis) DO UPDATE SET law = excluded.law, fields = excluded.fields,
  endpoints = excluded.endpoints, by_number = excluded.by_number, until = excluded.until,
  version = access_right.version + 1
RETURNING version;

-- name: end_right
-- A right ends now.
UPDATE exchange.access_right SET until = $5, version = version + 1
WHERE client = $1 AND service = $2 AND purpose = $3 AND basis = $4 AND (until IS NULL OR until > $5);

-- name: rights_to
-- The rights of a client to a service that have not ended.
SELECT * FROM exchange.access_right WHERE client = $1 AND service = $2 AND (until IS NULL OR until > $3);

-- name: rights_of
-- All rights of a client to services of an owner that have not ended.
SELECT r.* FROM exchange.access_right r JOIN exchange.service s USING (service)
WHERE r.client = $1 AND s.owner = $2 AND (r.until IS NULL OR r.until > $3) ORDER BY r.service, r.purpose, r.basis;

-- name: claim_messages
-- The claim that messages are new, in the order of their ids so that no two batches wait for each other; with the
-- edition of all that decides about them.
WITH asked AS (
  SELECT client, message_id FROM unnest($1::text[], $2::uuid[]) AS a (client, message_id) ORDER BY client, message_id
), claim AS (
  INSERT INTO exchange.seen (client, message_id, at) SELECT client, message_id, $3 FROM asked
  ON CONFLICT DO NOTHING RETURNING client, message_id
)
SELECT (SELECT edition FROM exchange.edition) AS edition, ARRAY(SELECT client FROM claim) AS clients,
  ARRAY(SELECT message_id FROM claim) AS messages;

-- name: as_weighed
-- Claim messages, and stop the transaction unless all that was weighed for them still is as it was expected to be.
SELECT exchange.as_weighed($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: client_now
-- The edition, an institution's standing, and the keys of its subsystem that may be used.
SELECT e.edition, i.standing, ARRAY(SELECT kid FROM exchange.key k WHERE k.subsystem = $1 AND k.active) AS kids
FROM exchange.edition e
LEFT JOIN exchange.subsystem u ON u.subsystem = $1
LEFT JOIN exchange.institution i ON i.institution = u.institution;

-- name: claim_message
-- The claim that this message is new.
INSERT INTO exchange.seen (client, message_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: forget_messages
-- Messages that are refused by their time need not be remembered.
DELETE FROM exchange.seen WHERE at < $1;
