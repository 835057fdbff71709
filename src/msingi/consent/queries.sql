-- name: newest_agreement
-- The newest version of a data agreement, retired or not.
SELECT * FROM consent.agreement WHERE agreement = $1 ORDER BY version DESC LIMIT 1;

-- name: agreement_version
-- One version of a data agreement, and whether it is the newest.
SELECT a.*, NOT EXISTS (
  SELECT 1 FROM consent.agreement n WHERE n.agreement = a.agreement AND n.version > a.version) AS newest
FROM consent.agreement a WHERE a.agreement = $1 AND a.version = $2;

-- name: agreements_after
-- The newest versions of data agreements that are offered, by name, from $1 on; of institution $3 unless empty.
SELECT a.* FROM consent.agreement a
WHERE a.agreement > $1 AND NOT a.retired AND ($3 = '' OR a.institution = $3) AND NOT EXISTS (
  SELECT 1 FROM consent.agreement n WHERE n.agreement = a.agreement AND n.version > a.version)
ORDER BY a.agreement LIMIT $2;

-- name: agreement_by_number
-- The agreement that was the $1th to be published for the first time.
SELECT agreement FROM consent.agreement WHERE version = 1 ORDER BY published_at, agreement OFFSET $1::bigint - 1 LIMIT 1;

-- name: put_agreement
-- Publish a version, unless somebody else has just published the same one.
INSERT INTO consent.agreement (agreement, version, institution, purpose, body, retired, published_at, hash,
  predecessor_hash, kid, signature)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING;

-- name: raise_epoch
-- Count a change of a person's consents; waits for the decisions that are under way.
INSERT INTO consent.epoch (person_id, epoch) VALUES ($1, 1)
ON CONFLICT (person_id) DO UPDATE SET epoch = epoch.epoch + 1 RETURNING epoch;

-- name: live_consent
-- The live consent that covers everything asked, with the person's epoch.
SELECT consent_id, epoch, expires_at FROM consent.live($1, $2, $3, $4, $5);

-- name: live_consents
-- The same for many people and askers at a time: the number of each that has a live consent. Fields are blank-separated.
SELECT no, consent_id, epoch, expires_at FROM consent.live_of($1, $2, $3, $4, $5);

-- name: stopped
-- Of asks (person, asker, purpose), the numbers of those that an upheld objection stops.
SELECT a.no::int - 1 AS no FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS a (person, asker, why, no)
WHERE consent.stopped(a.person, a.asker, a.why);

-- name: stop
-- A use of data is stopped, unless it is already; every consent that rests on it ends with it in effect.
INSERT INTO consent.restriction (person_id, institution, purpose, reference, since) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (person_id, institution, purpose) DO UPDATE SET since = excluded.since, reference = excluded.reference
WHERE restriction.since < excluded.since;

-- name: put_consent
-- A new consent.
INSERT INTO consent.record (person_id, consent_id, agreement, agreement_version, agreement_hash, institution, purpose,
  fields, state, granted_at, expires_at, language, channel, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- name: end_consent
-- A consent has ended.
UPDATE consent.record SET state = $3, ended_at = $4, revision = $5 WHERE person_id = $1 AND consent_id = $2;

-- name: consent_by_id
-- One consent of a person, locked against concurrent change.
SELECT * FROM consent.record WHERE person_id = $1 AND consent_id = $2 FOR UPDATE;

-- name: granted_for_agreement
-- The consent of a person to an agreement that has not been written down as ended.
SELECT * FROM consent.record WHERE person_id = $1 AND agreement = $2 AND state = 'granted' FOR UPDATE;

-- name: consents_of
-- A person's consents, newest first, after the one with id $2 (the highest id to begin with).
SELECT * FROM consent.record WHERE person_id = $1 AND consent_id < $2 ORDER BY consent_id DESC LIMIT $3;

-- name: due_consents
-- Consents whose time has passed and that are not yet written down as expired.
SELECT * FROM consent.record WHERE state = 'granted' AND expires_at <= $1 ORDER BY expires_at LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: put_revision
-- Keep the signed receipt of a state.
INSERT INTO consent.revision (person_id, consent_id, revision, at, hash, predecessor_hash, kid, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: newest_revision
-- The last revision of a consent.
SELECT * FROM consent.revision WHERE person_id = $1 AND consent_id = $2 ORDER BY revision DESC LIMIT 1;

-- name: revisions_of
-- All revisions of a consent, oldest first.
SELECT * FROM consent.revision WHERE person_id = $1 AND consent_id = $2 ORDER BY revision;

-- name: put_request
-- Ask; an open request for the same agreement is replaced by the newer one.
INSERT INTO consent.request (person_id, request_id, agreement, agreement_version, institution, purpose, fields, reason,
  state, asked_at, lapses_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (person_id, agreement) WHERE state = 'pending' DO UPDATE SET
  agreement_version = excluded.agreement_version, fields = excluded.fields, reason = excluded.reason,
  asked_at = excluded.asked_at, lapses_at = excluded.lapses_at
RETURNING request_id;

-- name: request_by_id
-- One request to a person, locked against concurrent change.
SELECT * FROM consent.request WHERE person_id = $1 AND request_id = $2 FOR UPDATE;

-- name: requests_of
-- A person's requests, newest first, after the one with id $2; only open ones when $4.
SELECT * FROM consent.request
WHERE person_id = $1 AND request_id < $2 AND (NOT $4 OR (state = 'pending' AND lapses_at > $5))
ORDER BY request_id DESC LIMIT $3;

-- name: answer_request
-- A request was answered; with yes it names the consent.
UPDATE consent.request SET state = $3, consent_id = $4 WHERE person_id = $1 AND request_id = $2;

-- name: records_of
-- The sealed records of the acts about a person, newest first (ids sort by time), after record $2 (null to begin with),
-- without those that a court order hides at $4.
SELECT record_id, sealed FROM log.record r
WHERE person_id = $1 AND ($2::uuid IS NULL OR record_id < $2)
AND (veil_id IS NULL OR NOT EXISTS (SELECT 1 FROM log.veil v
  WHERE v.person_id = $1 AND v.veil_id = r.veil_id AND v.until > $4 AND v.lifted_at IS NULL))
ORDER BY record_id DESC LIMIT $3;

-- name: record_by_id
-- The sealed record of one act about a person, unless a court order hides it at $3.
SELECT sealed FROM log.record r WHERE person_id = $1 AND record_id = $2
AND (veil_id IS NULL OR NOT EXISTS (SELECT 1 FROM log.veil v
  WHERE v.person_id = $1 AND v.veil_id = r.veil_id AND v.until > $3 AND v.lifted_at IS NULL));
