-- Exchange rates, the house's positions, and quotes that bind it. Money itself stands in the ledger.
CREATE SCHEMA IF NOT EXISTS payments;

-- What the house deals in: for each currency, and each shard of the ledger, its position and its account for fees.
-- reference table
CREATE TABLE IF NOT EXISTS payments.fx_position (
  currency text NOT NULL,
  shard smallint NOT NULL,
  digits smallint NOT NULL,
  position bigint NOT NULL,
  fees bigint NOT NULL,
  limit_minor bigint NOT NULL,
  PRIMARY KEY (currency, shard)
);
SELECT kernel.wall('payments', 'fx_position', NULL);

-- Rates: proposed by one officer, in force once another has approved them. Only their state ever changes, once.
-- reference table
CREATE TABLE IF NOT EXISTS payments.fx_rate (
  id uuid PRIMARY KEY,
  batch uuid NOT NULL,                    -- rates that were proposed together are decided together
  source text NOT NULL,
  target text NOT NULL,
  middle text NOT NULL,                   -- units of the target for one of the source, decimal text
  spread_bp integer NOT NULL,
  fee_minor bigint NOT NULL,
  fee_bp integer NOT NULL,
  least_minor bigint NOT NULL,
  most_minor bigint NOT NULL,
  valid_from timestamptz NOT NULL,
  valid_until timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'approved', 'refused', 'withdrawn')),
  proposed_by text NOT NULL,
  proposed_at timestamptz NOT NULL,
  decided_by text NOT NULL DEFAULT '',
  decided_at timestamptz
);
SELECT kernel.wall('payments', 'fx_rate', NULL);
CREATE INDEX IF NOT EXISTS fx_rate_pair ON payments.fx_rate (source, target, valid_until) WHERE state = 'approved';
CREATE INDEX IF NOT EXISTS fx_rate_batch ON payments.fx_rate (batch);

-- Quotes: 1 offered, 2 held (both sides reserve), 3 being paid, 4 paid, 5 freed. The holder is a keyed hash.
-- distributed by id
CREATE TABLE IF NOT EXISTS payments.fx_quote (
  id uuid PRIMARY KEY,
  owner bigint NOT NULL,                  -- personal: payment, keep 10 years
  rate uuid NOT NULL,
  source text NOT NULL,
  target text NOT NULL,
  total_minor bigint NOT NULL,            -- personal: payment, keep 10 years
  fee_minor bigint NOT NULL,
  converted_minor bigint NOT NULL,        -- personal: payment, keep 10 years
  target_minor bigint NOT NULL,           -- personal: payment, keep 10 years
  margin_minor bigint NOT NULL,
  told text NOT NULL,                     -- the customer's rate and the middle, as they were told
  valid_until timestamptz NOT NULL,
  state smallint NOT NULL DEFAULT 1,
  key text NOT NULL DEFAULT '',           -- of whoever confirmed it
  payer bigint NOT NULL DEFAULT 0,        -- personal: payment, keep 10 years
  payee bigint NOT NULL DEFAULT 0,        -- personal: payment, keep 10 years
  terms bytea NOT NULL DEFAULT ''         -- personal: payment, keep 10 years (what the conversion is for)
) WITH (fillfactor = 80);
SELECT kernel.wall('payments', 'fx_quote', NULL);
CREATE INDEX IF NOT EXISTS fx_quote_open ON payments.fx_quote (valid_until) WHERE state IN (2, 3);
