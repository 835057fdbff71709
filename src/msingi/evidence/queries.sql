-- name: put_population
-- Set how many people there are in a group, region and sex.
INSERT INTO evidence.population (age_group, region, sex, people, source)
SELECT g, r, s, p, $5 FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS x (g, r, s, p)
ON CONFLICT (age_group, region, sex) DO UPDATE SET people = excluded.people, source = excluded.source

-- name: population_of
-- The denominators of an age group.
SELECT age_group, region, sex, people, source FROM evidence.population WHERE age_group = $1 ORDER BY region, sex

-- name: lock_year
-- One publication at a time, so that two cannot both spend the last of the budget.
SELECT pg_advisory_xact_lock(7211002)

-- name: spent
-- What the year has spent of an indicator's privacy budget, in thousandths.
SELECT coalesce(sum(epsilon_milli), 0)::int FROM evidence.edition WHERE indicator = $1 AND year = $2

-- name: add_edition
-- Record a publication.
INSERT INTO evidence.edition (edition_id, indicator, at, year, epsilon_milli, spent_milli, source)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: add_figures
-- Record the figures of a publication.
INSERT INTO evidence.figure (edition_id, region, sex, numerator, denominator, percent, margin)
SELECT $1, r, s, n, d, p, m
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::float8[], $7::float8[]) AS x (r, s, n, d, p, m)
RETURNING 1

-- name: newest_edition
-- The newest publication of an indicator.
SELECT edition_id, indicator, at, epsilon_milli, spent_milli, source FROM evidence.edition
WHERE indicator = $1 ORDER BY at DESC LIMIT 1

-- name: figures_of
-- The figures of a publication: the nation first, then regions.
SELECT region, sex, numerator, denominator, percent::float8 AS percent, margin::float8 AS margin
FROM evidence.figure WHERE edition_id = $1 ORDER BY region <> '_T', region, sex <> '_T', sex
