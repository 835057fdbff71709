-- What people ask and complain of, what is kept and how it is destroyed, and the figures that are published of it.
CREATE SCHEMA IF NOT EXISTS governance;

-- Requests and complaints. `sealed` holds what the person wrote, readable with the person's key.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS governance.case (
  person_id uuid NOT NULL,
  case_id uuid NOT NULL,
  reference text NOT NULL,
  kind text NOT NULL,               -- personal: redress, keep 10 years
  institution text NOT NULL,        -- personal: redress, keep 10 years
  stage text NOT NULL CHECK (stage IN ('institution', 'authority')),
  state text NOT NULL CHECK (state IN ('open', 'answered', 'closed')),
  subject text NOT NULL,            -- personal: redress, keep 10 years
  about uuid,
  language text NOT NULL,           -- personal: redress, keep 10 years
  channel text NOT NULL,
  assisted_by text NOT NULL,
  officer text NOT NULL,
  outcome text NOT NULL,
  ground text NOT NULL,             -- personal: redress, keep 10 years
  opened_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  answered_at timestamptz,
  closed_at timestamptz,
  escalated_at timestamptz,
  appealed boolean NOT NULL,
  late boolean NOT NULL,
  sealed bytea NOT NULL,            -- personal: redress, keep 10 years
  PRIMARY KEY (person_id, case_id)
);
SELECT kernel.wall('governance', 'case', 'person_id');
CREATE INDEX IF NOT EXISTS case_queue ON governance.case (stage, institution, case_id) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS case_due ON governance.case (due_at) WHERE state <> 'closed';
CREATE INDEX IF NOT EXISTS case_reference ON governance.case (reference);

-- What the person and the offices wrote to each other, in order; nothing of it can be changed.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS governance.message (
  person_id uuid NOT NULL,
  case_id uuid NOT NULL,
  message_id uuid NOT NULL,
  at timestamptz NOT NULL,
  author text NOT NULL CHECK (author IN ('person', 'office', 'stack')),
  name text NOT NULL,
  institution text NOT NULL,
  sealed bytea NOT NULL,            -- personal: redress, keep 10 years
  PRIMARY KEY (person_id, case_id, message_id)
);
SELECT kernel.wall_append_only('governance', 'message', 'person_id');

-- Files that were added as evidence.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS governance.exhibit (
  person_id uuid NOT NULL,
  case_id uuid NOT NULL,
  exhibit_id uuid NOT NULL,
  at timestamptz NOT NULL,
  name text NOT NULL,               -- personal: redress, keep 10 years
  media_type text NOT NULL,
  size_bytes int NOT NULL,
  sealed bytea NOT NULL,            -- personal: redress, keep 10 years
  PRIMARY KEY (person_id, case_id, exhibit_id)
);
SELECT kernel.wall_append_only('governance', 'exhibit', 'person_id');
