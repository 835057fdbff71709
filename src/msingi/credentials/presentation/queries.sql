-- name: add_request
-- A new request.
INSERT INTO credentials.presentation (request_id, institution, asked, state, key, expires_at)
VALUES ($1, $2, $3, 'open', $4, $5);

-- name: request_by_id
-- One request.
SELECT request_id, asked, state, key, session, code, collect_hash, device, tries, answer, reason
FROM credentials.presentation WHERE request_id = $1;

-- name: request_locked
-- One request, locked until the transaction ends.
SELECT request_id, asked, state, key, session, code, collect_hash, device, tries, answer, reason
FROM credentials.presentation WHERE request_id = $1 FOR UPDATE;

-- name: bind_session
-- The browser in which a request was first opened; touches no row if there was one before.
UPDATE credentials.presentation SET session = $2 WHERE request_id = $1 AND session = '';

-- name: keep_answer
-- What was shown, or that nothing was; the key that could open another answer is gone with it.
UPDATE credentials.presentation
SET state = $2, device = $3, code = $4, answer = $5, reason = $6, answered_at = $7, key = ''
WHERE request_id = $1;

-- name: count_try
-- One more wrong answer or wrong number, and the state after it.
UPDATE credentials.presentation SET tries = tries + 1, state = $2, reason = $3, answer = $4 WHERE request_id = $1;

-- name: confirm
-- The browser that asked has come back: the institution may collect, with this one-time secret if there is one.
UPDATE credentials.presentation SET state = 'answered', code = '', collect_hash = $2 WHERE request_id = $1;

-- name: forget_answers
-- Answers older than their time are gone; how many.
UPDATE credentials.presentation SET answer = '' WHERE answer <> '' AND answered_at < $1;

-- name: forget_requests
-- Requests that ended before this moment are gone; how many.
DELETE FROM credentials.presentation WHERE expires_at < $1;

-- name: forgettable
-- Whether there is an answer or a request whose time is over.
SELECT EXISTS (SELECT 1 FROM credentials.presentation
               WHERE expires_at < $2 OR (answer <> '' AND answered_at < $1));

-- name: access_certificate
-- The certificate of a holder for a key, if it is good beyond this moment.
SELECT der FROM credentials.access_certificate WHERE holder = $1 AND kid = $2 AND expires_at > $3;

-- name: keep_certificate
-- Keep a certificate, unless somebody else just made one that is good as long.
INSERT INTO credentials.access_certificate (holder, kid, der, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (holder, kid) DO UPDATE SET der = EXCLUDED.der, expires_at = EXCLUDED.expires_at
WHERE access_certificate.expires_at < EXCLUDED.expires_at - interval '1 day';

-- name: keep_fetched
-- Keep what an issuer published.
INSERT INTO credentials.fetched (uri, body, at) VALUES ($1, $2, $3)
ON CONFLICT (uri) DO UPDATE SET body = EXCLUDED.body, at = EXCLUDED.at;

-- name: fetched_body
-- What an issuer published, as it was last fetched.
SELECT body FROM credentials.fetched WHERE uri = $1;

-- name: holder_of_copy
-- Whose credential has this entry of a status list of ours.
SELECT person_id FROM credentials.copy WHERE list_id = $1 AND list_index = $2;
