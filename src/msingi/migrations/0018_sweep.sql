-- Comparisons of the whole register, and how far each is.
CREATE SCHEMA IF NOT EXISTS identity;

-- distributed by sweep_id
CREATE TABLE IF NOT EXISTS identity.sweep (
  sweep_id uuid PRIMARY KEY,
  begun_at timestamptz NOT NULL,
  at timestamptz NOT NULL,
  shares int NOT NULL CHECK (shares BETWEEN 1 AND 10000),
  done int NOT NULL DEFAULT 0 CHECK (done BETWEEN 0 AND shares),
  compared bigint NOT NULL DEFAULT 0,
  pairs bigint NOT NULL DEFAULT 0,
  opened bigint NOT NULL DEFAULT 0
);
SELECT kernel.wall('identity', 'sweep', NULL);
