-- Seizures: orders of courts and authorities over a part of somebody's money. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- distributed by seizure_id
CREATE TABLE IF NOT EXISTS payments.seizure (
  seizure_id uuid PRIMARY KEY,
  account bigint NOT NULL,                -- personal: payment, keep 10 years
  pay_to bigint NOT NULL,                 -- an account of an institution
  pay_to_name text NOT NULL,
  number text NOT NULL,                   -- personal: payment, keep 10 years (of the order)
  authority text NOT NULL,                -- who gave the order
  issued_on date NOT NULL,
  last_day date NOT NULL,
  amount bigint NOT NULL,                 -- personal: payment, keep 10 years
  protected bigint NOT NULL,              -- what stayed free by the law of the day on which it was entered
  currency text NOT NULL,
  state text NOT NULL DEFAULT 'active',   -- active, paid, lifted, expired
  made_by text NOT NULL,                  -- personal: payment, keep 10 years (which officer)
  made_at timestamptz NOT NULL,
  ended_by text NOT NULL DEFAULT '',      -- personal: payment, keep 10 years (which officer)
  why text NOT NULL DEFAULT ''            -- personal: payment, keep 10 years (in clear: it names the paper that ends the order)
);
SELECT kernel.wall('payments', 'seizure', NULL);
CREATE INDEX IF NOT EXISTS seizure_account ON payments.seizure (account);
CREATE INDEX IF NOT EXISTS seizure_active ON payments.seizure (last_day) WHERE state = 'active';
CREATE INDEX IF NOT EXISTS seizure_newest ON payments.seizure (made_at DESC, seizure_id);

-- What of an account's money a seizure holds: each time that money was there.
-- distributed by seizure_id
CREATE TABLE IF NOT EXISTS payments.seizure_part (
  seizure_id uuid NOT NULL,
  place int NOT NULL,
  hold uuid NOT NULL,
  amount bigint NOT NULL,                 -- personal: payment, keep 10 years
  state text NOT NULL DEFAULT 'asked',    -- asked, open, refused, paying, paid, void
  PRIMARY KEY (seizure_id, place)
);
SELECT kernel.wall('payments', 'seizure_part', NULL);
