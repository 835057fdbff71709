-- The exchange: institutions, their software and keys, services, rights, and which messages were seen.
CREATE SCHEMA IF NOT EXISTS exchange;

-- Members; `standing` decides whether they may ask or answer.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.institution (
  institution text PRIMARY KEY,
  member_class text NOT NULL,
  name jsonb NOT NULL,
  contact text NOT NULL,
  standing text NOT NULL CHECK (standing IN ('pending', 'active', 'suspended')),
  since timestamptz NOT NULL
);
SELECT kernel.wall('exchange', 'institution', NULL);

-- The software of institutions.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.subsystem (
  subsystem text PRIMARY KEY,
  institution text NOT NULL REFERENCES exchange.institution,
  name text NOT NULL,
  since timestamptz NOT NULL
);
SELECT kernel.wall('exchange', 'subsystem', NULL);

-- Public Ed25519 keys by RFC 7638 thumbprint.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.key (
  kid text PRIMARY KEY,
  subsystem text NOT NULL REFERENCES exchange.subsystem,
  x text NOT NULL,
  active boolean NOT NULL,
  since timestamptz NOT NULL
);
SELECT kernel.wall('exchange', 'key', NULL);

-- The catalogue.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.service (
  service text PRIMARY KEY,
  owner text NOT NULL,
  title jsonb NOT NULL,
  fields text[] NOT NULL,
  purposes text[] NOT NULL,
  bases text[] NOT NULL,
  needs_consent boolean NOT NULL,
  about_person boolean NOT NULL,
  document text NOT NULL,
  media_type text NOT NULL,
  url text NOT NULL,
  active boolean NOT NULL,
  openapi jsonb NOT NULL,
  questions jsonb NOT NULL DEFAULT '{}'
);
SELECT kernel.wall('exchange', 'service', NULL);

-- Who may ask what, for which purpose, on which legal basis.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.access_right (
  client text NOT NULL,
  service text NOT NULL,
  purpose text NOT NULL,
  basis text NOT NULL,
  law text NOT NULL,
  fields text[] NOT NULL,
  endpoints text[] NOT NULL,
  by_number boolean NOT NULL,
  version int NOT NULL,
  until timestamptz,
  PRIMARY KEY (client, service, purpose, basis)
);
SELECT kernel.wall('exchange', 'access_right', NULL);

-- Message ids of the last minutes: a message counts once. Older ones are refused by their time.
-- distributed by client
CREATE TABLE IF NOT EXISTS exchange.seen (
  client text NOT NULL,
  message_id uuid NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (client, message_id)
);
SELECT kernel.wall('exchange', 'seen', NULL);
CREATE INDEX IF NOT EXISTS seen_at ON exchange.seen (at);

-- How often anything above that decides about messages has changed: decisions remember what they read together with
-- this number, and compare it again in their own transaction.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.edition (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  edition bigint NOT NULL
);
SELECT kernel.wall('exchange', 'edition', NULL);
INSERT INTO exchange.edition (edition) VALUES (1) ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION exchange.next_edition() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE exchange.edition SET edition = edition + 1;
  RETURN NULL;
END $$;
DO $$ DECLARE tab text; BEGIN
  FOREACH tab IN ARRAY ARRAY['institution', 'subsystem', 'key', 'service', 'access_right'] LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER next_edition AFTER INSERT OR UPDATE OR DELETE ON exchange.%I
      FOR EACH STATEMENT EXECUTE FUNCTION exchange.next_edition()', tab);
  END LOOP;
END $$;
