-- Presentation: what institutions asked to be shown, the certificates under which they ask, and copies of what
-- other issuers publish.
CREATE SCHEMA IF NOT EXISTS credentials;

-- One request and what became of it. It names nobody: whose credential answered it stands in that person's record of
-- the log alone. The answer is sealed, and gone ten minutes after it came.
-- distributed by request_id
CREATE TABLE IF NOT EXISTS credentials.presentation (
  request_id text PRIMARY KEY,
  institution text NOT NULL,
  asked jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'shown', 'answered', 'declined', 'failed')),
  key bytea NOT NULL,
  session bytea NOT NULL DEFAULT '',
  code bytea NOT NULL DEFAULT '',
  collect_hash bytea NOT NULL DEFAULT '',
  device text NOT NULL DEFAULT '',
  tries smallint NOT NULL DEFAULT 0,
  answer bytea NOT NULL DEFAULT '',     -- personal: data-exchange, keep 10 minutes (sealed)
  reason text NOT NULL DEFAULT '',
  expires_at timestamptz NOT NULL,
  answered_at timestamptz               -- personal: data-exchange, keep 1 day
);
SELECT kernel.wall('credentials', 'presentation', NULL);
CREATE INDEX IF NOT EXISTS presentation_expires ON credentials.presentation USING brin (expires_at);

-- The certificates by which wallets recognise who asks: one for each institution, and the authority's own.
-- reference table
CREATE TABLE IF NOT EXISTS credentials.access_certificate (
  holder text NOT NULL,
  kid text NOT NULL,
  der bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (holder, kid)
);
SELECT kernel.wall('credentials', 'access_certificate', NULL);

-- Status lists and keys of other issuers, fetched ahead, so that no check makes a connection.
-- reference table
CREATE TABLE IF NOT EXISTS credentials.fetched (
  uri text PRIMARY KEY,
  body bytea NOT NULL,
  at timestamptz NOT NULL
);
SELECT kernel.wall('credentials', 'fetched', NULL);
