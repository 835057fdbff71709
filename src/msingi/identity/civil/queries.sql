-- name: add_notification
-- A birth or death that was told.
INSERT INTO identity.notification (notification_id, kind, state, region, sealed, institution, notified_by, notified_at)
VALUES ($1, $2, 'notified', $3, $4, $5, $6, $7)

-- name: waiting_notifications
-- What waits for a registrar, oldest first, after a given one.
SELECT notification_id, kind, state, region, institution, notified_at, person_id FROM identity.notification
WHERE state = 'notified' AND notification_id > $1 ORDER BY notification_id LIMIT $2

-- name: waiting_count
-- How many notifications wait.
SELECT count(*) FROM identity.notification WHERE state = 'notified'

-- name: lock_notification
-- One notification, locked against a second decision.
SELECT notification_id, kind, state, region, institution, notified_at, because, person_id, sealed
FROM identity.notification WHERE notification_id = $1 FOR UPDATE

-- name: close_notification
-- What became of a notification; its content is no longer needed.
UPDATE identity.notification
SET state = $2, person_id = $3, decided_by = $4, decided_at = $5, because = $6, sealed = NULL
WHERE notification_id = $1

-- name: next_number
-- The next number of a year's register.
INSERT INTO identity.register_number AS r (register, next_number) VALUES ($1, 2)
ON CONFLICT (register) DO UPDATE SET next_number = r.next_number + 1 RETURNING next_number - 1

-- name: add_entry
-- A version of an entry of the civil register.
INSERT INTO identity.civil_entry
  (person_id, kind, version, entry_number, state, month, region, late, sealed, registered_by, registered_at)
VALUES ($1, $2, $3, $4, 'registered', $5, $6, $7, $8, $9, $10)

-- name: supersede
-- A version of an entry is corrected by the next.
UPDATE identity.civil_entry SET state = 'corrected'
WHERE person_id = $1 AND kind = $2 AND version = $3 AND state = 'registered'

-- name: entries
-- All versions of a person's entries of one kind, oldest first.
SELECT person_id, kind, version, entry_number, state, month, region, late, sealed, registered_at
FROM identity.civil_entry WHERE person_id = $1 AND kind = $2 ORDER BY version

-- name: counts
-- Entries of events from month $1 to month $2, by kind and region.
SELECT kind, region, count(*) AS entries, count(*) FILTER (WHERE late) AS late FROM identity.civil_entry
WHERE state = 'registered' AND month BETWEEN $1 AND $2 GROUP BY kind, region ORDER BY kind, region

-- name: birth_of
-- Where a birth took place, and who the mother is.
SELECT place, mother_id FROM identity.birth WHERE person_id = $1
