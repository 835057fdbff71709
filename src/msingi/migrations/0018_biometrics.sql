-- Biometrics: sealed records, exceptions, and the requests to a matcher.
CREATE SCHEMA IF NOT EXISTS identity;

-- What was captured of people, each time anew; the matcher knows the reference only. Without records (an exception)
-- `sealed` is empty of biometrics, and nothing is sent.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.biometric (
  person_id uuid NOT NULL,
  reference_id uuid NOT NULL,
  taken_at timestamptz NOT NULL,
  modalities text[] NOT NULL,           -- personal: identity-registration, keep life and 30 years
  missing text[] NOT NULL,              -- personal: identity-registration, keep life and 30 years
  sealed bytea NOT NULL,                -- personal: identity-registration, keep life, destroyed by an erasure
  PRIMARY KEY (person_id, reference_id)
);
SELECT kernel.wall('identity', 'biometric', 'person_id');

-- Which reference stands for whom.
-- distributed by reference_id
CREATE TABLE IF NOT EXISTS identity.reference (
  reference_id uuid PRIMARY KEY,
  person_id uuid NOT NULL
);
SELECT kernel.wall('identity', 'reference', 'person_id');

-- Requests to the matcher: each is sent until it is answered.
-- distributed by request_id
CREATE TABLE IF NOT EXISTS identity.abis_task (
  request_id uuid PRIMARY KEY,
  person_id uuid NOT NULL,
  reference_id uuid NOT NULL,
  ask text NOT NULL CHECK (ask IN ('insert', 'identify', 'delete')),
  state text NOT NULL CHECK (state IN ('waiting', 'sent', 'done', 'failed')),
  due_at timestamptz NOT NULL,
  tries int NOT NULL DEFAULT 0,
  failure text NOT NULL DEFAULT ''
);
SELECT kernel.wall('identity', 'abis_task', 'person_id');
CREATE INDEX IF NOT EXISTS abis_task_due ON identity.abis_task (due_at) WHERE state IN ('waiting', 'sent');
CREATE INDEX IF NOT EXISTS abis_task_reference ON identity.abis_task (reference_id);
