-- Whoever has, had or claims the identity that a request lets in stands on its side; and an identity that was given up, or is another's by now, lets
-- nobody in anew, whatever was asked or approved with it before.

CREATE OR REPLACE FUNCTION askers(of_request requests) RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(DISTINCT human(it.person)) FROM (
        SELECT of_request.person UNION ALL SELECT of_request.machine_owner WHERE of_request.machine_owner IS NOT NULL
        UNION ALL SELECT m.owner FROM machines m WHERE m.id = of_request.requested_by
        UNION ALL SELECT o.person FROM principals o
            WHERE lower(o.arn) = lower(of_request.principal_arn)
              AND lower(coalesce(o.role_session_name, '')) = lower(coalesce(of_request.principal_session, ''))) it
$$;
COMMENT ON FUNCTION askers IS 'The accounts that count for the humans who have asked, and for whoever has, had or claims the identity that is let in: none of them decides.';
CREATE INDEX principals_named ON principals (lower(arn));

CREATE FUNCTION principal_is_own(of_request requests) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT of_request.principal IS NULL OR EXISTS (
        SELECT FROM principals o WHERE o.id = of_request.principal AND o.person = of_request.person
          AND o.ended_at IS NULL AND o.conflict_with IS NULL)
$$;
COMMENT ON FUNCTION principal_is_own IS 'Whether the identity that a request lets in, if it lets one in, is its person''s still.';

-- As before (0022), with the identity.
CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF approvals(asked) < (asked.terms->>'needed')::int THEN
        RAISE EXCEPTION 'a grant needs the approvals that its request asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_missing';
    END IF;
    IF NOT principal_is_own(asked) THEN
        RAISE EXCEPTION 'an identity that was given up lets nobody in' USING ERRCODE = 'check_violation', CONSTRAINT = 'principal_given_up';
    END IF;
    -- Not locked: who disables them waits for the request, and then finds the grant.
    IF NOT EXISTS (SELECT FROM people WHERE id = NEW.person AND status = 'active') THEN
        RAISE EXCEPTION 'who is disabled gets no grant' USING ERRCODE = 'check_violation', CONSTRAINT = 'person_disabled';
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

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item text;
BEGIN
    FOREACH item IN ARRAY ARRAY['askers', 'principal_is_own', 'require_approvals'] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', item, current_schema());
    END LOOP;
END $$;
