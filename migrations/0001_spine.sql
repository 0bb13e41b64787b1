-- Accounts, people, the catalog, requests and their decisions, grants, foreign documents, audit.
-- Ids are UUIDv7 (shown as TypeIDs), times are UTC, durations are integer seconds. SQL never asks for the time: every time is a parameter.

CREATE TABLE accounts (
    id        text PRIMARY KEY CHECK (id ~ '^[0-9]{12}$'),
    name      text NOT NULL CHECK (name <> ''),
    partition text NOT NULL DEFAULT 'aws' CHECK (partition ~ '^aws[a-z-]*$')
);
COMMENT ON TABLE accounts IS 'The AWS accounts that we manage.';
COMMENT ON COLUMN accounts.id IS 'The 12-digit account number.';
COMMENT ON COLUMN accounts.name IS 'What people call the account.';
COMMENT ON COLUMN accounts.partition IS 'The AWS partition that the account''s ARNs name (aws, aws-cn, aws-us-gov).';

CREATE TABLE people (
    id      uuid PRIMARY KEY,
    issuer  text NOT NULL,
    subject text NOT NULL,
    name    text NOT NULL,
    email   text NOT NULL,
    groups  text[] NOT NULL DEFAULT '{}',
    UNIQUE (issuer, subject)
);
COMMENT ON TABLE people IS 'Who may sign in. Known by OIDC issuer and subject, never by e-mail address.';
COMMENT ON COLUMN people.id IS 'TypeID person_….';
COMMENT ON COLUMN people.issuer IS 'OIDC issuer.';
COMMENT ON COLUMN people.subject IS 'OIDC subject, compared byte for byte.';
COMMENT ON COLUMN people.name IS 'For display.';
COMMENT ON COLUMN people.email IS 'For display and mail only; never an identity.';
COMMENT ON COLUMN people.groups IS 'Groups as last told by the issuer or the catalog.';

CREATE TABLE principals (
    id                uuid PRIMARY KEY,
    person            uuid NOT NULL REFERENCES people,
    account           text NOT NULL REFERENCES accounts,
    arn               text NOT NULL,
    role_session_name text,
    UNIQUE (person, arn)
);
COMMENT ON TABLE principals IS 'The AWS identities that people switch from.';
COMMENT ON COLUMN principals.id IS 'TypeID principal_….';
COMMENT ON COLUMN principals.person IS 'Whose identity it is.';
COMMENT ON COLUMN principals.account IS 'The account that the identity lives in.';
COMMENT ON COLUMN principals.arn IS 'ARN of the IAM user (or of the role).';
COMMENT ON COLUMN principals.role_session_name IS 'The session name, for a role; null for an IAM user.';
CREATE INDEX principals_arn ON principals (arn);

CREATE TABLE sessions (
    token_hash   bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    person       uuid NOT NULL REFERENCES people,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz
);
COMMENT ON TABLE sessions IS 'Signed-in browsers of the portal.';
COMMENT ON COLUMN sessions.token_hash IS 'SHA-256 of the cookie''s token; the token itself is never stored.';
COMMENT ON COLUMN sessions.person IS 'Who signed in.';
COMMENT ON COLUMN sessions.created_at IS 'When they signed in.';
COMMENT ON COLUMN sessions.last_seen_at IS 'Last use, for the idle limit.';
COMMENT ON COLUMN sessions.expires_at IS 'The absolute end.';
COMMENT ON COLUMN sessions.ended_at IS 'When they signed out.';

CREATE TABLE api_tokens (
    id           uuid PRIMARY KEY,
    token_hash   bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    prefix       text NOT NULL,
    person       uuid NOT NULL REFERENCES people,
    name         text NOT NULL CHECK (name <> ''),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL CHECK (expires_at > created_at),
    last_used_at timestamptz,
    revoked_at   timestamptz
);
COMMENT ON TABLE api_tokens IS 'Bearer tokens of the REST API.';
COMMENT ON COLUMN api_tokens.id IS 'TypeID token_….';
COMMENT ON COLUMN api_tokens.token_hash IS 'SHA-256 of the token; the token itself is shown once and never stored.';
COMMENT ON COLUMN api_tokens.prefix IS 'The first characters, so that a person recognises it.';
COMMENT ON COLUMN api_tokens.person IS 'Whom the token speaks for.';
COMMENT ON COLUMN api_tokens.name IS 'What it is for.';
COMMENT ON COLUMN api_tokens.created_at IS 'When it was made.';
COMMENT ON COLUMN api_tokens.expires_at IS 'When it stops working by itself.';
COMMENT ON COLUMN api_tokens.last_used_at IS 'Last use, to the minute.';
COMMENT ON COLUMN api_tokens.revoked_at IS 'When it was revoked.';
CREATE INDEX api_tokens_person ON api_tokens (person);

CREATE TABLE targets (
    id                 uuid PRIMARY KEY,
    account            text NOT NULL REFERENCES accounts,
    kind               text NOT NULL CHECK (kind IN ('role')),
    arn                text NOT NULL UNIQUE,
    unique_id          text,
    revision           bigint NOT NULL DEFAULT 0 CHECK (revision >= 0),
    condition          text NOT NULL DEFAULT 'ok'
                       CHECK (condition IN ('ok', 'gone', 'replaced', 'protected', 'contested', 'safe_mode', 'unreadable', 'blocked_by_foreign_principal')),
    due_at             timestamptz,
    lease_token        uuid,
    lease_expires_at   timestamptz,
    attempts           integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    last_error         text,
    last_error_at      timestamptz,
    written_trust_hash bytea CHECK (length(written_trust_hash) = 32),
    trust_wrote_at     timestamptz,
    written_guard_hash bytea CHECK (length(written_guard_hash) = 32),
    guard_wrote_at     timestamptz,
    guard_unclear_at   timestamptz,
    original_trust     text,
    CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL))
);
COMMENT ON TABLE targets IS 'The IAM roles whose policies we write; each row is also the reconciler''s queue item.';
COMMENT ON COLUMN targets.id IS 'TypeID target_….';
COMMENT ON COLUMN targets.account IS 'The account that the role lives in.';
COMMENT ON COLUMN targets.kind IS 'What the ARN names.';
COMMENT ON COLUMN targets.arn IS 'ARN of the role.';
COMMENT ON COLUMN targets.unique_id IS 'RoleId (AROA…) as last seen.';
COMMENT ON COLUMN targets.revision IS 'Number of the last guard that was sent; the guard carries it.';
COMMENT ON COLUMN targets.condition IS 'ok, or what keeps new grants from it. Closings go on whatever it says.';
COMMENT ON COLUMN targets.due_at IS 'When the reconciler should look next; null when there is nothing to do.';
COMMENT ON COLUMN targets.lease_token IS 'Held by the worker at work on it; results are written only under this token.';
COMMENT ON COLUMN targets.lease_expires_at IS 'When another worker may take over.';
COMMENT ON COLUMN targets.attempts IS 'Failures in a row, for the back-off.';
COMMENT ON COLUMN targets.last_error IS 'Kind of the last failure (a code, never a secret).';
COMMENT ON COLUMN targets.last_error_at IS 'When a failure of that kind was last put on record; an hour later it is told again.';
COMMENT ON COLUMN targets.written_trust_hash IS 'SHA-256 of the trust policy that we sent last.';
COMMENT ON COLUMN targets.trust_wrote_at IS 'When we sent it.';
COMMENT ON COLUMN targets.written_guard_hash IS 'SHA-256 of the guard that we sent last.';
COMMENT ON COLUMN targets.guard_wrote_at IS 'When we sent it.';
COMMENT ON COLUMN targets.guard_unclear_at IS 'When a guard write was sent whose answer is not known; null once answered and past the waiting time.';
COMMENT ON COLUMN targets.original_trust IS 'The trust policy as it was before our first statement went in, to put back byte for byte.';
CREATE INDEX targets_due ON targets (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE entitlements (
    id                   uuid PRIMARY KEY,
    name                 text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    description          text NOT NULL DEFAULT '',
    target               uuid NOT NULL REFERENCES targets,
    method               text NOT NULL CHECK (method IN ('trust_policy')),
    min_duration_seconds integer NOT NULL CHECK (min_duration_seconds > 0),
    max_duration_seconds integer NOT NULL CHECK (max_duration_seconds <= 43200),
    requester_group      text NOT NULL CHECK (requester_group <> ''),
    approver_group       text NOT NULL CHECK (approver_group <> ''),
    needed               smallint NOT NULL CHECK (needed BETWEEN 1 AND 10),
    version              integer NOT NULL DEFAULT 1 CHECK (version > 0),
    retired_at           timestamptz,
    CHECK (min_duration_seconds <= max_duration_seconds)
);
COMMENT ON TABLE entitlements IS 'What may be asked for.';
COMMENT ON COLUMN entitlements.id IS 'TypeID ent_….';
COMMENT ON COLUMN entitlements.name IS 'The name that people and the API use.';
COMMENT ON COLUMN entitlements.description IS 'One sentence for the people who ask and approve.';
COMMENT ON COLUMN entitlements.target IS 'The role that it opens.';
COMMENT ON COLUMN entitlements.method IS 'How it is opened.';
COMMENT ON COLUMN entitlements.min_duration_seconds IS 'Shortest duration that may be asked for.';
COMMENT ON COLUMN entitlements.max_duration_seconds IS 'Longest duration that may be asked for.';
COMMENT ON COLUMN entitlements.requester_group IS 'Who may ask.';
COMMENT ON COLUMN entitlements.approver_group IS 'Who may decide.';
COMMENT ON COLUMN entitlements.needed IS 'How many distinct people must approve.';
COMMENT ON COLUMN entitlements.version IS 'Grows with each change; a request keeps the terms that it was made under.';
COMMENT ON COLUMN entitlements.retired_at IS 'When it was taken out of the catalog.';

CREATE TABLE requests (
    id               uuid PRIMARY KEY,
    version          integer NOT NULL DEFAULT 1 CHECK (version > 0),
    person           uuid NOT NULL REFERENCES people,
    principal        uuid NOT NULL REFERENCES principals,
    principal_arn    text NOT NULL,
    principal_unique_id text,
    entitlement      uuid NOT NULL REFERENCES entitlements,
    target           uuid NOT NULL REFERENCES targets,
    role_id          text,
    approver_group   text NOT NULL,
    terms            jsonb NOT NULL,
    justification    text NOT NULL CHECK (length(justification) BETWEEN 1 AND 2000),
    duration_seconds integer NOT NULL CHECK (duration_seconds > 0 AND duration_seconds <= 43200),
    starts_at        timestamptz,
    ticket           text CHECK (length(ticket) BETWEEN 1 AND 200),
    target_checked   boolean NOT NULL,
    state            text NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'withdrawn', 'expired')),
    submitted_at     timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    closed_at        timestamptz,
    CHECK ((state = 'pending') = (closed_at IS NULL)),
    CHECK (expires_at > submitted_at)
);
COMMENT ON TABLE requests IS 'A person''s ask for one entitlement, and what people decided.';
COMMENT ON COLUMN requests.id IS 'TypeID req_….';
COMMENT ON COLUMN requests.version IS 'Grows with each transition.';
COMMENT ON COLUMN requests.person IS 'Who asks.';
COMMENT ON COLUMN requests.principal IS 'The AWS identity that is to be let in.';
COMMENT ON COLUMN requests.principal_arn IS 'Its ARN as it was when asked.';
COMMENT ON COLUMN requests.principal_unique_id IS 'Its unique id (AIDA…) as AWS told it at submit; null when AWS was silent.';
COMMENT ON COLUMN requests.entitlement IS 'What is asked for.';
COMMENT ON COLUMN requests.target IS 'The role of that entitlement when asked.';
COMMENT ON COLUMN requests.role_id IS 'The role''s unique id (AROA…) as AWS told it at submit; null when AWS was silent.';
COMMENT ON COLUMN requests.approver_group IS 'Who may decide, taken out of terms for the index.';
COMMENT ON COLUMN requests.terms IS 'The entitlement as it was when asked.';
COMMENT ON COLUMN requests.justification IS 'Why, in the requester''s words.';
COMMENT ON COLUMN requests.duration_seconds IS 'How long.';
COMMENT ON COLUMN requests.starts_at IS 'Asked start; null means at once after approval.';
COMMENT ON COLUMN requests.ticket IS 'A ticket''s name or URL.';
COMMENT ON COLUMN requests.target_checked IS 'Whether the role was read in AWS at submit; false when AWS did not answer.';
COMMENT ON COLUMN requests.state IS 'pending, approved, denied, withdrawn or expired.';
COMMENT ON COLUMN requests.submitted_at IS 'When it was asked.';
COMMENT ON COLUMN requests.expires_at IS 'When it lapses undecided.';
COMMENT ON COLUMN requests.closed_at IS 'When it left pending.';
CREATE INDEX requests_person ON requests (person, id DESC);
CREATE INDEX requests_state ON requests (state, id DESC);
CREATE INDEX requests_waiting ON requests (approver_group, id DESC) WHERE state = 'pending';
CREATE INDEX requests_expiry ON requests (expires_at) WHERE state = 'pending';

CREATE TABLE decisions (
    request uuid NOT NULL REFERENCES requests,
    stage   smallint NOT NULL DEFAULT 1 CHECK (stage > 0),
    person  uuid NOT NULL REFERENCES people,
    verdict text NOT NULL CHECK (verdict IN ('approve', 'deny')),
    comment text CHECK (length(comment) BETWEEN 1 AND 2000),
    at      timestamptz NOT NULL,
    PRIMARY KEY (request, stage, person),
    CHECK (verdict = 'approve' OR comment IS NOT NULL)
);
COMMENT ON TABLE decisions IS 'One person''s voice on one stage of a request.';
COMMENT ON COLUMN decisions.request IS 'The request.';
COMMENT ON COLUMN decisions.stage IS 'The stage, from 1.';
COMMENT ON COLUMN decisions.person IS 'Who decided; never the requester.';
COMMENT ON COLUMN decisions.verdict IS 'approve or deny.';
COMMENT ON COLUMN decisions.comment IS 'Needed for a denial.';
COMMENT ON COLUMN decisions.at IS 'When.';
CREATE INDEX decisions_person ON decisions (person, request);

CREATE TABLE grants (
    id             uuid PRIMARY KEY,
    request        uuid NOT NULL UNIQUE REFERENCES requests,
    target         uuid NOT NULL REFERENCES targets,
    person         uuid NOT NULL REFERENCES people,
    principal_arn  text NOT NULL,
    principal_id   text,
    role_id        text,
    grant_name     text NOT NULL UNIQUE CHECK (grant_name ~ '^grant_[0-7][0-9a-hjkmnp-tv-z]{25}$'),
    console_name   text CHECK (console_name ~ '^[A-Za-z0-9_+=,.@-]{2,64}$' AND console_name !~ '^grant_'),
    state          text NOT NULL CHECK (state IN ('scheduled', 'opening', 'active', 'closing', 'ended', 'failed')),
    starts_at      timestamptz NOT NULL CHECK (date_trunc('second', starts_at) = starts_at),
    deadline       timestamptz NOT NULL CHECK (date_trunc('second', deadline) = deadline),
    approved_at    timestamptz NOT NULL,
    sent_until     timestamptz,
    console_since  timestamptz,
    unclear_at     timestamptz,
    absent_at      timestamptz,
    opening_at     timestamptz,
    opened_at      timestamptz,
    closing_at     timestamptz,
    cause          text CHECK (cause IN ('deadline', 'released', 'revoked', 'could_not_open', 'not_eligible', 'principal_gone', 'target_gone', 'target_replaced', 'reverted_by_owner')),
    closing_by     uuid REFERENCES people,
    closing_reason text CHECK (length(closing_reason) BETWEEN 1 AND 2000),
    ended_at       timestamptz,
    guard_until    timestamptz,
    guard_gone_at  timestamptz,
    CHECK (deadline > starts_at),
    CHECK (console_name IS NOT NULL OR console_since IS NULL),
    CONSTRAINT scheduled CHECK (state <> 'scheduled' OR (opening_at IS NULL AND opened_at IS NULL AND closing_at IS NULL AND cause IS NULL AND ended_at IS NULL AND sent_until IS NULL)),
    CONSTRAINT opening   CHECK (state <> 'opening'   OR (opening_at IS NOT NULL AND opened_at IS NULL AND closing_at IS NULL AND cause IS NULL AND ended_at IS NULL)),
    CONSTRAINT active    CHECK (state <> 'active'    OR (opening_at IS NOT NULL AND opened_at IS NOT NULL AND closing_at IS NULL AND cause IS NULL AND ended_at IS NULL AND sent_until IS NOT NULL)),
    CONSTRAINT closing   CHECK (state <> 'closing'   OR (opening_at IS NOT NULL AND closing_at IS NOT NULL AND cause IS NOT NULL AND ended_at IS NULL)),
    CONSTRAINT ended     CHECK (state <> 'ended'     OR (closing_at IS NOT NULL AND cause IS NOT NULL AND cause NOT IN ('could_not_open', 'not_eligible') AND ended_at IS NOT NULL)),
    CONSTRAINT failed    CHECK (state <> 'failed'    OR (opened_at IS NULL AND closing_at IS NOT NULL AND cause IS NOT NULL AND ended_at IS NOT NULL)),
    CONSTRAINT by_person CHECK (closing_by IS NULL OR cause IN ('released', 'revoked'))
);
COMMENT ON TABLE grants IS 'The effect on AWS of an approved request.';
COMMENT ON COLUMN grants.id IS 'TypeID grant_….';
COMMENT ON COLUMN grants.request IS 'The approved request.';
COMMENT ON COLUMN grants.target IS 'The role that is opened.';
COMMENT ON COLUMN grants.person IS 'For whom.';
COMMENT ON COLUMN grants.principal_arn IS 'The AWS identity that is let in; fixed at approval.';
COMMENT ON COLUMN grants.principal_id IS 'Its unique id (AIDA…); fixed at approval, or at the first read when AWS was silent until then.';
COMMENT ON COLUMN grants.role_id IS 'The role''s unique id (AROA…); fixed likewise.';
COMMENT ON COLUMN grants.grant_name IS 'The session name that always works: the grant''s own id.';
COMMENT ON COLUMN grants.console_name IS 'The session name that the console''s Switch Role uses; null when there is none that may be used.';
COMMENT ON COLUMN grants.state IS 'scheduled, opening, active, closing, ended or failed.';
COMMENT ON COLUMN grants.starts_at IS 'From when, whole seconds; fixed at approval.';
COMMENT ON COLUMN grants.deadline IS 'Until when, whole seconds; fixed at approval and written into AWS.';
COMMENT ON COLUMN grants.approved_at IS 'When the last approval came.';
COMMENT ON COLUMN grants.sent_until IS 'The latest deadline ever sent to AWS for it; null while nothing was sent.';
COMMENT ON COLUMN grants.console_since IS 'Since when the console name is its own on this role; null while it may not be used.';
COMMENT ON COLUMN grants.unclear_at IS 'When a trust write with its statement was sent whose answer is not known.';
COMMENT ON COLUMN grants.absent_at IS 'The first read without its statement after every unanswered write had its time.';
COMMENT ON COLUMN grants.opening_at IS 'When the intent to open was recorded.';
COMMENT ON COLUMN grants.opened_at IS 'When guard and statement were read back.';
COMMENT ON COLUMN grants.closing_at IS 'When the end was asked for, or the deadline was noticed.';
COMMENT ON COLUMN grants.cause IS 'Why it is closing, ended or failed.';
COMMENT ON COLUMN grants.closing_by IS 'Who ended it before the deadline.';
COMMENT ON COLUMN grants.closing_reason IS 'In their words.';
COMMENT ON COLUMN grants.ended_at IS 'When AWS confirmed that nothing of it is left open.';
COMMENT ON COLUMN grants.guard_until IS 'Until when the guard must name it: no session of it can be left after that.';
COMMENT ON COLUMN grants.guard_gone_at IS 'When the guard was seen without it after guard_until.';
CREATE INDEX grants_person ON grants (person, id DESC);
CREATE INDEX grants_target_open ON grants (target) WHERE guard_gone_at IS NULL;
CREATE INDEX grants_unfinished ON grants (id DESC) WHERE state IN ('scheduled', 'opening', 'active', 'closing');

CREATE TABLE foreign_documents (
    target   uuid NOT NULL REFERENCES targets,
    kind     text NOT NULL CHECK (kind IN ('trust', 'guard')),
    sha256   bytea NOT NULL CHECK (length(sha256) = 32),
    document text NOT NULL,
    seen_at  timestamptz NOT NULL,
    PRIMARY KEY (target, kind, sha256)
);
COMMENT ON TABLE foreign_documents IS 'Every hand-written document, kept before we overwrite it.';
COMMENT ON COLUMN foreign_documents.target IS 'The role that it was read from.';
COMMENT ON COLUMN foreign_documents.kind IS 'Which document of the role.';
COMMENT ON COLUMN foreign_documents.sha256 IS 'Of the text.';
COMMENT ON COLUMN foreign_documents.document IS 'The text, byte for byte as read.';
COMMENT ON COLUMN foreign_documents.seen_at IS 'When it was first read.';

CREATE TABLE audit_events (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL,
    action     text NOT NULL CHECK (action ~ '^[a-z]+\.[a-z_]+$'),
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'machine', 'system')),
    actor_id   text NOT NULL,
    actor_name text NOT NULL,
    subject    text NOT NULL,
    channel    text NOT NULL CHECK (channel IN ('portal', 'api', 'cli', 'system')),
    outcome    text NOT NULL CHECK (outcome IN ('success', 'refused', 'failure')),
    code       text,
    details    jsonb NOT NULL DEFAULT '{}',
    CHECK ((outcome = 'success') = (code IS NULL))
);
COMMENT ON TABLE audit_events IS 'Who did what to what, when, through which channel, with what result. Rows are never changed.';
COMMENT ON COLUMN audit_events.id IS 'TypeID event_….';
COMMENT ON COLUMN audit_events.at IS 'When, by the database''s clock.';
COMMENT ON COLUMN audit_events.action IS 'What, as subject and verb.';
COMMENT ON COLUMN audit_events.actor_kind IS 'person, machine or system.';
COMMENT ON COLUMN audit_events.actor_id IS 'TypeID of the person; or the name of the machine or part.';
COMMENT ON COLUMN audit_events.actor_name IS 'The name as it was then.';
COMMENT ON COLUMN audit_events.subject IS 'TypeID of what it was done to, or its name where it has no row.';
COMMENT ON COLUMN audit_events.channel IS 'Through what it came.';
COMMENT ON COLUMN audit_events.outcome IS 'success, refused or failure.';
COMMENT ON COLUMN audit_events.code IS 'The error code, unless it was a success.';
COMMENT ON COLUMN audit_events.details IS 'What else there is to know; one shape for each action.';
CREATE INDEX audit_events_subject ON audit_events (subject, id DESC);
CREATE INDEX audit_events_actor ON audit_events (actor_id, id DESC);
CREATE INDEX audit_events_action ON audit_events (action, id DESC);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_events_immutable BEFORE UPDATE OR DELETE ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER decisions_immutable BEFORE UPDATE OR DELETE ON decisions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER decisions_no_truncate BEFORE TRUNCATE ON decisions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was asked for never changes, and a closed request stays closed.
CREATE FUNCTION freeze_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.person, OLD.principal, OLD.principal_arn, OLD.principal_unique_id, OLD.entitlement, OLD.target, OLD.role_id, OLD.approver_group, OLD.terms,
        OLD.justification, OLD.duration_seconds, OLD.starts_at, OLD.ticket, OLD.target_checked, OLD.submitted_at, OLD.expires_at)
       IS DISTINCT FROM
       (NEW.id, NEW.person, NEW.principal, NEW.principal_arn, NEW.principal_unique_id, NEW.entitlement, NEW.target, NEW.role_id, NEW.approver_group, NEW.terms,
        NEW.justification, NEW.duration_seconds, NEW.starts_at, NEW.ticket, NEW.target_checked, NEW.submitted_at, NEW.expires_at) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'pending' AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'request is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER requests_freeze BEFORE UPDATE ON requests FOR EACH ROW EXECUTE FUNCTION freeze_request();
CREATE TRIGGER requests_keep BEFORE DELETE ON requests FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- One person is one voice, and never the requester's own.
CREATE FUNCTION refuse_self_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.person = (SELECT person FROM requests WHERE id = NEW.request) THEN
        RAISE EXCEPTION 'a person cannot decide on their own request' USING ERRCODE = 'check_violation', CONSTRAINT = 'self_approval';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER decisions_not_own BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION refuse_self_approval();

-- An approved request has its approvals.
CREATE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM decisions WHERE request = NEW.request AND verdict = 'approve')
       < (SELECT (terms->>'needed')::int FROM requests WHERE id = NEW.request) THEN
        RAISE EXCEPTION 'a grant needs the approvals that its request asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_missing';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER grants_approved BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION require_approvals();

-- Everything about a grant but its course is fixed at approval; the ids of AWS once they are known; ended and failed are final.
CREATE FUNCTION freeze_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.request, OLD.target, OLD.person, OLD.principal_arn, OLD.grant_name, OLD.console_name, OLD.starts_at, OLD.deadline, OLD.approved_at)
       IS DISTINCT FROM
       (NEW.id, NEW.request, NEW.target, NEW.person, NEW.principal_arn, NEW.grant_name, NEW.console_name, NEW.starts_at, NEW.deadline, NEW.approved_at)
       OR (OLD.principal_id IS NOT NULL AND NEW.principal_id IS DISTINCT FROM OLD.principal_id)
       OR (OLD.role_id IS NOT NULL AND NEW.role_id IS DISTINCT FROM OLD.role_id) THEN
        RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.sent_until < OLD.sent_until THEN
        RAISE EXCEPTION 'a deadline that was sent cannot be unsent' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('ended', 'failed') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'grant is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER grants_freeze BEFORE UPDATE ON grants FOR EACH ROW EXECUTE FUNCTION freeze_grant();
CREATE TRIGGER grants_keep BEFORE DELETE ON grants FOR EACH ROW EXECUTE FUNCTION refuse_change();
