-- Products of accounts: what they have earned, each day's line, and settled months. Amounts are bigint minor units;
-- `units` are exact fractions of them (rules.UNIT units make one).
CREATE SCHEMA IF NOT EXISTS payments;

-- An account of somebody with a product; account 0 while it is being opened.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.product_account (
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  product text NOT NULL,
  account_id bigint NOT NULL DEFAULT 0,   -- personal: payment, keep 10 years after closing
  currency text NOT NULL,
  asked_at timestamptz NOT NULL,
  since date NOT NULL,
  accrued numeric(40, 0) NOT NULL DEFAULT 0,
  accrued_to date NOT NULL,               -- the last day that counts in it
  PRIMARY KEY (person_id, product)
);
SELECT kernel.wall('payments', 'product_account', 'person_id');
CREATE INDEX IF NOT EXISTS product_account_due ON payments.product_account (accrued_to, person_id, product)
  WHERE account_id > 0;

-- What one day earned: kept, so that everybody can compute again what was paid.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.accrual (
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  product text NOT NULL,
  day date NOT NULL,
  balance bigint NOT NULL,                -- personal: payment, keep 10 years
  units numeric(40, 0) NOT NULL,
  begins date NOT NULL,                   -- of the terms in force
  PRIMARY KEY (person_id, product, day)
);
SELECT kernel.wall_append_only('payments', 'accrual', 'person_id');

-- A settled month: what is paid and charged, and what became of it.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.product_month (
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  product text NOT NULL,
  month text NOT NULL,
  interest bigint NOT NULL,               -- personal: payment, keep 10 years
  fee bigint NOT NULL,                    -- personal: payment, keep 10 years
  carried numeric(40, 0) NOT NULL,
  attempt int NOT NULL DEFAULT 1,
  result text NOT NULL DEFAULT 'due',     -- due, paid, or the code of the ledger's reason
  PRIMARY KEY (person_id, product, month)
);
SELECT kernel.wall('payments', 'product_month', 'person_id');
CREATE INDEX IF NOT EXISTS product_month_due ON payments.product_month (month) WHERE result <> 'paid';
