-- Dormant accounts: how each account stands, what was handed to the authority, and what officials propose.
CREATE SCHEMA IF NOT EXISTS payments;

-- How far a shard's accounts are followed: account ids grow, so those after `upto` are new.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.dormancy_followed (
  shard smallint PRIMARY KEY,
  upto bigint NOT NULL
);
SELECT kernel.wall('payments', 'dormancy_followed', NULL);

-- How an account stands. It is looked at again on `look_on`, seldom: once in so many months as the law gives.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.dormancy (
  shard smallint NOT NULL,
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years after closing
  kind text NOT NULL,
  currency text NOT NULL,
  opened_on date NOT NULL,
  state text NOT NULL DEFAULT 'active',   -- active, warned, dormant
  look_on date NOT NULL,                  -- asleep: the day on which the money is handed over
  falls_on date,                          -- told: the day on which it falls asleep
  since date,                             -- asleep since
  woken_on date,                          -- when its customer last woke it
  handing uuid,                           -- a handing-over that has begun: the transfer
  amount bigint NOT NULL DEFAULT 0,       -- personal: payment, keep 10 years (of that transfer)
  attempt int NOT NULL DEFAULT 0,
  tier smallint NOT NULL DEFAULT 0,       -- of the account while it is handed over
  owner bigint NOT NULL DEFAULT 0,        -- its holder's reference in the ledger meanwhile
  PRIMARY KEY (shard, account_id)
);
SELECT kernel.wall('payments', 'dormancy', NULL);
CREATE INDEX IF NOT EXISTS dormancy_look ON payments.dormancy (shard, look_on, account_id);
CREATE INDEX IF NOT EXISTS dormancy_state ON payments.dormancy (state) WHERE state <> 'active';

-- What was handed to the authority, and what of it was claimed by owner and heirs.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.unclaimed (
  shard smallint NOT NULL,
  account_id bigint NOT NULL,             -- personal: payment, keep 100 years
  transfer_id uuid NOT NULL,
  kind text NOT NULL,
  currency text NOT NULL,
  amount bigint NOT NULL,                 -- personal: payment, keep 100 years
  claimed bigint NOT NULL DEFAULT 0 CHECK (claimed <= amount),
  since date NOT NULL,
  handed_on date NOT NULL,
  PRIMARY KEY (shard, account_id, transfer_id)
);
SELECT kernel.wall('payments', 'unclaimed', NULL);
CREATE INDEX IF NOT EXISTS unclaimed_day ON payments.unclaimed (handed_on, transfer_id);

-- What one official proposes and another confirms; and what owners claimed themselves (no official). A claim is written
-- before the ledger is asked, and its transfer's id comes from it: paid once, whatever breaks off.
-- distributed by shard
CREATE TABLE IF NOT EXISTS payments.sleeper_case (
  shard smallint NOT NULL,
  case_id uuid NOT NULL,
  account_id bigint NOT NULL,             -- personal: payment, keep 100 years
  what text NOT NULL,                     -- wake, heir, owner
  unclaimed uuid,                         -- the transfer that is claimed
  credit bigint NOT NULL DEFAULT 0,       -- personal: payment, keep 100 years
  amount bigint NOT NULL DEFAULT 0,       -- personal: payment, keep 100 years
  currency text NOT NULL,
  reason bytea NOT NULL,                  -- personal: payment, keep 100 years (sealed)
  asked_by text NOT NULL,
  asked_at timestamptz NOT NULL,
  state text NOT NULL,                    -- open, paying, done, refused
  decided_by text NOT NULL DEFAULT '',
  PRIMARY KEY (shard, case_id)
);
SELECT kernel.wall('payments', 'sleeper_case', NULL);
CREATE INDEX IF NOT EXISTS sleeper_case_open ON payments.sleeper_case (asked_at) WHERE state IN ('open', 'paying');
