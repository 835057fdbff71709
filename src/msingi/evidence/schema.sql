-- Evidence: denominators, editions, and the noisy figures that they publish. Nothing here is about a single person.
CREATE SCHEMA IF NOT EXISTS evidence;

-- How many people there are, from a census or a projection.
-- reference table
CREATE TABLE IF NOT EXISTS evidence.population (
  age_group text NOT NULL,
  region text NOT NULL,
  sex text NOT NULL CHECK (sex IN ('F', 'M')),
  people bigint NOT NULL CHECK (people >= 0),
  source text NOT NULL,
  PRIMARY KEY (age_group, region, sex)
);
SELECT kernel.wall('evidence', 'population', NULL);

-- Publications, newest last; what the year's privacy budget had spent with each.
-- reference table
CREATE TABLE IF NOT EXISTS evidence.edition (
  edition_id uuid PRIMARY KEY,
  indicator text NOT NULL,
  at timestamptz NOT NULL,
  year int NOT NULL,
  epsilon_milli int NOT NULL CHECK (epsilon_milli > 0),
  spent_milli int NOT NULL,
  source text NOT NULL
);
SELECT kernel.wall_append_only('evidence', 'edition', NULL);
CREATE INDEX IF NOT EXISTS edition_newest ON evidence.edition (indicator, at DESC);

-- The published figures: noisy counts, never the exact ones.
-- reference table
CREATE TABLE IF NOT EXISTS evidence.figure (
  edition_id uuid NOT NULL REFERENCES evidence.edition,
  region text NOT NULL,
  sex text NOT NULL,
  numerator bigint NOT NULL,
  denominator bigint NOT NULL,
  percent numeric,
  margin numeric,
  PRIMARY KEY (edition_id, region, sex)
);
SELECT kernel.wall_append_only('evidence', 'figure', NULL);
