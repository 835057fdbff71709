-- The bank beside the ledger: shops that take payments. Amounts are bigint minor units of the row's currency.
CREATE SCHEMA IF NOT EXISTS payments;

-- The register of shops: everybody who pays reads it. A place is drawn first, and becomes the shop's number.
-- reference table
CREATE TABLE IF NOT EXISTS payments.merchant (
  code text PRIMARY KEY,
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years after closing
  name text NOT NULL,                     -- personal: payment, keep 10 years after closing (in clear: the name of a shop, which everybody who pays reads)
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

-- What somebody asks to be paid: a bill with a reference that anybody may pay, or that is sent to one person (see
-- request). It is paid once: one account at a time takes it, and `attempt` is the key of the one transfer that it posts.
-- distributed by reference
CREATE TABLE IF NOT EXISTS payments.bill (
  reference text PRIMARY KEY,
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years
  asker bigint NOT NULL,                  -- the ledger's reference of who asks
  name text NOT NULL,                     -- personal: payment, keep 10 years (masked name, shop or institution)
  title text NOT NULL,                    -- personal: payment, keep 10 years (in clear: part of a bill that anybody may pay)
  amount bigint NOT NULL,
  currency text NOT NULL,
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  is_public boolean NOT NULL,
  attempt int NOT NULL DEFAULT 1,
  taker bigint,                           -- personal: payment, keep 10 years (the account that pays it)
  taken_at timestamptz,
  state text NOT NULL DEFAULT 'open',     -- open, paid, withdrawn, refused
  paid_at timestamptz
);
SELECT kernel.wall('payments', 'bill', NULL);
CREATE INDEX IF NOT EXISTS bill_asker ON payments.bill (asker, made_at DESC, reference);
CREATE SEQUENCE IF NOT EXISTS payments.bill_place AS bigint;
GRANT USAGE ON SEQUENCE payments.bill_place TO msingi_app;

-- Bills that were sent to one person, who alone may pay or refuse them.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.request (
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  reference text NOT NULL,
  asked_at timestamptz NOT NULL,
  PRIMARY KEY (person_id, reference)
);
SELECT kernel.wall('payments', 'request', 'person_id');

-- Payments that repeat. Each one has a key made of the order and the day, so that no day is paid twice.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.standing_order (
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  id uuid NOT NULL,
  payer bigint NOT NULL,                  -- personal: payment, keep 10 years
  payee bigint NOT NULL,                  -- personal: payment, keep 10 years
  own_name text NOT NULL,                 -- personal: payment, keep 10 years (masked)
  name text NOT NULL,                     -- personal: payment, keep 10 years (masked, shop or institution)
  amount bigint NOT NULL,
  currency text NOT NULL,
  reference text NOT NULL,                -- personal: payment, keep 10 years (in clear: part of the payment, as both sides and their banks read it)
  every text NOT NULL,                    -- week or month
  first_day date NOT NULL,
  last_day date,
  due date,                               -- the next day; none once it is over
  last_result text NOT NULL DEFAULT '',   -- paid, or the code of the reason
  fee bigint,                             -- what the payer was shown that a day costs
  PRIMARY KEY (person_id, id)
);
SELECT kernel.wall('payments', 'standing_order', 'person_id');
CREATE INDEX IF NOT EXISTS standing_order_due ON payments.standing_order (due) WHERE due IS NOT NULL;

-- Who wants which receipts by text message. No row: none.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.telling (
  person_id uuid PRIMARY KEY,
  cash boolean NOT NULL,                  -- personal: payment, keep until it is changed
  received boolean NOT NULL,              -- personal: payment, keep until it is changed
  made boolean NOT NULL,                  -- personal: payment, keep until it is changed
  balance boolean NOT NULL,               -- personal: payment, keep until it is changed (say the balance too)
  since timestamptz NOT NULL              -- nothing older is told
);
SELECT kernel.wall('payments', 'telling', 'person_id');

-- How far the ledger's journal has been told, shard by shard.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.told (
  shard smallint PRIMARY KEY,
  seq bigint NOT NULL
);
SELECT kernel.wall('payments', 'told', NULL);

-- What tellers counted in their drawers, against what the ledger says: differences stand, and nobody changes a count.
-- distributed by till
CREATE TABLE IF NOT EXISTS payments.till_count (
  till bigint NOT NULL,                   -- the account of the drawer
  at timestamptz NOT NULL,
  staff text NOT NULL,                    -- personal: payment, keep 10 years
  expected bigint NOT NULL,
  counted bigint NOT NULL,
  PRIMARY KEY (till, at)
);
SELECT kernel.wall_append_only('payments', 'till_count', NULL);
