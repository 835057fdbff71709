-- The identity room: people, their versions, how they are found, and the enrolments that wait for a decision.
CREATE SCHEMA IF NOT EXISTS identity;

-- One row per record of a person, held enrolments included. The number is sealed; its blinded form stands below.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.person (
  person_id uuid PRIMARY KEY,
  status text NOT NULL CHECK (status IN ('held', 'active', 'suspended', 'deactivated', 'deceased', 'merged')),
  region text NOT NULL,                 -- personal: statistics, keep life and 30 years
  birth_year int,                       -- personal: statistics, keep life and 30 years
  sex text NOT NULL,                    -- personal: statistics, keep life and 30 years
  number_sealed bytea,                  -- personal: identity-registration, keep life and 30 years
  merged_into uuid,
  enrolled_at timestamptz NOT NULL,
  CHECK (status <> 'held' OR number_sealed IS NULL),  -- a merged record keeps its number, for the day it is parted
  CHECK (status IN ('held', 'merged') OR number_sealed IS NOT NULL),
  CHECK ((status = 'merged') = (merged_into IS NOT NULL))
);
SELECT kernel.wall('identity', 'person', 'person_id');
CREATE INDEX IF NOT EXISTS person_counts ON identity.person (region, birth_year, status);
CREATE INDEX IF NOT EXISTS person_merged ON identity.person (merged_into) WHERE merged_into IS NOT NULL;

-- What was known of a person from `valid_from` until the next version begins: there is no second date that could
-- contradict it, so versions cannot overlap, and the application may only add to this table.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.version (
  person_id uuid NOT NULL,
  valid_from timestamptz NOT NULL,
  reason text NOT NULL,                 -- what changed, in the stack's words; an officer's stand sealed elsewhere
  sealed bytea NOT NULL,                -- personal: identity-registration, keep life and 30 years
  PRIMARY KEY (person_id, valid_from)
);
SELECT kernel.wall_append_only('identity', 'version', 'person_id');

-- Every number that was ever issued, blinded (HMAC-SHA-256): the primary key is the law that none is issued twice.
-- distributed by number_key
CREATE TABLE IF NOT EXISTS identity.number (
  number_key bytea PRIMARY KEY,
  person_id uuid NOT NULL,
  issued_at timestamptz NOT NULL
);
SELECT kernel.wall_append_only('identity', 'number', 'person_id');

-- Which person a phone finds, blinded; one phone finds one person.
-- distributed by phone_key
CREATE TABLE IF NOT EXISTS identity.phone (
  phone_key bytea PRIMARY KEY,
  person_id uuid NOT NULL
);
SELECT kernel.wall('identity', 'phone', 'person_id');

-- Blinded search keys under which probable duplicates meet. A b-tree and not a GIN array: row-level security lets
-- an index be used only through leakproof operators, which bigint equality is and array overlap is not.
-- distributed by key
CREATE TABLE IF NOT EXISTS identity.search_key (
  key bigint NOT NULL,
  person_id uuid NOT NULL,
  PRIMARY KEY (key, person_id)
);
SELECT kernel.wall('identity', 'search_key', 'person_id');

-- How many people bear a name, under the name's blinded key, so that a rare name weighs more than a common one;
-- and how many people there are, spread over a few rows that many can add to at once.
-- distributed by key
CREATE TABLE IF NOT EXISTS identity.name_count (
  key bigint PRIMARY KEY,
  people bigint NOT NULL
);
SELECT kernel.wall('identity', 'name_count', NULL);

-- Portrait photos; the newest one counts.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.photo (
  person_id uuid NOT NULL,
  taken_at timestamptz NOT NULL,
  sealed bytea NOT NULL,                -- personal: identity-registration, keep life and 30 years
  PRIMARY KEY (person_id, taken_at)
);
SELECT kernel.wall('identity', 'photo', 'person_id');

-- Ties between people: guardian, mother, introducer.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.link (
  person_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('guardian', 'mother', 'introducer')),
  other_id uuid NOT NULL,               -- personal: identity-registration, keep life and 30 years
  since timestamptz NOT NULL,
  PRIMARY KEY (person_id, kind, other_id)
);
SELECT kernel.wall('identity', 'link', 'person_id');

-- Every status, the first one too: each counts until the next begins, so that none can overlap (law 4).
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.status_change (
  person_id uuid NOT NULL,
  at timestamptz NOT NULL,
  status text NOT NULL,
  cause text NOT NULL,
  because bytea,                        -- personal: identity-registration, keep life and 30 years (sealed)
  PRIMARY KEY (person_id, at)
);
SELECT kernel.wall_append_only('identity', 'status_change', 'person_id');

-- Who may be enrolled twice, and what was decided: a held enrolment, or a pair with numbers that was found later, by
-- comparing all records or by a matcher of biometrics. `case_id` grows with time, so it is also the order of the queue.
-- distributed by case_id
CREATE TABLE IF NOT EXISTS identity.duplicate (
  case_id uuid PRIMARY KEY,
  person_id uuid NOT NULL,
  kind text NOT NULL DEFAULT 'held' CHECK (kind IN ('held', 'found')),
  opened_at timestamptz NOT NULL,
  decided_at timestamptz,
  decided_by text,                      -- personal: identity-registration, keep life and 30 years
  same_as uuid,
  because bytea                         -- personal: identity-registration, keep life and 30 years (sealed)
);
SELECT kernel.wall('identity', 'duplicate', 'person_id');
CREATE INDEX IF NOT EXISTS duplicate_waiting ON identity.duplicate (case_id) WHERE decided_at IS NULL;
CREATE INDEX IF NOT EXISTS duplicate_person ON identity.duplicate (person_id);
CREATE INDEX IF NOT EXISTS duplicate_decided ON identity.duplicate (decided_at) WHERE decided_at IS NOT NULL;

-- Who the held person may be, with the reasons: fields and levels of agreement, no values.
-- distributed by case_id
CREATE TABLE IF NOT EXISTS identity.candidate (
  case_id uuid NOT NULL,
  person_id uuid NOT NULL,
  bits real NOT NULL,
  reasons jsonb NOT NULL,               -- personal: identity-registration, keep life and 30 years (a code: fields, levels)
  PRIMARY KEY (case_id, person_id)
);
SELECT kernel.wall('identity', 'candidate', 'person_id');

-- Registered births. The month is kept for statistics (SDG 16.9.1); the day is in the child's sealed version.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.birth (
  person_id uuid PRIMARY KEY,
  mother_id uuid,                       -- personal: identity-registration, keep life and 30 years
  born_month date NOT NULL,             -- personal: statistics, keep life and 30 years
  region text NOT NULL,                 -- personal: statistics, keep life and 30 years
  place bytea,                          -- personal: identity-registration, keep life and 30 years (sealed)
  notified_on date NOT NULL,
  registered_at timestamptz,            -- NULL while the child's enrolment is held as a probable duplicate
  moved_from uuid                       -- the held record that it was notified for, if a decision merged that one
);
SELECT kernel.wall('identity', 'birth', 'person_id');
CREATE INDEX IF NOT EXISTS birth_counts ON identity.birth (region, born_month) WHERE registered_at IS NOT NULL;

-- Which institutions rely on a person: they are told when something changes.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.relying (
  person_id uuid NOT NULL,
  institution text NOT NULL,            -- personal: data-exchange, keep while the institution relies on the person
  since timestamptz NOT NULL,
  PRIMARY KEY (person_id, institution)
);
SELECT kernel.wall('identity', 'relying', 'person_id');

-- What an institution is told, kept until it has surely been fetched. `xact` is the transaction that told it: readers
-- see only what no transaction still under way can precede, so that a cursor never runs past news (see queries).
-- distributed by institution
CREATE TABLE IF NOT EXISTS identity.notice (
  institution text NOT NULL,
  xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
  notice_id uuid NOT NULL DEFAULT uuidv7(),
  person_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('changed', 'status', 'merged', 'unmerged', 'guardians')),
  status text,                          -- personal: data-exchange, keep 90 days
  other_id uuid,                        -- personal: data-exchange, keep 90 days
  at timestamptz NOT NULL,
  PRIMARY KEY (institution, xact, notice_id)
);
SELECT kernel.wall('identity', 'notice', 'person_id');

-- Virtual ids: numbers that a person hands out instead of the own one, blinded like it; one is never issued twice.
-- distributed by alias_key
CREATE TABLE IF NOT EXISTS identity.alias (
  alias_key bytea PRIMARY KEY,
  alias_id uuid NOT NULL,
  person_id uuid NOT NULL,
  sealed bytea NOT NULL,                -- personal: identity-proofing, keep 1 year after its end
  made_at timestamptz NOT NULL,
  expires_at timestamptz,
  uses_left int CHECK (uses_left >= 0),
  last_by bytea,                        -- who used it last, blinded: one errand of theirs counts once
  last_at timestamptz,
  revoked_at timestamptz
);
SELECT kernel.wall('identity', 'alias', 'person_id');
CREATE INDEX IF NOT EXISTS alias_person ON identity.alias (person_id, alias_id);

-- Births and deaths that a clinic, a village officer or a family told, and what the registrar made of them. The content
-- is sealed with the room's own key, because the one whom it is about may not be known yet.
-- distributed by notification_id
CREATE TABLE IF NOT EXISTS identity.notification (
  notification_id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('birth', 'death')),
  state text NOT NULL CHECK (state IN ('notified', 'held', 'registered', 'rejected')),
  region text NOT NULL,
  sealed bytea,                         -- personal: identity-registration, keep until registered or rejected
  institution text NOT NULL,
  notified_by text NOT NULL,            -- personal: identity-registration, keep life and 30 years
  notified_at timestamptz NOT NULL,
  decided_by text,                      -- personal: identity-registration, keep life and 30 years
  decided_at timestamptz,
  because bytea,                        -- personal: identity-registration, keep life and 30 years (sealed for the room)
  person_id uuid                        -- the child or the deceased, once registered
);
SELECT kernel.wall('identity', 'notification', NULL);
CREATE INDEX IF NOT EXISTS notification_waiting ON identity.notification (notification_id) WHERE state = 'notified';

-- Entries of the civil register: births and deaths, each with its number of the year. A void one stays, as void.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS identity.civil_entry (
  person_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('birth', 'death')),
  version int NOT NULL,                 -- 1, and one more with each correction
  entry_number text NOT NULL,           -- personal: identity-registration, keep life and 30 years
  state text NOT NULL CHECK (state IN ('registered', 'corrected', 'void')),
  month date NOT NULL,                  -- personal: statistics, keep life and 30 years
  region text NOT NULL,                 -- personal: statistics, keep life and 30 years
  late boolean NOT NULL,
  sealed bytea NOT NULL,                -- personal: identity-registration, keep life and 30 years
  registered_by text NOT NULL,          -- personal: identity-registration, keep life and 30 years
  registered_at timestamptz NOT NULL,
  PRIMARY KEY (person_id, kind, version)
);
SELECT kernel.wall('identity', 'civil_entry', 'person_id');
CREATE INDEX IF NOT EXISTS civil_entry_counts ON identity.civil_entry (kind, region, month) WHERE state = 'registered';

-- The next number of each year's registers.
-- distributed by register
CREATE TABLE IF NOT EXISTS identity.register_number (
  register text PRIMARY KEY,
  next_number bigint NOT NULL
);
SELECT kernel.wall('identity', 'register_number', NULL);

-- Where people are enrolled, and how many are seen at once.
-- reference table
CREATE TABLE IF NOT EXISTS identity.centre (
  centre text PRIMARY KEY,
  name jsonb NOT NULL,
  region text NOT NULL,
  desks int NOT NULL CHECK (desks BETWEEN 1 AND 200),
  opens_min int NOT NULL,               -- minutes after midnight, local time
  closes_min int NOT NULL,
  slot_min int NOT NULL CHECK (slot_min BETWEEN 5 AND 480),
  weekdays int[] NOT NULL,              -- ISO 8601: 1 is Monday
  open boolean NOT NULL DEFAULT true,
  CHECK (opens_min >= 0 AND opens_min + slot_min <= closes_min AND closes_min <= 1440)
);
SELECT kernel.wall('identity', 'centre', NULL);

-- What people told ahead of their enrolment, found by the blinded reference that only they have. No person exists yet,
-- so it is sealed with the room's own key, and forgotten when it is used or its time is over.
-- distributed by reference_key
CREATE TABLE IF NOT EXISTS identity.application (
  reference_key bytea PRIMARY KEY,
  application_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'enrolled', 'held', 'withdrawn')),
  region text NOT NULL,
  sealed bytea,                         -- personal: identity-registration, keep 60 days
  centre text,
  day date,
  slot_min int,
  made_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  closed_at timestamptz
);
SELECT kernel.wall('identity', 'application', NULL);
CREATE INDEX IF NOT EXISTS application_day ON identity.application (centre, day, slot_min) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS application_expiry ON identity.application (expires_at);

-- One row per desk and time that is taken: the primary key is the law that no desk is given away twice.
-- distributed by centre
CREATE TABLE IF NOT EXISTS identity.appointment (
  centre text NOT NULL,
  day date NOT NULL,
  slot_min int NOT NULL,
  desk int NOT NULL,
  application_id uuid NOT NULL,
  PRIMARY KEY (centre, day, slot_min, desk)
);
SELECT kernel.wall('identity', 'appointment', NULL);

-- How many applications came from one network in an hour, under a keyed hash; against floods.
-- distributed by place
CREATE TABLE IF NOT EXISTS identity.application_count (
  place bytea NOT NULL,
  hour timestamptz NOT NULL,
  made int NOT NULL,
  PRIMARY KEY (place, hour)
);
SELECT kernel.wall('identity', 'application_count', NULL);

-- Devices that officers enrol with where there is no network, by the public keys that they sign packets with.
-- reference table
CREATE TABLE IF NOT EXISTS identity.device (
  device text PRIMARY KEY,
  officer text NOT NULL,
  institution text NOT NULL,
  public_key bytea NOT NULL,
  registered_at timestamptz NOT NULL,
  revoked_at timestamptz,
  because text
);
SELECT kernel.wall('identity', 'device', NULL);

-- Packets from the field, kept as they came until something became of them: nothing that arrived is lost.
-- distributed by packet_id
CREATE TABLE IF NOT EXISTS identity.packet (
  packet_id uuid PRIMARY KEY,
  device text NOT NULL,
  sequence int NOT NULL,                -- counts the packets of its device: a gap shows what has not arrived
  state text NOT NULL CHECK (state IN ('received', 'enrolled', 'held', 'conflict', 'quarantined', 'dismissed')),
  captured_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  sealed bytea,                         -- personal: identity-registration, keep until enrolled or dismissed
  content_hash bytea NOT NULL,
  rule text NOT NULL DEFAULT '',        -- the rule that the packet broke, in one word
  person_id uuid,
  decided_by text,                      -- personal: identity-registration, keep life and 30 years
  because bytea                         -- personal: identity-registration, keep life and 30 years (sealed for the room)
);
SELECT kernel.wall('identity', 'packet', NULL);
CREATE INDEX IF NOT EXISTS packet_due ON identity.packet (packet_id) WHERE state = 'received';
CREATE INDEX IF NOT EXISTS packet_waiting ON identity.packet (packet_id) WHERE state IN ('conflict', 'quarantined');
CREATE INDEX IF NOT EXISTS packet_device ON identity.packet (device, sequence);

-- Deliveries of bulk enrolment and how far each is; written with every batch, so that a page shows it after a restart.
-- distributed by source
CREATE TABLE IF NOT EXISTS identity.bulk (
  source text PRIMARY KEY,
  total bigint,
  begun_at timestamptz NOT NULL,
  at timestamptz NOT NULL,
  enrolled bigint NOT NULL,
  held bigint NOT NULL,
  refused bigint NOT NULL,
  by text NOT NULL                      -- personal: operations, keep 10 years
);
SELECT kernel.wall('identity', 'bulk', NULL);

-- Write new people in one call, held ones included: the beginning of the history of their status, their first version,
-- their search keys, and the counts of their names. The counts, which many wait for, come last; their keys arrive
-- ascending, so that two enrolments never wait for each other in a ring. Numbers and phones come along where nobody had
-- them when the transaction looked; if somebody has one by now, nothing of it happens, and the enrolment looks again.
-- A function, because its plans are made once, while a statement that travels with the commit is planned each time.
CREATE OR REPLACE FUNCTION identity.add_people(
  people uuid[], statuses text[], regions text[], years int[], sexes text[], numbers bytea[], at timestamptz,
  reason text, versions bytea[], keys bigint[], key_people uuid[], names bigint[], counts bigint[],
  number_keys bytea[], number_people uuid[], phone_keys bytea[], phone_people uuid[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  kept int;
BEGIN
  IF cardinality(number_keys) > 0 THEN
    INSERT INTO identity.number (number_key, person_id, issued_at)
    SELECT k, p, add_people.at FROM unnest(number_keys, number_people) AS u (k, p) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS kept = ROW_COUNT;
    IF kept < cardinality(number_keys) THEN
      RAISE EXCEPTION 'a number was issued before' USING ERRCODE = 'MS409';
    END IF;
  END IF;
  IF cardinality(phone_keys) > 0 THEN
    INSERT INTO identity.phone (phone_key, person_id)
    SELECT k, p FROM unnest(phone_keys, phone_people) AS u (k, p) ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS kept = ROW_COUNT;
    IF kept < cardinality(phone_keys) THEN
      RAISE EXCEPTION 'a phone finds somebody else by now' USING ERRCODE = 'MS409';
    END IF;
  END IF;
  INSERT INTO identity.person (person_id, status, region, birth_year, sex, number_sealed, enrolled_at)
  SELECT p, s, r, y, x, n, add_people.at
  FROM unnest(people, statuses, regions, years, sexes, numbers) AS u (p, s, r, y, x, n);
  INSERT INTO identity.status_change (person_id, at, status, cause)
  SELECT p, add_people.at, s, 'officer' FROM unnest(people, statuses) AS u (p, s);
  INSERT INTO identity.version (person_id, valid_from, reason, sealed)
  SELECT p, add_people.at, add_people.reason, v FROM unnest(people, versions) AS u (p, v);
  INSERT INTO identity.search_key (key, person_id)
  SELECT k, p FROM unnest(keys, key_people) AS u (k, p);
  INSERT INTO identity.name_count AS n (key, people)
  SELECT k, c FROM unnest(names, counts) AS u (k, c)
  ON CONFLICT (key) DO UPDATE SET people = n.people + excluded.people;
END $$;
