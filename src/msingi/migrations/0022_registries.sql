-- The registries room: descriptions of registers, records about people (sealed), entries about nobody.
CREATE SCHEMA IF NOT EXISTS registries;

-- Registers as their keepers describe them: shape, rights, law. Nothing about anyone.
-- reference table
CREATE TABLE IF NOT EXISTS registries.register (
  register_id bigint PRIMARY KEY,
  code text NOT NULL,
  version text NOT NULL,
  keeper text NOT NULL,
  described jsonb NOT NULL,
  at timestamptz NOT NULL,
  next_number bigint NOT NULL,
  UNIQUE (code, version)
);
SELECT kernel.wall('registries', 'register', NULL);

-- Records about people. `keys` are keyed hashes of field values, by which a record is found without being opened.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS registries.record (
  person_id uuid NOT NULL,
  record_id uuid NOT NULL,
  register_id bigint NOT NULL,    -- personal: public-service, keep 10 years
  keys bigint[] NOT NULL,         -- personal: public-service, keep 10 years
  sealed bytea NOT NULL,          -- personal: public-service, keep 10 years
  updated timestamptz NOT NULL,
  PRIMARY KEY (person_id, record_id)
);
CREATE INDEX IF NOT EXISTS record_order ON registries.record (register_id, record_id);
CREATE INDEX IF NOT EXISTS record_keys ON registries.record USING gin (keys);
SELECT kernel.wall('registries', 'record', 'person_id');

-- Entries of registers that hold nothing about people.
-- distributed by record_id
CREATE TABLE IF NOT EXISTS registries.entry (
  record_id uuid PRIMARY KEY,
  register_id bigint NOT NULL,
  keys bigint[] NOT NULL,
  content jsonb NOT NULL,
  updated timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS entry_order ON registries.entry (register_id, record_id);
CREATE INDEX IF NOT EXISTS entry_keys ON registries.entry USING gin (keys);
SELECT kernel.wall('registries', 'entry', NULL);

-- Which record has a key, blinded, and whose it is, so that an act can ask for the right permit. Ids and hashes only.
-- distributed by register_id
CREATE TABLE IF NOT EXISTS registries.place (
  register_id bigint NOT NULL,
  key bytea NOT NULL,
  record_id uuid NOT NULL,
  person_id uuid,                 -- personal: public-service, keep 10 years
  since timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (register_id, key)
);
CREATE INDEX IF NOT EXISTS place_record ON registries.place (register_id, record_id);
SELECT kernel.wall('registries', 'place', NULL);
