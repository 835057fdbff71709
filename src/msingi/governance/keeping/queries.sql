-- name: register
-- The register of what is kept, in the order in which it is destroyed.
SELECT tab, purpose, keep_days, how, person <> '' AS personal, clock, sealed <> '' AS sealed, duty
FROM governance.keeping ORDER BY place;

-- name: destroy_due
-- Destroy rows of a table that have had their time; the digest and age of each.
SELECT digest, aged FROM governance.destroy_due($1, $2, $3);

-- name: destroy_of
-- Destroy a person's rows of a table that are out of use; the digest of each.
SELECT digest FROM governance.destroy_of($1, $2);

-- name: sealed_of
-- A person's sealed values of a table, with their labels.
SELECT label, blob FROM governance.sealed_of($1, $2);

-- name: reseal
-- Put values that were sealed anew in the place of the old ones.
SELECT governance.reseal($1, $2, $3, $4);

-- name: is_held
-- Whether a person is under a legal hold.
SELECT governance.held($1);

-- name: put_hold
-- A legal hold begins.
INSERT INTO governance.hold (person_id, hold_id, because, ordered_by, since, until) VALUES ($1, $2, $3, $4, $5, $6);

-- name: end_hold
-- A legal hold ends.
UPDATE governance.hold SET ended_at = $3 WHERE person_id = $1 AND hold_id = $2 AND ended_at IS NULL AND until > $3;

-- name: put_certificate
-- Keep the certificate of a destruction.
INSERT INTO governance.certificate (certificate_id, at, kind, body, kid, jws) VALUES ($1, $2, $3, $4, $5, $6);

-- name: certificates
-- Certificates, newest first, after the one with id $1 (the highest id to begin with).
SELECT * FROM governance.certificate WHERE certificate_id < $1 ORDER BY certificate_id DESC LIMIT $2;

-- name: certificate
-- One certificate.
SELECT * FROM governance.certificate WHERE certificate_id = $1;

-- name: unregistered
-- Tables with content about a person that nobody registered.
SELECT * FROM governance.unregistered() ORDER BY 1;
