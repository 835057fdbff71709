-- Statements of the credentials room.

-- name: live_card
-- A person's live card of a form, locked until the transaction ends.
SELECT person_id, credential_id, form, state, reason, list_id, list_index, issued_on, expires_on
FROM credentials.card WHERE person_id = $1 AND form = $2 AND state <> 'revoked' FOR UPDATE;

-- name: card_by_id
-- One card of a person, locked until the transaction ends.
SELECT person_id, credential_id, form, state, reason, list_id, list_index, issued_on, expires_on
FROM credentials.card WHERE person_id = $1 AND credential_id = $2 FOR UPDATE;

-- name: cards_of_person
-- All cards of a person, the newest first.
SELECT person_id, credential_id, form, state, reason, list_id, list_index, issued_on, expires_on
FROM credentials.card WHERE person_id = $1 ORDER BY issued_on DESC, state, credential_id;

-- name: sealed_faces
-- Cards with their sealed faces; people and card numbers come in pairs.
SELECT c.person_id, c.credential_id, c.form, c.state, c.reason, c.list_id, c.list_index, c.issued_on, c.expires_on,
       c.face
FROM credentials.card c
JOIN unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS wanted (person_id, credential_id, place)
  ON c.person_id = wanted.person_id AND c.credential_id = wanted.credential_id
ORDER BY wanted.place;

-- name: add_card
-- Write a new card; touches no row if the person has a live one (law 1).
INSERT INTO credentials.card
  (person_id, credential_id, form, state, list_id, list_index, issued_on, expires_on, face)
VALUES ($1, $2, $3, 'active', $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING;

-- name: set_state
-- The new state of a card and its reason.
UPDATE credentials.card SET state = $3, reason = $4 WHERE person_id = $1 AND credential_id = $2;

-- name: take_number
-- Take a card number; touches no row if it was given before.
INSERT INTO credentials.holder (credential_id, person_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: holders_of
-- Whose cards these numbers are.
SELECT credential_id, person_id FROM credentials.holder WHERE credential_id = ANY ($1::text[]);

-- name: newest_list
-- The status list that new cards are entered in, or NULL.
SELECT max(list_id) FROM credentials.status_list;

-- name: open_list
-- Begin a status list; nothing happens if somebody else just did.
INSERT INTO credentials.status_list (list_id) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: taken_entries
-- Which of these entries of a list are taken.
SELECT list_index FROM credentials.status_entry WHERE list_id = $1 AND list_index = ANY ($2::int[]);

-- name: take_entry
-- Take an entry of a list; touches no row if somebody else just did.
INSERT INTO credentials.status_entry (list_id, list_index) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: say_status
-- What a list says of an entry from now on.
UPDATE credentials.status_entry SET value = $3 WHERE list_id = $1 AND list_index = $2;

-- name: grow_version
-- A list has changed: signed copies of it are old.
UPDATE credentials.status_list SET version = version + 1 WHERE list_id = $1;

-- name: list_version
-- The version of a list, or NULL if there is no such list.
SELECT version FROM credentials.status_list WHERE list_id = $1;

-- name: list_exceptions
-- All entries of a list that are not valid.
SELECT list_index, value FROM credentials.status_entry WHERE list_id = $1 AND value <> 0;

-- name: all_lists
-- The numbers of all lists, the newest first.
SELECT list_id FROM credentials.status_list ORDER BY list_id DESC;
