-- Membership: who asked to join, how standings changed, and who asked for which right.
CREATE SCHEMA IF NOT EXISTS exchange;

-- Applications of institutions, decided once.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.application (
  application uuid PRIMARY KEY,
  institution text NOT NULL,
  member_class text NOT NULL,
  name jsonb NOT NULL,
  contact text NOT NULL,
  subsystem text NOT NULL,
  kid text NOT NULL,
  x text NOT NULL,
  law text NOT NULL,
  proved boolean NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'approved', 'declined', 'withdrawn')),
  because text NOT NULL,
  at timestamptz NOT NULL,
  decided_at timestamptz
);
SELECT kernel.wall('exchange', 'application', NULL);

-- How standings changed and why; public, and never changed.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.standing_change (
  institution text NOT NULL,
  at timestamptz NOT NULL,
  standing text NOT NULL,
  because text NOT NULL,
  actor text NOT NULL,
  actor_institution text NOT NULL,
  PRIMARY KEY (institution, at)
);
SELECT kernel.wall_append_only('exchange', 'standing_change', NULL);

-- Requests for rights and what became of them; public.
-- reference table
CREATE TABLE IF NOT EXISTS exchange.right_request (
  request uuid PRIMARY KEY,
  wanted jsonb NOT NULL,
  client_institution text NOT NULL,
  owner text NOT NULL,
  owner_institution text NOT NULL,
  asked_by text NOT NULL,
  at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'approved', 'declined', 'withdrawn')),
  because text NOT NULL,
  decided_by text NOT NULL,
  decided_at timestamptz,
  until timestamptz
);
SELECT kernel.wall('exchange', 'right_request', NULL);
