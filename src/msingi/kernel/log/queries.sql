-- name: leave
-- Leave the entries of a transaction for the sequencer, and the sealed records for their subjects.
WITH entry AS (
  INSERT INTO log.pending (id, entries) VALUES ($1, $2)
), branch AS (
  INSERT INTO log.inner (pending_id, entry_no, commitments)
  SELECT $1, n, c FROM unnest($3::int[], $4::bytea[]) AS i (n, c)
)
INSERT INTO log.record (person_id, record_id, at, act, pending_id, entry_no, inner_no, sealed)
SELECT p, r, a, t, $1, e, i, s
FROM unnest($5::uuid[], $6::uuid[], $7::timestamptz[], $8::text[], $9::int[], $10::int[], $11::bytea[])
  AS x (p, r, a, t, e, i, s)
