-- name: put_errand
-- An errand to a machine.
INSERT INTO governance.errand (person_id, errand_id, machine, what, reference, about, made_at, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7);

-- name: due_errand
-- The errand that has waited longest for its next try, locked; none before an earlier one of the same person to the
-- same machine, and none that another program is sending.
SELECT * FROM governance.errand e WHERE e.done_at IS NULL AND e.next_at <= $1
  AND NOT EXISTS (SELECT 1 FROM governance.errand f WHERE f.person_id = e.person_id AND f.machine = e.machine
    AND f.done_at IS NULL AND f.errand_id < e.errand_id)
ORDER BY e.next_at LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: put_off
-- A machine is away or refuses: this errand counts the try, and all that is due for the machine waits.
UPDATE governance.errand SET next_at = $4, tries = tries + (errand_id = $2)::int, last = $5
WHERE machine = $1 AND done_at IS NULL AND next_at <= $3;

-- name: wait_alone
-- A machine refuses this errand: it alone is tried again later.
UPDATE governance.errand SET next_at = $3, tries = tries + 1, last = $4 WHERE person_id = $1 AND errand_id = $2;

-- name: errand_done
-- The machine has answered with its receipt.
UPDATE governance.errand SET done_at = $3, receipt = $4, tries = tries + 1, last = ''
WHERE person_id = $1 AND errand_id = $2 AND done_at IS NULL;

-- name: errands_about
-- What machines must do for a case or a hold of a person.
SELECT * FROM governance.errand WHERE person_id = $1 AND about = $2 ORDER BY errand_id;

-- name: waiting_errands
-- How many errands wait for each machine, and since when the oldest does.
SELECT machine, waiting, since FROM governance.waiting_errands();

-- name: hold_by_id
-- A legal hold of a person.
SELECT * FROM governance.hold WHERE person_id = $1 AND hold_id = $2;

-- name: end_hold_here
-- A legal hold ends, wherever it stands.
UPDATE governance.hold SET ended_at = $3 WHERE person_id = $1 AND hold_id = $2 AND ended_at IS NULL;
