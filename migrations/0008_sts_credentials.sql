-- A grant may be opened by credentials that Countersign asks STS for: the guard lists it, no statement lets it in, and each call is on record.

ALTER TABLE entitlements DROP CONSTRAINT entitlements_method_check;
ALTER TABLE entitlements
    ADD COLUMN session_scope jsonb,
    ADD CONSTRAINT entitlements_method_check CHECK (method IN ('trust_policy', 'sts_credentials')),
    ADD CONSTRAINT session_scope CHECK (session_scope IS NULL OR method = 'sts_credentials');
COMMENT ON COLUMN entitlements.session_scope IS 'What sessions that are handed out may do at most: {"scope_down": policy text} or {"policy_arns": [...]}; null means all that the role may.';

-- Whoever gets credentials from us need not be anybody in AWS.
ALTER TABLE requests
    ALTER COLUMN principal DROP NOT NULL,
    ALTER COLUMN principal_arn DROP NOT NULL,
    ADD CONSTRAINT terms_method CHECK (coalesce(terms->>'method' IN ('trust_policy', 'sts_credentials'), false)),
    ADD CONSTRAINT principal CHECK ((principal IS NULL) = (principal_arn IS NULL) AND (principal IS NOT NULL OR terms->>'method' = 'sts_credentials'));
COMMENT ON COLUMN requests.principal IS 'The AWS identity that is to be let in; null where the method needs none.';

ALTER TABLE grants ADD COLUMN method text NOT NULL DEFAULT 'trust_policy';
ALTER TABLE grants
    ALTER COLUMN method DROP DEFAULT,
    ALTER COLUMN principal_arn DROP NOT NULL,
    ADD CONSTRAINT grants_method_check CHECK (method IN ('trust_policy', 'sts_credentials')),
    ADD CONSTRAINT principal CHECK (principal_arn IS NOT NULL OR (method = 'sts_credentials' AND console_name IS NULL));
COMMENT ON COLUMN grants.method IS 'How it is opened: trust_policy or sts_credentials; fixed at approval.';
COMMENT ON COLUMN grants.principal_arn IS 'The AWS identity that is let in; fixed at approval, and null where the method needs none.';

ALTER TABLE parts DROP CONSTRAINT parts_kind_check, DROP CONSTRAINT open;
ALTER TABLE parts
    ADD CONSTRAINT parts_kind_check CHECK (kind IN ('statement', 'listed')),
    ADD CONSTRAINT open CHECK (state <> 'open' OR (opened_at IS NOT NULL AND closed_at IS NULL AND (sent_until IS NOT NULL OR kind = 'listed')));
COMMENT ON COLUMN parts.kind IS 'statement: a statement in the role''s trust policy, with the guard beside it. listed: the grant''s name in the guard, and nothing else.';
COMMENT ON COLUMN parts.sent_until IS 'The latest deadline ever sent to AWS for it, or until when STS may still issue a session that was asked for; null while nothing was sent.';

ALTER TABLE targets ADD COLUMN guard_equal_at timestamptz;
COMMENT ON COLUMN targets.guard_equal_at IS 'When the guard was last read as it should be, with every open grant in its list.';

CREATE TABLE fetches (
    id             uuid PRIMARY KEY,
    "grant"        uuid NOT NULL REFERENCES grants,
    kind           text NOT NULL CHECK (kind IN ('keys', 'console')),
    at             timestamptz NOT NULL,
    outcome        text CHECK (outcome IN ('issued', 'discarded', 'failed', 'unanswered')),
    access_key_id  text CHECK (length(access_key_id) BETWEEN 16 AND 128),
    expires_at     timestamptz,
    packed_percent smallint CHECK (packed_percent >= 0),
    error          text CHECK (length(error) BETWEEN 1 AND 64),
    answered_at    timestamptz,
    CONSTRAINT answered CHECK ((outcome IS NULL) = (answered_at IS NULL) AND answered_at >= at),
    CONSTRAINT session  CHECK ((access_key_id IS NULL) = (expires_at IS NULL)
                               AND (access_key_id IS NOT NULL) = coalesce(outcome IN ('issued', 'discarded'), false)),
    CONSTRAINT failure  CHECK ((error IS NOT NULL) = coalesce(outcome IN ('discarded', 'failed', 'unanswered'), false))
);
COMMENT ON TABLE fetches IS 'Each time that STS was asked for credentials of a grant, from before the call. The secret is nowhere.';
COMMENT ON COLUMN fetches.id IS 'TypeID fetch_….';
COMMENT ON COLUMN fetches."grant" IS 'The grant.';
COMMENT ON COLUMN fetches.kind IS 'keys: an access key for programs. console: a link that signs in to the console.';
COMMENT ON COLUMN fetches.at IS 'When the intent was recorded; STS is asked within seconds of that, or not at all.';
COMMENT ON COLUMN fetches.outcome IS 'issued, discarded (the grant was not open any more when STS answered), failed or unanswered; null while STS is asked, and for good where the process died.';
COMMENT ON COLUMN fetches.access_key_id IS 'The access key''s id (ASIA…), by which CloudTrail names what was done with it.';
COMMENT ON COLUMN fetches.expires_at IS 'When the session ends by itself, as STS says.';
COMMENT ON COLUMN fetches.packed_percent IS 'How much of what a session may carry its policies take, as STS says.';
COMMENT ON COLUMN fetches.error IS 'The code of why there is none, or none was handed out.';
COMMENT ON COLUMN fetches.answered_at IS 'When the outcome was recorded.';
CREATE INDEX fetches_grant ON fetches ("grant", id);

-- An intent is recorded for an open grant, gets one answer, and stays.
CREATE FUNCTION require_open_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.outcome IS NOT NULL OR NOT EXISTS (SELECT FROM grants WHERE id = NEW."grant" AND state = 'active' AND method = 'sts_credentials') THEN
        RAISE EXCEPTION 'credentials are asked for an open grant' USING ERRCODE = 'check_violation', CONSTRAINT = 'fetch_of_open_grant';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fetches_of_open_grants BEFORE INSERT ON fetches FOR EACH ROW EXECUTE FUNCTION require_open_grant();

CREATE FUNCTION freeze_fetch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.outcome IS NOT NULL OR NEW.outcome IS NULL OR (OLD.id, OLD."grant", OLD.kind, OLD.at) IS DISTINCT FROM (NEW.id, NEW."grant", NEW.kind, NEW.at) THEN
        RAISE EXCEPTION 'a fetch has one answer' USING ERRCODE = 'check_violation', CONSTRAINT = 'fetch_answered_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fetches_freeze BEFORE UPDATE ON fetches FOR EACH ROW EXECUTE FUNCTION freeze_fetch();
CREATE TRIGGER fetches_keep BEFORE DELETE ON fetches FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fetches_no_truncate BEFORE TRUNCATE ON fetches FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF (SELECT count(DISTINCT person) FROM decisions WHERE request = NEW.request AND verdict = 'approve') < (asked.terms->>'needed')::int THEN
        RAISE EXCEPTION 'a grant needs the approvals that its request asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_missing';
    END IF;
    IF (asked.state, asked.person, asked.target, asked.principal_arn, make_interval(secs => asked.duration_seconds), asked.terms->>'method')
       IS DISTINCT FROM ('approved', NEW.person, NEW.target, NEW.principal_arn, NEW.deadline - NEW.starts_at, NEW.method) THEN
        RAISE EXCEPTION 'a grant is what was approved' USING ERRCODE = 'check_violation', CONSTRAINT = 'not_as_approved';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION freeze_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.request, OLD.target, OLD.person, OLD.method, OLD.principal_arn, OLD.grant_name, OLD.console_name, OLD.starts_at, OLD.deadline, OLD.approved_at)
       IS DISTINCT FROM
       (NEW.id, NEW.request, NEW.target, NEW.person, NEW.method, NEW.principal_arn, NEW.grant_name, NEW.console_name, NEW.starts_at, NEW.deadline, NEW.approved_at)
       OR (OLD.principal_id IS NOT NULL AND NEW.principal_id IS DISTINCT FROM OLD.principal_id) THEN
        RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('ended', 'failed') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'grant is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- What is written for a grant is what its method asks for.
CREATE FUNCTION part_is_of_method() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind IS DISTINCT FROM (SELECT CASE method WHEN 'trust_policy' THEN 'statement' WHEN 'sts_credentials' THEN 'listed' END
                                  FROM grants WHERE id = NEW."grant") THEN
        RAISE EXCEPTION 'a part is what its grant''s method asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'part_of_method';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER parts_of_method AFTER INSERT OR UPDATE OF kind ON parts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION part_is_of_method();

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND p.prorettype = 'trigger'::regtype AND pg_has_role(p.proowner, 'USAGE')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', item.name, current_schema());
    END LOOP;
END $$;
