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
  questions jsonb NOT NULL DEFAULT '{}',
  alias text NOT NULL DEFAULT ''   -- the code by which X-Road's clients know it, within its owner
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
CREATE INDEX IF NOT EXISTS seen_at ON exchange.seen USING brin (at);  -- rows come in the order of their time

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

-- Many messages at a time, on what a process remembers: claims them, reads the edition, the epochs of the consents and
-- the upheld objections in this transaction, and stops it unless each is what the process expects. So the whole decision
-- travels in one message, and nothing that was remembered is obeyed unless it is true now: an epoch is the one with which
-- `consent.live_of` gave its consent, under the same lock. One client stands for all messages where it is the same.
CREATE OR REPLACE FUNCTION exchange.as_weighed(
  clients text[], messages uuid[], at timestamptz, expected bigint,
  people uuid[], epochs bigint[], other_people uuid[], other_askers text[], other_whys text[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  fresh int;
BEGIN
  INSERT INTO exchange.seen (client, message_id, at)
  SELECT coalesce(c, clients[1]), m, as_weighed.at FROM unnest(clients, messages) AS a (c, m) ORDER BY 1, 2
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS fresh = ROW_COUNT;
  IF fresh <> cardinality(messages) OR (SELECT edition FROM exchange.edition) IS DISTINCT FROM expected THEN
    RAISE EXCEPTION 'a message was seen before, or the rules have changed' USING ERRCODE = 'MS409';
  END IF;
  IF cardinality(people) > 0 AND consent.unchanged(people, epochs) IS DISTINCT FROM true THEN
    RAISE EXCEPTION 'a consent is not the one expected' USING ERRCODE = 'MS409';
  END IF;
  FOR n IN 1 .. cardinality(other_people) LOOP
    IF consent.stopped(other_people[n], other_askers[n], other_whys[n]) IS DISTINCT FROM false THEN
      RAISE EXCEPTION 'an objection was upheld' USING ERRCODE = 'MS409';
    END IF;
  END LOOP;
END $$;
