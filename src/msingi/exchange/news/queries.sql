-- name: put_type
-- A kind of event, or its description anew.
INSERT INTO exchange.event_type (owner, event_type, service, title, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (owner, event_type) DO UPDATE SET service = excluded.service, title = excluded.title;

-- name: type_by_name
-- One kind of event.
SELECT * FROM exchange.event_type WHERE owner = $1 AND event_type = $2;

-- name: types_of
-- The kinds of event of a publisher.
SELECT * FROM exchange.event_type WHERE owner = $1 ORDER BY event_type LIMIT 500;

-- name: drop_type
-- A kind of event is no longer published.
DELETE FROM exchange.event_type WHERE owner = $1 AND event_type = $2;

-- name: put_subscription
-- A subscription, or its callback anew.
INSERT INTO exchange.subscription (client, owner, event_type, callback, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (client, owner, event_type) DO UPDATE SET callback = excluded.callback;

-- name: drop_subscription
-- A subscription ends.
DELETE FROM exchange.subscription WHERE client = $1 AND owner = $2 AND event_type = $3;

-- name: subscriptions_of
-- A client's subscriptions to a publisher's events.
SELECT * FROM exchange.subscription WHERE client = $1 AND owner = $2 ORDER BY event_type LIMIT 500;

-- name: readers
-- Who subscribes to a kind of event, whose institution stands.
SELECT s.* FROM exchange.subscription s JOIN exchange.subsystem u ON u.subsystem = s.client
JOIN exchange.institution i USING (institution)
WHERE s.owner = $1 AND s.event_type = $2 AND i.standing = 'active' ORDER BY s.client;

-- name: followers
-- Which of the subscribers follow this person.
SELECT client FROM exchange.followed WHERE person_id = $1 AND owner = $2 AND event_type = $3;

-- name: follow
-- A subscriber follows a person.
INSERT INTO exchange.followed (person_id, client, owner, event_type) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- name: unfollow
-- A subscriber follows a person no longer.
DELETE FROM exchange.followed WHERE person_id = $1 AND client = $2 AND owner = $3 AND event_type = $4;

-- name: put_mail
-- An event into a mailbox.
INSERT INTO exchange.mail (client, mail_id, owner, event_type, at, callback, state, tries, due, sealed)
VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, $8) ON CONFLICT DO NOTHING;

-- name: box
-- A page of a mailbox, oldest first, in one state.
SELECT * FROM exchange.mail
WHERE client = $1 AND owner = $2 AND event_type = $3 AND state = $4 AND mail_id > $5 ORDER BY mail_id LIMIT $6;

-- name: drop_mail
-- A piece of mail was read, or taken by its callback.
DELETE FROM exchange.mail WHERE client = $1 AND mail_id = $2;

-- name: any_due
-- Whether any callback is due.
SELECT EXISTS (SELECT 1 FROM exchange.mail WHERE due <= $1);

-- name: due_mail
-- Mail whose callback is due; held so that two programs never send the same.
SELECT * FROM exchange.mail WHERE due <= $1 ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: postpone_mail
-- A callback failed: later again, or a dead letter.
UPDATE exchange.mail SET tries = $3, due = $4, state = $5 WHERE client = $1 AND mail_id = $2;

-- name: forget_mail
-- Mail that nobody fetched in its time.
DELETE FROM exchange.mail WHERE at < $1;
