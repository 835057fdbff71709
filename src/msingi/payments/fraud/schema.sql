-- The fraud desk: payments that a rule stopped, cases, and who is watched. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- A payment that a rule stopped before the ledger saw it: what its payer sees, with the rules for the desk alone.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.stopped_payment (
  person_id uuid NOT NULL,                -- personal: fraud-prevention, keep 5 years
  stop_id uuid NOT NULL,                  -- the id that the transfer would have had
  at timestamptz NOT NULL,
  payer_name text NOT NULL,               -- personal: fraud-prevention, keep 5 years (masked)
  debit bigint NOT NULL,                  -- personal: fraud-prevention, keep 5 years
  credit bigint NOT NULL,                 -- personal: fraud-prevention, keep 5 years
  payee_name text NOT NULL,               -- personal: fraud-prevention, keep 5 years (masked, or an institution)
  owner bigint NOT NULL,                  -- the ledger's reference of the payer
  amount bigint NOT NULL,
  currency text NOT NULL,
  told text NOT NULL,                     -- which words the payer reads
  rules text[] NOT NULL,
  version text NOT NULL,                  -- of the rules
  state text NOT NULL,                    -- stopped, checking, allowed, used, refused
  case_id uuid,
  due_at timestamptz,
  until timestamptz,                      -- until when an allowed payment may be sent again
  said bytea NOT NULL DEFAULT '',         -- personal: fraud-prevention, keep 5 years (sealed: the desk's words to the payer)
  PRIMARY KEY (person_id, stop_id)
);
SELECT kernel.wall('payments', 'stopped_payment', 'person_id');
CREATE INDEX IF NOT EXISTS stopped_payment_newest ON payments.stopped_payment (person_id, at DESC, stop_id);

-- A case of the desk. Nothing of it is ever shown to the person whom it is about.
-- distributed by case_id
CREATE TABLE IF NOT EXISTS payments.fraud_case (
  case_id uuid PRIMARY KEY,
  person_id uuid NOT NULL,                -- personal: fraud-prevention, keep 5 years
  reference text NOT NULL,
  kind text NOT NULL,                     -- review, contest, sanctions
  stop_id uuid,
  state text NOT NULL DEFAULT 'open',     -- open, taken, proposed, cleared, confirmed
  rules text[] NOT NULL,
  opened_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  taken_by text NOT NULL DEFAULT '',      -- personal: fraud-prevention, keep 5 years
  proposed_by text NOT NULL DEFAULT '',   -- personal: fraud-prevention, keep 5 years
  decided_by text NOT NULL DEFAULT '',    -- personal: fraud-prevention, keep 5 years
  decided_at timestamptz
);
SELECT kernel.wall('payments', 'fraud_case', 'person_id');
CREATE INDEX IF NOT EXISTS fraud_case_queue ON payments.fraud_case (due_at, case_id)
  WHERE state IN ('open', 'taken', 'proposed');

-- What was written into a case, sealed with the room's key. No author: the person who contests wrote it.
-- distributed by case_id
CREATE TABLE IF NOT EXISTS payments.fraud_note (
  case_id uuid NOT NULL,
  note_id uuid NOT NULL,
  person_id uuid NOT NULL,                -- personal: fraud-prevention, keep 5 years
  at timestamptz NOT NULL,
  author text NOT NULL,                   -- personal: fraud-prevention, keep 5 years
  words bytea NOT NULL,                   -- personal: fraud-prevention, keep 5 years (sealed)
  PRIMARY KEY (case_id, note_id)
);
SELECT kernel.wall_append_only('payments', 'fraud_note', 'person_id');

-- The report on a confirmed case to the financial intelligence unit, sealed with the room's key.
-- distributed by case_id
CREATE TABLE IF NOT EXISTS payments.fraud_report (
  case_id uuid PRIMARY KEY,
  person_id uuid NOT NULL,                -- personal: fraud-prevention, keep 10 years
  at timestamptz NOT NULL,
  body bytea NOT NULL                     -- personal: fraud-prevention, keep 10 years (sealed)
);
SELECT kernel.wall_append_only('payments', 'fraud_report', 'person_id');

-- Who is watched, and why: a new device, a recovery (until an instant), a list of sanctions (until it is ended).
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.fraud_watch (
  person_id uuid NOT NULL,                -- personal: fraud-prevention, keep until then
  why text NOT NULL,                      -- personal: fraud-prevention, keep until then (a code: device, recovery, sanctions)
  since timestamptz NOT NULL,
  until timestamptz,
  PRIMARY KEY (person_id, why)
);
SELECT kernel.wall('payments', 'fraud_watch', 'person_id');

-- The lists of sanctions in force: which file, when, by whom.
-- reference table
CREATE TABLE IF NOT EXISTS payments.sanction_list (
  list text PRIMARY KEY,
  sha256 bytea NOT NULL,
  entries int NOT NULL,
  compared int NOT NULL DEFAULT 0,        -- how many of them have been compared with the register
  imported_at timestamptz NOT NULL,
  imported_by text NOT NULL,              -- personal: fraud-prevention, keep 5 years
  compared_at timestamptz                 -- when the last comparison with the register ended
);
SELECT kernel.wall('payments', 'sanction_list', NULL);

-- The entries of a list, sealed: the names of listed people, and nothing of customers.
-- distributed by list
CREATE TABLE IF NOT EXISTS payments.sanction_entry (
  list text NOT NULL,
  place int NOT NULL,
  ref text NOT NULL,
  body bytea NOT NULL,                    -- personal: fraud-prevention, keep while the list is in force (sealed names)
  PRIMARY KEY (list, place)
);
SELECT kernel.wall('payments', 'sanction_entry', NULL);

-- Which person was found alike to which entry, so that nobody is found twice for the same reason.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.sanction_hit (
  person_id uuid NOT NULL,                -- personal: fraud-prevention, keep 5 years
  list text NOT NULL,
  ref text NOT NULL,
  bits real NOT NULL,
  case_id uuid NOT NULL,
  PRIMARY KEY (person_id, list, ref)
);
SELECT kernel.wall('payments', 'sanction_hit', 'person_id');
