-- News: event types, subscriptions, whom subscribers follow, and the mailboxes.
CREATE SCHEMA IF NOT EXISTS exchange;

-- Kinds of event by publisher.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.event_type (
  owner text NOT NULL,
  event_type text NOT NULL,
  service text NOT NULL,
  title text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (owner, event_type)
);
SELECT kernel.wall('exchange', 'event_type', NULL);

-- Who gets which events.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.subscription (
  client text NOT NULL,
  owner text NOT NULL,
  event_type text NOT NULL,
  callback text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (client, owner, event_type)
);
SELECT kernel.wall('exchange', 'subscription', NULL);

-- Whom a subscriber follows: events about others do not go to it.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS exchange.followed (
  person_id uuid NOT NULL,
  client text NOT NULL,       -- personal: data-exchange, keep until it is ended
  owner text NOT NULL,
  event_type text NOT NULL,
  PRIMARY KEY (person_id, client, owner, event_type)
);
SELECT kernel.wall('exchange', 'followed', 'person_id');

-- Mailboxes: sealed events that wait for their readers.
-- distributed by client
CREATE TABLE IF NOT EXISTS exchange.mail (
  client text NOT NULL,
  mail_id uuid NOT NULL,
  owner text NOT NULL,
  event_type text NOT NULL,
  at timestamptz NOT NULL,
  callback text NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'dead')),
  tries int NOT NULL,
  due timestamptz,
  sealed bytea NOT NULL,      -- personal: data-exchange, keep 30 days
  PRIMARY KEY (client, mail_id)
);
SELECT kernel.wall('exchange', 'mail', NULL);
CREATE INDEX IF NOT EXISTS mail_due ON exchange.mail (due) WHERE due IS NOT NULL;
