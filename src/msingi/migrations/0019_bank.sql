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
