-- The bank beside the ledger: shops that take payments. Amounts are bigint minor units of the row's currency.
CREATE SCHEMA IF NOT EXISTS payments;

-- The register of shops: everybody who pays reads it. A place is drawn first, and becomes the shop's number.
-- reference table
CREATE TABLE IF NOT EXISTS payments.merchant (
  code text PRIMARY KEY,
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years after closing
  name text NOT NULL,                     -- personal: payment, keep 10 years after closing (a trading name)
  latin text NOT NULL,
  city text NOT NULL,
  category text NOT NULL,                 -- ISO 18245
  registrar text NOT NULL,                -- the institution that checked who stands behind it
  registered_at timestamptz NOT NULL,
  closed_at timestamptz
);
SELECT kernel.wall('payments', 'merchant', NULL);
CREATE INDEX IF NOT EXISTS merchant_account ON payments.merchant (account_id);
CREATE INDEX IF NOT EXISTS merchant_newest ON payments.merchant (registrar, registered_at DESC, code);
CREATE SEQUENCE IF NOT EXISTS payments.merchant_place AS bigint;
GRANT USAGE ON SEQUENCE payments.merchant_place TO msingi_app;

-- Cash that a person asked for at an agent's: reserved in the ledger, and paid out when the agent types the code, of
-- which only a keyed hash is kept. The ledger's holds end by themselves; a row that is not ended is just too late.
-- distributed by agent
CREATE TABLE IF NOT EXISTS payments.cash_out (
  agent text NOT NULL,
  code bytea NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  payer text NOT NULL,                    -- personal: payment, keep 10 years (masked name)
  holder bigint NOT NULL,                 -- the ledger's reference of who reserved it
  hold uuid NOT NULL,
  fee_hold uuid,
  amount bigint NOT NULL,
  fee bigint NOT NULL,
  currency text NOT NULL,
  asked_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'waiting',  -- waiting, paid, stopped
  PRIMARY KEY (agent, code)
);
SELECT kernel.wall('payments', 'cash_out', 'person_id');
CREATE INDEX IF NOT EXISTS cash_out_person ON payments.cash_out (person_id, asked_at DESC);
