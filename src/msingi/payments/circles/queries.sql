-- name: add_circle
-- Found a circle.
INSERT INTO payments.circle (body_id, name, amount, every, by_lot, first_day) VALUES ($1, $2, $3, $4, $5, $6)

-- name: add_seats
-- Name the members of a circle.
INSERT INTO payments.circle_seat (body_id, person_id, place, turn, name, state, answered_at)
SELECT $1, u.person, u.place, u.turn, u.name, u.state, u.answered_at
FROM unnest($2::uuid[], $3::int[], $4::int[], $5::bytea[], $6::text[], $7::timestamptz[])
  AS u (person, place, turn, name, state, answered_at) RETURNING 1

-- name: circle
-- One circle with its pot.
SELECT c.body_id, c.name, c.amount, c.every, c.by_lot, c.first_day, b.currency, c.state, b.account_id AS pot, b.owner,
  b.lapses_at
FROM payments.circle c JOIN payments.body b ON b.body_id = c.body_id WHERE c.body_id = $1

-- name: hold_circle
-- One circle with its pot, while nobody else changes how it stands.
SELECT c.body_id, c.name, c.amount, c.every, c.by_lot, c.first_day, b.currency, c.state, b.account_id AS pot, b.owner,
  b.lapses_at
FROM payments.circle c JOIN payments.body b ON b.body_id = c.body_id WHERE c.body_id = $1 FOR UPDATE

-- name: circles_of
-- The circles that a person belongs to or is invited to, the newest first; what is over for a year is not shown.
SELECT s.body_id FROM payments.circle_seat s JOIN payments.circle c ON c.body_id = s.body_id
JOIN payments.body b ON b.body_id = s.body_id
WHERE s.person_id = $1 AND s.state <> 'left' AND (c.state = 'open' OR (c.state = 'forming' AND b.lapses_at > $2)
  OR (c.state = 'ended' AND b.state = 'open' AND c.first_day > ($2::timestamptz - interval '2 years')::date))
ORDER BY b.made_at DESC LIMIT 50

-- name: seats
-- The members of a circle by place.
SELECT person_id, place, turn, name, state, answered_at FROM payments.circle_seat WHERE body_id = $1 ORDER BY place

-- name: set_seat
-- A member answers or leaves.
UPDATE payments.circle_seat SET state = $3, answered_at = $4 WHERE body_id = $1 AND person_id = $2

-- name: set_turns
-- Whose turn is when.
UPDATE payments.circle_seat s SET turn = u.turn FROM unnest($2::uuid[], $3::int[]) AS u (person, turn)
WHERE s.body_id = $1 AND s.person_id = u.person

-- name: set_circle
-- How a circle stands.
UPDATE payments.circle SET state = $2 WHERE body_id = $1

-- name: add_rounds
-- The days of the turns.
INSERT INTO payments.circle_round (body_id, round, person_id, day)
SELECT $1, u.round, u.person, u.day FROM unnest($2::int[], $3::uuid[], $4::date[]) AS u (round, person, day)
RETURNING 1

-- name: rounds
-- The turns of a circle.
SELECT round, person_id, day, state, attempt, paid, why FROM payments.circle_round WHERE body_id = $1 ORDER BY round

-- name: set_round
-- How a turn stands; `paid` is added to what was paid out.
UPDATE payments.circle_round SET state = $3, attempt = $4, paid = paid + $5, why = $6 WHERE body_id = $1 AND round = $2

-- name: add_dues
-- What everybody is to pay.
INSERT INTO payments.circle_due (body_id, round, person_id, to_person)
SELECT $1, u.round, u.person, u.whose FROM unnest($2::int[], $3::uuid[], $4::uuid[]) AS u (round, person, whose)
RETURNING 1

-- name: dues
-- What everybody pays and has paid.
SELECT round, person_id, to_person, state, transfer_id, by_turn, at FROM payments.circle_due
WHERE body_id = $1 ORDER BY round, person_id

-- name: set_dues
-- How some contributions stand, what carries them, and out of which turn.
UPDATE payments.circle_due d SET state = u.state, transfer_id = u.transfer_id, by_turn = u.by_turn, at = u.at
FROM unnest($2::int[], $3::uuid[], $4::text[], $5::uuid[], $6::int[], $7::timestamptz[])
  AS u (round, person, state, transfer_id, by_turn, at)
WHERE d.body_id = $1 AND d.round = u.round AND d.person_id = u.person

-- name: circles_with
-- Open circles in which somebody sits, or owes something.
SELECT c.body_id FROM payments.circle_seat s JOIN payments.circle c ON c.body_id = s.body_id
WHERE s.person_id = $1 AND c.state = 'open' AND (s.state = 'active' OR EXISTS (
  SELECT FROM payments.circle_due d WHERE d.body_id = s.body_id AND d.person_id = $1
    AND d.state IN ('open', 'to-pot', 'to-member')))

-- name: circles_due
-- Circles with a turn whose day is over, or with something that broke off.
SELECT DISTINCT r.body_id FROM payments.circle c JOIN payments.circle_round r ON r.body_id = c.body_id
WHERE c.state = 'open' AND ((r.state = 'open' AND r.day < $1) OR r.state = 'paying'
  OR EXISTS (SELECT 1 FROM payments.circle_due d WHERE d.body_id = r.body_id AND d.round = r.round
    AND (d.state IN ('to-pot', 'to-member', 'setting-off') OR (d.state = 'in' AND r.state = 'paid'))))
LIMIT $2
