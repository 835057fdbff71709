-- name: tables
-- What a room keeps: tables, columns, types, order, sealed columns.
SELECT * FROM exchange.room_tables($1);

-- name: rows_of_table
-- The rows of a room's table as text.
SELECT cells, label, person FROM exchange.room_rows($1, $2);

-- name: put_rows
-- Rows as text into a room's table.
SELECT exchange.put_room_rows($1, $2, $3);

-- name: counters
-- Where a room's counters stand.
SELECT counter, last FROM exchange.room_counters($1);

-- name: put_counter
-- Put a counter where it stood.
SELECT exchange.put_room_counter($1, $2, $3);

-- name: empty_room
-- Take out what a room holds that was never used.
SELECT exchange.empty_room($1);

-- name: close_room
-- Nothing of a room changes any more.
SELECT exchange.close_room($1, $2);

-- name: open_room
-- The room may change again.
SELECT exchange.open_room($1);

-- name: move_of
-- How far a room is on its way.
SELECT * FROM exchange.move WHERE room = $1;

-- name: put_move
-- A room is so far on its way.
INSERT INTO exchange.move (room, side, other, state, since, root) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (room) DO UPDATE SET side = excluded.side, other = excluded.other, state = excluded.state, root = excluded.root;

-- name: drop_move
-- A room stays after all.
DELETE FROM exchange.move WHERE room = $1;

-- name: parts
-- The parts of a room that were taken.
SELECT part FROM exchange.move_part WHERE room = $1 ORDER BY part;

-- name: put_part
-- A part was taken.
INSERT INTO exchange.move_part (room, part) VALUES ($1, $2);

-- name: same_names
-- This peer knows people by the ids that stand in the records that it takes.
UPDATE exchange.peer SET same_names = true WHERE peer = $1;
