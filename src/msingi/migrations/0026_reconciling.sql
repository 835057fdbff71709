-- Reconciling: bank statements that were compared with the ledger, and the queue of what did not agree.
CREATE SCHEMA IF NOT EXISTS payments;

-- A statement that was compared. What was compared is kept as counts and a hash; the bank has the statement.
-- distributed by reconciliation_id
CREATE TABLE IF NOT EXISTS payments.reconciliation (
  reconciliation_id uuid PRIMARY KEY,
  institution text NOT NULL,
  account bigint NOT NULL,
  statement_id text NOT NULL,
  sha256 bytea NOT NULL,
  first date NOT NULL,
  last date NOT NULL,
  lines int NOT NULL,
  entries int NOT NULL,
  by_reference int NOT NULL,
  by_end_to_end int NOT NULL,
  by_amount int NOT NULL,
  exceptions int NOT NULL,
  made_by text NOT NULL,                  -- personal: payment, keep 10 years
  made_at timestamptz NOT NULL
);
SELECT kernel.wall('payments', 'reconciliation', NULL);
CREATE INDEX IF NOT EXISTS reconciliation_newest ON payments.reconciliation (institution, made_at DESC);

-- What did not agree, and what an official said of it.
-- distributed by reconciliation_id
CREATE TABLE IF NOT EXISTS payments.reconciliation_item (
  reconciliation_id uuid NOT NULL,
  item int NOT NULL,
  why text NOT NULL,
  on_day date NOT NULL,
  amount bigint NOT NULL,
  booked bigint,                          -- what the ledger says, where both sides speak of one payment
  reference text NOT NULL,
  end_to_end text NOT NULL,
  transfer text,
  settled_by text,                        -- personal: payment, keep 10 years
  settled_at timestamptz,
  note text NOT NULL DEFAULT '',
  PRIMARY KEY (reconciliation_id, item)
);
SELECT kernel.wall('payments', 'reconciliation_item', NULL);
