-- name: put_delegation
-- A delegation begins.
INSERT INTO consent.delegation (person_id, delegation_id, delegate_id, purposes, since, until, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: count_live
-- How many delegations of a person are live.
SELECT count(*) FROM consent.delegation WHERE person_id = $1 AND ended_at IS NULL AND until > $2;

-- name: given
-- What a person gave to others, newest first.
SELECT * FROM consent.delegation WHERE person_id = $1 ORDER BY delegation_id DESC LIMIT 50;

-- name: received
-- The live delegations that were given to a person whom the permit reaches.
SELECT * FROM consent.received($1, $2);

-- name: entrusted
-- The live delegation of a person to another for a purpose, if there is one.
SELECT delegation_id FROM consent.delegation
WHERE person_id = $1 AND delegate_id = $2 AND $3 = ANY (purposes) AND ended_at IS NULL AND until > $4
ORDER BY until DESC LIMIT 1 FOR SHARE;

-- name: end_delegation
-- A delegation is taken back, or given back by its holder.
UPDATE consent.delegation SET ended_at = $3
WHERE person_id = $1 AND delegation_id = $2 AND ended_at IS NULL AND until > $3;
