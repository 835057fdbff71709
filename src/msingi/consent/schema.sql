-- What people allowed: data agreements, consents with their revisions, requests, and the check that decisions call.
CREATE SCHEMA IF NOT EXISTS consent;

-- Published versions of data agreements; retiring one writes a further version that is retired.
-- reference table
CREATE TABLE IF NOT EXISTS consent.agreement (
  agreement text NOT NULL,
  version int NOT NULL,
  institution text NOT NULL,
  purpose text NOT NULL,
  body jsonb NOT NULL,
  retired boolean NOT NULL,
  published_at timestamptz NOT NULL,
  hash text NOT NULL,
  predecessor_hash text NOT NULL,
  kid text NOT NULL,
  signature text NOT NULL,
  PRIMARY KEY (agreement, version)
);
SELECT kernel.wall_append_only('consent', 'agreement', NULL);

-- How often a person's consents have changed: decisions share a lock on this row, changes take it alone.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS consent.epoch (
  person_id uuid PRIMARY KEY,
  epoch bigint NOT NULL
);
SELECT kernel.wall('consent', 'epoch', 'person_id');

-- Consents as they are now.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS consent.record (
  person_id uuid NOT NULL,
  consent_id uuid NOT NULL,
  agreement text NOT NULL,          -- personal: consent-management, keep 10 years
  agreement_version int NOT NULL,
  agreement_hash text NOT NULL,
  institution text NOT NULL,        -- personal: consent-management, keep 10 years
  purpose text NOT NULL,            -- personal: consent-management, keep 10 years
  fields text[] NOT NULL,           -- personal: consent-management, keep 10 years
  state text NOT NULL CHECK (state IN ('granted', 'withdrawn', 'expired')),
  granted_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  language text NOT NULL,           -- personal: consent-management, keep 10 years
  channel text NOT NULL,
  revision int NOT NULL,
  PRIMARY KEY (person_id, consent_id)
);
SELECT kernel.wall('consent', 'record', 'person_id');
-- Law 3: one live consent per person and agreement, so that withdrawing what is seen withdraws all of it.
CREATE UNIQUE INDEX IF NOT EXISTS record_one_live ON consent.record (person_id, agreement) WHERE state = 'granted';
CREATE INDEX IF NOT EXISTS record_due ON consent.record (expires_at) WHERE state = 'granted';

-- Every state of every consent: the signed receipt, sealed with the person's key, and its place in the chain.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS consent.revision (
  person_id uuid NOT NULL,
  consent_id uuid NOT NULL,
  revision int NOT NULL,
  at timestamptz NOT NULL,
  hash text NOT NULL,
  predecessor_hash text NOT NULL,
  kid text NOT NULL,
  sealed bytea NOT NULL,            -- personal: consent-management, keep 10 years
  PRIMARY KEY (person_id, consent_id, revision)
);
SELECT kernel.wall_append_only('consent', 'revision', 'person_id');

-- What institutions ask people to allow.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS consent.request (
  person_id uuid NOT NULL,
  request_id uuid NOT NULL,
  agreement text NOT NULL,          -- personal: consent-management, keep 1 year
  agreement_version int NOT NULL,
  institution text NOT NULL,        -- personal: consent-management, keep 1 year
  purpose text NOT NULL,            -- personal: consent-management, keep 1 year
  fields text[] NOT NULL,           -- personal: consent-management, keep 1 year
  reason bytea NOT NULL,            -- personal: consent-management, keep 1 year (sealed)
  state text NOT NULL CHECK (state IN ('pending', 'granted', 'declined')),
  asked_at timestamptz NOT NULL,
  lapses_at timestamptz NOT NULL,
  consent_id uuid,
  PRIMARY KEY (person_id, request_id)
);
SELECT kernel.wall('consent', 'request', 'person_id');
CREATE UNIQUE INDEX IF NOT EXISTS request_one_open ON consent.request (person_id, agreement) WHERE state = 'pending';

-- Uses of data that a person objected to and was found right about: no longer by this institution for this purpose.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS consent.restriction (
  person_id uuid NOT NULL,
  institution text NOT NULL,        -- personal: consent-management, keep 10 years
  purpose text NOT NULL,            -- personal: consent-management, keep 10 years
  reference text NOT NULL,
  since timestamptz NOT NULL,
  PRIMARY KEY (person_id, institution, purpose)
);
SELECT kernel.wall('consent', 'restriction', 'person_id');

-- Whether a use is stopped, for a decision whose permit reaches the person; shown to no other.
CREATE OR REPLACE FUNCTION consent.stopped(person uuid, asker text, why text) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT (kernel.reach_all() OR person = ANY (kernel.reach())) AND EXISTS (
    SELECT FROM consent.restriction x WHERE x.person_id = person AND x.institution = asker AND x.purpose = why) $$;
REVOKE ALL ON FUNCTION consent.stopped FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consent.stopped TO msingi_app;

-- The live consents of many asks at a time: for each (person, asker, purpose, fields as blank-separated names) by its
-- number, the consent that covers every field and lasts longest, with the person's epoch. The epochs are locked first, in
-- one order, so that a withdrawal waits for the decision and a decision for a withdrawal; what is read after that is what
-- is true when the transaction commits. People whom the permit does not reach have none.
CREATE OR REPLACE FUNCTION consent.live_of(people uuid[], askers text[], whys text[], wanted text[], at timestamptz)
RETURNS TABLE (no int, consent_id uuid, epoch bigint, expires_at timestamptz) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  reached uuid[] := kernel.reach();
BEGIN
  IF kernel.reach_all() THEN
    reached := people;
  END IF;
  PERFORM FROM consent.epoch e
  WHERE e.person_id = ANY (people) AND e.person_id = ANY (reached) ORDER BY e.person_id FOR SHARE;
  RETURN QUERY
    SELECT a.no::int, l.consent_id, e.epoch, l.expires_at
    FROM unnest(people, askers, whys, wanted) WITH ORDINALITY AS a (person, asker, why, fields, no)
    JOIN consent.epoch e ON e.person_id = a.person AND e.person_id = ANY (reached),
    LATERAL (
      SELECT r.consent_id, r.expires_at FROM consent.record r
      WHERE r.person_id = a.person AND r.institution = a.asker AND r.purpose = a.why
        AND r.state = 'granted' AND r.expires_at > live_of.at AND a.fields <> ''
        AND NOT EXISTS (SELECT FROM consent.restriction x
          WHERE x.person_id = a.person AND x.institution = a.asker AND x.purpose = a.why AND x.since > r.granted_at)
        AND (string_to_array(a.fields, ' ') <@ r.fields
          OR NOT EXISTS (SELECT FROM unnest(string_to_array(a.fields, ' ')) w WHERE NOT EXISTS (
            SELECT FROM unnest(r.fields) f WHERE w = f OR starts_with(w, f || '.'))))
      ORDER BY r.expires_at DESC LIMIT 1) l;
END $$;
REVOKE ALL ON FUNCTION consent.live_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consent.live_of TO msingi_app;

-- Whether nothing that `live_of` reads has changed since it gave these epochs: every grant, withdrawal and upheld
-- objection raises its person's. The same lock, and so the same answer, for a fraction of the work; that a consent runs
-- out by itself is for the asker to see. People whom the permit does not reach have no epoch.
CREATE OR REPLACE FUNCTION consent.unchanged(people uuid[], epochs bigint[]) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  RETURN (people <@ kernel.reach() OR kernel.reach_all()) AND cardinality(people) = (
    SELECT count(*) FROM (
      SELECT FROM unnest(people, epochs) AS known (person, epoch)
      JOIN consent.epoch e ON e.person_id = known.person AND e.epoch = known.epoch
      ORDER BY e.person_id FOR SHARE OF e) held);
END $$;
REVOKE ALL ON FUNCTION consent.unchanged FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consent.unchanged TO msingi_app;

-- The same for one ask.
CREATE OR REPLACE FUNCTION consent.live(person uuid, asker text, why text, wanted text[], at timestamptz)
RETURNS TABLE (consent_id uuid, epoch bigint, expires_at timestamptz) LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
  SELECT consent_id, epoch, expires_at FROM consent.live_of(
    ARRAY[person], ARRAY[asker], ARRAY[why], ARRAY[array_to_string(wanted, ' ')], at)
$$;
REVOKE ALL ON FUNCTION consent.live FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consent.live TO msingi_app;

-- Whom people let act for them. `sealed` holds both names, readable with the key of the person who gave it.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS consent.delegation (
  person_id uuid NOT NULL,
  delegation_id uuid NOT NULL,
  delegate_id uuid NOT NULL,        -- personal: consent-management, keep 10 years
  purposes text[] NOT NULL,         -- personal: consent-management, keep 10 years
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  ended_at timestamptz,
  sealed bytea NOT NULL,            -- personal: consent-management, keep 10 years
  PRIMARY KEY (person_id, delegation_id)
);
SELECT kernel.wall('consent', 'delegation', 'person_id');
CREATE INDEX IF NOT EXISTS delegation_received ON consent.delegation (delegate_id) WHERE ended_at IS NULL;

-- The live delegations that were given to a person, for a permit that reaches that person: whose, for what, until when.
CREATE OR REPLACE FUNCTION consent.received(delegate uuid, at timestamptz) RETURNS SETOF consent.delegation
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF kernel.room() IS DISTINCT FROM 'consent' OR NOT delegate = ANY (kernel.reach()) THEN
    RETURN;
  END IF;
  RETURN QUERY SELECT d.person_id, d.delegation_id, d.delegate_id, d.purposes, d.since, d.until, d.ended_at, ''::bytea
    FROM consent.delegation d WHERE d.delegate_id = delegate AND d.ended_at IS NULL AND d.until > at
    ORDER BY d.delegation_id DESC LIMIT 50;
END $$;
REVOKE ALL ON FUNCTION consent.received FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consent.received TO msingi_app;
