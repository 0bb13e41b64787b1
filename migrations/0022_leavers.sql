-- People leave, and some people have two accounts. Who has left is disabled: what they have ends in one transaction. Accounts that are one human's
-- (same_as) count as one wherever somebody must not decide alone.

ALTER TABLE people
    ADD COLUMN status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    ADD COLUMN disabled_at timestamptz,
    ADD COLUMN disabled_by uuid REFERENCES people,
    ADD COLUMN same_as     uuid REFERENCES people,
    ADD CONSTRAINT disabled CHECK ((status = 'disabled') = (disabled_at IS NOT NULL) AND (disabled_by IS NULL OR status = 'disabled')),
    ADD CONSTRAINT disabled_by_another CHECK (disabled_by <> id),
    ADD CONSTRAINT same_as_another CHECK (same_as <> id);
COMMENT ON COLUMN people.status IS 'active, or disabled: no sign-in, no session, no token, no vote that counts.';
COMMENT ON COLUMN people.disabled_at IS 'Since when they are disabled.';
COMMENT ON COLUMN people.disabled_by IS 'The admin who did it; null where it was the command line, or a sign-in with none of the groups that may.';
COMMENT ON COLUMN people.same_as IS 'The account of the same human that counts for both; null where this one does.';
CREATE INDEX people_same_as ON people (same_as) WHERE same_as IS NOT NULL;
CREATE INDEX people_verified_email ON people (lower(email)) WHERE email_verified AND email <> '';
CREATE INDEX people_by_name ON people (name, id);
CREATE INDEX IF NOT EXISTS api_tokens_person ON api_tokens (person);

-- An account is the same as one that is the same as no other: whose it is, is one step away.
CREATE FUNCTION refuse_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One at a time: two joins at once could be right each by itself, and a chain together.
    PERFORM pg_advisory_xact_lock(6003291837420015);
    IF EXISTS (SELECT FROM people WHERE id = NEW.same_as AND same_as IS NOT NULL) OR EXISTS (SELECT FROM people WHERE same_as = NEW.id) THEN
        RAISE EXCEPTION 'same_as leads to an account that is the same as no other' USING ERRCODE = 'check_violation', CONSTRAINT = 'same_as_chain';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER people_joined BEFORE INSERT OR UPDATE OF same_as ON people FOR EACH ROW WHEN (NEW.same_as IS NOT NULL) EXECUTE FUNCTION refuse_chain();

CREATE FUNCTION human(person uuid) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce(p.same_as, p.id) FROM people p WHERE p.id = person
$$;
COMMENT ON FUNCTION human IS 'The account that counts for all of a human''s: equal for two accounts exactly where they are one human''s.';
CREATE FUNCTION human_ids(person people) RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(person.same_as, person.id) || ARRAY(SELECT o.id FROM people o WHERE o.same_as = coalesce(person.same_as, person.id) ORDER BY o.id)
$$;
COMMENT ON FUNCTION human_ids IS 'Every account of the human, the one that counts first.';

-- The humans who have asked: the requester, and who owns the machine that asked, then or now.
CREATE FUNCTION askers(of_request requests) RETURNS uuid[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(human(it.person)) FROM (
        SELECT of_request.person UNION ALL SELECT of_request.machine_owner WHERE of_request.machine_owner IS NOT NULL
        UNION ALL SELECT m.owner FROM machines m WHERE m.id = of_request.requested_by) it
$$;
COMMENT ON FUNCTION askers IS 'The accounts that count for the humans who have asked: none of them decides.';

-- One human is one voice, and never of those who have asked.
CREATE OR REPLACE FUNCTION refuse_self_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF human(NEW.person) = ANY (askers(asked)) THEN
        RAISE EXCEPTION 'a person cannot decide on their own request' USING ERRCODE = 'check_violation', CONSTRAINT = 'self_approval';
    END IF;
    RETURN NEW;
END $$;

-- The yeses that count: of so many humans who are not disabled, none of them one who has asked.
CREATE FUNCTION approvals(of_request requests) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT human(d.person)) FROM decisions d JOIN people p ON p.id = d.person
    WHERE d.request = of_request.id AND d.verdict = 'approve' AND p.status = 'active' AND human(d.person) <> ALL (askers(of_request))
$$;

CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF approvals(asked) < (asked.terms->>'needed')::int THEN
        RAISE EXCEPTION 'a grant needs the approvals that its request asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_missing';
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

-- As before (0015), with the approvals of an extension counted by humans.
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
          AND approvals(r) >= (r.terms->>'needed')::int)) THEN
        RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('ended', 'failed') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'grant is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

-- Two humans lift a hold on everything, and nobody the hold on themselves.
CREATE FUNCTION lifted_by_another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF human(NEW.lifted_by) = human(NEW.person) OR (NEW.scope = 'everything' AND human(NEW.lifted_by) = human(NEW.lift_asked_by)) THEN
        RAISE EXCEPTION 'another person lifts it' USING ERRCODE = 'check_violation', CONSTRAINT = 'two_people_lift_everything';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER revocations_lifted BEFORE UPDATE ON revocations FOR EACH ROW WHEN (NEW.lifted_by IS NOT NULL) EXECUTE FUNCTION lifted_by_another();

ALTER TABLE grants
    DROP CONSTRAINT grants_cause_check,
    DROP CONSTRAINT by_person,
    ADD CONSTRAINT grants_cause_check CHECK (cause IN ('deadline', 'released', 'revoked', 'could_not_open', 'not_eligible', 'principal_gone',
        'target_gone', 'target_replaced', 'reverted_by_owner', 'person_disabled')),
    ADD CONSTRAINT by_person CHECK (closing_by IS NULL OR cause IN ('released', 'revoked', 'person_disabled'));

-- Whoever acts holds their own row, so that who disables them waits for what they are doing, and finds it: people, then requests, grants and targets,
-- each by id. serve may not lock people by itself.
CREATE FUNCTION person_acts(who uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM people WHERE id = who AND status = 'active' FOR SHARE;
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION person_acts IS 'Whether a person is active, and stays so until the transaction ends.';

-- Nothing begins for somebody who is disabled, whoever forgets to ask.
CREATE FUNCTION refuse_disabled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NEW.person IS NOT NULL AND NOT person_acts(NEW.person) THEN
        RAISE EXCEPTION 'this person is disabled' USING ERRCODE = 'check_violation', CONSTRAINT = 'person_disabled';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sessions_of_active BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION refuse_disabled();
CREATE TRIGGER api_tokens_of_active BEFORE INSERT ON api_tokens FOR EACH ROW EXECUTE FUNCTION refuse_disabled();
CREATE FUNCTION refuse_disabled_owner() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT person_acts(NEW.owner) THEN
        RAISE EXCEPTION 'this person is disabled' USING ERRCODE = 'check_violation', CONSTRAINT = 'person_disabled';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER machines_of_active BEFORE INSERT ON machines FOR EACH ROW EXECUTE FUNCTION refuse_disabled_owner();
CREATE TRIGGER requests_of_active BEFORE INSERT ON requests FOR EACH ROW EXECUTE FUNCTION refuse_disabled();
CREATE TRIGGER decisions_of_active BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION refuse_disabled();

-- What serve may not write: that somebody has left, with their sessions and tokens, and that they are back. What else a person may sign in or call with
-- ends here as well.
CREATE FUNCTION check_who_manages(person uuid, by_person uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF by_person IS NOT NULL AND NOT EXISTS (SELECT FROM people WHERE id = by_person AND status = 'active') THEN
        RAISE EXCEPTION 'who disables or enables somebody is active' USING ERRCODE = 'check_violation', CONSTRAINT = 'managed_by_nobody';
    END IF;
    IF human(by_person) = human(person) THEN
        RAISE EXCEPTION 'nobody disables or enables themselves' USING ERRCODE = 'check_violation', CONSTRAINT = 'managed_by_themselves';
    END IF;
END $$;

-- As before (0021), of somebody who is active.
CREATE OR REPLACE FUNCTION person_of_session(session bytea, at timestamptz) RETURNS people LANGUAGE plpgsql STABLE AS $$
DECLARE
    found people;
BEGIN
    SELECT p.* INTO found FROM sessions s JOIN people p ON p.id = s.person
    WHERE s.token_hash = session AND s.ended_at IS NULL AND s.created_at <= at AND s.expires_at > at AND p.status = 'active';
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'this is made by a session of the portal' USING ERRCODE = 'check_violation', CONSTRAINT = 'made_without_session';
    END IF;
    RETURN found;
END $$;

CREATE FUNCTION person_disabled(person uuid, by_person uuid, told_at timestamptz, OUT sessions bigint, OUT tokens uuid[], OUT machines uuid[])
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM check_who_manages(person_disabled.person, by_person);
    UPDATE people p SET status = 'disabled', disabled_at = told_at, disabled_by = by_person
    WHERE p.id = person_disabled.person AND p.status = 'active';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE sessions s SET ended_at = told_at WHERE s.person = person_disabled.person AND s.ended_at IS NULL AND s.expires_at > told_at;
    GET DIAGNOSTICS sessions = ROW_COUNT;
    WITH revoked AS (
        UPDATE api_tokens t SET revoked_at = told_at
        WHERE (t.person = person_disabled.person OR t.machine IN (SELECT m.id FROM machines m WHERE m.owner = person_disabled.person))
          AND t.revoked_at IS NULL AND t.expires_at > told_at RETURNING t.id)
    SELECT coalesce(array_agg(revoked.id ORDER BY revoked.id), '{}') INTO tokens FROM revoked;
    WITH ended AS (
        UPDATE machines m SET ended_at = told_at WHERE m.owner = person_disabled.person AND m.ended_at IS NULL RETURNING m.id)
    SELECT coalesce(array_agg(ended.id ORDER BY ended.id), '{}') INTO machines FROM ended;
END $$;
COMMENT ON FUNCTION person_disabled IS 'Disables a person who is active, with their sessions (how many), API tokens and machines; null for all of them where they are not.';

CREATE FUNCTION person_enabled(person uuid, by_person uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM check_who_manages(person_enabled.person, by_person);
    UPDATE people p SET status = 'active', disabled_at = NULL, disabled_by = NULL WHERE p.id = person_enabled.person AND p.status = 'disabled';
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION person_enabled IS 'Enables a person who is disabled, and brings back nothing; false where they are not.';

REVOKE ALL ON FUNCTION person_acts, refuse_disabled, refuse_disabled_owner, person_disabled, person_enabled FROM PUBLIC;

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT p.oid::regprocedure AS name, CASE WHEN p.prosecdef THEN 'pg_catalog, ' ELSE '' END AS first FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND pg_has_role(p.proowner, 'USAGE')
          AND p.proname IN ('refuse_chain', 'human', 'human_ids', 'refuse_self_approval', 'approvals', 'require_approvals', 'freeze_grant',
                            'lifted_by_another', 'person_of_session', 'person_acts', 'refuse_disabled', 'refuse_disabled_owner', 'askers', 'check_who_manages', 'person_disabled', 'person_enabled')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s%I, pg_temp', item.name, item.first, current_schema());
    END LOOP;
END $$;
