-- Fees of payments: fixed before the ledger is asked, explained afterwards. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- How many payments of a month were counted against the free ones.
-- distributed by account_id
CREATE TABLE IF NOT EXISTS payments.fee_month (
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years
  month text NOT NULL,
  kind text NOT NULL,
  used int NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, month, kind)
);
SELECT kernel.wall('payments', 'fee_month', NULL);

-- What a payment costs, by which terms.
-- distributed by account_id
CREATE TABLE IF NOT EXISTS payments.fee (
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years (who pays the fee)
  transfer_id uuid NOT NULL,
  kind text NOT NULL,                     -- transfer, sale, standing, bill
  month text NOT NULL,
  amount bigint NOT NULL,                 -- personal: payment, keep 10 years
  fee bigint NOT NULL,                    -- personal: payment, keep 10 years
  tax bigint NOT NULL,                    -- personal: payment, keep 10 years
  currency text NOT NULL,
  product text NOT NULL,
  begins date NOT NULL,                   -- of the terms in force
  band bigint NOT NULL,                   -- its upper bound
  free boolean NOT NULL,
  returned boolean NOT NULL,              -- whether it is given back when the payment is paid back
  at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'due',      -- due, taken, void (payment refused), owed, returned
  PRIMARY KEY (account_id, transfer_id)
);
SELECT kernel.wall('payments', 'fee', NULL);
CREATE INDEX IF NOT EXISTS fee_month_lines ON payments.fee (account_id, month, at);
CREATE INDEX IF NOT EXISTS fee_transfer ON payments.fee (transfer_id);
CREATE INDEX IF NOT EXISTS fee_due ON payments.fee (at) WHERE state IN ('due', 'owed');
