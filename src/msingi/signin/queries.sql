-- name: client_by_id
-- A client that may be used.
SELECT client_id, name, institution, profile, jwks, redirect_uris, logout_uris, scopes, claims, first_party,
  auth, grants, dpop_nonce, userinfo_signed, backchannel_logout_uri, id_token_signed_response_alg
FROM signin.client WHERE client_id = $1 AND active

-- name: clients_after
-- Registered clients by id, of one institution where $3 names it.
SELECT client_id, name, institution, profile, jwks, redirect_uris, logout_uris, scopes, claims, first_party,
  auth, grants, dpop_nonce, userinfo_signed, backchannel_logout_uri, id_token_signed_response_alg
FROM signin.client WHERE active AND client_id > $1 AND ($3 = '' OR institution = $3) ORDER BY client_id LIMIT $2

-- name: retire_client
-- A client may no longer be used.
UPDATE signin.client SET active = false WHERE client_id = $1 AND active RETURNING client_id

-- name: put_client
-- Register a client; a repetition replaces what was registered.
INSERT INTO signin.client
  (client_id, name, institution, profile, jwks, redirect_uris, logout_uris, scopes, claims, first_party,
   auth, grants, dpop_nonce, userinfo_signed, backchannel_logout_uri, id_token_signed_response_alg)
VALUES ($1, $2, $3, $4, $5::jsonb, $6::text[], $7::text[], $8::text[], $9::text[], $10, $11, $12::text[], $13, $14, $15,
  $16)
ON CONFLICT (client_id) DO UPDATE SET name = excluded.name, institution = excluded.institution,
  profile = excluded.profile, jwks = excluded.jwks, redirect_uris = excluded.redirect_uris,
  logout_uris = excluded.logout_uris, scopes = excluded.scopes, claims = excluded.claims,
  first_party = excluded.first_party, auth = excluded.auth, grants = excluded.grants,
  dpop_nonce = excluded.dpop_nonce, userinfo_signed = excluded.userinfo_signed,
  backchannel_logout_uri = excluded.backchannel_logout_uri,
  id_token_signed_response_alg = excluded.id_token_signed_response_alg, active = true

-- name: put_client_keys
-- Replace the public keys of a client.
UPDATE signin.client SET jwks = $2::jsonb WHERE client_id = $1 AND active

-- name: put_staff
-- Make a staff account, or replace its institution, roles and sealed name and phone.
INSERT INTO signin.staff (person_id, staff_id, institution, roles, sealed) VALUES ($1, $2, $3, $4::text[], $5)
ON CONFLICT (person_id) DO UPDATE SET institution = excluded.institution, roles = excluded.roles,
  sealed = excluded.sealed, active = true

-- name: close_staff
-- Close a staff account; no row is touched if it is closed already.
UPDATE signin.staff SET active = false WHERE person_id = $1 AND active

-- name: staff_after
-- Staff accounts in the order of their ids, after $1.
SELECT staff_id, institution, roles, active FROM signin.staff WHERE staff_id > $1 ORDER BY staff_id LIMIT $2

-- name: staff_by_account
-- A staff account that may sign in.
SELECT person_id, staff_id, institution, roles, sealed FROM signin.staff WHERE person_id = $1 AND active

-- name: put_pin
-- Set or replace the sealed PIN hash of an account.
INSERT INTO signin.factor (person_id, kind, sealed, set_at) VALUES ($1, 'pin', $2, now())
ON CONFLICT (person_id, kind) DO UPDATE SET sealed = excluded.sealed, set_at = excluded.set_at

-- name: pins_of
-- The sealed PIN hashes of accounts.
SELECT person_id, sealed FROM signin.factor WHERE person_id = ANY ($1::uuid[]) AND kind = 'pin'

-- name: pin_set_at
-- When the PIN of an account was set.
SELECT set_at FROM signin.factor WHERE person_id = $1 AND kind = 'pin'

-- name: device_known
-- Whether somebody has signed in on this device before; remembers the visit.
UPDATE signin.device SET seen_at = $3 WHERE person_id = $1 AND device_hash = $2 RETURNING known_at

-- name: know_device
-- Remember a device on which somebody signed in with two factors; true for a new one beside others.
INSERT INTO signin.device (person_id, device_hash, known_at, seen_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (person_id, device_hash) DO UPDATE SET seen_at = excluded.seen_at
RETURNING known_at = $3 AND EXISTS (SELECT 1 FROM signin.device d WHERE d.person_id = $1 AND d.device_hash <> $2)

-- name: forget_devices
-- No device of somebody is known any more.
DELETE FROM signin.device WHERE person_id = $1

-- name: put_recovery
-- An account was given back at a centre.
INSERT INTO signin.recovery (person_id, at, institution, checks, until) VALUES ($1, $4, $2, $3::text[], $5)

-- name: recovering_until
-- Until when weighty acts wait after a recovery.
SELECT max(until) FROM signin.recovery WHERE person_id = $1 AND until > $2

-- name: open_place
-- Make sure that a counter of wrong tries exists, and hold it until the attempt is over, so that guesses queue.
INSERT INTO signin.tries AS t (place, failures, since) VALUES ($1, 0, $2)
ON CONFLICT (place) DO UPDATE SET place = t.place RETURNING failures, since, locked_until

-- name: count_failure
-- Write a counter of wrong tries.
UPDATE signin.tries SET failures = $2, since = $3, locked_until = $4 WHERE place = $1

-- name: failures
-- How many wrong tries a place has.
SELECT failures FROM signin.tries WHERE place = $1

-- name: add_failure
-- Count one more wrong try of a place, in one statement that holds the counter for as short as possible.
INSERT INTO signin.tries AS t (place, failures, since) VALUES ($1, 1, $2)
ON CONFLICT (place) DO UPDATE SET failures = t.failures + 1

-- name: forget_place
-- A right attempt clears its place.
DELETE FROM signin.tries WHERE place = $1

-- name: put_challenge
-- Remember a one-time code that is being sent.
INSERT INTO signin.challenge (person_id, challenge_id, bound_to, code_hash, sent_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: challenge
-- A code that was sent, held until the attempt is over; counting the try happens in the same statement.
UPDATE signin.challenge SET tries = tries + 1 WHERE person_id = $1 AND challenge_id = $2 AND bound_to = $3
RETURNING code_hash, expires_at, tries, used_at

-- name: use_challenge
-- A code works once.
UPDATE signin.challenge SET used_at = $3 WHERE person_id = $1 AND challenge_id = $2

-- name: put_session
-- Open a session.
INSERT INTO signin.session
  (person_id, session_id, secret_hash, factors, methods, agent, proved_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $5::text[], $6, $7, $7, $8)

-- name: session
-- A session that has not ended.
SELECT session_id, secret_hash, factors, methods, agent, proved_at, seen_at, expires_at
FROM signin.session WHERE person_id = $1 AND session_id = $2 AND ended_at IS NULL

-- name: session_and_agreement
-- A session that has not ended, with what its owner agreed that a client may learn, and what they refused it.
SELECT s.session_id, s.secret_hash, s.factors, s.methods, s.agent, s.proved_at, s.seen_at, s.expires_at, a.claims, a.refused
FROM signin.session s LEFT JOIN signin.agreement a ON a.person_id = s.person_id AND a.client_id = $3
WHERE s.person_id = $1 AND s.session_id = $2 AND s.ended_at IS NULL

-- name: touch_session
-- A session was used.
UPDATE signin.session SET seen_at = $3 WHERE person_id = $1 AND session_id = $2

-- name: live_sessions
-- All sessions of somebody that have not ended, newest first.
SELECT session_id, factors, methods, agent, proved_at, seen_at, expires_at FROM signin.session
WHERE person_id = $1 AND ended_at IS NULL AND expires_at > $2 AND seen_at > $3 ORDER BY proved_at DESC LIMIT 100

-- name: end_session
-- End a session.
UPDATE signin.session SET ended_at = $3 WHERE person_id = $1 AND session_id = $2 AND ended_at IS NULL
RETURNING session_id

-- name: end_grants_of_session
-- End what came out of a session, except what a third party may use while the person is away; refused from now on.
WITH gone AS (
  UPDATE signin.oauth_grant SET ended_at = $3
  WHERE person_id = $1 AND session_id = $2 AND ended_at IS NULL AND NOT (terms->>'outlives')::boolean
  RETURNING grant_id, expires_at)
INSERT INTO signin.ended (grant_id, until) SELECT grant_id, expires_at FROM gone ON CONFLICT (grant_id) DO NOTHING

-- name: clients_to_tell
-- Software that wants to hear that sign-ins of somebody ended: of one session, or of all ($2 null).
SELECT DISTINCT g.client_id FROM signin.oauth_grant g JOIN signin.client c ON c.client_id = g.client_id
WHERE g.person_id = $1 AND ($2::uuid IS NULL OR g.session_id = $2) AND c.active AND c.backchannel_logout_uri <> ''

-- name: end_all_sessions
-- End every session of somebody.
UPDATE signin.session SET ended_at = $2 WHERE person_id = $1 AND ended_at IS NULL

-- name: end_all_grants
-- End every grant of somebody, offline ones too; refused at every door from now on.
WITH gone AS (
  UPDATE signin.oauth_grant SET ended_at = $2 WHERE person_id = $1 AND ended_at IS NULL AND expires_at > $2
  RETURNING grant_id, expires_at)
INSERT INTO signin.ended (grant_id, until) SELECT grant_id, expires_at FROM gone ON CONFLICT (grant_id) DO NOTHING

-- name: decided_claims
-- What somebody agreed that a client may learn, and what they refused it.
SELECT claims, refused FROM signin.agreement WHERE person_id = $1 AND client_id = $2

-- name: agreements
-- Everything that somebody agreed, newest first.
SELECT client_id, claims, refused, receipt, agreed_at FROM signin.agreement WHERE person_id = $1 ORDER BY agreed_at DESC LIMIT 200

-- name: withdraw_agreement
-- Forget what somebody agreed that a client may learn.
DELETE FROM signin.agreement WHERE person_id = $1 AND client_id = $2 RETURNING client_id

-- name: end_grants_of_client
-- End what a client holds from somebody, offline grants too; refused at every door from now on.
WITH gone AS (
  UPDATE signin.oauth_grant SET ended_at = $3
  WHERE person_id = $1 AND client_id = $2 AND ended_at IS NULL AND expires_at > $3 RETURNING grant_id, expires_at)
INSERT INTO signin.ended (grant_id, until) SELECT grant_id, expires_at FROM gone ON CONFLICT (grant_id) DO NOTHING

-- name: put_agreement
-- Remember what somebody agreed that a client may learn, in place of the earlier answer.
INSERT INTO signin.agreement (person_id, client_id, claims, refused, receipt, agreed_at)
VALUES ($1, $2, $3::text[], $4::text[], $5, $6)
ON CONFLICT (person_id, client_id) DO UPDATE SET claims = excluded.claims, refused = excluded.refused,
  receipt = excluded.receipt, agreed_at = excluded.agreed_at

-- name: first_time
-- Claim things that may arrive only once; what came before counts as no row.
SELECT signin.claim($1::bytea[], $2::timestamptz[])

-- name: seen_before
-- Which of these things another transaction claimed than this one.
SELECT seen FROM signin.seen WHERE seen = ANY ($1::bytea[]) AND xmin <> pg_current_xact_id()::xid

-- name: claim_last
-- Claim a thing at the end of a transaction, which fails as overtaken if it came before.
SELECT signin.claim_last($1::bytea, $2::timestamptz)

-- name: put_grant
-- Keep a new grant; its code is known by hash alone.
SELECT signin.keep_grant($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8)

-- name: grant_for_code
-- The grant of a code, held until the redemption is over.
SELECT grant_id, session_id, client_id, code_hash, refresh_hash, terms, made_at, used_at, expires_at, ended_at
FROM signin.oauth_grant WHERE person_id = $1 AND grant_id = $2 FOR UPDATE

-- name: live_grant
-- The terms of a grant that has not ended.
SELECT client_id, terms, session_id FROM signin.oauth_grant
WHERE person_id = $1 AND grant_id = $2 AND ended_at IS NULL AND expires_at > $3

-- name: redeem_grant
-- A code was used; keep the hash of the refresh token that came of it, and until when tokens of the grant can live.
SELECT signin.redeem_grant($1, $2, $3, $4, $5)

-- name: end_grant
-- End a grant, and make every door refuse its tokens from now on.
WITH gone AS (
  UPDATE signin.oauth_grant SET ended_at = $3 WHERE person_id = $1 AND grant_id = $2 AND ended_at IS NULL
  RETURNING grant_id, expires_at)
INSERT INTO signin.ended (grant_id, until) SELECT grant_id, expires_at FROM gone ON CONFLICT (grant_id) DO NOTHING

-- name: end_token
-- End a token that has no grant: an institution's software's own.
INSERT INTO signin.ended (grant_id, until) VALUES ($1, $2) ON CONFLICT (grant_id) DO NOTHING

-- name: grants_ended
-- Which grants have ended before their tokens.
SELECT grant_id FROM signin.ended WHERE grant_id = ANY ($1::uuid[])

-- name: sweep_seen
-- Forget what can no longer arrive.
DELETE FROM signin.seen WHERE until < $1

-- name: sweep_ended
-- Forget ended grants whose tokens have expired.
DELETE FROM signin.ended WHERE until < $1

-- name: sweep_tries
-- Forget old counters of wrong tries.
DELETE FROM signin.tries WHERE since < $1 AND (locked_until IS NULL OR locked_until < $2)

-- name: sweep_challenges
-- Forget old one-time codes.
DELETE FROM signin.challenge WHERE expires_at < $1

-- name: sweep_sessions
-- Forget sessions that ended or expired before this instant.
DELETE FROM signin.session WHERE expires_at < $1

-- name: sweep_grants
-- Forget grants that expired before this instant.
DELETE FROM signin.oauth_grant WHERE expires_at < $1

-- name: sweep_devices
-- Forget devices that were not used since this instant.
DELETE FROM signin.device WHERE seen_at < $1

-- name: put_client_proposal
-- Keep a registration until another operator decides; a newer one of the same software replaces it.
INSERT INTO signin.client_proposal (client_id, registration, proposed_by, proposed_at) VALUES ($1, $2::jsonb, $3, $4)
ON CONFLICT (client_id) DO UPDATE SET registration = excluded.registration, proposed_by = excluded.proposed_by,
  proposed_at = excluded.proposed_at

-- name: client_proposals
-- Registrations that wait, the oldest first.
SELECT registration, proposed_by, proposed_at FROM signin.client_proposal ORDER BY proposed_at LIMIT 200

-- name: held_client_proposal
-- A registration that waits, held until the transaction is over.
SELECT registration, proposed_by, proposed_at FROM signin.client_proposal WHERE client_id = $1 FOR UPDATE

-- name: end_client_proposal
-- A registration was decided about.
DELETE FROM signin.client_proposal WHERE client_id = $1

-- name: provider_keys
-- RSA keys of the provider that were made after $1, the newest first.
SELECT kid, wrapped, certificate, made_at FROM signin.provider_key WHERE made_at > $1 ORDER BY made_at DESC

-- name: put_provider_key
-- Keep a new RSA key of the provider.
INSERT INTO signin.provider_key (kid, wrapped, certificate, made_at) VALUES ($1, $2, $3, $4)

-- name: has_role
-- Whether some open staff account has a role.
SELECT true FROM signin.staff WHERE active AND $1 = ANY (roles) LIMIT 1
