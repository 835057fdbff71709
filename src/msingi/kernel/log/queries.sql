-- name: leave
-- Leave the entries of a transaction for the sequencer, and the sealed records for their subjects.
SELECT log.leave($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)

-- name: try_lock
-- Become the one sequencer, for as long as this connection lives.
SELECT pg_try_advisory_lock($1)

-- name: something_waits
-- Does any entry wait for its place?
SELECT EXISTS (SELECT 1 FROM log.pending ORDER BY id LIMIT 1)  -- by the index: the heap is full of dead rows

-- name: take_pending
-- Take waiting entries out in the order of their ids: at most $1 transactions, and no more once $2 bytes are reached.
-- By their physical places, so that the heap, full of dead rows, is never scanned; nobody else changes these rows.
DELETE FROM log.pending WHERE ctid = ANY (ARRAY(
  SELECT place FROM (
    SELECT place, sum(size) OVER (ORDER BY id) - size AS bytes_before
    FROM (SELECT ctid AS place, id, length(entries) AS size FROM log.pending ORDER BY id LIMIT $1) head
  ) counted WHERE bytes_before < $2
)) RETURNING id, entries

-- name: write_tiles
-- Write new tiles, and the longer form of tiles that grew.
INSERT INTO log.tile (level, n, bytes) SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
ON CONFLICT (level, n) DO UPDATE SET bytes = excluded.bytes

-- name: read_tiles
-- Tiles by level and number, whole.
SELECT t.level, t.n, t.bytes
FROM unnest($1::smallint[], $2::bigint[]) AS wanted (level, n) JOIN log.tile t USING (level, n)

-- name: tile_start
-- The first $3 bytes of a tile, without reading the rest from disk.
SELECT substring(bytes FROM 1 FOR $3) FROM log.tile WHERE level = $1 AND n = $2

-- name: publish
-- Publish a signed tree head; a second one for the same size is an error.
INSERT INTO log.checkpoint (size, root, note) VALUES ($1, $2, $3)

-- name: newest_checkpoint
-- The tree head of the largest size.
SELECT size, root, note FROM log.checkpoint ORDER BY size DESC LIMIT 1

-- name: first_note
-- The first note that was ever signed; it names the log.
SELECT note FROM log.checkpoint ORDER BY size LIMIT 1

-- name: served_checkpoint
-- The tree head to show for at least $1 leaves: of those of the last ten seconds before the newest, the one that
-- most witnesses cosigned, and the newest of these.
WITH recent AS (
  SELECT size, note, at FROM log.checkpoint WHERE size >= $1 ORDER BY size DESC LIMIT 64
)
SELECT r.size, r.note, array_remove(array_agg(c.line ORDER BY c.witness), NULL) AS lines
FROM recent r LEFT JOIN log.cosignature c USING (size)
WHERE r.at >= (SELECT max(at) FROM recent) - interval '10 seconds'
GROUP BY r.size, r.note ORDER BY count(c.line) DESC, r.size DESC LIMIT 1

-- name: witnessed_checkpoint
-- The newest tree head of at least $1 leaves that $2 witnesses or more cosigned.
SELECT c.size, c.note, array_agg(s.line ORDER BY s.witness) AS lines
FROM log.checkpoint c JOIN log.cosignature s USING (size)
WHERE c.size = (
  SELECT size FROM log.cosignature WHERE size >= $1 GROUP BY size HAVING count(*) >= $2 ORDER BY size DESC LIMIT 1)
GROUP BY c.size, c.note

-- name: heads_after
-- Signed heads of more than $1 leaves, in order, with what witnesses signed of them.
SELECT c.note, array_remove(array_agg(s.line ORDER BY s.witness), NULL) AS lines
FROM (SELECT size, note FROM log.checkpoint WHERE size > $1 ORDER BY size LIMIT $2) c
LEFT JOIN log.cosignature s USING (size)
GROUP BY c.size, c.note ORDER BY c.size

-- name: place_of
-- Where a record's entry stands (first_index is NULL while it waits), and the commitments it is among, if several.
SELECT r.entry_no, r.inner_no, p.first_index, i.commitments
FROM log.record r
LEFT JOIN log.placed p USING (pending_id)
LEFT JOIN log.inner i USING (pending_id, entry_no)
WHERE r.person_id = $1 AND r.record_id = $2

-- name: place_of_root
-- Where the newest entry that is this batch root stands; NULL while it waits, no row if no room left it.
SELECT p.first_index + b.entry_no AS index FROM log.batch b LEFT JOIN log.placed p USING (pending_id)
WHERE b.root = $1 ORDER BY p.first_index DESC NULLS LAST LIMIT 1

-- name: cosigned_size
-- The largest size that a witness has cosigned for us.
SELECT coalesce(max(size), 0) FROM log.cosignature WHERE witness = $1

-- name: add_cosignature
-- Keep what a witness signed.
INSERT INTO log.cosignature (size, witness, line) VALUES ($1, $2, $3) ON CONFLICT (size, witness) DO NOTHING

-- name: begin_following
-- Make the row of a followed log, so that it can be locked.
INSERT INTO log.followed (origin) VALUES ($1) ON CONFLICT (origin) DO NOTHING

-- name: lock_followed
-- The newest tree head of a followed log; whoever else wants to change it waits.
SELECT size, root, note FROM log.followed WHERE origin = $1 FOR UPDATE

-- name: follow
-- Remember the tree head that is about to be cosigned.
UPDATE log.followed SET size = $2, root = $3, note = $4, at = now() WHERE origin = $1

-- name: followed_note
-- The newest cosigned note of the log whose origin has this SHA-256.
SELECT note FROM log.followed WHERE sha256(convert_to(origin, 'UTF8')) = $1 AND note <> ''

-- name: audit_view
-- One unchanging view of the whole log for an auditor who looks at the places of records, not at people.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: audit_counts
-- How much there is to check: entries under the newest head, tree heads, tiles of each level.
SELECT (SELECT coalesce(max(size), 0) FROM log.checkpoint) AS size,
       (SELECT count(*) FROM log.checkpoint) AS checkpoints,
       (SELECT count(*) FROM log.record) AS records,
       (SELECT coalesce(sum(length(entries) / 32), 0) FROM log.pending)::bigint AS waiting

-- name: audit_tile_counts
-- How many tiles each level has, and the number of the last.
SELECT level, count(*) AS count, max(n) AS last FROM log.tile GROUP BY level

-- name: audit_checkpoints
-- Signed tree heads of more than $1 leaves, in order.
SELECT size, root, note, at FROM log.checkpoint WHERE size > $1 ORDER BY size LIMIT $2

-- name: audit_placed
-- All transactions in the order of their places, with what records, inner commitments and batches say of each.
SELECT p.pending_id, p.first_index, p.count, x.entry_no, x.numbers, x.commitments, x.root
FROM (SELECT pending_id, first_index, count FROM log.placed ORDER BY first_index) p
LEFT JOIN LATERAL (
  SELECT entry_no, r.numbers, i.commitments, b.root
  FROM (SELECT entry_no, array_agg(inner_no ORDER BY inner_no) AS numbers
        FROM log.record WHERE pending_id = p.pending_id GROUP BY entry_no) r
  FULL JOIN (SELECT entry_no, commitments FROM log.inner WHERE pending_id = p.pending_id) i USING (entry_no)
  FULL JOIN (SELECT entry_no, root FROM log.batch WHERE pending_id = p.pending_id) b USING (entry_no)
) x ON true
ORDER BY p.first_index, x.entry_no

-- name: audit_records
-- The sealed records of some transactions, to be opened and hashed.
SELECT person_id, pending_id, entry_no, inner_no, sealed FROM log.record WHERE pending_id = ANY ($1::uuid[])

-- name: audit_strays
-- Records whose transaction has no place in the tree and does not wait for one either.
SELECT r.record_id FROM log.record r
WHERE NOT EXISTS (SELECT 1 FROM log.placed p WHERE p.pending_id = r.pending_id)
  AND NOT EXISTS (SELECT 1 FROM log.pending w WHERE w.id = r.pending_id) LIMIT $1

-- name: standing
-- When the newest head was signed, and how many transactions wait for their place.
SELECT (SELECT at FROM log.checkpoint ORDER BY size DESC LIMIT 1) AS at,
       (SELECT count(*) FROM (SELECT 1 FROM log.pending LIMIT 1000) w) AS waiting

-- name: count_acts
-- How many records each act has left, and how many of them since $1.
SELECT act, count(*) AS count, count(*) FILTER (WHERE at >= $1) AS last_day
FROM log.record GROUP BY act ORDER BY 2 DESC, 1

-- name: thin_heads
-- Remove heads older than an hour, but for the newest, the newest cosigned and those with a time stamp of each minute;
-- and for those older than a week, of each hour. The newest of all and the empty tree's always stay.
WITH old AS (
  SELECT c.size, EXISTS (SELECT 1 FROM log.cosignature s WHERE s.size = c.size) AS cosigned,
         date_trunc(CASE WHEN c.at < now() - interval '7 days' THEN 'hour' ELSE 'minute' END, c.at) AS span
  FROM log.checkpoint c
  WHERE c.at < now() - interval '1 hour' AND c.size > 0
    AND NOT EXISTS (SELECT 1 FROM log.timestamp t WHERE t.size = c.size)
), ranked AS (
  SELECT size, row_number() OVER (PARTITION BY span, cosigned ORDER BY size DESC) AS place FROM old
), gone AS (
  DELETE FROM log.checkpoint WHERE size IN (SELECT size FROM ranked WHERE place > 1)
    AND size < (SELECT max(size) FROM log.checkpoint) RETURNING size
)
DELETE FROM log.cosignature WHERE size IN (SELECT size FROM gone)

-- name: heads_to_stamp
-- Heads without a time stamp, the newest first, and then those of the last week that stay when old ones are thinned.
(SELECT size, note FROM log.checkpoint c WHERE NOT EXISTS (SELECT 1 FROM log.timestamp t WHERE t.size = c.size)
 AND size > 0 ORDER BY size DESC LIMIT 1)
UNION ALL
(SELECT size, note FROM (
  SELECT DISTINCT ON (date_trunc('hour', at)) size, note, at FROM log.checkpoint
  WHERE at BETWEEN now() - interval '7 days' AND date_trunc('hour', now()) AND size > 0
  ORDER BY date_trunc('hour', at), size DESC) hourly
 WHERE NOT EXISTS (SELECT 1 FROM log.timestamp t WHERE t.size = hourly.size) ORDER BY size LIMIT $1)

-- name: keep_timestamp
-- Keep the token of a time-stamping authority.
INSERT INTO log.timestamp (size, token, stamped_at) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING

-- name: timestamp_of
-- The token over a head, if there is one.
SELECT token FROM log.timestamp WHERE size = $1

-- name: put_veil
-- A court order to hide an institution's accesses to a person for one purpose until a day.
INSERT INTO log.veil (person_id, veil_id, institution, purpose, ordered_at, until, ordered_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: veils_of_court
--- The orders in force that an institution's staff gave, newest first, before an id.
SELECT veil_id, person_id, institution, purpose, ordered_at, until FROM log.veil
WHERE ordered_by = $1 AND lifted_at IS NULL AND until > $2 AND ($3::uuid IS NULL OR veil_id < $3)
ORDER BY veil_id DESC LIMIT $4

-- name: lift_veil
-- End an order before its day; the institution, or no row if it is not in force.
UPDATE log.veil SET lifted_at = $3 WHERE person_id = $1 AND veil_id = $2 AND lifted_at IS NULL AND until > $3
RETURNING institution

-- name: count_order
-- Count an order, for everybody to see.
INSERT INTO log.veiled AS c (institution, month, orders) VALUES ($1, date_trunc('month', $2::timestamptz), 1)
ON CONFLICT (institution, month) DO UPDATE SET orders = c.orders + 1

-- name: veiled_counts
-- How many orders and hidden entries each institution had in each month, the newest first.
SELECT institution, month, orders, entries FROM log.veiled WHERE month < $1 ORDER BY month DESC, institution LIMIT $2
