-- Programmes that pay people regularly: who stands in them, and their cycles. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- A programme of an institution: whom it is for (rules as data), what it pays, and out of which account.
-- reference table
CREATE TABLE IF NOT EXISTS payments.programme (
  programme_id uuid PRIMARY KEY,
  institution text NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  payer bigint NOT NULL,
  currency text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  eligibility jsonb NOT NULL,
  claim_days int NOT NULL DEFAULT 0,      -- after so many days, what nobody collected goes back; 0: never
  warn_days int NOT NULL DEFAULT 14,      -- and so many days before, whoever it is for is told
  opened_by text NOT NULL,                -- personal: payment, keep 10 years
  opened_at timestamptz NOT NULL,
  closed_at timestamptz,
  UNIQUE (institution, code)
);
SELECT kernel.wall('payments', 'programme', NULL);

-- Who stands in a programme. That somebody is supported at all is told to nobody but the programme's own officials.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.beneficiary (
  person_id uuid NOT NULL,                -- personal: social-protection, keep 10 years after leaving
  programme_id uuid NOT NULL,             -- personal: social-protection, keep 10 years after leaving
  enrolled_by text NOT NULL,              -- personal: social-protection, keep 10 years after leaving
  enrolled_at timestamptz NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (person_id, programme_id)
);
SELECT kernel.wall('payments', 'beneficiary', 'person_id');
CREATE INDEX IF NOT EXISTS beneficiary_list ON payments.beneficiary (programme_id, person_id) WHERE ended_at IS NULL;

-- A cycle of payments, and each retry of it: one payment file each. `cursor` is how far the list has been checked.
-- distributed by file_id
CREATE TABLE IF NOT EXISTS payments.cycle (
  file_id uuid PRIMARY KEY,
  programme_id uuid NOT NULL,
  label text NOT NULL,
  attempt int NOT NULL,
  opened_by text NOT NULL,                -- personal: payment, keep 10 years
  opened_at timestamptz NOT NULL,
  cursor uuid,                            -- personal: social-protection, keep until everybody was checked
  ready boolean NOT NULL DEFAULT false,
  looked_line int NOT NULL DEFAULT 0,     -- how far was looked whether payments were collected
  looked boolean NOT NULL DEFAULT false
);
SELECT kernel.wall('payments', 'cycle', NULL);
CREATE INDEX IF NOT EXISTS cycle_newest ON payments.cycle (programme_id, opened_at DESC);
CREATE INDEX IF NOT EXISTS cycle_due ON payments.cycle (opened_at) WHERE NOT ready;
CREATE INDEX IF NOT EXISTS cycle_unlooked ON payments.cycle (opened_at) WHERE ready AND NOT looked;

-- What a cycle's check said of each person: the line of the payment file, or why there is none.
-- distributed by file_id
CREATE TABLE IF NOT EXISTS payments.cycle_line (
  file_id uuid NOT NULL,
  person_id uuid NOT NULL,                -- personal: social-protection, keep 10 years
  line int,                               -- none for somebody who was left out
  why text NOT NULL DEFAULT '',           -- personal: social-protection, keep 10 years (a code: what left somebody out)
  PRIMARY KEY (file_id, person_id)
);
SELECT kernel.wall('payments', 'cycle_line', 'person_id');

-- Payments that seem to have been collected by nobody: told to whom they are for, and kept by her or returned.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.uncollected (
  person_id uuid NOT NULL,                -- personal: social-protection, keep 10 years
  file_id uuid NOT NULL,
  line int NOT NULL,
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years
  transfer_id uuid NOT NULL,
  amount bigint NOT NULL,                 -- personal: payment, keep 10 years
  currency text NOT NULL,
  programme text NOT NULL,                -- personal: social-protection, keep 10 years (its name)
  told_at timestamptz NOT NULL,
  returns_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'told',     -- told, returning, kept, returned
  PRIMARY KEY (person_id, file_id, line)
);
SELECT kernel.wall('payments', 'uncollected', 'person_id');
CREATE INDEX IF NOT EXISTS uncollected_due ON payments.uncollected (returns_at)
  WHERE state IN ('told', 'returning');

-- Lines of payment files that were paid and went back. No people: reports on files read it.
-- distributed by file_id
CREATE TABLE IF NOT EXISTS payments.returned_line (
  file_id uuid NOT NULL,
  line int NOT NULL,
  transfer_id uuid NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (file_id, line)
);
SELECT kernel.wall('payments', 'returned_line', NULL);
