-- Rotating groups: at each round all pay one amount, and one of them gets the whole. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- A circle. Its body (room groups) holds the pot, and nobody signs for it: turns pay it out.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.circle (
  body_id uuid PRIMARY KEY,
  name text NOT NULL,
  amount bigint NOT NULL,                 -- what each pays at a round
  every text NOT NULL,                    -- week, two-weeks, month
  by_lot boolean NOT NULL,
  first_day date NOT NULL,                -- of the first turn
  state text NOT NULL DEFAULT 'forming'   -- forming (somebody has not answered), open, ended
);
SELECT kernel.wall('payments', 'circle', NULL);
CREATE INDEX IF NOT EXISTS circle_open ON payments.circle (state) WHERE state = 'open';

-- Who belongs to a circle, and whose turn is when.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.circle_seat (
  body_id uuid NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  place int NOT NULL,
  turn int NOT NULL DEFAULT 0,            -- 0 until the lot is drawn
  name bytea NOT NULL,                    -- personal: payment, keep 10 years after closing (sealed)
  state text NOT NULL,                    -- invited, active, left
  answered_at timestamptz,
  PRIMARY KEY (body_id, person_id)
);
SELECT kernel.wall('payments', 'circle_seat', 'person_id');
CREATE INDEX IF NOT EXISTS circle_seat_person ON payments.circle_seat (person_id, body_id);

-- Each turn: whose, when, and how it was paid out.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.circle_round (
  body_id uuid NOT NULL,
  round int NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years after closing
  day date NOT NULL,
  state text NOT NULL DEFAULT 'open',     -- open, paying, paid
  attempt int NOT NULL DEFAULT 1,
  paid bigint NOT NULL DEFAULT 0,         -- personal: payment, keep 10 years
  why text NOT NULL DEFAULT '',           -- the code of the ledger's last refusal
  PRIMARY KEY (body_id, round)
);
SELECT kernel.wall('payments', 'circle_round', 'person_id');

-- What each pays for each other's turn. A row says where the money goes before the ledger is asked (to-pot, to-member,
-- setting-off), and the ledger is asked again whatever breaks off.
-- distributed by body_id
CREATE TABLE IF NOT EXISTS payments.circle_due (
  body_id uuid NOT NULL,
  round int NOT NULL,
  person_id uuid NOT NULL,                -- personal: payment, keep 10 years (who pays)
  to_person uuid NOT NULL,                -- personal: payment, keep 10 years (whose turn it is)
  state text NOT NULL DEFAULT 'open',     -- or under way, in (the pot), out (paid to whose turn it was), void
  transfer_id uuid,                       -- personal: payment, keep 10 years
  by_turn int NOT NULL DEFAULT 0,         -- the round out of which it was set off; 0: paid by the member
  at timestamptz,
  PRIMARY KEY (body_id, round, person_id)
);
SELECT kernel.wall('payments', 'circle_due', 'person_id');
