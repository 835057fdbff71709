-- What several people hold or decide together. Amounts are bigint minor units of the row's currency.
CREATE SCHEMA IF NOT EXISTS payments;

-- An account that several people control. The ledger knows the body itself as its holder, so that no order of one
-- person alone can debit it; who may speak for the body stands in signer.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.body (
  body_id uuid PRIMARY KEY,
  kind text NOT NULL,                     -- joint, group
  account_id bigint,                      -- personal: payment, keep 10 years after closing (none while invitations wait)
  owner bigint NOT NULL,                  -- keyed hash of the body as holder
  label text NOT NULL,                    -- personal: payment, keep 10 years after closing (in clear: the name of the account)
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
  name bytea NOT NULL,                    -- personal: payment, keep 10 years after closing (sealed)
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
  reference text NOT NULL,                -- personal: payment, keep 10 years (in clear: part of the payment, as both sides and their banks read it)
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'open',     -- open, paid, refused
  why text NOT NULL DEFAULT '',           -- the code of the ledger's last refusal
  attempt int NOT NULL DEFAULT 1,
  effect text NOT NULL DEFAULT '',        -- of a savings group: loan, aid, expense, share-out
  member uuid,                            -- personal: payment, keep 10 years (whom a loan or an aid is for)
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

-- Savings groups. The body of the three who keep the keys holds the pot and the social fund: each payment out needs all
-- three signatures.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.savings_group (
  body_id uuid PRIMARY KEY,
  name text NOT NULL,
  share bigint NOT NULL,                  -- what one share costs
  most_shares int NOT NULL,               -- that one member buys at a meeting
  social bigint NOT NULL,                 -- what a member pays into the social fund at a meeting
  interest_permille int NOT NULL,         -- of a loan, once, as the group agreed
  loan_times int NOT NULL,                -- a loan is at most so many times the member's own shares
  loan_days int NOT NULL,
  social_account bigint,                  -- personal: payment, keep 10 years after closing
  currency text NOT NULL,
  cycle int NOT NULL DEFAULT 1,
  began_on date NOT NULL,
  ends_on date NOT NULL,                  -- the share-out is not before this day
  state text NOT NULL DEFAULT 'forming'   -- forming (keys wait for acceptance), open, sharing, ended
);
SELECT kernel.wall('payments', 'savings_group', NULL);

-- Who belongs to a savings group, with the number and the name by which the others know the member.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.member (
  body_id uuid NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  place int NOT NULL,
  name bytea NOT NULL,                    -- personal: payment, keep 10 years after closing (sealed)
  state text NOT NULL,                    -- invited, active, left
  PRIMARY KEY (body_id, person_id)
);
SELECT kernel.wall('payments', 'member', 'person_id');
CREATE INDEX IF NOT EXISTS member_person ON payments.member (person_id, body_id);

-- The group's book: what members paid in and were paid out. A row is written before the ledger is asked (pending) and
-- counts once the ledger has posted it; whatever breaks off between, the ledger is asked again.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.pot_entry (
  body_id uuid NOT NULL,
  entry_id uuid NOT NULL,                 -- the transfer's id
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  cycle int NOT NULL,
  kind text NOT NULL,                     -- share, social, fine, repayment, loan, aid, expense, share-out
  amount bigint NOT NULL,                 -- personal: payment, keep 10 years (below zero: paid out)
  shares int NOT NULL DEFAULT 0,
  about uuid,                             -- the loan or the fine that it pays
  state text NOT NULL DEFAULT 'pending',  -- pending, posted
  at timestamptz NOT NULL,
  PRIMARY KEY (body_id, entry_id)
);
SELECT kernel.wall('payments', 'pot_entry', 'person_id');
CREATE INDEX IF NOT EXISTS pot_entry_newest ON payments.pot_entry (body_id, at DESC);

-- What members owe the group: loans with the interest that was agreed, and fines.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.pot_debt (
  body_id uuid NOT NULL,
  debt_id uuid NOT NULL,                  -- of a loan: its proposal
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  cycle int NOT NULL,
  kind text NOT NULL,                     -- loan, fine
  lent bigint NOT NULL,                   -- personal: payment, keep 10 years
  owed bigint NOT NULL,                   -- personal: payment, keep 10 years (with interest)
  why bytea NOT NULL,                     -- personal: payment, keep 10 years (sealed)
  due date NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (body_id, debt_id)
);
SELECT kernel.wall('payments', 'pot_debt', 'person_id');

-- What is paid out to whom when all three have signed: written before the ledger is asked, so that it is paid as signed.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.payout (
  body_id uuid NOT NULL,
  proposal_id uuid NOT NULL,
  place int NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years (from)
  credit bigint NOT NULL,                 -- personal: payment, keep 10 years
  name bytea NOT NULL,                    -- personal: payment, keep 10 years (sealed)
  amount bigint NOT NULL,                 -- personal: payment, keep 10 years
  PRIMARY KEY (body_id, proposal_id, place)
);
SELECT kernel.wall('payments', 'payout', 'person_id');

-- What was said and decided at a meeting, and who was there (their places).
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.meeting (
  body_id uuid NOT NULL,
  meeting_id uuid NOT NULL,
  held_on date NOT NULL,
  present int[] NOT NULL,
  note bytea NOT NULL,                    -- personal: payment, keep 10 years (sealed)
  kept_by uuid NOT NULL,                  -- personal: payment, keep 10 years
  at timestamptz NOT NULL,
  PRIMARY KEY (body_id, meeting_id)
);
SELECT kernel.wall('payments', 'meeting', NULL);
