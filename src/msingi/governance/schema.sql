-- What people ask and complain of, what is kept and how it is destroyed, and the figures that are published of it.
CREATE SCHEMA IF NOT EXISTS governance;

-- Requests and complaints. `sealed` holds what the person wrote, readable with the person's key.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS governance.case (
  person_id uuid NOT NULL,
  case_id uuid NOT NULL,
  reference text NOT NULL,
  kind text NOT NULL,               -- personal: redress, keep 10 years
  institution text NOT NULL,        -- personal: redress, keep 10 years
  stage text NOT NULL CHECK (stage IN ('institution', 'authority')),
  state text NOT NULL CHECK (state IN ('open', 'answered', 'closed')),
  subject text NOT NULL,            -- personal: redress, keep 10 years
  about uuid,
  language text NOT NULL,           -- personal: redress, keep 10 years
  channel text NOT NULL,
  assisted_by text NOT NULL,
  officer text NOT NULL,
  outcome text NOT NULL,
  ground text NOT NULL,             -- personal: redress, keep 10 years
  opened_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  answered_at timestamptz,
  closed_at timestamptz,
  escalated_at timestamptz,
  appealed boolean NOT NULL,
  late boolean NOT NULL,
  sealed bytea NOT NULL,            -- personal: redress, keep 10 years
  PRIMARY KEY (person_id, case_id)
);
SELECT kernel.wall('governance', 'case', 'person_id');
CREATE INDEX IF NOT EXISTS case_queue ON governance.case (stage, institution, case_id) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS case_due ON governance.case (due_at) WHERE state <> 'closed';
CREATE INDEX IF NOT EXISTS case_reference ON governance.case (reference);

-- What the person and the offices wrote to each other, in order; nothing of it can be changed.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS governance.message (
  person_id uuid NOT NULL,
  case_id uuid NOT NULL,
  message_id uuid NOT NULL,
  at timestamptz NOT NULL,
  author text NOT NULL CHECK (author IN ('person', 'office', 'stack')),
  name text NOT NULL,
  institution text NOT NULL,
  sealed bytea NOT NULL,            -- personal: redress, keep 10 years
  PRIMARY KEY (person_id, case_id, message_id)
);
SELECT kernel.wall_append_only('governance', 'message', 'person_id');

-- Files that were added as evidence.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS governance.exhibit (
  person_id uuid NOT NULL,
  case_id uuid NOT NULL,
  exhibit_id uuid NOT NULL,
  at timestamptz NOT NULL,
  media_type text NOT NULL,
  size_bytes int NOT NULL,
  sealed bytea NOT NULL,            -- personal: redress, keep 10 years
  PRIMARY KEY (person_id, case_id, exhibit_id)
);
SELECT kernel.wall_append_only('governance', 'exhibit', 'person_id');

-- What is kept about people, table by table: the register of retention, which only the owner of the database writes.
-- `how`: delete (this room destroys rows when their time has come), room (the table's own room does, sooner), life
-- (kept while the person's identity lives), book (a ledger, which is kept whole). `clock` names the column that a
-- row's age is counted from, `ready` which rows are no longer in use, `label` what binds a sealed column to its place;
-- `duty` says that a country's duty to keep this purpose reaches this table.
-- reference table
CREATE TABLE IF NOT EXISTS governance.keeping (
  tab text PRIMARY KEY,
  purpose text NOT NULL,
  keep_days int NOT NULL,
  how text NOT NULL CHECK (how IN ('delete', 'room', 'life', 'book')),
  place int NOT NULL,
  person text NOT NULL DEFAULT 'person_id',
  clock text NOT NULL DEFAULT '',
  ready text NOT NULL DEFAULT 'true',
  sealed text NOT NULL DEFAULT '',
  label text NOT NULL DEFAULT '',
  duty boolean NOT NULL DEFAULT true
);
SELECT kernel.wall('governance', 'keeping', NULL);
REVOKE INSERT, UPDATE, DELETE ON governance.keeping FROM msingi_app;

INSERT INTO governance.keeping (place, tab, purpose, keep_days, how, person, clock, ready, sealed, label, duty) VALUES
  (10, 'consent.record', 'consent-management', 3650, 'delete', 'person_id', 'ended_at', $$t.state <> 'granted'$$, '', '', true),
  (11, 'consent.revision', 'consent-management', 3650, 'delete', 'person_id', 'at',
    'NOT EXISTS (SELECT FROM consent.record r WHERE r.person_id = t.person_id AND r.consent_id = t.consent_id)',
    'sealed', $$'consent.receipt'$$, true),
  (12, 'consent.request', 'consent-management', 365, 'delete', 'person_id', 'asked_at',
    $$(t.state <> 'pending' OR t.lapses_at < now())$$, 'reason', $$'consent.request'$$, true),
  (13, 'consent.delegation', 'consent-management', 3650, 'delete', 'person_id', 'until',
    '(t.ended_at IS NOT NULL OR t.until < now())', 'sealed', $$'consent.delegation'$$, true),
  (14, 'consent.restriction', 'consent-management', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (20, 'health.directory', 'health-care', 9125, 'delete', 'person_id', '',
    'true', '', '', true),
  (21, 'health.resource', 'health-care', 9125, 'delete', 'person_id', 'updated', 'true', 'body',
    $$'health.' || t.rtype || '/' || t.id || '/' || t.version$$, true),
  (22, 'health.resource_version', 'health-care', 9125, 'delete', 'person_id', 'updated', 'true', 'body',
    $$'health.' || t.rtype || '/' || t.id || '/' || t.version$$, true),
  (23, 'health.posting', 'statistics', 9125, 'delete', 'person_id', 'at', 'true', '', '', true),
  (24, 'health.cohort', 'statistics', 9125, 'delete', 'person_id', '', 'true', '', '', true),
  (25, 'registries.record', 'public-service', 3650, 'delete', 'person_id', 'updated', 'true', 'sealed',
    $$'registries.record/' || t.record_id$$, true),
  (26, 'registries.place', 'public-service', 3650, 'delete', 'person_id', 'since', $$(t.person_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM registries.record r WHERE r.person_id = t.person_id AND r.record_id = t.record_id))$$,
    '', '', true),
  (30, 'credentials.card', 'credential-issuance', 365, 'delete', 'person_id', 'expires_on',
    $$(t.state = 'revoked' OR t.expires_on < current_date)$$, 'face', $$'credentials.face'$$, true),
  (31, 'credentials.holding', 'credential-issuance', 365, 'delete', 'person_id', 'expires_on',
    $$(t.state = 'revoked' OR t.expires_on < current_date)$$, 'facts', $$'credentials.facts'$$, true),
  (32, 'credentials.copy', 'credential-issuance', 365, 'delete', 'person_id', 'expires_on', 't.expires_on < current_date', '', '', true),
  (33, 'credentials.request', 'credential-issuance', 90, 'delete', 'person_id', 'asked_at', $$t.state <> 'waiting'$$,
    'holders', $$'credentials.request'$$, true),
  (34, 'credentials.offer', 'credential-issuance', 1, 'delete', 'person_id', 'expires_at', 't.expires_at < now()', '', '', true),
  (35, 'credentials.presentation', 'data-exchange', 1, 'room', '', '', 'true', '', '', true),
  (36, 'credentials.holder', 'credential-issuance', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (40, 'signin.device', 'identity-proofing', 365, 'room', 'person_id', 'seen_at', 'true', '', '', true),
  (41, 'signin.challenge', 'identity-proofing', 1, 'room', 'person_id', 'expires_at', 'true', '', '', true),
  (42, 'signin.session', 'subject-access', 90, 'room', 'person_id', 'expires_at', 't.ended_at IS NOT NULL', '', '', false),
  (43, 'signin.oauth_grant', 'identity-proofing', 90, 'room', 'person_id', 'expires_at', 't.ended_at IS NOT NULL', '', '', true),
  (44, 'signin.agreement', 'consent-management', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (45, 'signin.factor', 'identity-proofing', 36500, 'life', 'person_id', '', 'true', 'sealed', $$'signin.' || t.kind$$, true),
  (46, 'signin.staff', 'operations', 3650, 'life', 'person_id', '', 'NOT t.active', 'sealed', $$'signin.staff'$$, true),
  (47, 'signin.request', 'identity-proofing', 1, 'room', 'person_id', 'expires_at', 't.expires_at < now()', '', '', true),
  (50, 'identity.version', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'sealed', $$'identity.version'$$, true),
  (51, 'identity.photo', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'sealed', $$'identity.photo'$$, true),
  (52, 'identity.person', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'number_sealed', $$'identity.number'$$, true),
  (53, 'identity.status_change', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'because',
    $$'identity.because'$$, true),
  (54, 'identity.link', 'identity-registration', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (55, 'identity.birth', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'place', $$'identity.birth'$$, true),
  (56, 'identity.duplicate', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'because', $$'identity.because'$$, true),
  (57, 'identity.candidate', 'identity-registration', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (58, 'identity.number', 'identity-registration', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (59, 'identity.phone', 'identity-registration', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (100, 'identity.proposal', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'sealed', $$'identity.proposal'$$, true),
  (101, 'identity.civil_entry', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'sealed', $$'identity.civil-entry'$$, true),
  (102, 'identity.notification', 'identity-registration', 36500, 'life', '', '', 'true', '', '', true),
  (103, 'identity.guardianship', 'identity-registration', 36500, 'life', 'person_id', '', 'true', 'because',
    $$'identity.because'$$, true),
  (104, 'identity.notice', 'data-exchange', 90, 'room', 'person_id', '', 'true', '', '', true),
  (105, 'identity.relying', 'data-exchange', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (106, 'identity.alias', 'identity-proofing', 365, 'delete', 'person_id', 'expires_at',
    '(t.revoked_at IS NOT NULL OR t.expires_at < now())', 'sealed', $$'identity.alias'$$, true),
  (48, 'signin.passkey', 'identity-proofing', 36500, 'life', 'person_id', '', 'true', 'name', $$'signin.passkey'$$, true),
  (49, 'signin.wallet_key', 'identity-proofing', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (107, 'identity.application', 'identity-registration', 60, 'room', '', '', 'true', '', '', true),
  (108, 'identity.packet', 'identity-registration', 36500, 'life', '', '', 'true', '', '', true),
  (110, 'identity.biometric', 'identity-registration', 36500, 'delete', 'person_id', 'taken_at', 'true', 'sealed',
    $$'identity.biometric'$$, false),
  (109, 'identity.bulk', 'operations', 3650, 'life', '', '', 'true', '', '', true),
  (91, 'log.veil', 'fraud-prevention', 3650, 'life', '', '', 'true', '', '', true),
  (60, 'payments.holder', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (61, 'payments.account_owner', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (62, 'payments.journal', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (63, 'payments.remittance', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (64, 'payments.payment_file', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (65, 'payments.payment_line', 'payment', 3650, 'room', '', '', 'true', '', '', true),
  (66, 'payments.alias_rate', 'fraud-prevention', 1, 'room', '', '', 'true', '', '', true),
  (67, 'payments.cash_out', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (68, 'payments.request', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (69, 'payments.standing_order', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (111, 'payments.bill', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (180, 'payments.body', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (181, 'payments.signer', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (182, 'payments.mandate_day', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (183, 'payments.mandate_use', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (184, 'payments.proposal', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (185, 'payments.signature', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (186, 'payments.savings_group', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (187, 'payments.member', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (188, 'payments.pot_entry', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (189, 'payments.pot_debt', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (190, 'payments.payout', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (191, 'payments.meeting', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (192, 'payments.telling', 'payment', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (193, 'payments.fraud_note', 'fraud-prevention', 1825, 'book', 'person_id', '', 'true', '', '', true),
  (194, 'payments.fraud_report', 'fraud-prevention', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (195, 'payments.dispute', 'redress', 3650, 'book', '', '', 'true', '', '', true),
  (196, 'payments.fraud_case', 'fraud-prevention', 1825, 'book', 'person_id', '', 'true', '', '', true),
  (197, 'payments.fraud_watch', 'fraud-prevention', 1825, 'book', 'person_id', '', 'true', '', '', true),
  (198, 'payments.recovering', 'fraud-prevention', 1825, 'book', 'person_id', '', 'true', '', '', true),
  (199, 'payments.sanction_hit', 'fraud-prevention', 1825, 'book', 'person_id', '', 'true', '', '', true),
  (200, 'payments.sanction_list', 'fraud-prevention', 1825, 'book', '', '', 'true', '', '', true),
  (201, 'payments.sanction_entry', 'fraud-prevention', 1825, 'room', '', '', 'true', '', '', true),
  (202, 'payments.stopped_payment', 'fraud-prevention', 1825, 'book', 'person_id', '', 'true', '', '', true),
  (203, 'payments.accrual', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (204, 'payments.product_account', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (205, 'payments.product_month', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (206, 'payments.fx_quote', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (207, 'payments.hold', 'payment', 3650, 'room', '', '', 'true', '', '', true),
  (208, 'payments.merchant', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (209, 'payments.payment_part', 'payment', 3650, 'room', '', '', 'true', '', '', true),
  (210, 'payments.address', 'payment', 36500, 'life', '', '', 'true', '', '', true),
  (211, 'payments.programme', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (212, 'payments.cycle', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (213, 'payments.reconciliation', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (214, 'payments.reconciliation_item', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (215, 'payments.switch_letter', 'payment', 1, 'room', '', '', 'true', '', '', true),
  (216, 'payments.switch_party', 'payment', 36500, 'life', '', '', 'true', '', '', true),
  (217, 'exchange.followed', 'data-exchange', 36500, 'life', 'person_id', '', 'true', '', '', true),
  (218, 'exchange.mail', 'data-exchange', 30, 'room', '', '', 'true', '', '', true),
  (219, 'signin.login', 'identity-proofing', 1, 'room', '', '', 'true', '', '', true),
  (220, 'signin.recovery', 'identity-proofing', 3650, 'delete', 'person_id', 'at', 't.until < now()', '', '', true),
  (221, 'payments.voucher', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (222, 'payments.voucher_holder', 'social-protection', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (223, 'payments.voucher_move', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (224, 'payments.voucher_scheme', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (225, 'payments.voucher_shop', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (226, 'payments.voucher_spending', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (227, 'payments.dormancy', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (228, 'payments.fee', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (229, 'payments.fee_month', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (230, 'payments.sleeper_case', 'payment', 36500, 'book', '', '', 'true', '', '', true),
  (231, 'payments.unclaimed', 'payment', 36500, 'book', '', '', 'true', '', '', true),
  (232, 'payments.till_count', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (233, 'payments.switch_proposal', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (234, 'payments.uncollected', 'social-protection', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (240, 'payments.circle', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (241, 'payments.circle_seat', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (242, 'payments.circle_round', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (243, 'payments.circle_due', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (244, 'payments.seizure', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (245, 'payments.seizure_part', 'payment', 3650, 'book', '', '', 'true', '', '', true),
  (246, 'payments.recall', 'redress', 3650, 'book', '', '', 'true', '', '', true),
  (247, 'payments.estate', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (248, 'payments.estate_part', 'payment', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (112, 'payments.beneficiary', 'social-protection', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (113, 'payments.cycle_line', 'social-protection', 3650, 'book', 'person_id', '', 'true', '', '', true),
  (70, 'channels.message', 'operations', 1, 'room', '', '', 'true', '', '', true),
  (71, 'channels.dialogue', 'operations', 1, 'room', '', '', 'true', '', '', true),
  (72, 'channels.tongue', 'operations', 36500, 'life', '', '', 'true', '', '', true),
  (80, 'governance.message', 'redress', 3650, 'delete', 'person_id', 'at',
    $$EXISTS (SELECT FROM governance.case c WHERE c.person_id = t.person_id AND c.case_id = t.case_id AND c.state = 'closed')$$,
    'sealed', $$'governance.message'$$, true),
  (81, 'governance.exhibit', 'redress', 3650, 'delete', 'person_id', 'at',
    $$EXISTS (SELECT FROM governance.case c WHERE c.person_id = t.person_id AND c.case_id = t.case_id AND c.state = 'closed')$$,
    'sealed', $$'governance.exhibit'$$, true),
  (84, 'governance.errand', 'redress', 3650, 'delete', 'person_id', 'done_at', 't.done_at IS NOT NULL', '', '', true),
  (82, 'governance.case', 'redress', 3650, 'delete', 'person_id', 'closed_at', $$t.state = 'closed'$$, 'sealed', $$'governance.case'$$, true),
  (90, 'log.record', 'subject-access', 3650, 'delete', 'person_id', 'at',
    $$t.person_id <> '00000000-0000-0000-0000-000000000000'$$, 'sealed', $$'log.record'$$, true)
ON CONFLICT (tab) DO UPDATE SET purpose = excluded.purpose, keep_days = excluded.keep_days, how = excluded.how,
  place = excluded.place, person = excluded.person, clock = excluded.clock, ready = excluded.ready,
  sealed = excluded.sealed, label = excluded.label, duty = excluded.duty;

-- Orders of a court or of the authority that a person's records be kept for now; they stop every destruction.
-- distributed by person_id
CREATE TABLE IF NOT EXISTS governance.hold (
  person_id uuid NOT NULL,
  hold_id uuid NOT NULL,
  because bytea NOT NULL,           -- personal: redress, keep 10 years (sealed)
  ordered_by text NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (person_id, hold_id)
);
SELECT kernel.wall('governance', 'hold', 'person_id');
INSERT INTO governance.keeping (place, tab, purpose, keep_days, how, clock, ready)
VALUES (83, 'governance.hold', 'redress', 3650, 'delete', 'until', 't.until < now()') ON CONFLICT (tab) DO NOTHING;

-- What was destroyed: signed, about nobody, and never changed.
-- distributed by certificate_id
CREATE TABLE IF NOT EXISTS governance.certificate (
  certificate_id uuid PRIMARY KEY,
  at timestamptz NOT NULL,
  kind text NOT NULL CHECK (kind IN ('due', 'erasure')),
  body jsonb NOT NULL,
  kid text NOT NULL,
  jws text NOT NULL
);
SELECT kernel.wall_append_only('governance', 'certificate', NULL);

-- Whether a person's records must be kept for now.
CREATE OR REPLACE FUNCTION governance.held(person uuid) RETURNS boolean LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM governance.hold h WHERE h.person_id = person AND h.ended_at IS NULL AND h.until > now());
END;

-- Destroy the rows of a registered table that are older than `before`, oldest first, about `most` of them, and none of
-- a person under a legal hold. Gives for each destroyed row the SHA-256 of what it was. Only the act of retention may.
CREATE OR REPLACE FUNCTION governance.destroy_due(wanted text, before timestamptz, most int)
RETURNS TABLE (digest bytea, aged timestamptz) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE rule governance.keeping; cut timestamptz; which text;
BEGIN
  SELECT * INTO rule FROM governance.keeping k WHERE k.tab = wanted AND k.how = 'delete' AND k.clock <> '';
  IF rule.tab IS NULL OR current_setting('msingi.act', true) IS DISTINCT FROM 'governance.destroy_due'
     OR NOT kernel.reach_all() OR before > now() THEN
    RAISE EXCEPTION 'nothing may be destroyed like this' USING ERRCODE = 'insufficient_privilege';
  END IF;
  which := format('t.%I < $1 AND (%s) AND NOT governance.held(t.%I)', rule.clock, rule.ready, rule.person);
  EXECUTE format('SELECT max(x.c) FROM (SELECT t.%I AS c FROM %s t WHERE %s ORDER BY 1 LIMIT $2) x',
    rule.clock, rule.tab::regclass, which) INTO cut USING before, most;
  RETURN QUERY EXECUTE format(
    'DELETE FROM %s t WHERE %s AND t.%I <= $3 RETURNING sha256(convert_to(t::text, ''UTF8'')), t.%I::timestamptz',
    rule.tab::regclass, which, rule.clock, rule.clock) USING before, most, cut;
END $$;

-- Destroy a person's rows of a registered table that are no longer in use; gives the SHA-256 of what each was.
CREATE OR REPLACE FUNCTION governance.destroy_of(wanted text, person uuid)
RETURNS TABLE (digest bytea) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE rule governance.keeping;
BEGIN
  SELECT * INTO rule FROM governance.keeping k WHERE k.tab = wanted AND k.how IN ('delete', 'room') AND k.person <> '';
  IF rule.tab IS NULL OR NOT coalesce(current_setting('msingi.act', true) IN ('governance.answer', 'governance.carry_out'), false)
     OR NOT person = ANY (kernel.reach()) OR governance.held(person) THEN
    RAISE EXCEPTION 'nothing may be destroyed like this' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN QUERY EXECUTE format('DELETE FROM %s t WHERE t.%I = $1 AND (%s) RETURNING sha256(convert_to(t::text, ''UTF8''))',
    rule.tab::regclass, rule.person, rule.ready) USING person;
END $$;

-- A person's sealed values of a registered table with the labels that bind them, to be sealed anew under a fresh key.
CREATE OR REPLACE FUNCTION governance.sealed_of(wanted text, person uuid)
RETURNS TABLE (label text, blob bytea) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE rule governance.keeping;
BEGIN
  SELECT * INTO rule FROM governance.keeping k WHERE k.tab = wanted AND k.sealed <> '';
  IF rule.tab IS NULL OR NOT coalesce(current_setting('msingi.act', true) IN ('governance.answer', 'governance.carry_out'), false)
     OR NOT person = ANY (kernel.reach()) THEN
    RAISE EXCEPTION 'nothing may be read like this' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN QUERY EXECUTE format('SELECT (%s)::text, t.%I FROM %s t WHERE t.%I = $1 AND t.%I IS NOT NULL FOR UPDATE',
    rule.label, rule.sealed, rule.tab::regclass, rule.person, rule.sealed) USING person;
END $$;

-- Put values that were sealed anew in the place of the old ones; gives how many were.
CREATE OR REPLACE FUNCTION governance.reseal(wanted text, person uuid, olds bytea[], news bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE rule governance.keeping; changed bigint;
BEGIN
  SELECT * INTO rule FROM governance.keeping k WHERE k.tab = wanted AND k.sealed <> '';
  IF rule.tab IS NULL OR NOT coalesce(current_setting('msingi.act', true) IN ('governance.answer', 'governance.carry_out'), false)
     OR NOT person = ANY (kernel.reach()) THEN
    RAISE EXCEPTION 'nothing may be changed like this' USING ERRCODE = 'insufficient_privilege';
  END IF;
  EXECUTE format('UPDATE %s t SET %I = x.new FROM unnest($2::bytea[], $3::bytea[]) x(old, new) '
    'WHERE t.%I = $1 AND t.%I = x.old', rule.tab::regclass, rule.sealed, rule.person, rule.sealed)
    USING person, olds, news;
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END $$;

-- Tables with content about a person that nobody registered: while there is one, nobody can be erased, because what
-- it holds would be lost with the key although a law may require it.
CREATE OR REPLACE FUNCTION governance.unregistered() RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
  SELECT DISTINCT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute p ON p.attrelid = c.oid AND p.attname = 'person_id' AND NOT p.attisdropped
  JOIN pg_attribute b ON b.attrelid = c.oid AND b.atttypid = 'bytea'::regtype AND NOT b.attisdropped
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname || '.' || c.relname <> 'kernel.person_key'
    AND NOT EXISTS (SELECT FROM governance.keeping k WHERE k.tab = n.nspname || '.' || c.relname) $$;

REVOKE ALL ON FUNCTION governance.unregistered, governance.held, governance.destroy_due, governance.destroy_of, governance.sealed_of,
  governance.reseal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION governance.unregistered, governance.held, governance.destroy_due, governance.destroy_of, governance.sealed_of,
  governance.reseal TO msingi_app;

-- Published figures of cases, one edition a quarter: protected by noise, about nobody, never changed.
-- reference table
CREATE TABLE IF NOT EXISTS governance.edition (
  period text PRIMARY KEY,
  at timestamptz NOT NULL,
  body jsonb NOT NULL
);
SELECT kernel.wall_append_only('governance', 'edition', NULL);
