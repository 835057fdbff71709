-- Vouchers: schemes with a trust account, vouchers, and what shops took. Amounts are bigint minor units.
CREATE SCHEMA IF NOT EXISTS payments;

-- A voucher scheme of an institution. The database itself refuses to allot more than was put in (law 1).
-- reference table
CREATE TABLE IF NOT EXISTS payments.voucher_scheme (
  scheme_id uuid PRIMARY KEY,
  institution text NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  payer bigint NOT NULL,
  trust bigint NOT NULL,
  currency text NOT NULL,
  digits int NOT NULL,
  groups text[] NOT NULL,
  days int NOT NULL CHECK (days > 0),
  systems text[] NOT NULL,
  funded bigint NOT NULL DEFAULT 0,
  allotted bigint NOT NULL DEFAULT 0,
  opened_by text NOT NULL,                -- personal: payment, keep 10 years
  opened_at timestamptz NOT NULL,
  closed_at timestamptz,
  UNIQUE (institution, code),
  CHECK (allotted >= 0 AND allotted <= funded)
);
SELECT kernel.wall('payments', 'voucher_scheme', NULL);

-- Which shops may take vouchers of a scheme, and for which groups.
-- reference table
CREATE TABLE IF NOT EXISTS payments.voucher_shop (
  scheme_id uuid NOT NULL,
  shop text NOT NULL,
  groups text[] NOT NULL,
  details text NOT NULL DEFAULT '',
  approved_by text NOT NULL,              -- personal: payment, keep 10 years
  approved_at timestamptz NOT NULL,
  PRIMARY KEY (scheme_id, shop)
);
SELECT kernel.wall('payments', 'voucher_shop', NULL);

-- Vouchers by their serial number. Who holds one stands in voucher_holder, the secret number in voucher_number.
-- distributed by serial
CREATE TABLE IF NOT EXISTS payments.voucher (
  serial text PRIMARY KEY,
  scheme_id uuid NOT NULL,
  instruction_id text NOT NULL,
  category text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  remaining bigint NOT NULL CHECK (remaining >= 0 AND remaining <= amount),
  in_parts boolean NOT NULL,
  printed boolean NOT NULL,               -- its numbers were made elsewhere: they cannot be told again
  state text NOT NULL,                    -- waiting, active, used, blocked, cancelled, expired
  comment text NOT NULL,
  tries int NOT NULL DEFAULT 0,
  issued_by text NOT NULL,                -- personal: payment, keep 10 years
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
SELECT kernel.wall('payments', 'voucher', NULL);
CREATE INDEX IF NOT EXISTS voucher_list ON payments.voucher (scheme_id, serial);
CREATE INDEX IF NOT EXISTS voucher_due ON payments.voucher (expires_at) WHERE state IN ('waiting', 'active', 'blocked');
CREATE INDEX IF NOT EXISTS voucher_rest ON payments.voucher (scheme_id)
  WHERE remaining > 0 AND state IN ('used', 'cancelled', 'expired');
CREATE SEQUENCE IF NOT EXISTS payments.voucher_place AS bigint;
GRANT USAGE ON SEQUENCE payments.voucher_place TO msingi_app;

-- What an institution asked for under an id of its own: one voucher, whatever breaks off.
-- distributed by instruction_id
CREATE TABLE IF NOT EXISTS payments.voucher_instruction (
  instruction_id text NOT NULL,
  scheme_id uuid NOT NULL,
  serial text NOT NULL,
  content bytea NOT NULL,
  PRIMARY KEY (instruction_id, scheme_id)
);
SELECT kernel.wall('payments', 'voucher_instruction', NULL);

-- The secret number of a voucher, as a keyed hash.
-- distributed by key
CREATE TABLE IF NOT EXISTS payments.voucher_number (
  key bytea PRIMARY KEY,
  serial text NOT NULL
);
SELECT kernel.wall('payments', 'voucher_number', NULL);

-- Vouchers that were given to one person.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS payments.voucher_holder (
  person_id uuid NOT NULL,                -- personal: social-protection, keep 10 years
  serial text NOT NULL,
  given_at timestamptz NOT NULL,
  PRIMARY KEY (person_id, serial)
);
SELECT kernel.wall('payments', 'voucher_holder', 'person_id');
CREATE INDEX IF NOT EXISTS voucher_holder_of ON payments.voucher_holder (serial);

-- What shops take of vouchers: begun with the amount taken off the voucher, then paid by a transfer with one id, or
-- refused by the ledger and put back. Whatever breaks off is taken up again.
-- distributed by serial
CREATE TABLE IF NOT EXISTS payments.voucher_spending (
  serial text NOT NULL,
  key text NOT NULL,
  shop text NOT NULL,
  account_id bigint NOT NULL,             -- personal: payment, keep 10 years
  amount bigint NOT NULL CHECK (amount > 0),
  state text NOT NULL,                    -- begun, paid, refused
  transfer_id uuid,
  begun_by text NOT NULL,                 -- personal: payment, keep 10 years
  begun_at timestamptz NOT NULL,
  PRIMARY KEY (serial, key)
);
SELECT kernel.wall('payments', 'voucher_spending', NULL);
CREATE INDEX IF NOT EXISTS voucher_spending_open ON payments.voucher_spending (begun_at) WHERE state = 'begun';

-- Money of vouchers that moves between a scheme's payer and its trust account: put in, or going back. The row is
-- written first; the transfer has one id, and is posted again until the row is settled.
-- distributed by scheme_id
CREATE TABLE IF NOT EXISTS payments.voucher_move (
  scheme_id uuid NOT NULL,
  key text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  vouchers int NOT NULL,
  is_return boolean NOT NULL,
  settled boolean NOT NULL DEFAULT false,
  transfer_id uuid,
  asked_by text NOT NULL,                 -- personal: payment, keep 10 years
  at timestamptz NOT NULL,
  PRIMARY KEY (scheme_id, key)
);
SELECT kernel.wall('payments', 'voucher_move', NULL);
CREATE INDEX IF NOT EXISTS voucher_move_open ON payments.voucher_move (at) WHERE NOT settled AND is_return;
