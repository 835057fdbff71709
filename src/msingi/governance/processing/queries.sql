-- name: unwalled
-- Tables with a column that names a person and no row-level security.
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE a.attname = 'person_id' AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
  AND n.nspname NOT IN ('pg_catalog', 'information_schema');

-- name: size_bytes
-- The size of the database.
SELECT pg_database_size(current_database());

-- name: destructions
-- Certificates of destruction so far.
SELECT count(*) FROM governance.certificate;
