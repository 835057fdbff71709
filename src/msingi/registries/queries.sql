-- name: put_register
-- A register, or its description anew.
INSERT INTO registries.register (register_id, code, version, keeper, described, at, next_number)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (code, version) DO UPDATE SET described = excluded.described
WHERE registries.register.keeper = excluded.keeper
RETURNING register_id;

-- name: register_named
-- A register by its name and version.
SELECT * FROM registries.register WHERE code = $1 AND version = $2;

-- name: register_latest
-- The newest version of a register by its name.
SELECT * FROM registries.register WHERE code = $1 ORDER BY at DESC LIMIT 1;

-- name: register_by_id
-- A register by its number.
SELECT * FROM registries.register WHERE register_id = $1;

-- name: registers
-- A page of the registers, by number.
SELECT * FROM registries.register WHERE register_id > $1 ORDER BY register_id LIMIT $2;

-- name: lock_register
-- Hold a register while its shape is changed, or it is ended.
SELECT register_id FROM registries.register WHERE register_id = $1 FOR UPDATE;

-- name: holds_records
-- Whether a register holds any record.
SELECT EXISTS (SELECT 1 FROM registries.place WHERE register_id = $1);

-- name: drop_register
-- A register ends.
DELETE FROM registries.register WHERE register_id = $1;

-- name: keep_register
-- Keep a register from ending while a record is put into it.
SELECT register_id FROM registries.register WHERE register_id = $1 FOR SHARE;

-- name: next_number
-- Take the next number of a register.
UPDATE registries.register SET next_number = next_number + 1 WHERE register_id = $1 RETURNING next_number - 1;

-- name: put_place
-- A key of a register now belongs to a record, unless it is another's.
INSERT INTO registries.place (register_id, key, record_id, person_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: place_of
-- Where a record is, by its blinded key or its id.
SELECT record_id, person_id FROM registries.place WHERE register_id = $1 AND (key = $2 OR record_id = $3)
ORDER BY key = $2 DESC LIMIT 1;

-- name: drop_place
-- A record gives its key up.
DELETE FROM registries.place WHERE register_id = $1 AND record_id = $2;

-- name: put_record
-- A record about a person.
INSERT INTO registries.record (person_id, record_id, register_id, keys, sealed, updated)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: records
-- Records about people that the index cannot rule out, in order of their making.
SELECT person_id, record_id, sealed, updated FROM registries.record
WHERE register_id = $1 AND keys @> $2 AND CASE WHEN $4 THEN record_id < $3 ELSE record_id > $3 END
ORDER BY CASE WHEN $4 THEN record_id END DESC, record_id LIMIT $5;

-- name: record_by_id
-- One record about a person.
SELECT person_id, record_id, sealed, updated FROM registries.record WHERE person_id = $1 AND record_id = $2;

-- name: records_of
-- All records about a person, with the registers that they stand in.
SELECT r.person_id, r.record_id, r.sealed, r.updated, r.register_id FROM registries.record r
WHERE r.person_id = $1 ORDER BY r.record_id;

-- name: change_record
-- A record's new content, unless somebody else changed it meanwhile.
UPDATE registries.record SET keys = $4, sealed = $5, updated = $6
WHERE person_id = $1 AND record_id = $2 AND updated = $3;

-- name: drop_record
-- A record about a person is deleted.
DELETE FROM registries.record WHERE person_id = $1 AND record_id = $2;

-- name: put_entry
-- An entry about nobody.
INSERT INTO registries.entry (record_id, register_id, keys, content, updated) VALUES ($1, $2, $3, $4, $5);

-- name: entries
-- Entries that the index cannot rule out, in order of their making.
SELECT record_id, content, updated FROM registries.entry
WHERE register_id = $1 AND keys @> $2 AND CASE WHEN $4 THEN record_id < $3 ELSE record_id > $3 END
ORDER BY CASE WHEN $4 THEN record_id END DESC, record_id LIMIT $5;

-- name: entry_by_id
-- One entry.
SELECT record_id, content, updated FROM registries.entry WHERE record_id = $1;

-- name: change_entry
-- An entry's new content, unless somebody else changed it meanwhile.
UPDATE registries.entry SET keys = $3, content = $4, updated = $5 WHERE record_id = $1 AND updated = $2;

-- name: drop_entry
-- An entry is deleted.
DELETE FROM registries.entry WHERE record_id = $1;
