-- The credentials room: cards, who holds them, and the published status lists.
CREATE SCHEMA IF NOT EXISTS credentials;

-- Every card that was issued. The face is what was printed and signed, sealed under the holder's key.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS credentials.card (
  person_id uuid NOT NULL,
  credential_id text NOT NULL,
  form text NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
  reason text NOT NULL DEFAULT '',      -- personal: credential-issuance, keep expiry and 1 year (a code: why it was suspended or revoked)
  list_id int NOT NULL,
  list_index int NOT NULL,
  issued_on date NOT NULL,              -- personal: credential-issuance, keep expiry and 1 year
  expires_on date NOT NULL,             -- personal: credential-issuance, keep expiry and 1 year
  face bytea NOT NULL,                  -- personal: credential-issuance, keep expiry and 1 year
  PRIMARY KEY (person_id, credential_id)
);
SELECT kernel.wall('credentials', 'card', 'person_id');
-- Law 1: a person has at most one live card of a form.
CREATE UNIQUE INDEX IF NOT EXISTS card_live ON credentials.card (person_id, form) WHERE state <> 'revoked';

-- Whose card a number is, so that an act on a card can ask for its permit on the right person. Only this room
-- sees it; its primary key is the law that no card number is given twice.
-- distributed by credential_id
CREATE TABLE IF NOT EXISTS credentials.holder (
  credential_id text PRIMARY KEY,
  person_id uuid NOT NULL
);
SELECT kernel.wall('credentials', 'holder', NULL);

-- The published status lists; `version` grows with every change, so that a signed copy can be kept meanwhile.
-- reference table
CREATE TABLE IF NOT EXISTS credentials.status_list (
  list_id int PRIMARY KEY,
  version bigint NOT NULL DEFAULT 0
);
SELECT kernel.wall('credentials', 'status_list', NULL);

-- The entries that are taken. They name nobody: which card has an entry stands with the card alone.
-- distributed by list_id
CREATE TABLE IF NOT EXISTS credentials.status_entry (
  list_id int NOT NULL,
  list_index int NOT NULL,
  value smallint NOT NULL DEFAULT 0,
  PRIMARY KEY (list_id, list_index)
);
SELECT kernel.wall('credentials', 'status_entry', NULL);
CREATE INDEX IF NOT EXISTS status_entry_said ON credentials.status_entry (list_id) WHERE value <> 0;
