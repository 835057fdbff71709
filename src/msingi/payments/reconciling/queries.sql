-- name: add
-- Keep a comparison.
INSERT INTO payments.reconciliation (reconciliation_id, institution, account, statement_id, sha256, first, last, lines,
  entries, by_reference, by_end_to_end, by_amount, exceptions, made_by, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)

-- name: add_items
-- Keep what did not agree.
INSERT INTO payments.reconciliation_item (reconciliation_id, item, why, on_day, amount, booked, reference, end_to_end,
  transfer)
SELECT $1, * FROM unnest($2::int[], $3::text[], $4::date[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
  $9::text[]) RETURNING 1

-- name: page
-- An institution's newest comparisons, with what is still open.
SELECT r.*, (SELECT count(*)::int FROM payments.reconciliation_item i
  WHERE i.reconciliation_id = r.reconciliation_id AND i.settled_by IS NULL) AS open
FROM payments.reconciliation r WHERE r.institution = $1 ORDER BY r.made_at DESC LIMIT $2

-- name: one
-- A comparison, with what is still open.
SELECT r.*, (SELECT count(*)::int FROM payments.reconciliation_item i
  WHERE i.reconciliation_id = r.reconciliation_id AND i.settled_by IS NULL) AS open
FROM payments.reconciliation r WHERE r.reconciliation_id = $1 AND r.institution = $2

-- name: items
-- A page of what did not agree; only what is still open if $4.
SELECT i.* FROM payments.reconciliation_item i
WHERE i.reconciliation_id = $1 AND i.item > $2 AND (NOT $4 OR i.settled_by IS NULL) ORDER BY i.item LIMIT $3

-- name: item
-- One thing that did not agree.
SELECT i.* FROM payments.reconciliation_item i WHERE i.reconciliation_id = $1 AND i.item = $2

-- name: settle
-- Note what an official says of one thing that did not agree, once.
UPDATE payments.reconciliation_item SET settled_by = $3, settled_at = $4, note = $5
WHERE reconciliation_id = $1 AND item = $2 AND settled_by IS NULL

-- name: end_to_end
-- The end-to-end ids of transfers that the institution's payment files made.
SELECT l.transfer_id, l.end_to_end_id FROM payments.payment_file f
JOIN payments.payment_line_seen l ON l.file_id = f.id
WHERE f.institution = $1 AND f.state IN ('running', 'finished') AND l.at >= $3 AND l.transfer_id = ANY ($2::uuid[])
