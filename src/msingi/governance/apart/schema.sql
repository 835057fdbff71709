-- Rights across machines: what every machine of the stack must do about a person, until it has said that it did.
CREATE SCHEMA IF NOT EXISTS governance;

-- Errands to machines that run a part of the stack; `about` is the case of an erasure, or the legal hold.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS governance.errand (
  person_id uuid NOT NULL,
  errand_id uuid NOT NULL,
  machine text NOT NULL,
  what text NOT NULL CHECK (what IN ('erase', 'hold', 'release')),
  reference text NOT NULL,
  about uuid NOT NULL,
  made_at timestamptz NOT NULL,
  next_at timestamptz NOT NULL,
  tries int NOT NULL DEFAULT 0,
  last text NOT NULL DEFAULT '',
  done_at timestamptz,
  receipt jsonb,                    -- personal: redress, keep 10 years
  PRIMARY KEY (person_id, errand_id)
);
SELECT kernel.wall('governance', 'errand', 'person_id');
CREATE INDEX IF NOT EXISTS errand_due ON governance.errand (next_at) WHERE done_at IS NULL;

-- What waits, machine by machine: about nobody, and public.
CREATE OR REPLACE FUNCTION governance.waiting_errands() RETURNS TABLE (machine text, waiting bigint, since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT e.machine, count(*), min(e.made_at) FROM governance.errand e WHERE e.done_at IS NULL GROUP BY e.machine ORDER BY 1;
END;
REVOKE ALL ON FUNCTION governance.waiting_errands FROM PUBLIC;
GRANT EXECUTE ON FUNCTION governance.waiting_errands TO msingi_app;
