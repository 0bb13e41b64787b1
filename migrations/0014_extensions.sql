-- A grant's deadline is moved by a request of its own, with the same approvals; the old deadline stands until the last of them.

ALTER TABLE requests ADD COLUMN extends uuid REFERENCES grants;
COMMENT ON COLUMN requests.extends IS 'The grant whose deadline is to be later by the duration; null for a request that makes a grant of its own.';
COMMENT ON COLUMN grants.deadline IS 'Until when, whole seconds; written into AWS. Fixed at approval, and moved by approved extensions alone.';
CREATE UNIQUE INDEX requests_extension ON requests (extends) WHERE state = 'pending';
CREATE INDEX requests_extends ON requests (extends) WHERE extends IS NOT NULL;

-- What was asked for never changes, and a closed request stays closed.
CREATE OR REPLACE FUNCTION freeze_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.person, OLD.principal, OLD.principal_arn, OLD.principal_unique_id, OLD.entitlement, OLD.target, OLD.role_id, OLD.approver_group, OLD.terms,
        OLD.justification, OLD.duration_seconds, OLD.starts_at, OLD.ticket, OLD.target_checked, OLD.submitted_at, OLD.expires_at, OLD.extends)
       IS DISTINCT FROM
       (NEW.id, NEW.person, NEW.principal, NEW.principal_arn, NEW.principal_unique_id, NEW.entitlement, NEW.target, NEW.role_id, NEW.approver_group, NEW.terms,
        NEW.justification, NEW.duration_seconds, NEW.starts_at, NEW.ticket, NEW.target_checked, NEW.submitted_at, NEW.expires_at, NEW.extends) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'pending' AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'request is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- An extension asks for what the grant's own request asked for, of the same people, for the same person.
CREATE FUNCTION extends_its_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM grants g JOIN requests r ON r.id = g.request WHERE g.id = NEW.extends
                   AND (r.person, r.principal_arn, r.entitlement, r.target, r.approver_group, r.terms)
                       IS NOT DISTINCT FROM (NEW.person, NEW.principal_arn, NEW.entitlement, NEW.target, NEW.approver_group, NEW.terms)) THEN
        RAISE EXCEPTION 'an extension asks for what its grant was approved for' USING ERRCODE = 'check_violation', CONSTRAINT = 'extends_its_own';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER requests_extend BEFORE INSERT ON requests FOR EACH ROW WHEN (NEW.extends IS NOT NULL) EXECUTE FUNCTION extends_its_own();

-- A grant has its approvals, each from another person, and is what was approved; an extension makes no grant of its own.
CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF (SELECT count(DISTINCT person) FROM decisions WHERE request = NEW.request AND verdict = 'approve') < (asked.terms->>'needed')::int THEN
        RAISE EXCEPTION 'a grant needs the approvals that its request asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_missing';
    END IF;
    IF (asked.state, asked.person, asked.target, asked.principal_arn, make_interval(secs => asked.duration_seconds), asked.terms->>'method', asked.extends)
       IS DISTINCT FROM ('approved', NEW.person, NEW.target, NEW.principal_arn, NEW.deadline - NEW.starts_at, NEW.method, NULL::uuid) THEN
        RAISE EXCEPTION 'a grant is what was approved' USING ERRCODE = 'check_violation', CONSTRAINT = 'not_as_approved';
    END IF;
    RETURN NEW;
END $$;

-- Everything about a grant but its course is fixed at approval, the ids of AWS once they are known; ended and failed are final. The deadline of an open
-- grant is moved only by an extension that is approved in the very same transaction, by what that asked for; all of it
-- together is what was ever asked for.
CREATE OR REPLACE FUNCTION freeze_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.request, OLD.target, OLD.person, OLD.method, OLD.principal_arn, OLD.grant_name, OLD.console_name, OLD.starts_at, OLD.approved_at)
       IS DISTINCT FROM
       (NEW.id, NEW.request, NEW.target, NEW.person, NEW.method, NEW.principal_arn, NEW.grant_name, NEW.console_name, NEW.starts_at, NEW.approved_at)
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
