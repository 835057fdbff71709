-- Federation: other installations, the keys pinned for each, and the last directory accepted from it.
CREATE SCHEMA IF NOT EXISTS exchange;

-- Peers; `keys` are those that may sign its next directory, its answers and what it forwards.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.peer (
  peer text PRIMARY KEY,
  instance text NOT NULL,
  name jsonb NOT NULL,
  url text NOT NULL,
  keys jsonb NOT NULL,
  rooms text[] NOT NULL,
  standing text NOT NULL CHECK (standing IN ('proposed', 'active', 'suspended')),
  proposed_by text NOT NULL,
  approved_by text NOT NULL,
  since timestamptz NOT NULL,
  version bigint NOT NULL,
  expires timestamptz,
  directory jsonb,
  same_names boolean NOT NULL DEFAULT false  -- a machine to which a room moved with its records, which name people
);
SELECT kernel.wall('exchange', 'peer', NULL);
