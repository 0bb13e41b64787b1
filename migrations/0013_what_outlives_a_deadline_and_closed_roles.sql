-- Who approves is told what lets access outlive the deadline, as the role's policies said when it was asked. And a role may be closed: its guard denies
-- everybody who has no grant, and always stands.

ALTER TABLE targets
    ADD COLUMN closed boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT closed CHECK (NOT closed OR kind = 'role');
COMMENT ON COLUMN targets.closed IS 'Whether every session of the role is denied that is not a live grant''s, whatever its name; of a role alone. The guard then always stands.';

ALTER TABLE requests
    ADD COLUMN outlives jsonb,
    ADD CONSTRAINT outlives CHECK (jsonb_typeof(outlives) = 'array');
COMMENT ON COLUMN requests.outlives IS 'What could outlive the deadline when it was asked: each statement of the role''s policies, or of what is attached, that lets a person stay, and what could not be read. Null where nobody looked.';

CREATE OR REPLACE FUNCTION freeze_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.person, OLD.principal, OLD.principal_arn, OLD.principal_unique_id, OLD.entitlement, OLD.target, OLD.role_id, OLD.approver_group, OLD.terms,
        OLD.justification, OLD.duration_seconds, OLD.starts_at, OLD.ticket, OLD.target_checked, OLD.outlives, OLD.submitted_at, OLD.expires_at)
       IS DISTINCT FROM
       (NEW.id, NEW.person, NEW.principal, NEW.principal_arn, NEW.principal_unique_id, NEW.entitlement, NEW.target, NEW.role_id, NEW.approver_group, NEW.terms,
        NEW.justification, NEW.duration_seconds, NEW.starts_at, NEW.ticket, NEW.target_checked, NEW.outlives, NEW.submitted_at, NEW.expires_at) THEN
        RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'pending' AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'request is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- It looks at the tables of its own schema, whatever the caller's search path says.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION freeze_request() SET search_path = %I, pg_temp', current_schema());
END $$;
