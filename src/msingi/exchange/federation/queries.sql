-- name: put_peer
-- A new peer, waiting for its approval; one that waits or is suspended is replaced by a newer anchor.
INSERT INTO exchange.peer (peer, instance, name, url, keys, rooms, standing, proposed_by, approved_by, since, version)
VALUES ($1, $2, $3, $4, $5, $6, 'proposed', $7, '', $8, 0)
ON CONFLICT (peer) DO UPDATE SET name = excluded.name, url = excluded.url, keys = excluded.keys,
  standing = 'proposed', proposed_by = excluded.proposed_by, approved_by = '', version = 0, expires = NULL,
  directory = NULL
WHERE exchange.peer.standing <> 'active';

-- name: peer_by_name
-- One peer.
SELECT * FROM exchange.peer WHERE peer = $1;

-- name: peers_all
-- All peers; there are as many as countries and moved rooms, never many.
SELECT * FROM exchange.peer ORDER BY peer LIMIT 500;

-- name: save_peer
-- A peer as a directory or a decision left it.
UPDATE exchange.peer SET keys = $2, standing = $3, approved_by = $4, version = $5, expires = $6, directory = $7
WHERE peer = $1;

-- name: own_members
-- The active members of this instance with their software and its active keys, for the directory.
SELECT i.institution, i.member_class, i.name, u.subsystem, u.name AS subsystem_name, k.kid, k.x
FROM exchange.institution i
LEFT JOIN exchange.subsystem u USING (institution)
LEFT JOIN exchange.key k ON k.subsystem = u.subsystem AND k.active
WHERE i.standing = 'active' AND strpos(i.institution, ':') = 0
ORDER BY i.institution, u.subsystem, k.since, k.kid;

-- name: own_services
-- The catalogue as others see it.
SELECT service, owner, title FROM exchange.service WHERE active ORDER BY service LIMIT 5000;

-- name: mirror_institution
-- A peer's member is known here under its instance.
INSERT INTO exchange.institution (institution, member_class, name, contact, standing, since)
VALUES ($1, $2, $3, '', 'active', $4)
ON CONFLICT (institution) DO UPDATE SET name = excluded.name, standing = 'active';

-- name: mirror_subsystem
-- A piece of software of a peer's member.
INSERT INTO exchange.subsystem (subsystem, institution, name, since) VALUES ($1, $2, $3, $4)
ON CONFLICT (subsystem) DO UPDATE SET name = excluded.name;

-- name: mirror_key
-- A key of that software; a key that another member holds stays that member's.
INSERT INTO exchange.key (kid, subsystem, x, active, since) VALUES ($1, $2, $3, true, $4)
ON CONFLICT (kid) DO UPDATE SET active = true WHERE exchange.key.subsystem = excluded.subsystem;

-- name: stop_machine_keys
-- A machine's keys that it no longer signs with are no longer accepted.
UPDATE exchange.key SET active = false WHERE active AND subsystem = $1 AND kid <> ALL ($2::text[]);

-- name: stop_missing_keys
-- Keys of the instance's members that its directory no longer lists are no longer accepted.
UPDATE exchange.key SET active = false WHERE active AND starts_with(subsystem, $1 || '/') AND kid <> ALL ($2::text[]);

-- name: stop_missing_members
-- Members of the instance that its directory no longer lists have no standing.
UPDATE exchange.institution SET standing = 'suspended'
WHERE standing = 'active' AND starts_with(institution, $1 || ':') AND institution <> ALL ($2::text[]);

-- name: edition_now
-- How often anything about members has changed.
SELECT edition FROM exchange.edition;

-- name: names_of_members
-- What members are called, those of other countries too.
SELECT institution, name FROM exchange.institution ORDER BY institution LIMIT 100000;

-- name: left_behind
-- Whether a room has served people here, and is not on its way to this peer with its records.
SELECT exchange.room_used($1) AND NOT EXISTS (
  SELECT FROM exchange.move WHERE room = $1 AND side = 'out' AND other = $2 AND state IN ('sent', 'confirmed'));
