-- Connecting other systems' programmes: which address leads to a payee, and their batches.
CREATE SCHEMA IF NOT EXISTS payments;

-- Where an institution's payees are paid. The key is a keyed hash of institution and payee, the content is sealed.
-- distributed by key
CREATE TABLE IF NOT EXISTS payments.address (
  key bytea PRIMARY KEY,
  institution text NOT NULL,
  sealed bytea NOT NULL,                  -- personal: payment, keep until unlinked (payee's id, address, modality)
  linked_by text NOT NULL,                -- personal: payment, keep until unlinked
  linked_at timestamptz NOT NULL
);
SELECT kernel.wall('payments', 'address', NULL);

-- Batches that were checked or handed in, with what the last check found: instruction ids and reasons, no people.
-- distributed by institution
CREATE TABLE IF NOT EXISTS payments.batch_order (
  institution text NOT NULL,
  batch_id text NOT NULL,
  request_id text NOT NULL,
  source_id text NOT NULL,
  file_id uuid,
  content bytea,                          -- SHA-256 of what was handed in
  answer_to text NOT NULL DEFAULT '',     -- the peer who is told when everything has ended
  failed jsonb NOT NULL DEFAULT '[]',
  at timestamptz NOT NULL,
  PRIMARY KEY (institution, batch_id)
);
SELECT kernel.wall('payments', 'batch_order', NULL);
CREATE INDEX IF NOT EXISTS batch_order_file ON payments.batch_order (file_id) WHERE answer_to <> '';
