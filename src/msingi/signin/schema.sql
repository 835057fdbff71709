-- Sign-in: clients, staff accounts, factors, tries, sessions and grants. Secrets stand here only as hashes or sealed.
CREATE SCHEMA IF NOT EXISTS signin;

-- Software of institutions that may use the provider; its public keys.
-- reference table
CREATE TABLE IF NOT EXISTS signin.client (
  client_id text PRIMARY KEY,
  name text NOT NULL,
  institution text NOT NULL,
  profile text NOT NULL CHECK (profile IN ('fapi', 'confidential', 'public')),
  jwks jsonb NOT NULL,
  redirect_uris text[] NOT NULL,
  logout_uris text[] NOT NULL,
  scopes text[] NOT NULL,
  claims text[] NOT NULL,
  first_party boolean NOT NULL,
  auth text NOT NULL,
  grants text[] NOT NULL,
  dpop_nonce boolean NOT NULL,
  userinfo_signed boolean NOT NULL,
  backchannel_logout_uri text NOT NULL,
  id_token_signed_response_alg text NOT NULL CHECK (id_token_signed_response_alg IN ('ES256', 'RS256')),
  active boolean NOT NULL DEFAULT true,
  made_at timestamptz NOT NULL DEFAULT now()
);
SELECT kernel.wall('signin', 'client', NULL);

-- Accounts of members of staff; person_id is the account's own id, derived from the staff id.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.staff (
  person_id uuid PRIMARY KEY,
  staff_id text NOT NULL,      -- personal: operations, keep 10 years
  institution text NOT NULL,
  roles text[] NOT NULL,
  sealed bytea NOT NULL,       -- personal: operations, keep 10 years
  active boolean NOT NULL DEFAULT true,
  made_at timestamptz NOT NULL DEFAULT now()
);
SELECT kernel.wall('signin', 'staff', 'person_id');

-- What somebody proves themselves with: the salted hash of a PIN under a key of the keystore, sealed under their own key.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.factor (
  person_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('pin')),
  sealed bytea NOT NULL,       -- personal: identity-proofing, keep until replaced
  set_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (person_id, kind)
);
SELECT kernel.wall('signin', 'factor', 'person_id');

-- Browsers on which somebody has signed in with two factors before; strangers' failures never lock them.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.device (
  person_id uuid NOT NULL,
  device_hash bytea NOT NULL,  -- personal: identity-proofing, keep 1 year after last use
  known_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (person_id, device_hash)
);
SELECT kernel.wall('signin', 'device', 'person_id');

-- Wrong attempts, per keyed hash of (subject, place).
-- distributed by place
CREATE TABLE IF NOT EXISTS signin.tries (
  place bytea PRIMARY KEY,
  failures int NOT NULL,
  since timestamptz NOT NULL,
  locked_until timestamptz
);
SELECT kernel.wall('signin', 'tries', NULL);
CREATE INDEX IF NOT EXISTS tries_since ON signin.tries USING brin (since);

-- One-time codes that were sent: a keyed hash, and to what (a browser, or an institution) the answer is bound.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.challenge (
  person_id uuid NOT NULL,
  challenge_id uuid NOT NULL,
  bound_to bytea NOT NULL,
  code_hash bytea NOT NULL,    -- personal: identity-proofing, keep 1 day
  sent_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  tries int NOT NULL DEFAULT 0,
  used_at timestamptz,
  PRIMARY KEY (person_id, challenge_id)
);
SELECT kernel.wall('signin', 'challenge', 'person_id');
CREATE INDEX IF NOT EXISTS challenge_expires ON signin.challenge USING brin (expires_at);

-- Browsers in which somebody is signed in; the cookie holds a secret of which only the hash stands here.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.session (
  person_id uuid NOT NULL,
  session_id uuid NOT NULL,
  secret_hash bytea NOT NULL,
  factors int NOT NULL,
  methods text[] NOT NULL,
  agent text NOT NULL,         -- personal: subject-access, keep 90 days
  proved_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (person_id, session_id)
);
SELECT kernel.wall('signin', 'session', 'person_id');
CREATE INDEX IF NOT EXISTS session_expires ON signin.session USING brin (expires_at);

-- What somebody agreed that a client may learn; asked again only for more.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.agreement (
  person_id uuid NOT NULL,
  client_id text NOT NULL,
  claims text[] NOT NULL,      -- personal: consent-management, keep until withdrawn
  refused text[] NOT NULL,     -- personal: consent-management, keep until withdrawn
  receipt text NOT NULL,       -- personal: consent-management, keep until withdrawn
  agreed_at timestamptz NOT NULL,
  PRIMARY KEY (person_id, client_id)
);
SELECT kernel.wall('signin', 'agreement', 'person_id');

-- Authorization grants: from one code come all tokens of one sign-in to one client.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.oauth_grant (
  person_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  session_id uuid NOT NULL,
  client_id text NOT NULL,
  code_hash bytea NOT NULL,
  refresh_hash bytea,
  terms jsonb NOT NULL,        -- personal: identity-proofing, keep 90 days
  made_at timestamptz NOT NULL,
  used_at timestamptz,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (person_id, grant_id)
);
SELECT kernel.wall('signin', 'oauth_grant', 'person_id');
CREATE INDEX IF NOT EXISTS oauth_grant_session ON signin.oauth_grant (person_id, session_id);
CREATE INDEX IF NOT EXISTS oauth_grant_expires ON signin.oauth_grant USING brin (expires_at);

-- Grants that ended before their tokens did: random ids, so that every door can ask without seeing a person.
-- distributed by grant_id
CREATE TABLE IF NOT EXISTS signin.ended (
  grant_id uuid PRIMARY KEY,
  until timestamptz NOT NULL
);
SELECT kernel.wall('signin', 'ended', NULL);
CREATE INDEX IF NOT EXISTS ended_until ON signin.ended USING brin (until);

-- Hashes of things that may arrive only once: jti of assertions and proofs, pushed requests.
-- distributed by seen
CREATE TABLE IF NOT EXISTS signin.seen (
  seen bytea PRIMARY KEY,
  until timestamptz NOT NULL
);
SELECT kernel.wall('signin', 'seen', NULL);
CREATE INDEX IF NOT EXISTS seen_until ON signin.seen USING brin (until);

-- Claim such a thing with the last message of a transaction, which fails if it came before: so nobody waits for it.
CREATE OR REPLACE FUNCTION signin.claim_last(thing bytea, until timestamptz) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO signin.seen (seen, until) VALUES (thing, claim_last.until) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'it came before' USING ERRCODE = 'MS409';
  END IF;
END $$;

-- What travels with the beginning or the end of a transaction, as functions: their plans are made once, while a statement
-- of the simple protocol is planned each time, which costs more than it does.
-- Claim things with the beginning; gives those that had not come before.
CREATE OR REPLACE FUNCTION signin.claim(things bytea[], until timestamptz[]) RETURNS SETOF bytea LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY INSERT INTO signin.seen AS s (seen, until) SELECT * FROM unnest(things, claim.until)
    ON CONFLICT DO NOTHING RETURNING s.seen;
END $$;

CREATE OR REPLACE FUNCTION signin.keep_grant(
  whose uuid, id uuid, session uuid, client text, code bytea, terms jsonb, now timestamptz, until timestamptz
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO signin.oauth_grant (person_id, grant_id, session_id, client_id, code_hash, terms, made_at, expires_at)
  VALUES (whose, id, session, client, code, keep_grant.terms, now, until);
END $$;

CREATE OR REPLACE FUNCTION signin.redeem_grant(whose uuid, id uuid, now timestamptz, refresh bytea, until timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE signin.oauth_grant SET used_at = now, refresh_hash = refresh, expires_at = until
  WHERE person_id = whose AND grant_id = id;
END $$;

-- Institutions whose software seems to guess: how many questions and noes there were in a quarter of an hour.
-- distributed by institution
CREATE TABLE IF NOT EXISTS signin.alarm (
  institution text NOT NULL,
  since timestamptz NOT NULL,
  asked int NOT NULL,
  wrong int NOT NULL,
  stopped boolean NOT NULL,
  PRIMARY KEY (institution, since)
);
SELECT kernel.wall('signin', 'alarm', NULL);

-- Sign-ins that software asked for while the person was elsewhere: until they decide, and until it fetches the answer.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.request (
  person_id uuid NOT NULL,
  request_id uuid NOT NULL,
  client_id text NOT NULL,
  secret_hash bytea NOT NULL,
  wish jsonb NOT NULL,         -- personal: identity-proofing, keep 1 day
  terms jsonb,                 -- personal: identity-proofing, keep 1 day
  decided text NOT NULL DEFAULT 'waiting' CHECK (decided IN ('waiting', 'approved', 'refused', 'redeemed')),
  polled_at timestamptz,
  slow int NOT NULL DEFAULT 0,
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (person_id, request_id)
);
SELECT kernel.wall('signin', 'request', 'person_id');
CREATE INDEX IF NOT EXISTS request_expires ON signin.request USING brin (expires_at);

-- Passkeys: the public keys of people's devices.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.passkey (
  person_id uuid NOT NULL,
  passkey_id bytea NOT NULL,   -- personal: identity-proofing, keep until removed
  public_key bytea NOT NULL,   -- personal: identity-proofing, keep until removed
  sign_count bigint NOT NULL,
  name bytea NOT NULL,         -- personal: identity-proofing, keep until removed (sealed)
  made_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (person_id, passkey_id)
);
SELECT kernel.wall('signin', 'passkey', 'person_id');

-- Accounts that were given back at a centre: by which institution, after which checks, and until when to go slowly.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.recovery (
  person_id uuid NOT NULL,
  at timestamptz NOT NULL,
  institution text NOT NULL,
  checks text[] NOT NULL,      -- personal: identity-proofing, keep 10 years
  until timestamptz NOT NULL,
  PRIMARY KEY (person_id, at)
);
SELECT kernel.wall('signin', 'recovery', 'person_id');

-- Sign-ins that eSignet's own page or a wallet takes from step to step; the state of each stands sealed.
-- distributed by login_hash
CREATE TABLE IF NOT EXISTS signin.login (
  login_hash bytea PRIMARY KEY,
  sealed bytea NOT NULL,       -- personal: identity-proofing, keep 1 day
  expires_at timestamptz NOT NULL
);
SELECT kernel.wall('signin', 'login', NULL);
CREATE INDEX IF NOT EXISTS login_expires ON signin.login USING brin (expires_at);

-- Registrations of software that wait for a second operator.
-- reference table
CREATE TABLE IF NOT EXISTS signin.client_proposal (
  client_id text PRIMARY KEY,
  registration jsonb NOT NULL,
  proposed_by text NOT NULL,
  proposed_at timestamptz NOT NULL
);
SELECT kernel.wall('signin', 'client_proposal', NULL);

-- RSA keys for software that verifies RS256: wrapped under the keystore, with their certificates; the newest signs.
-- reference table
CREATE TABLE IF NOT EXISTS signin.provider_key (
  kid text PRIMARY KEY,
  wrapped bytea NOT NULL,
  certificate bytea NOT NULL,
  made_at timestamptz NOT NULL
);
SELECT kernel.wall('signin', 'provider_key', NULL);

-- Keys of people's wallets, bound by a one-time code: one for each person and wallet software.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS signin.wallet_key (
  person_id uuid NOT NULL,
  client_id text NOT NULL,     -- personal: identity-proofing, keep until removed
  name text NOT NULL,          -- personal: identity-proofing, keep until removed (in clear: what the software is called)
  public_key jsonb NOT NULL,   -- personal: identity-proofing, keep until removed
  by_pin boolean NOT NULL,
  made_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (person_id, client_id)
);
SELECT kernel.wall('signin', 'wallet_key', 'person_id');
