-- name: keep_message
-- Keep that a gateway took a message; whom it was for and what it said are NULL unless it is simulated.
INSERT INTO channels.message (message_id, at, why, gateway, reference, simulated, phone_hash, sealed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: newest_messages
-- The newest messages, to one phone or ($1 NULL) to all.
SELECT message_id, at, sealed, why, gateway, simulated
FROM channels.message WHERE $1::bytea IS NULL OR phone_hash = $1 ORDER BY at DESC, message_id DESC LIMIT $2;

-- name: forget_messages
-- Forget messages from before a moment.
DELETE FROM channels.message WHERE at < $1;

-- name: forget_dialogues
-- Forget dialogues that ended or were left.
DELETE FROM channels.dialogue WHERE expires_at < $1;

-- name: dialogue
-- The state of a live dialogue.
SELECT sealed FROM channels.dialogue WHERE session_key = $1 AND expires_at > $2;

-- name: put_dialogue
-- Keep the state of a dialogue, in place of the one before.
INSERT INTO channels.dialogue (session_key, sealed, expires_at) VALUES ($1, $2, $3)
ON CONFLICT (session_key) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at;

-- name: drop_dialogue
-- Forget a dialogue.
DELETE FROM channels.dialogue WHERE session_key = $1;

-- name: tongue
-- The language that was chosen on a phone line.
SELECT language FROM channels.tongue WHERE line_key = $1;

-- name: put_tongue
-- Keep the language of a phone line.
INSERT INTO channels.tongue (line_key, language) VALUES ($1, $2)
ON CONFLICT (line_key) DO UPDATE SET language = excluded.language;
