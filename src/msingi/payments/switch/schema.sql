-- The switch: who takes part, what is under way between participants, and how windows are settled.
-- Money itself stands in the ledger; a row here says what a hold or a transfer of the ledger was for.
CREATE SCHEMA IF NOT EXISTS payments;

-- Currencies that are settled here, with the account that stands for the settlement bank.
-- reference table
CREATE TABLE IF NOT EXISTS payments.switch_currency (
  currency text PRIMARY KEY,
  digits smallint NOT NULL,
  settlement text NOT NULL CHECK (settlement IN ('net', 'gross')),
  outside bigint NOT NULL
);
SELECT kernel.wall('payments', 'switch_currency', NULL);

-- Participants. `secret` is the wrapped private key of those that this stack runs itself: the hub and our own bank.
-- reference table
CREATE TABLE IF NOT EXISTS payments.switch_fsp (
  fsp text PRIMARY KEY,
  institution text NOT NULL,
  name text NOT NULL,
  key text NOT NULL,
  token_hash bytea NOT NULL,
  endpoint text NOT NULL,
  active boolean NOT NULL,
  proof text NOT NULL CHECK (proof IN ('signature', 'network')),
  joined_at timestamptz NOT NULL,
  secret bytea,
  speaks text NOT NULL DEFAULT 'any' CHECK (speaks IN ('any', 'fspiop', 'iso20022'))
);
SELECT kernel.wall('payments', 'switch_fsp', NULL);

-- What a participant holds in a currency: accounts of the ledger, and its limit.
-- reference table
CREATE TABLE IF NOT EXISTS payments.switch_account (
  fsp text NOT NULL,
  currency text NOT NULL,
  cover bigint NOT NULL,
  position bigint NOT NULL,
  guarantee bigint NOT NULL,              -- lends the limit in force to the position
  wanted_minor bigint NOT NULL DEFAULT 0, -- the limit that is in force as far as the cover carries it
  active boolean NOT NULL DEFAULT true,
  PRIMARY KEY (fsp, currency)
);
SELECT kernel.wall('payments', 'switch_account', NULL);

-- Which conversions a participant offers: it takes the source currency and pays the target, at a rate of its own.
-- reference table
CREATE TABLE IF NOT EXISTS payments.switch_pair (
  fsp text NOT NULL,
  source text NOT NULL,
  target text NOT NULL,
  active boolean NOT NULL DEFAULT true,
  PRIMARY KEY (fsp, source, target)
);
SELECT kernel.wall('payments', 'switch_pair', NULL);

-- Which participant keeps a party's account; the identifier itself is not kept, only its keyed hash.
-- distributed by ref
CREATE TABLE IF NOT EXISTS payments.switch_party (
  ref bytea NOT NULL,                     -- personal: payment, keep until the participant removes it
  currency text NOT NULL,
  fsp text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (ref, currency)
);
SELECT kernel.wall('payments', 'switch_party', NULL);

-- Requests between two participants (quotes, requests to pay, authorisations): so that only the asked one answers.
-- distributed by id
CREATE TABLE IF NOT EXISTS payments.switch_talk (
  resource text NOT NULL,
  id text NOT NULL,
  hash bytea NOT NULL,
  source text NOT NULL,
  destination text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (id, resource)
);
SELECT kernel.wall('payments', 'switch_talk', NULL);

-- Transfers between participants. 1 reserved, 2 committed, 3 aborted; a bulk is one row with its parts. A conversion is
-- one too; reserved with a fulfilment it is promised, and ends with the transfer that decides it.
-- distributed by id
CREATE TABLE IF NOT EXISTS payments.switch_transfer (
  id text PRIMARY KEY,
  hash bytea NOT NULL,
  resource text NOT NULL,
  payer text NOT NULL,
  payee text NOT NULL,
  currency text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  condition text NOT NULL,
  expires_at timestamptz NOT NULL,
  hold uuid NOT NULL,
  flavour text NOT NULL,
  parts bytea NOT NULL,
  state smallint NOT NULL DEFAULT 1,
  fulfilment text NOT NULL DEFAULT '',
  completed_at timestamptz,
  settled bigint NOT NULL DEFAULT 0,      -- what was paid in the end; of a bulk, of its paid parts
  funder text NOT NULL DEFAULT '',        -- whose position pays, where it is not the payer's: the exchange provider's
  linked text NOT NULL DEFAULT '',        -- of a conversion the transfer that decides it, and of that one the conversion
  target_currency text NOT NULL DEFAULT '',
  target bigint NOT NULL DEFAULT 0,       -- what the exchange provider pays for `amount`
  "window" bigint
) WITH (fillfactor = 80);
SELECT kernel.wall('payments', 'switch_transfer', NULL);
CREATE INDEX IF NOT EXISTS switch_transfer_due ON payments.switch_transfer (expires_at) WHERE state = 1;
CREATE INDEX IF NOT EXISTS switch_transfer_window ON payments.switch_transfer ("window") WHERE state = 2;

-- Messages on their way to participants; gone as soon as they are taken, or their time is over.
-- distributed by id
CREATE TABLE IF NOT EXISTS payments.switch_letter (
  id uuid PRIMARY KEY,
  fsp text NOT NULL,
  method text NOT NULL,
  path text NOT NULL,                     -- personal: payment, keep until it is delivered (may name a party)
  headers bytea NOT NULL,
  body bytea NOT NULL,                    -- personal: payment, keep until it is delivered
  until timestamptz NOT NULL,
  tries smallint NOT NULL DEFAULT 0,
  due timestamptz NOT NULL
) WITH (fillfactor = 70);
SELECT kernel.wall('payments', 'switch_letter', NULL);
CREATE INDEX IF NOT EXISTS switch_letter_due ON payments.switch_letter (due);

-- Settlement windows: one is open, the others are closed or settled.
-- reference table
CREATE TABLE IF NOT EXISTS payments.switch_window (
  "window" bigint PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('open', 'closed', 'settled')),
  opened_at timestamptz NOT NULL,
  closed_at timestamptz,
  settled_at timestamptz
);
SELECT kernel.wall('payments', 'switch_window', NULL);
CREATE UNIQUE INDEX IF NOT EXISTS switch_window_open ON payments.switch_window (state) WHERE state = 'open';

-- The settlement report of a window: never changed once it is settled.
-- reference table
CREATE TABLE IF NOT EXISTS payments.switch_settled (
  "window" bigint NOT NULL,
  fsp text NOT NULL,
  currency text NOT NULL,
  sent bigint NOT NULL,
  sent_minor bigint NOT NULL,
  received bigint NOT NULL,
  received_minor bigint NOT NULL,
  PRIMARY KEY ("window", fsp, currency)
);
SELECT kernel.wall_append_only('payments', 'switch_settled', NULL);

-- What one officer proposed about who takes part, cover and limits, until another one decides.
-- reference table
CREATE TABLE IF NOT EXISTS payments.switch_proposal (
  id uuid PRIMARY KEY,
  content bytea NOT NULL,
  proposed_by text NOT NULL,              -- personal: payment, keep 10 years (which officer)
  proposed_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'approved', 'refused')),
  decided_by text NOT NULL DEFAULT '',    -- personal: payment, keep 10 years (which officer)
  decided_at timestamptz
);
SELECT kernel.wall('payments', 'switch_proposal', NULL);
CREATE INDEX IF NOT EXISTS switch_proposal_waiting ON payments.switch_proposal (proposed_at) WHERE state = 'waiting';

-- Payments that the payer's participant asked back: so that whoever runs the switch sees who does not answer.
-- distributed by transfer
CREATE TABLE IF NOT EXISTS payments.switch_recall (
  transfer text PRIMARY KEY,
  id text NOT NULL,
  asker text NOT NULL,
  asked text NOT NULL,
  amount bigint NOT NULL,
  currency text NOT NULL,
  reason text NOT NULL,                   -- of camt.056
  asked_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  answer text NOT NULL DEFAULT '',        -- of camt.029: CNCL comes back, RJCR does not, PDCR is being asked
  answered_at timestamptz
);
SELECT kernel.wall('payments', 'switch_recall', NULL);
CREATE INDEX IF NOT EXISTS switch_recall_id ON payments.switch_recall (id);
CREATE INDEX IF NOT EXISTS switch_recall_newest ON payments.switch_recall (asked_at DESC);
CREATE INDEX IF NOT EXISTS switch_recall_late ON payments.switch_recall (due_at) WHERE answer IN ('', 'PDCR');
