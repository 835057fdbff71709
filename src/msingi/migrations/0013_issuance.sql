-- Issuance: kinds of credentials, who holds them, their signed copies, offers, and requests that wait.
CREATE SCHEMA IF NOT EXISTS credentials;

-- The issuer's certificates: the root's, the document signers', and the root's list of revoked signers.
-- reference table
CREATE TABLE IF NOT EXISTS credentials.certificate (
  role text NOT NULL CHECK (role IN ('root', 'signer', 'revocations')),
  kid text NOT NULL,
  der bytea NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (role, kid)
);
SELECT kernel.wall('credentials', 'certificate', NULL);

-- Kinds of credentials that institutions proposed; those of the country profile stand there alone.
-- reference table
CREATE TABLE IF NOT EXISTS credentials.kind (
  kind text PRIMARY KEY,
  institution text NOT NULL,
  description jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('proposed', 'in-force', 'refused')),
  proposed_by text NOT NULL,
  decided_by text NOT NULL DEFAULT '',
  at timestamptz NOT NULL DEFAULT now()
);
SELECT kernel.wall('credentials', 'kind', NULL);

-- Providers of wallets whose attestations are accepted, with the anchor of their certificates.
-- reference table
CREATE TABLE IF NOT EXISTS credentials.wallet_provider (
  client_id text PRIMARY KEY,
  name text NOT NULL,
  anchor bytea NOT NULL,
  accepted_by text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
SELECT kernel.wall('credentials', 'wallet_provider', NULL);

-- What people hold. The facts are frozen as they were awarded, sealed under the holder's key.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS credentials.holding (
  person_id uuid NOT NULL,
  holding_id uuid NOT NULL,
  kind text NOT NULL,                   -- personal: credential-issuance, keep expiry and 1 year
  institution text NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
  reason text NOT NULL DEFAULT '',      -- personal: credential-issuance, keep expiry and 1 year (a code: why it was suspended or revoked)
  document text NOT NULL,               -- personal: credential-issuance, keep expiry and 1 year
  issued_on date NOT NULL,              -- personal: credential-issuance, keep expiry and 1 year
  expires_on date,                      -- personal: credential-issuance, keep expiry and 1 year
  single boolean NOT NULL,
  stale boolean NOT NULL DEFAULT false,
  facts bytea NOT NULL,                 -- personal: credential-issuance, keep expiry and 1 year
  PRIMARY KEY (person_id, holding_id)
);
SELECT kernel.wall('credentials', 'holding', 'person_id');
CREATE UNIQUE INDEX IF NOT EXISTS holding_live ON credentials.holding (person_id, kind)
  WHERE single AND state <> 'revoked';

-- The signed copies, by their places in the status lists; what they say stands nowhere but with the holder.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS credentials.copy (
  person_id uuid NOT NULL,
  list_id int NOT NULL,
  list_index int NOT NULL,
  holding_id uuid NOT NULL,
  format text NOT NULL,
  expires_on date NOT NULL,             -- personal: credential-issuance, keep expiry and 1 year
  PRIMARY KEY (person_id, list_id, list_index)
);
SELECT kernel.wall('credentials', 'copy', 'person_id');
CREATE INDEX IF NOT EXISTS copy_expires ON credentials.copy USING brin (expires_on);
-- A presentation names its entry: so the person can be told who looked.
CREATE INDEX IF NOT EXISTS copy_place ON credentials.copy (list_id, list_index);

-- Offers for wallets; the code and the transaction code stand here as hashes only.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS credentials.offer (
  person_id uuid NOT NULL,
  offer_id uuid NOT NULL,
  configurations text[] NOT NULL,
  secret_hash bytea NOT NULL,
  tx_hash bytea NOT NULL,
  tries smallint NOT NULL DEFAULT 0,
  used boolean NOT NULL DEFAULT false,
  expires_at timestamptz NOT NULL,      -- personal: credential-issuance, keep 1 day
  PRIMARY KEY (person_id, offer_id)
);
SELECT kernel.wall('credentials', 'offer', 'person_id');

-- Offers by reference: what the short address of an offer stands for, sealed; it names nobody.
-- distributed by link
CREATE TABLE IF NOT EXISTS credentials.offer_link (
  link text PRIMARY KEY,
  sealed bytea NOT NULL,
  expires_at timestamptz NOT NULL
);
SELECT kernel.wall('credentials', 'offer_link', NULL);

-- Nonces that were used, until they would have expired anyway.
-- distributed by nonce
CREATE TABLE IF NOT EXISTS credentials.used_nonce (
  nonce bytea PRIMARY KEY,
  until timestamptz NOT NULL
);
SELECT kernel.wall('credentials', 'used_nonce', NULL);
CREATE INDEX IF NOT EXISTS used_nonce_until ON credentials.used_nonce USING brin (until);

-- Requests of wallets that an officer decides about, and then the wallet collects.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS credentials.request (
  person_id uuid NOT NULL,
  request_id uuid NOT NULL,
  holding_id uuid NOT NULL,
  kind text NOT NULL,                   -- personal: credential-issuance, keep 90 days
  institution text NOT NULL,
  format text NOT NULL,
  holders bytea NOT NULL,               -- personal: credential-issuance, keep 90 days
  client text NOT NULL,
  secret_hash bytea NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'approved', 'refused', 'delivered')),
  document text NOT NULL,               -- personal: credential-issuance, keep 90 days
  asked_at timestamptz NOT NULL DEFAULT now(),
  decided_by text NOT NULL DEFAULT '',
  PRIMARY KEY (person_id, request_id)
);
SELECT kernel.wall('credentials', 'request', 'person_id');
CREATE INDEX IF NOT EXISTS request_waiting ON credentials.request (institution, asked_at) WHERE state = 'waiting';
