-- name: counts
-- Cases opened in [$1, $2) by kind, institution, outcome and whether a deadline was missed; exact, for the job alone.
SELECT kind, institution, outcome, escalated_at IS NOT NULL AND NOT appealed AS escalated, late, count(*) AS count
FROM governance.case WHERE opened_at >= $1 AND opened_at < $2 GROUP BY 1, 2, 3, 4, 5;

-- name: put_edition
-- Publish a quarter, unless it is published.
INSERT INTO governance.edition (period, at, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: editions
-- Published quarters, newest first.
SELECT body FROM governance.edition ORDER BY period DESC LIMIT 40;
