-- name: keep_centre
-- A centre as it is now.
INSERT INTO identity.centre AS c
  (centre, name, region, desks, opens_min, closes_min, slot_min, weekdays, open)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (centre) DO UPDATE SET name = $2, region = $3, desks = $4, opens_min = $5, closes_min = $6, slot_min = $7,
  weekdays = $8, open = $9

-- name: centres
-- The centres that are open, of a region or of all.
SELECT centre, name, region, desks, opens_min, closes_min, slot_min, weekdays, open FROM identity.centre
WHERE open AND ($1 = '' OR region = $1) ORDER BY region, centre LIMIT 500

-- name: centre
-- One centre.
SELECT centre, name, region, desks, opens_min, closes_min, slot_min, weekdays, open FROM identity.centre
WHERE centre = $1

-- name: taken
-- How many desks are taken at each time of a centre.
SELECT day, slot_min, count(*) AS desks FROM identity.appointment
WHERE centre = $1 AND day BETWEEN $2 AND $3 GROUP BY day, slot_min

-- name: taken_desks
-- Which desks are taken at one time.
SELECT desk FROM identity.appointment WHERE centre = $1 AND day = $2 AND slot_min = $3

-- name: take_desk
-- A desk at a time, unless somebody has it.
INSERT INTO identity.appointment (centre, day, slot_min, desk, application_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING desk

-- name: free_desk
-- A time that is no longer needed.
DELETE FROM identity.appointment WHERE centre = $1 AND day = $2 AND application_id = $3

-- name: count_application
-- One more application from a network in this hour; gives how many there were.
INSERT INTO identity.application_count AS c (place, hour, made) VALUES ($1, date_trunc('hour', $2::timestamptz), 1)
ON CONFLICT (place, hour) DO UPDATE SET made = c.made + 1 RETURNING made

-- name: add_application
-- What somebody told ahead.
INSERT INTO identity.application
  (reference_key, application_id, state, region, sealed, centre, day, slot_min, made_at, expires_at)
VALUES ($1, $2, 'waiting', $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING application_id

-- name: lock_application
-- An application by its blinded reference, locked until the transaction ends.
SELECT application_id, state, region, sealed, centre, day, slot_min, made_at, expires_at FROM identity.application
WHERE reference_key = $1 AND expires_at > $2 FOR UPDATE

-- name: close_application
-- What became of an application; its content is no longer needed.
UPDATE identity.application SET state = $2, closed_at = $3, sealed = NULL WHERE reference_key = $1

-- name: day_of_centre
-- Who comes to a centre on a day: times only, it names nobody.
SELECT slot_min, count(*) AS people FROM identity.application
WHERE centre = $1 AND day = $2 AND state = 'waiting' GROUP BY slot_min ORDER BY slot_min

-- name: forget_applications
-- Applications whose time is over, their appointments, and old counts.
WITH gone AS (
  DELETE FROM identity.application WHERE expires_at <= $1 RETURNING centre, day, application_id
), freed AS (
  DELETE FROM identity.appointment a USING gone g
  WHERE a.centre = g.centre AND a.day = g.day AND a.application_id = g.application_id
), counts AS (
  DELETE FROM identity.application_count WHERE hour < $1 - interval '1 day'
)
SELECT count(*) FROM gone

-- name: add_device
-- A device that officers enrol with.
INSERT INTO identity.device (device, officer, institution, public_key, registered_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING device

-- name: device
-- One device.
SELECT device, officer, institution, public_key, registered_at, revoked_at FROM identity.device WHERE device = $1

-- name: lock_device
-- One device; a revocation under way is waited for.
SELECT device, officer, institution, public_key, registered_at, revoked_at FROM identity.device
WHERE device = $1 FOR SHARE

-- name: devices
-- The devices of an institution, with the sequence numbers that have arrived.
SELECT d.device, d.officer, d.institution, d.registered_at, d.revoked_at,
  coalesce((SELECT array_agg(p.sequence) FROM identity.packet p WHERE p.device = d.device), '{}') AS sequences
FROM identity.device d WHERE d.institution = $1 ORDER BY d.registered_at DESC LIMIT 200

-- name: revoke_device
-- A device is trusted no more.
UPDATE identity.device SET revoked_at = coalesce(revoked_at, $3), because = coalesce(because, $4)
WHERE device = $1 AND institution = $2 RETURNING device

-- name: add_packet
-- A packet as it came; one that came before does not come back.
INSERT INTO identity.packet (packet_id, device, sequence, state, captured_at, received_at, sealed, content_hash, rule)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (packet_id) DO NOTHING RETURNING packet_id

-- name: lock_packet
-- One packet, locked until the transaction ends.
SELECT packet_id, device, sequence, state, captured_at, received_at, sealed, content_hash, rule, because, person_id
FROM identity.packet WHERE packet_id = $1 FOR UPDATE

-- name: due_packets
-- Packets that arrived and of which nothing has become yet, oldest first.
SELECT packet_id FROM identity.packet WHERE state = 'received' ORDER BY packet_id LIMIT $1

-- name: waiting_packets
-- Packets that wait for a person, oldest first, after a given one.
SELECT packet_id, device, sequence, state, captured_at, received_at, rule FROM identity.packet
WHERE state IN ('conflict', 'quarantined') AND packet_id > $1 ORDER BY packet_id LIMIT $2

-- name: waiting_packet_count
-- How many packets wait for a person.
SELECT count(*) FROM identity.packet WHERE state IN ('conflict', 'quarantined')

-- name: settle_packet
-- What became of a packet; its content goes when it is enrolled or dismissed.
UPDATE identity.packet SET state = $2, rule = $3, person_id = $4, decided_by = $5, because = $6,
  sealed = CASE WHEN $2 IN ('enrolled', 'held', 'dismissed') THEN NULL ELSE sealed END
WHERE packet_id = $1
