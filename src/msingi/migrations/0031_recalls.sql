-- Payments that are asked back between banks. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- One recall for a payment, under the id that it has on the wire. Acts say who may see it.
-- distributed by recall_id
CREATE TABLE IF NOT EXISTS payments.recall (
  recall_id text PRIMARY KEY,
  outgoing boolean NOT NULL,              -- our customer paid; else another bank asks ours
  transfer text NOT NULL,                 -- of the wire
  movement uuid NOT NULL,                 -- of the ledger
  person uuid,                            -- personal: redress, keep 10 years
  institution text NOT NULL,              -- of ours, empty where it is a person
  account bigint NOT NULL,                -- personal: redress, keep 10 years
  other text NOT NULL,                    -- the other bank, as a participant
  kind text NOT NULL,
  amount bigint NOT NULL,
  currency text NOT NULL,
  paid_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'asked',    -- asked, pending, answered, promised, returning, refunded, refused
  opened_at timestamptz NOT NULL,
  answer_due timestamptz NOT NULL,        -- until when our customer answers, where another bank asks
  due_at timestamptz NOT NULL,            -- until when the bank that was paid answers
  sent_at timestamptz,                    -- when it was last asked
  told text NOT NULL DEFAULT '',          -- what the other bank was last answered, of camt.029
  late boolean NOT NULL DEFAULT false,    -- our customer was told that nobody answered
  hold uuid,                              -- what is held of our customer's money
  held bigint NOT NULL DEFAULT 0,
  intent bigint,                          -- what is being paid back
  intent_at timestamptz,
  attempt int NOT NULL DEFAULT 1,
  refunded bigint NOT NULL DEFAULT 0,
  refunds text[] NOT NULL DEFAULT '{}',   -- the transfers that brought it
  words bytea NOT NULL,                   -- personal: redress, keep 10 years (sealed)
  answer bytea,                           -- personal: redress, keep 10 years (sealed)
  reason text NOT NULL DEFAULT '',        -- of camt.029
  decision bytea,                         -- personal: redress, keep 10 years (sealed)
  decided_by text NOT NULL DEFAULT '',    -- personal: redress, keep 10 years
  ended_at timestamptz,
  complaint text NOT NULL DEFAULT ''
);
SELECT kernel.wall('payments', 'recall', NULL);
CREATE INDEX IF NOT EXISTS recall_person ON payments.recall (person, opened_at DESC, recall_id);
CREATE INDEX IF NOT EXISTS recall_shop ON payments.recall (institution, opened_at DESC, recall_id) WHERE institution <> '';
CREATE INDEX IF NOT EXISTS recall_open ON payments.recall (due_at, recall_id) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS recall_untold ON payments.recall (recall_id) WHERE ended_at IS NOT NULL AND NOT outgoing AND told IN ('', 'PDCR');

-- What happened with a recall, step by step.
-- distributed by recall_id
CREATE TABLE IF NOT EXISTS payments.recall_step (
  recall_id text NOT NULL,
  at timestamptz NOT NULL,
  what text NOT NULL,
  PRIMARY KEY (recall_id, at, what)
);
SELECT kernel.wall_append_only('payments', 'recall_step', NULL);
