-- What people left who died. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- An estate, by a certificate; proposed by one officer, agreed to by another.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.estate (
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  estate_id uuid NOT NULL,
  account bigint NOT NULL,                -- personal: payment, keep 10 years after closing (that was named)
  number text NOT NULL,                   -- personal: payment, keep 10 years after closing (in clear: the number of the certificate)
  authority text NOT NULL,
  issued_on date NOT NULL,
  currency text NOT NULL,
  heirs bytea NOT NULL,                   -- personal: payment, keep 10 years after closing (sealed)
  state text NOT NULL DEFAULT 'proposed', -- proposed, open, closed, refused
  made_by text NOT NULL,                  -- personal: payment, keep 10 years (which officer)
  made_at timestamptz NOT NULL,
  decided_by text NOT NULL DEFAULT '',    -- personal: payment, keep 10 years (which officer)
  decided_at timestamptz,
  stopped int NOT NULL DEFAULT 0,         -- standing orders that ended
  closed_at timestamptz,
  PRIMARY KEY (person_id, estate_id)
);
SELECT kernel.wall('payments', 'estate', 'person_id');
CREATE UNIQUE INDEX IF NOT EXISTS estate_one ON payments.estate (person_id) WHERE state IN ('proposed', 'open');
CREATE INDEX IF NOT EXISTS estate_newest ON payments.estate (made_at DESC, estate_id);
CREATE INDEX IF NOT EXISTS estate_open ON payments.estate (estate_id) WHERE state = 'open';

-- What one heir gets of what was divided at one time: written before the ledger is asked.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.estate_part (
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  estate_id uuid NOT NULL,
  account bigint NOT NULL,                -- personal: payment, keep 10 years (out of which)
  round int NOT NULL,
  place int NOT NULL,
  heir bigint NOT NULL,                   -- personal: payment, keep 10 years (the heir's account)
  amount bigint NOT NULL CHECK (amount > 0), -- personal: payment, keep 10 years
  attempt int NOT NULL DEFAULT 1,
  state text NOT NULL DEFAULT 'asked',    -- asked, paid, refused
  why text NOT NULL DEFAULT '',           -- the code of the ledger's last refusal
  at timestamptz NOT NULL,
  PRIMARY KEY (person_id, estate_id, account, round, place)
);
SELECT kernel.wall('payments', 'estate_part', 'person_id');
