-- The health room: resources of people's records (sealed), registries (open), and what finds them.
CREATE SCHEMA IF NOT EXISTS health;

-- The present version of every resource of a person's record, as one institution keeps it.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS health.resource (
  person_id uuid NOT NULL,        -- personal: health-care, keep 9125 days
  rtype text NOT NULL,
  id uuid NOT NULL,
  institution text NOT NULL,
  version int NOT NULL,
  created timestamptz NOT NULL,
  updated timestamptz NOT NULL,
  started timestamptz NOT NULL,   -- personal: health-care, keep 9125 days; clinical time, or the time of storing
  ended timestamptz NOT NULL,     -- personal: health-care, keep 9125 days
  keys bigint[] NOT NULL,         -- personal: health-care, keep 9125 days; blinded search keys (keyed hashes)
  body bytea NOT NULL,            -- personal: health-care, keep 9125 days; sealed with the person's key
  PRIMARY KEY (person_id, rtype, id)
);
ALTER TABLE health.resource ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX IF NOT EXISTS resource_one_patient ON health.resource (person_id, institution)
  WHERE rtype = 'Patient';
CREATE INDEX IF NOT EXISTS resource_record ON health.resource (person_id, started DESC, id DESC);
CREATE INDEX IF NOT EXISTS resource_institution ON health.resource (institution, rtype, started DESC, id DESC);
CREATE INDEX IF NOT EXISTS resource_keys ON health.resource USING gin (keys);
SELECT kernel.wall('health', 'resource', 'person_id');

-- Versions that were replaced; nothing changes or removes them.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS health.resource_version (
  person_id uuid NOT NULL,        -- personal: health-care, keep 9125 days
  rtype text NOT NULL,
  id uuid NOT NULL,
  version int NOT NULL,
  institution text NOT NULL,
  updated timestamptz NOT NULL,
  body bytea NOT NULL,            -- personal: health-care, keep 9125 days; sealed with the person's key
  PRIMARY KEY (person_id, rtype, id, version)
);
ALTER TABLE health.resource_version ALTER COLUMN body SET STORAGE EXTERNAL;
SELECT kernel.wall_append_only('health', 'resource_version', 'person_id');

-- Whose record an id belongs to, so that a read by id can ask for the right permit. Ids only: no fact about anyone.
-- distributed by id
CREATE TABLE IF NOT EXISTS health.directory (
  id uuid NOT NULL,
  rtype text NOT NULL,
  institution text NOT NULL,
  person_id uuid NOT NULL,        -- personal: health-care, keep 9125 days
  PRIMARY KEY (id, rtype)
);
SELECT kernel.wall('health', 'directory', NULL);

-- Counted codes of a person, blinded: counting unseals nobody's record.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS health.posting (
  person_id uuid NOT NULL,        -- personal: statistics, keep 9125 days
  hash bigint NOT NULL,           -- personal: statistics, keep 9125 days; keyed hash of type, parameter and code
  id uuid NOT NULL,
  at timestamptz NOT NULL,        -- personal: statistics, keep 9125 days
  PRIMARY KEY (person_id, id, hash)
);
CREATE INDEX IF NOT EXISTS posting_hash ON health.posting (hash, person_id, at);
SELECT kernel.wall('health', 'posting', 'person_id');

-- When the people with a record were born, so that a birth cohort can be counted; the rest identity knows.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS health.cohort (
  person_id uuid PRIMARY KEY,     -- personal: statistics, keep 9125 days
  born date NOT NULL              -- personal: statistics, keep 9125 days (in clear: a birth cohort is a range of days)
);
CREATE INDEX IF NOT EXISTS cohort_born ON health.cohort (born);
SELECT kernel.wall('health', 'cohort', 'person_id');

-- National registries: organisations, places, professionals, products. Nothing about patients.
-- distributed by id
CREATE TABLE IF NOT EXISTS health.registry (
  id uuid NOT NULL,
  rtype text NOT NULL,
  institution text NOT NULL,
  version int NOT NULL,
  created timestamptz NOT NULL,
  updated timestamptz NOT NULL,
  started timestamptz NOT NULL,
  ended timestamptz NOT NULL,
  keys bigint[] NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (id, rtype)
);
CREATE INDEX IF NOT EXISTS registry_order ON health.registry (rtype, started DESC, id DESC);
CREATE INDEX IF NOT EXISTS registry_keys ON health.registry USING gin (keys);
SELECT kernel.wall('health', 'registry', NULL);

-- Replaced versions of registry entries; nothing changes or removes them.
-- distributed by id
CREATE TABLE IF NOT EXISTS health.registry_version (
  id uuid NOT NULL,
  rtype text NOT NULL,
  version int NOT NULL,
  institution text NOT NULL,
  updated timestamptz NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (id, rtype, version)
);
SELECT kernel.wall_append_only('health', 'registry_version', NULL);
