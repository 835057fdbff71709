-- What several people hold or decide together. Amounts are bigint minor units of the row's currency.
CREATE SCHEMA IF NOT EXISTS payments;

-- An account that several people control. The ledger knows the body itself as its holder, so that no order of one
-- person alone can debit it; who may speak for the body stands in signer.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.body (
  body_id uuid PRIMARY KEY,
  kind text NOT NULL,                     -- joint
  account_id bigint,                      -- personal: payment, keep 10 years after closing (none while invitations wait)
  owner bigint NOT NULL,                  -- keyed hash of the body as holder
  label text NOT NULL,                    -- personal: payment, keep 10 years after closing
  bound bigint,                           -- what one pays alone in a day; none: any amount
  currency text NOT NULL,
  made_at timestamptz NOT NULL,
  lapses_at timestamptz NOT NULL,         -- invitations end
  state text NOT NULL DEFAULT 'inviting'  -- inviting, open, ended
);
SELECT kernel.wall('payments', 'body', NULL);
CREATE INDEX IF NOT EXISTS body_account ON payments.body (account_id);

-- Who speaks for a body.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.signer (
  body_id uuid NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  name text NOT NULL,                     -- personal: payment, keep 10 years after closing (masked)
  state text NOT NULL,                    -- invited, active, left, removed, declined
  in_use boolean NOT NULL DEFAULT true,   -- whether the identity behind it can be relied on
  since timestamptz NOT NULL,
  PRIMARY KEY (body_id, person_id)
);
SELECT kernel.wall('payments', 'signer', 'person_id');
CREATE INDEX IF NOT EXISTS signer_person ON payments.signer (person_id, body_id);

-- What was paid alone out of an account by mandate (a joint holder, a guardian) on a day, counted against its bound.
-- distributed by account_id
CREATE TABLE IF NOT EXISTS payments.mandate_day (
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years
  day date NOT NULL,
  spent bigint NOT NULL,
  PRIMARY KEY (account_id, day)
);
SELECT kernel.wall('payments', 'mandate_day', NULL);

-- Each order that was counted, once, however often it is repeated.
-- distributed by account_id
CREATE TABLE IF NOT EXISTS payments.mandate_use (
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  key text NOT NULL,
  amount bigint NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (account_id, person_id, key)
);
SELECT kernel.wall('payments', 'mandate_use', 'person_id');

-- Payments that wait for the signatures of all who speak for a body.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.proposal (
  body_id uuid NOT NULL,
  proposal_id uuid NOT NULL,
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years
  credit bigint NOT NULL,                 -- personal: payment, keep 10 years
  payee text NOT NULL,                    -- personal: payment, keep 10 years (masked name, shop or institution)
  amount bigint NOT NULL,
  currency text NOT NULL,
  code text NOT NULL,
  reference text NOT NULL,                -- personal: payment, keep 10 years
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'open',     -- open, paid, refused
  why text NOT NULL DEFAULT '',           -- the code of the ledger's last refusal
  attempt int NOT NULL DEFAULT 1,
  ended_at timestamptz,
  PRIMARY KEY (body_id, proposal_id)
);
SELECT kernel.wall('payments', 'proposal', NULL);
CREATE INDEX IF NOT EXISTS proposal_newest ON payments.proposal (body_id, made_at DESC);

-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.signature (
  body_id uuid NOT NULL,
  proposal_id uuid NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  agrees boolean NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (body_id, proposal_id, person_id)
);
SELECT kernel.wall('payments', 'signature', 'person_id');
