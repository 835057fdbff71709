-- name: currencies
-- Every currency that is settled.
SELECT currency, digits, settlement, outside FROM payments.switch_currency ORDER BY currency;

-- name: put_currency
-- Settle a currency from now on; one that is settled already stays as it is.
INSERT INTO payments.switch_currency (currency, digits, settlement, outside) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: fsps
-- Every participant, without secrets.
SELECT fsp, institution, name, key, endpoint, active, proof, joined_at, speaks FROM payments.switch_fsp ORDER BY fsp;

-- name: fsp_secrets
-- The token hash and the wrapped private key of every participant.
SELECT fsp, token_hash, secret FROM payments.switch_fsp;

-- name: put_fsp
-- Let a participant join; nothing happens if its name is taken.
INSERT INTO payments.switch_fsp (fsp, institution, name, key, token_hash, endpoint, active, proof, joined_at, secret,
  speaks) VALUES ($1, $2, $3, $4, $5, $6, true, $7, $8, $9, $10) ON CONFLICT DO NOTHING;

-- name: change_fsp
-- Change where a participant is reached, its key, whether it takes part; NULL leaves a thing as it is.
UPDATE payments.switch_fsp SET endpoint = coalesce($2, endpoint), key = coalesce($3, key),
  active = coalesce($4, active), token_hash = coalesce($5, token_hash) WHERE fsp = $1;

-- name: fsp_accounts
-- What participants hold.
SELECT fsp, currency, cover, position, guarantee, wanted_minor, active FROM payments.switch_account ORDER BY fsp, currency;

-- name: fsp_account_locked
-- What a participant holds in a currency, locked: limits and cover change one after the other.
SELECT fsp, currency, cover, position, guarantee, wanted_minor, active FROM payments.switch_account
WHERE fsp = $1 AND currency = $2 FOR UPDATE;

-- name: put_fsp_account
-- Let a participant settle in a currency.
INSERT INTO payments.switch_account (fsp, currency, cover, position, guarantee) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- name: change_fsp_account
-- Set a limit, or whether the participant takes part in this currency; NULL leaves a thing as it is.
UPDATE payments.switch_account SET wanted_minor = coalesce($3, wanted_minor), active = coalesce($4, active)
WHERE fsp = $1 AND currency = $2;

-- name: pairs
-- Every conversion that is offered now.
SELECT fsp, source, target FROM payments.switch_pair WHERE active ORDER BY fsp, source, target;

-- name: put_pair
-- A participant offers a conversion, or does no longer.
INSERT INTO payments.switch_pair (fsp, source, target, active) VALUES ($1, $2, $3, $4)
ON CONFLICT (fsp, source, target) DO UPDATE SET active = excluded.active;

-- name: balances
-- What accounts of one shard hold: posted and reserved.
SELECT id, posted, reserved FROM payments.account WHERE shard = $1 AND id = ANY ($2::bigint[]);

-- name: party_fsp
-- Which participant keeps a party's account, the one of this currency first.
SELECT fsp FROM payments.switch_party WHERE ref = $1 ORDER BY (currency = $2) DESC, currency LIMIT 1;

-- name: put_party
-- Register a party with a participant; a registration of this currency is replaced only by its own participant's.
INSERT INTO payments.switch_party AS p (ref, currency, fsp, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (ref, currency) DO UPDATE SET at = excluded.at WHERE p.fsp = excluded.fsp;

-- name: drop_party
-- End a registration, by the participant that made it.
DELETE FROM payments.switch_party WHERE ref = $1 AND currency = $2 AND fsp = $3;

-- name: begin_talks
-- Keep requests that are new; those whose id is known are left out.
INSERT INTO payments.switch_talk (resource, id, hash, source, destination, at)
SELECT *, $6::timestamptz FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING RETURNING resource, id;

-- name: talk
-- A request by its resource and id.
SELECT resource, id, hash, source, destination FROM payments.switch_talk WHERE id = $1 AND resource = $2;

-- name: begin_transfers
-- Keep transfers that are new, reserved; those whose id is known are left out.
INSERT INTO payments.switch_transfer (id, hash, resource, payer, payee, currency, amount, condition, expires_at, hold,
  flavour, funder, linked, target_currency, target, parts)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
  $9::timestamptz[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bytea[])
ON CONFLICT DO NOTHING RETURNING id;

-- name: promise
-- The exchange provider has fulfilled its conversion: from now on it ends with the transfer that decides it.
UPDATE payments.switch_transfer t SET fulfilment = e.fulfilment FROM unnest($1::text[], $2::text[]) AS e (id, fulfilment)
WHERE t.id = e.id AND t.state = 1 AND t.fulfilment = '' RETURNING t.id;

-- name: prolong
-- The transfer that decides a conversion has begun: the conversion waits for its end.
UPDATE payments.switch_transfer t SET expires_at = greatest(t.expires_at, e.at)
FROM unnest($1::text[], $2::timestamptz[]) AS e (id, at) WHERE t.id = e.id AND t.state = 1;

-- name: end_transfers
-- End transfers that are reserved still; a committed one falls into the window that is open now.
UPDATE payments.switch_transfer t SET state = e.state, fulfilment = e.fulfilment, completed_at = e.at, settled = e.settled,
  "window" = CASE WHEN e.state = 2 THEN w."window" END
FROM unnest($1::text[], $2::smallint[], $3::text[], $4::timestamptz[], $5::bigint[]) AS e (id, state, fulfilment, at, settled),
  (SELECT "window" FROM payments.switch_window WHERE state = 'open' FOR SHARE) AS w
WHERE t.id = e.id AND t.state = 1 RETURNING t.id;

-- name: transfer
-- A transfer by its id.
SELECT id, hash, resource, payer, payee, currency, amount, condition, expires_at, hold, flavour, parts, state, fulfilment,
  completed_at, settled, funder, linked, target_currency, target FROM payments.switch_transfer WHERE id = $1;

-- name: overdue
-- Reserved transfers whose time is over.
SELECT id, hash, resource, payer, payee, currency, amount, condition, expires_at, hold, flavour, parts, state, fulfilment,
  completed_at, settled, funder, linked, target_currency, target FROM payments.switch_transfer WHERE state = 1 AND expires_at < $1 ORDER BY expires_at LIMIT $2;

-- name: post_letters
-- Keep messages to be sent.
INSERT INTO payments.switch_letter (id, fsp, method, path, headers, body, until, due)
SELECT *, $8::timestamptz FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[],
  $7::timestamptz[]) RETURNING 1;

-- name: drop_letters
-- Forget messages that were taken, or that nobody took in their time.
DELETE FROM payments.switch_letter WHERE id = ANY ($1::uuid[]);

-- name: postpone_letters
-- Try messages again later.
UPDATE payments.switch_letter l SET tries = l.tries + 1, due = e.due
FROM unnest($1::uuid[], $2::timestamptz[]) AS e (id, due) WHERE l.id = e.id;

-- name: due_letters
-- Messages that should have been sent by now: what this program has not in hand after a restart or a failure.
SELECT id, fsp, method, path, headers, body, until, tries FROM payments.switch_letter WHERE due <= $1 ORDER BY due LIMIT $2;

-- name: windows
-- Settlement windows, newest first.
SELECT "window", state, opened_at, closed_at, settled_at FROM payments.switch_window WHERE "window" < $1
ORDER BY "window" DESC LIMIT $2;

-- name: open_window
-- Open the first window, unless one is open.
INSERT INTO payments.switch_window ("window", state, opened_at)
SELECT coalesce(max("window"), 0) + 1, 'open', $1 FROM payments.switch_window
HAVING NOT EXISTS (SELECT 1 FROM payments.switch_window WHERE state = 'open') ON CONFLICT DO NOTHING;

-- name: close_window
-- Close a window that is open; commits that are under way are waited for.
UPDATE payments.switch_window SET state = 'closed', closed_at = $2 WHERE "window" = $1 AND state = 'open';

-- name: window_locked
-- A window, locked.
SELECT "window", state, opened_at, closed_at, settled_at FROM payments.switch_window WHERE "window" = $1 FOR UPDATE;

-- name: settle_window
-- A closed window is settled.
UPDATE payments.switch_window SET state = 'settled', settled_at = $2 WHERE "window" = $1 AND state = 'closed';

-- name: window_lines
-- What each participant sent and received in a window, by currency.
SELECT fsp, currency, sum(sent)::bigint AS sent, sum(sent_minor)::bigint AS sent_minor,
  sum(received)::bigint AS received, sum(received_minor)::bigint AS received_minor
FROM (
  SELECT coalesce(nullif(funder, ''), payer) AS fsp, currency, count(*) AS sent, sum(settled) AS sent_minor,
    0 AS received, 0 AS received_minor
  FROM payments.switch_transfer WHERE "window" = $1 AND state = 2 GROUP BY coalesce(nullif(funder, ''), payer), currency
  UNION ALL
  SELECT payee, currency, 0, 0, count(*), sum(settled)
  FROM payments.switch_transfer WHERE "window" = $1 AND state = 2 GROUP BY payee, currency
) AS sides GROUP BY fsp, currency ORDER BY currency, fsp;

-- name: keep_lines
-- Keep the report of a window that is settled.
INSERT INTO payments.switch_settled ("window", fsp, currency, sent, sent_minor, received, received_minor)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
ON CONFLICT DO NOTHING;

-- name: settled_lines
-- The report of a settled window.
SELECT fsp, currency, sent, sent_minor, received, received_minor FROM payments.switch_settled
WHERE "window" = $1 ORDER BY currency, fsp;

-- name: debts
-- What a participant owes in each window that is not settled yet, where it owes: the sum over these windows.
SELECT coalesce(sum(owed), 0)::bigint FROM (
  SELECT sum(CASE WHEN t.payee = $1 THEN -t.settled ELSE t.settled END) AS owed
  FROM payments.switch_transfer t JOIN payments.switch_window w ON w."window" = t."window"
  WHERE t.state = 2 AND t.currency = $2 AND w.state <> 'settled'
    AND (coalesce(nullif(t.funder, ''), t.payer) = $1 OR t.payee = $1) GROUP BY t."window"
) AS each WHERE owed > 0;

-- name: unsettled_before
-- How many windows before this one are not settled.
SELECT count(*) FROM payments.switch_window WHERE "window" < $1 AND state <> 'settled';

-- name: hold_owner
-- Whose account an open hold reserves: the keyed hash of the holder, and the amount.
SELECT owner, amount FROM payments.hold WHERE shard = $1 AND id = $2;

-- name: put_proposal
-- Keep a proposal, unless the same one was kept.
INSERT INTO payments.switch_proposal (id, content, proposed_by, proposed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: proposal
-- A proposal.
SELECT id, content, proposed_by, proposed_at, state, decided_by, decided_at FROM payments.switch_proposal WHERE id = $1;

-- name: proposals
-- What waits for a second officer, oldest first.
SELECT id, content, proposed_by, proposed_at, state, decided_by, decided_at FROM payments.switch_proposal
WHERE state = 'waiting' ORDER BY proposed_at LIMIT $1;

-- name: end_proposal
-- A proposal was decided.
UPDATE payments.switch_proposal SET state = $2, decided_by = $3, decided_at = $4 WHERE id = $1 AND state = 'waiting';

-- name: begin_recall
-- Keep that a payment is asked back; nothing if it was before.
INSERT INTO payments.switch_recall (id, transfer, asker, asked, amount, currency, reason, asked_at, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING;

-- name: recall_of
-- Under which id a transfer is asked back.
SELECT id FROM payments.switch_recall WHERE transfer = $1;

-- name: answer_recall
-- How a recall was answered; what says that somebody is being asked can be followed by another answer.
UPDATE payments.switch_recall SET answer = $2, answered_at = $3 WHERE id = $1 AND answer IN ('', 'PDCR');

-- name: newest_recalls
-- The recalls, the newest first.
SELECT * FROM payments.switch_recall ORDER BY asked_at DESC LIMIT $1;

-- name: late_recalls
-- The recalls that should have been answered, the oldest first.
SELECT * FROM payments.switch_recall WHERE answer IN ('', 'PDCR') AND due_at < $1 ORDER BY due_at LIMIT $2;
