-- Disputes about transfers. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- One dispute for a transfer, under the transfer's id. Both sides see it, so its wall is the room; acts say who may.
-- distributed by dispute_id
CREATE TABLE IF NOT EXISTS payments.dispute (
  dispute_id uuid PRIMARY KEY,            -- the transfer's id
  payer uuid NOT NULL,                    -- personal: redress, keep 10 years
  payee uuid,                             -- personal: redress, keep 10 years
  payee_institution text NOT NULL,        -- empty where a person was paid
  debit bigint NOT NULL,                  -- personal: redress, keep 10 years
  credit bigint NOT NULL,                 -- personal: redress, keep 10 years
  payer_name text NOT NULL,               -- personal: redress, keep 10 years (masked)
  payee_name text NOT NULL,               -- personal: redress, keep 10 years (masked, or an institution)
  amount bigint NOT NULL,
  currency text NOT NULL,
  paid_at timestamptz NOT NULL,
  kind text NOT NULL,
  state text NOT NULL DEFAULT 'open',     -- open, answered, refunded, refused
  hold uuid,                              -- what is held of the payee's money
  held bigint NOT NULL DEFAULT 0,
  refunded bigint NOT NULL DEFAULT 0,
  intent bigint,                          -- what is being paid back; nobody decides otherwise meanwhile
  attempt int NOT NULL DEFAULT 1,
  opened_at timestamptz NOT NULL,
  answer_due timestamptz NOT NULL,
  decide_due timestamptz NOT NULL,
  ended_at timestamptz,
  decided_by text NOT NULL DEFAULT '',    -- personal: redress, keep 10 years
  words bytea NOT NULL,                   -- personal: redress, keep 10 years (sealed)
  answer bytea,                           -- personal: redress, keep 10 years (sealed)
  reason bytea,                           -- personal: redress, keep 10 years (sealed)
  complaint text NOT NULL DEFAULT ''
);
SELECT kernel.wall('payments', 'dispute', NULL);
CREATE INDEX IF NOT EXISTS dispute_payer ON payments.dispute (payer, opened_at DESC, dispute_id);
CREATE INDEX IF NOT EXISTS dispute_payee ON payments.dispute (payee, opened_at DESC, dispute_id);
CREATE INDEX IF NOT EXISTS dispute_shop ON payments.dispute (payee_institution, opened_at DESC, dispute_id);
CREATE INDEX IF NOT EXISTS dispute_queue ON payments.dispute (decide_due, dispute_id) WHERE state IN ('open', 'answered');
