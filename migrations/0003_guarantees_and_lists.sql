-- What SQL alone must guarantee of approvals and of what is kept, and what some lists need.

ALTER TABLE requests
    ADD CONSTRAINT terms_needed CHECK (coalesce((terms->>'needed')::int BETWEEN 1 AND 10, false)),
    ADD CONSTRAINT terms_approvers CHECK (coalesce(approver_group = terms->>'approver_group', false));
ALTER TABLE targets
    ADD CONSTRAINT written_trust CHECK ((written_trust_hash IS NULL) = (trust_wrote_at IS NULL)),
    ADD CONSTRAINT written_guard CHECK ((written_guard_hash IS NULL) = (guard_wrote_at IS NULL));

-- An AWS identity belongs to one person.
DROP INDEX principals_arn;
CREATE UNIQUE INDEX principals_identity ON principals (arn, coalesce(role_session_name, ''));

CREATE TRIGGER foreign_documents_immutable BEFORE UPDATE OR DELETE ON foreign_documents FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER foreign_documents_no_truncate BEFORE TRUNCATE ON foreign_documents FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A grant has its approvals, each from another person, and is what was approved.
CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF (SELECT count(DISTINCT person) FROM decisions WHERE request = NEW.request AND verdict = 'approve') < (asked.terms->>'needed')::int THEN
        RAISE EXCEPTION 'a grant needs the approvals that its request asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_missing';
    END IF;
    IF (asked.state, asked.person, asked.target, asked.principal_arn, make_interval(secs => asked.duration_seconds))
       IS DISTINCT FROM ('approved', NEW.person, NEW.target, NEW.principal_arn, NEW.deadline - NEW.starts_at) THEN
        RAISE EXCEPTION 'a grant is what was approved' USING ERRCODE = 'check_violation', CONSTRAINT = 'not_as_approved';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION freeze_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.request, OLD.target, OLD.person, OLD.principal_arn, OLD.grant_name, OLD.console_name, OLD.starts_at, OLD.deadline, OLD.approved_at)
       IS DISTINCT FROM
       (NEW.id, NEW.request, NEW.target, NEW.person, NEW.principal_arn, NEW.grant_name, NEW.console_name, NEW.starts_at, NEW.deadline, NEW.approved_at)
       OR (OLD.principal_id IS NOT NULL AND NEW.principal_id IS DISTINCT FROM OLD.principal_id)
       OR (OLD.role_id IS NOT NULL AND NEW.role_id IS DISTINCT FROM OLD.role_id) THEN
        RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.sent_until IS NOT NULL AND (NEW.sent_until IS NULL OR NEW.sent_until < OLD.sent_until) THEN
        RAISE EXCEPTION 'a deadline that was sent cannot be unsent' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('ended', 'failed') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'grant is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- The history of a request without the attempts that were refused, the grants of a person that are not over, the people of a group.
CREATE INDEX audit_events_done ON audit_events (subject, id) WHERE outcome <> 'refused';
CREATE INDEX grants_person_unfinished ON grants (person, id DESC) WHERE state IN ('scheduled', 'opening', 'active', 'closing');
CREATE INDEX people_groups ON people USING gin (groups);
DROP INDEX grants_unfinished;
DROP INDEX api_tokens_person;
