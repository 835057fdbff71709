-- name: positions
-- What the house deals in.
SELECT currency, shard, digits, position, fees, limit_minor FROM payments.fx_position ORDER BY currency, shard;

-- name: put_position
-- Deal in a currency on a shard of the ledger; nothing happens if the house does already.
INSERT INTO payments.fx_position (currency, shard, digits, position, fees, limit_minor) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING;

-- name: add_rates
-- Keep proposed rates.
INSERT INTO payments.fx_rate (id, batch, source, target, middle, spread_bp, fee_minor, fee_bp, least_minor, most_minor,
  valid_from, valid_until, state, proposed_by, proposed_at)
SELECT r.id, $2, r.source, r.target, r.middle, r.spread_bp, r.fee_minor, r.fee_bp, r.least_minor, r.most_minor,
  r.valid_from, r.valid_until, 'waiting', $3, $4
FROM unnest($1::uuid[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::bigint[], $10::integer[], $11::bigint[],
  $12::bigint[], $13::timestamptz[], $14::timestamptz[])
  AS r (id, source, target, middle, spread_bp, fee_minor, fee_bp, least_minor, most_minor, valid_from, valid_until)
RETURNING 1;

-- name: batch_locked
-- Who proposed a batch that waits, locked.
SELECT proposed_by FROM payments.fx_rate WHERE batch = $1 AND state = 'waiting' ORDER BY id FOR UPDATE;

-- name: decide_batch
-- Approve or refuse what waits of a batch.
UPDATE payments.fx_rate SET state = $2, decided_by = $3, decided_at = $4 WHERE batch = $1 AND state = 'waiting';

-- name: withdraw
-- Take an approved rate back before its time is over.
UPDATE payments.fx_rate SET state = 'withdrawn', decided_by = $2, decided_at = $3 WHERE id = $1 AND state = 'approved';

-- name: rates
-- Rates, the newest proposals first; `before` is the instant of the last of the page before.
SELECT id, batch, source, target, middle, spread_bp, fee_minor, fee_bp, least_minor, most_minor, valid_from, valid_until,
  state, proposed_by, proposed_at, decided_by, decided_at
FROM payments.fx_rate WHERE (proposed_at, id) < ($1, $2) ORDER BY proposed_at DESC, id DESC LIMIT $3;

-- name: in_force
-- The rates in force at an instant, for each pair the one that was approved last.
SELECT DISTINCT ON (source, target) id, batch, source, target, middle, spread_bp, fee_minor, fee_bp, least_minor,
  most_minor, valid_from, valid_until, state, proposed_by, proposed_at, decided_by, decided_at
FROM payments.fx_rate WHERE state = 'approved' AND valid_from <= $1 AND valid_until > $1
ORDER BY source, target, decided_at DESC, id DESC;

-- name: add_quote
-- Keep a quote.
INSERT INTO payments.fx_quote (id, owner, rate, source, target, total_minor, fee_minor, converted_minor, target_minor,
  margin_minor, told, valid_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: quote
-- A quote by its id.
SELECT id, owner, rate, source, target, total_minor, fee_minor, converted_minor, target_minor, margin_minor, told,
  valid_until, state, key, payer, payee, terms FROM payments.fx_quote WHERE id = $1;

-- name: take_quote
-- Confirm a quote: only its holder's, only before its end, only once.
UPDATE payments.fx_quote SET state = 2, key = $3, payer = $4, payee = $5
WHERE id = $1 AND owner = $2 AND state = 1 AND valid_until > $6;

-- name: end_quote
-- A quote goes on from one state to the next.
UPDATE payments.fx_quote SET state = $3 WHERE id = $1 AND state = $2;

-- name: put_terms
-- Keep what an offered conversion is for.
UPDATE payments.fx_quote SET terms = $2 WHERE id = $1 AND state = 1;

-- name: held_for
-- Conversions that are held for something else, and whose quote ended some time ago.
SELECT id FROM payments.fx_quote WHERE state = 2 AND terms <> '' AND valid_until < $1 ORDER BY valid_until LIMIT $2;

-- name: left_open
-- Quotes that were confirmed and not brought to their end: being paid since, or held since long.
SELECT id, state FROM payments.fx_quote
WHERE (state = 3 AND valid_until < $1) OR (state = 2 AND valid_until < $2) ORDER BY valid_until LIMIT $3;
