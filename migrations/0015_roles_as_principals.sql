-- People also come as a session of a role: of Identity Center, or of one whose session names an authority gives. Documents name the role, and pin the one
-- session by aws:userid (RoleId:session name).

DROP INDEX principals_identity;
CREATE UNIQUE INDEX principals_identity ON principals (lower(arn), lower(coalesce(role_session_name, '')));
ALTER TABLE principals
    ADD CONSTRAINT session_of_role CHECK ((role_session_name IS NOT NULL) = (arn ~ '^arn:[^:]*:iam::[0-9]{12}:role/')),
    ADD CONSTRAINT session_name CHECK (role_session_name ~ '^[A-Za-z0-9_+=,.@-]{2,64}$' AND role_session_name !~ '^grant_');
COMMENT ON COLUMN principals.arn IS 'ARN of the IAM user, or of the role.';
COMMENT ON COLUMN principals.role_session_name IS 'The name of the person''s sessions of the role, which an authority gives; null for an IAM user.';

ALTER TABLE targets DROP CONSTRAINT targets_kind_check;
ALTER TABLE targets ADD CONSTRAINT targets_kind_check CHECK (kind IN ('role', 'user', 'carrier'));
COMMENT ON TABLE targets IS 'The IAM roles and users whose policies we write; each row is also the reconciler''s queue item.';
COMMENT ON COLUMN targets.kind IS 'role: it is opened; its trust policy and its guard are written. user, carrier: people come as this user, or as sessions of this role; it carries inline policies of grants and is never opened. One ARN is one of them.';

ALTER TABLE requests
    ADD COLUMN principal_session text,
    ADD CONSTRAINT principal_session CHECK ((principal_session IS NOT NULL) = coalesce(principal_arn ~ '^arn:[^:]*:iam::[0-9]{12}:role/', false)),
    ADD CONSTRAINT principal_pinned CHECK (principal_session IS NULL OR coalesce(principal_unique_id ~ '^AROA[A-Z0-9]+:'
                                           AND split_part(principal_unique_id, ':', 2) = principal_session, false));
COMMENT ON COLUMN requests.principal_session IS 'The session name of the identity, where it is a session of a role.';
COMMENT ON COLUMN requests.principal_unique_id IS 'Its aws:userid as AWS told it at submit: AIDA… of a user, null when AWS was silent; RoleId:session name of a session.';

ALTER TABLE grants
    ADD COLUMN principal_session text,
    ADD CONSTRAINT principal_session CHECK ((principal_session IS NOT NULL) = coalesce(principal_arn ~ '^arn:[^:]*:iam::[0-9]{12}:role/', false)),
    ADD CONSTRAINT principal_pinned CHECK (principal_session IS NULL OR coalesce(principal_id ~ '^AROA[A-Z0-9]+:'
                                           AND split_part(principal_id, ':', 2) = principal_session, false)),
    -- A session of a role never has aws:MultiFactorAuthPresent.
    ADD CONSTRAINT no_mfa_of_a_role CHECK (principal_session IS NULL OR NOT mfa);
COMMENT ON COLUMN grants.principal_session IS 'The session name of the identity, where it is a session of a role; fixed at approval.';
COMMENT ON COLUMN grants.principal_id IS 'The identity''s aws:userid: AIDA… of a user, known at the first look where AWS was silent before; RoleId:session name of a session, which what we write pins.';
COMMENT ON COLUMN names.principal_id IS 'The aws:userid of who may use a console name; null for the grant''s own.';

-- What a target is never changes: what is opened never carries, and what carries is never opened.
CREATE FUNCTION freeze_kind() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a target is does not change' USING ERRCODE = 'check_violation', CONSTRAINT = 'kind_of_target';
END $$;
CREATE TRIGGER targets_kind BEFORE UPDATE ON targets FOR EACH ROW
    WHEN (OLD.kind IS DISTINCT FROM NEW.kind) EXECUTE FUNCTION freeze_kind();

-- The session name that the console sends is the identity's own: the last part of a user's ARN, or the name of a role's session.
CREATE OR REPLACE FUNCTION refuse_foreign_console_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.console_name IS DISTINCT FROM coalesce(NEW.principal_session, substring(NEW.principal_arn FROM '[^/]+$')) THEN
        RAISE EXCEPTION 'the console name is that of the identity' USING ERRCODE = 'check_violation', CONSTRAINT = 'console_name_of_another';
    END IF;
    RETURN NEW;
END $$;

-- What was asked for never changes, and a closed request stays closed.
CREATE OR REPLACE FUNCTION freeze_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.person, OLD.principal, OLD.principal_arn, OLD.principal_session, OLD.principal_unique_id, OLD.entitlement, OLD.target, OLD.role_id,
        OLD.approver_group, OLD.terms, OLD.justification, OLD.duration_seconds, OLD.starts_at, OLD.ticket, OLD.target_checked, OLD.submitted_at,
        OLD.expires_at, OLD.extends)
       IS DISTINCT FROM
       (NEW.id, NEW.person, NEW.principal, NEW.principal_arn, NEW.principal_session, NEW.principal_unique_id, NEW.entitlement, NEW.target, NEW.role_id,
        NEW.approver_group, NEW.terms, NEW.justification, NEW.duration_seconds, NEW.starts_at, NEW.ticket, NEW.target_checked, NEW.submitted_at,
        NEW.expires_at, NEW.extends) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'pending' AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'request is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- An extension asks for what the grant's own request asked for, of the same people, for the same person.
CREATE OR REPLACE FUNCTION extends_its_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM grants g JOIN requests r ON r.id = g.request WHERE g.id = NEW.extends
                   AND (r.person, r.principal_arn, r.principal_session, r.entitlement, r.target, r.approver_group, r.terms)
                       IS NOT DISTINCT FROM
                       (NEW.person, NEW.principal_arn, NEW.principal_session, NEW.entitlement, NEW.target, NEW.approver_group, NEW.terms)) THEN
        RAISE EXCEPTION 'an extension asks for what its grant was approved for' USING ERRCODE = 'check_violation', CONSTRAINT = 'extends_its_own';
    END IF;
    RETURN NEW;
END $$;

-- A grant has its approvals, each from another person, and is what was approved; an extension makes no grant of its own. The role that somebody comes
-- as is no role that is opened.
CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF (SELECT count(DISTINCT person) FROM decisions WHERE request = NEW.request AND verdict = 'approve') < (asked.terms->>'needed')::int THEN
        RAISE EXCEPTION 'a grant needs the approvals that its request asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_missing';
    END IF;
    IF (asked.state, asked.person, asked.target, asked.principal_arn, asked.principal_session, make_interval(secs => asked.duration_seconds),
        asked.terms->>'method', asked.extends)
       IS DISTINCT FROM
       ('approved', NEW.person, NEW.target, NEW.principal_arn, NEW.principal_session, NEW.deadline - NEW.starts_at, NEW.method, NULL::uuid)
       OR (NEW.principal_session IS NOT NULL AND NEW.principal_id IS DISTINCT FROM asked.principal_unique_id) THEN
        RAISE EXCEPTION 'a grant is what was approved' USING ERRCODE = 'check_violation', CONSTRAINT = 'not_as_approved';
    END IF;
    IF NEW.principal_session IS NOT NULL AND NOT EXISTS (SELECT FROM targets WHERE arn = NEW.principal_arn AND kind = 'carrier') THEN
        RAISE EXCEPTION 'a role that people come as is never opened' USING ERRCODE = 'check_violation', CONSTRAINT = 'principal_is_no_target';
    END IF;
    RETURN NEW;
END $$;

-- Everything about a grant but its course is fixed at approval, the ids of AWS once they are known; ended and failed are final. The deadline of an open
-- grant is moved only by an extension that is approved in the very same transaction, by what that asked for; all of it
-- together is what was ever asked for.
CREATE OR REPLACE FUNCTION freeze_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.request, OLD.target, OLD.person, OLD.method, OLD.principal_arn, OLD.principal_session, OLD.grant_name, OLD.console_name, OLD.starts_at,
        OLD.approved_at)
       IS DISTINCT FROM
       (NEW.id, NEW.request, NEW.target, NEW.person, NEW.method, NEW.principal_arn, NEW.principal_session, NEW.grant_name, NEW.console_name, NEW.starts_at,
        NEW.approved_at)
       OR (OLD.principal_id IS NOT NULL AND NEW.principal_id IS DISTINCT FROM OLD.principal_id) THEN
        RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.deadline IS DISTINCT FROM OLD.deadline AND NOT (OLD.state = 'active' AND NEW.state = 'active' AND EXISTS (
        SELECT FROM requests r WHERE r.extends = OLD.id AND r.state = 'approved' AND r.xmin = pg_current_xact_id()::xid
          AND NEW.deadline = OLD.deadline + make_interval(secs => r.duration_seconds)
          AND NEW.deadline = OLD.starts_at + make_interval(secs => (SELECT sum(x.duration_seconds) FROM requests x
              WHERE x.id = OLD.request OR (x.extends = OLD.id AND x.state = 'approved')))
          AND NEW.deadline <= OLD.starts_at + make_interval(secs => (r.terms->>'max_duration_seconds')::int)
          AND (SELECT count(DISTINCT d.person) FROM decisions d WHERE d.request = r.id AND d.verdict = 'approve') >= (r.terms->>'needed')::int)) THEN
        RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('ended', 'failed') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'grant is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- What is written for a grant is what its method asks for: a role's part on the role, an inline policy on the user, or the role, that was approved.
-- Without its name there nobody would look for it.
CREATE OR REPLACE FUNCTION part_is_of_method() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner grants;
BEGIN
    SELECT * INTO owner FROM grants WHERE id = NEW."grant";
    IF (SELECT array_agg(kind ORDER BY kind) FROM parts WHERE "grant" = owner.id)
       IS DISTINCT FROM (CASE owner.method WHEN 'trust_policy' THEN ARRAY['statement'] WHEN 'sts_credentials' THEN ARRAY['listed']
                                           WHEN 'switch' THEN ARRAY['inline', 'listed'] WHEN 'attach' THEN ARRAY['inline'] END)
       OR NOT EXISTS (SELECT FROM targets t WHERE t.id = NEW.target
                      AND CASE WHEN NEW.kind = 'inline' THEN t.kind = (CASE WHEN owner.principal_session IS NULL THEN 'user' ELSE 'carrier' END)
                                    AND t.arn = owner.principal_arn AND (owner.method <> 'attach' OR t.id = owner.target)
                               ELSE t.kind = 'role' AND t.id = owner.target END)
       OR NOT EXISTS (SELECT FROM names n WHERE n.target = NEW.target AND n."grant" = owner.id AND n.name = owner.grant_name) THEN
        RAISE EXCEPTION 'a part is what its grant''s method asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'part_of_method';
    END IF;
    RETURN NULL;
END $$;

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
