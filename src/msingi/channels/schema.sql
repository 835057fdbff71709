-- Channels: messages that left, dialogues under way, and the language that a phone line chose.
CREATE SCHEMA IF NOT EXISTS channels;

-- A message that a gateway took. Only the simulated gateway of a sandbox keeps whom it was for and what it said.
-- distributed by message_id
CREATE TABLE IF NOT EXISTS channels.message (
  message_id uuid PRIMARY KEY,
  at timestamptz NOT NULL,
  why text NOT NULL,
  gateway text NOT NULL,
  reference text NOT NULL,
  simulated boolean NOT NULL,
  phone_hash bytea, -- personal: operations, keep 1 day
  sealed bytea -- personal: operations, keep 1 day
);
CREATE INDEX IF NOT EXISTS message_at ON channels.message (at DESC);
SELECT kernel.wall('channels', 'message', NULL);

-- A USSD dialogue under way: its state is sealed, and says nothing without the stack's key.
-- distributed by session_key
CREATE TABLE IF NOT EXISTS channels.dialogue (
  session_key bytea PRIMARY KEY,
  sealed bytea NOT NULL, -- personal: operations, keep 3 minutes
  expires_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS dialogue_expires_at ON channels.dialogue (expires_at);
SELECT kernel.wall('channels', 'dialogue', NULL);

-- The language that was chosen on a phone line; the line is a keyed hash.
-- distributed by line_key
CREATE TABLE IF NOT EXISTS channels.tongue (
  line_key bytea PRIMARY KEY,
  language text NOT NULL -- personal: operations, keep until another is chosen
);
SELECT kernel.wall('channels', 'tongue', NULL);
