-- Statements of issuance.

-- name: certificates
-- All certificates, the newest first.
SELECT role, kid, der, made_at FROM credentials.certificate ORDER BY made_at DESC;

-- name: keep_certificate
-- Keep a certificate, in place of an earlier one of the same key.
INSERT INTO credentials.certificate (role, kid, der, made_at) VALUES ($1, $2, $3, now())
ON CONFLICT (role, kid) DO UPDATE SET der = excluded.der, made_at = excluded.made_at;

-- name: kinds_in_force
-- The descriptions of approved kinds.
SELECT description FROM credentials.kind WHERE state = 'in-force' ORDER BY kind;

-- name: kind_proposals
-- All proposals of kinds, of one institution or ('') of all, those that wait first.
SELECT description, state, proposed_by, decided_by FROM credentials.kind
WHERE $1 = '' OR institution = $1 ORDER BY state DESC, at DESC LIMIT 200;

-- name: hold_kind
-- One proposal, locked.
SELECT institution, description, state, proposed_by, decided_by FROM credentials.kind WHERE kind = $1 FOR UPDATE;

-- name: put_kind
-- Keep a proposal, in place of an earlier one that is not in force and was the same institution's.
INSERT INTO credentials.kind (kind, institution, description, state, proposed_by, at)
VALUES ($1, $2, $3, 'proposed', $4, now())
ON CONFLICT (kind) DO UPDATE SET description = excluded.description, state = 'proposed',
  proposed_by = excluded.proposed_by, decided_by = '', at = excluded.at
WHERE credentials.kind.institution = excluded.institution;

-- name: decide_kind
-- What was decided about a proposal, and by whom.
UPDATE credentials.kind SET state = $2, decided_by = $3 WHERE kind = $1;

-- name: wallet_providers
-- All accepted providers of wallets.
SELECT client_id, name, anchor FROM credentials.wallet_provider ORDER BY client_id;

-- name: put_wallet_provider
-- Accept a provider of wallets, or renew its anchor.
INSERT INTO credentials.wallet_provider (client_id, name, anchor, accepted_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (client_id) DO UPDATE SET name = excluded.name, anchor = excluded.anchor, accepted_by = excluded.accepted_by;

-- name: add_holding
-- Write a new holding; touches no row if the person has a live one of a kind of which there is only one.
INSERT INTO credentials.holding
  (person_id, holding_id, kind, institution, state, document, issued_on, expires_on, single, facts)
VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING;

-- name: live_holding
-- The person's newest live holding of a kind, locked.
SELECT person_id, holding_id, kind, institution, state, reason, document, issued_on, expires_on, single, stale, facts
FROM credentials.holding WHERE person_id = $1 AND kind = $2 AND state <> 'revoked'
ORDER BY issued_on DESC, holding_id DESC LIMIT 1 FOR UPDATE;

-- name: live_holdings
-- The live holdings of each pair of person and kind, the newest last, kept from changing until the transaction ends.
SELECT h.person_id, h.holding_id, h.kind, h.institution, h.state, h.reason, h.document, h.issued_on, h.expires_on,
       h.single, h.stale, h.facts
FROM credentials.holding h
JOIN unnest($1::uuid[], $2::text[]) AS wanted (person_id, kind)
  ON h.person_id = wanted.person_id AND h.kind = wanted.kind
WHERE h.state <> 'revoked'
ORDER BY h.issued_on, h.holding_id FOR SHARE OF h;

-- name: holding_by_id
-- One holding of a person, locked.
SELECT person_id, holding_id, kind, institution, state, reason, document, issued_on, expires_on, single, stale, facts
FROM credentials.holding WHERE person_id = $1 AND holding_id = $2 FOR UPDATE;

-- name: holdings_of_person
-- Everything that a person holds or held, the newest first, with the number of its copies.
SELECT h.person_id, h.holding_id, h.kind, h.institution, h.state, h.reason, h.document, h.issued_on, h.expires_on,
       h.single, h.stale, h.facts,
       (SELECT count(*) FROM credentials.copy c
        WHERE c.person_id = h.person_id AND c.holding_id = h.holding_id) AS copies
FROM credentials.holding h WHERE h.person_id = $1 ORDER BY h.issued_on DESC, h.holding_id DESC;

-- name: renew_facts
-- The facts of a holding as the register has them now.
UPDATE credentials.holding SET facts = $3, stale = false WHERE person_id = $1 AND holding_id = $2;

-- name: set_holding_state
-- The new state of a holding and its reason.
UPDATE credentials.holding SET state = $3, reason = $4 WHERE person_id = $1 AND holding_id = $2;

-- name: mark_stale
-- The register has changed: frozen facts are to be read again before the next copy.
UPDATE credentials.holding SET stale = true WHERE person_id = $1 AND state <> 'revoked';

-- name: copies_of
-- The places of a holding's copies that have not expired.
SELECT list_id, list_index FROM credentials.copy WHERE person_id = $1 AND holding_id = $2 AND expires_on >= $3;

-- name: say_statuses
-- What a list says of several entries from now on.
UPDATE credentials.status_entry SET value = $3 WHERE list_id = $1 AND list_index = ANY ($2::int[]);

-- name: lists_have_changed
-- Signed copies of these lists are old.
UPDATE credentials.status_list SET version = version + 1 WHERE list_id = ANY ($1::int[]);

-- name: reserve_entries
-- Take those of the randomly drawn entries of a list that nobody has.
INSERT INTO credentials.status_entry (list_id, list_index) SELECT $1, unnest($2::int[])
ON CONFLICT DO NOTHING RETURNING list_index;

-- name: newest_status_list
-- The list in which entries are given out, or NULL.
SELECT max(list_id) FROM credentials.status_list;

-- name: open_status_list
-- Begin a status list; nothing happens if somebody else just did.
INSERT INTO credentials.status_list (list_id) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: claim_nonces
-- Use nonces up; those that had been used before count as no row.
INSERT INTO credentials.used_nonce (nonce, until) SELECT unnest($1::bytea[]), unnest($2::timestamptz[])
ON CONFLICT DO NOTHING;

-- name: nonces_before
-- Which of these nonces another transaction used than this one.
SELECT nonce FROM credentials.used_nonce WHERE nonce = ANY ($1::bytea[]) AND xmin <> pg_current_xact_id()::xid;

-- name: forget_nonces
-- Nonces that expired need not be remembered.
DELETE FROM credentials.used_nonce WHERE until < $1;

-- name: add_copies
-- Write signed copies.
INSERT INTO credentials.copy (person_id, list_id, list_index, holding_id, format, expires_on)
SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::uuid[], $5::text[], $6::text[]::date[]) RETURNING 1;

-- name: add_offer
-- Write an offer.
INSERT INTO credentials.offer (person_id, offer_id, configurations, secret_hash, tx_hash, expires_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: hold_offer
-- One offer, locked.
SELECT person_id, offer_id, configurations, secret_hash, tx_hash, tries, used, expires_at
FROM credentials.offer WHERE person_id = $1 AND offer_id = $2 FOR UPDATE;

-- name: count_try
-- One more wrong transaction code.
UPDATE credentials.offer SET tries = tries + 1 WHERE person_id = $1 AND offer_id = $2;

-- name: use_offer
-- An offer is used once.
UPDATE credentials.offer SET used = true WHERE person_id = $1 AND offer_id = $2;

-- name: add_offer_link
-- Keep an offer under its short address.
INSERT INTO credentials.offer_link (link, sealed, expires_at) VALUES ($1, $2, $3);

-- name: offer_at
-- What a short address stands for, unless it has expired.
SELECT sealed FROM credentials.offer_link WHERE link = $1 AND expires_at > $2;

-- name: forget_offer_links
-- Addresses of offers that expired.
DELETE FROM credentials.offer_link WHERE expires_at < $1;

-- name: forget_copies
-- Copies that expired more than a year ago.
DELETE FROM credentials.copy WHERE expires_on < $1::date - 366;

-- name: forget_offers
-- Offers that ended more than a day ago.
DELETE FROM credentials.offer WHERE expires_at < $1::timestamptz - interval '1 day';

-- name: forget_requests
-- Requests of wallets from more than ninety days ago.
DELETE FROM credentials.request WHERE asked_at < $1::timestamptz - interval '90 days';

-- name: add_request
-- Keep a wallet's request until it is decided.
INSERT INTO credentials.request
  (person_id, request_id, holding_id, kind, institution, format, holders, client, secret_hash, state, document)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'waiting', $10);

-- name: hold_request
-- One request, locked.
SELECT person_id, request_id, holding_id, kind, institution, format, holders, client, secret_hash, state, document,
       asked_at, decided_by
FROM credentials.request WHERE person_id = $1 AND request_id = $2 FOR UPDATE;

-- name: waiting_requests
-- An institution's waiting requests, the oldest first.
SELECT person_id, request_id, holding_id, kind, institution, format, holders, client, secret_hash, state, document,
       asked_at
FROM credentials.request WHERE institution = $1 AND state = 'waiting' ORDER BY asked_at LIMIT $2;

-- name: set_request
-- What was decided about a request, or that it was collected.
UPDATE credentials.request SET state = $3, decided_by = $4 WHERE person_id = $1 AND request_id = $2;
