-- What a request was counted with last, so that it is counted anew exactly where something of it has changed since: who is in its groups, an escalation
-- that has become due, somebody who stands in for somebody else.

CREATE TABLE request_counts (
    request  uuid PRIMARY KEY REFERENCES requests,
    people   bigint,
    due      bigint NOT NULL,
    fillable boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE request_counts IS 'What the votes on each request were counted with last.';
COMMENT ON COLUMN request_counts.request IS 'The request.';
COMMENT ON COLUMN request_counts.people IS 'A number made of everybody in its groups (counted_with); null before it was counted.';
COMMENT ON COLUMN request_counts.due IS 'A number made of its escalations that are due, and of who stands in for whom (counted_with).';
COMMENT ON COLUMN request_counts.fillable IS 'Whether the people that there are could approve it.';
INSERT INTO request_counts (request, due) SELECT id, 0 FROM requests;

ALTER TABLE approver_groups ADD COLUMN escalated_at timestamptz CHECK (escalated_at IS NULL OR escalation);
COMMENT ON COLUMN approver_groups.escalated_at IS 'When it was told of an escalation that it decides from now on; null before.';
CREATE INDEX requests_pending ON requests (id) WHERE state = 'pending';
CREATE INDEX delegations_until ON delegations (ends_at) WHERE ended_at IS NULL;

-- Members of no group that a pending request names are not looked at, and each group's members once, however many requests name it.
CREATE FUNCTION counted_with(asked uuid[], moment timestamptz) RETURNS TABLE (request uuid, people bigint, due bigint) LANGUAGE sql STABLE AS $$
    WITH named AS MATERIALIZED (
        SELECT g.request, g.stage, g."group", coalesce(g.due_at <= moment, false) AS is_due
        FROM approver_groups g WHERE g.request = ANY (asked) AND g.state = 'pending'),
    groups AS MATERIALIZED (SELECT DISTINCT n."group" FROM named n),
    members AS MATERIALIZED (
        SELECT w."group", sum(hashtextextended(concat_ws(' ', w."group", p.id, p.same_as), 0)) AS number
        FROM groups w JOIN people p ON p.groups @> ARRAY[w."group"] WHERE p.status = 'active' GROUP BY 1),
    away AS MATERIALIZED (
        SELECT w."group", sum(hashtextextended(concat_ws(' ', w."group", d.id, f.id, human(t.id), t.status), 0)) AS number
        FROM delegations d JOIN people a ON a.id = d.from_person JOIN people t ON t.id = d.to_person
            JOIN people f ON f.id = ANY (human_ids(a)) AND f.status = 'active' JOIN groups w ON f.groups @> ARRAY[w."group"]
        WHERE d.ended_at IS NULL AND d.starts_at <= moment AND d.ends_at > moment GROUP BY 1)
    SELECT n.request, (coalesce(sum(m.number), 0) % 9223372036854775807)::bigint,
           ((coalesce(sum(a.number), 0) + coalesce(sum(hashtextextended(concat_ws(' ', n.stage, n."group"), 1)) FILTER (WHERE n.is_due), 0))
               % 9223372036854775807)::bigint
    FROM named n LEFT JOIN members m USING ("group") LEFT JOIN away a USING ("group") GROUP BY n.request
$$;
COMMENT ON FUNCTION counted_with IS 'For each of these requests that is pending, what its tally hangs on beside its votes, as two numbers: other ones where any of it is another.';

CREATE FUNCTION count_of_request() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO request_counts (request, due) SELECT NEW.id, coalesce((SELECT c.due FROM counted_with(ARRAY[NEW.id], NEW.submitted_at) c), 0);
    RETURN NULL;
END $$;
-- By its name after requests_staged, whose rows it reads.
CREATE TRIGGER requests_tallied AFTER INSERT ON requests FOR EACH ROW EXECUTE FUNCTION count_of_request();

-- Nobody stands in for or by somebody who is disabled.
CREATE FUNCTION refuse_disabled_delegate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT person_acts(NEW.from_person) OR NOT person_acts(NEW.to_person) THEN
        RAISE EXCEPTION 'this person is disabled' USING ERRCODE = 'check_violation', CONSTRAINT = 'person_disabled';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER delegations_of_active BEFORE INSERT ON delegations FOR EACH ROW EXECUTE FUNCTION refuse_disabled_delegate();

-- As before (0022), with who stands in for them, and for whom they do.
DROP FUNCTION person_disabled;
CREATE FUNCTION person_disabled(person uuid, by_person uuid, told_at timestamptz, OUT sessions bigint, OUT tokens uuid[], OUT machines uuid[],
    OUT delegations uuid[], OUT away uuid[], OUT delegates uuid[])
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM check_who_manages(person_disabled.person, by_person);
    UPDATE people p SET status = 'disabled', disabled_at = told_at, disabled_by = by_person
    WHERE p.id = person_disabled.person AND p.status = 'active';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM sessions s WHERE s.person = person_disabled.person AND s.ended_at IS NULL ORDER BY s.id FOR UPDATE;
    UPDATE sessions s SET ended_at = told_at WHERE s.person = person_disabled.person AND s.ended_at IS NULL AND s.expires_at > told_at;
    GET DIAGNOSTICS sessions = ROW_COUNT;
    -- Before their tokens, as whoever ends one machine does.
    PERFORM FROM machines m WHERE m.owner = person_disabled.person AND m.ended_at IS NULL ORDER BY m.id FOR UPDATE;
    WITH ended AS (
        UPDATE machines m SET ended_at = told_at WHERE m.owner = person_disabled.person AND m.ended_at IS NULL RETURNING m.id)
    SELECT coalesce(array_agg(ended.id ORDER BY ended.id), '{}') INTO machines FROM ended;
    WITH revoked AS (
        UPDATE api_tokens t SET revoked_at = told_at
        WHERE (t.person = person_disabled.person OR t.machine IN (SELECT m.id FROM machines m WHERE m.owner = person_disabled.person))
          AND t.revoked_at IS NULL AND t.expires_at > told_at RETURNING t.id)
    SELECT coalesce(array_agg(revoked.id ORDER BY revoked.id), '{}') INTO tokens FROM revoked;
    PERFORM FROM delegations d
        WHERE person_disabled.person IN (d.from_person, d.to_person) AND d.ended_at IS NULL ORDER BY d.id FOR UPDATE;
    WITH ended AS (
        UPDATE delegations d SET ended_at = told_at
        WHERE person_disabled.person IN (d.from_person, d.to_person) AND d.ended_at IS NULL AND d.ends_at > told_at
        RETURNING d.id, d.from_person, d.to_person)
    SELECT coalesce(array_agg(ended.id ORDER BY ended.id), '{}'), coalesce(array_agg(ended.from_person ORDER BY ended.id), '{}'),
           coalesce(array_agg(ended.to_person ORDER BY ended.id), '{}')
    INTO person_disabled.delegations, away, delegates FROM ended;
END $$;
COMMENT ON FUNCTION person_disabled IS 'Disables a person who is active, with their sessions (how many), API tokens, machines and delegations (away: from whom, delegates: to whom); null for all of them where they are not. By nobody: a sign-in with none of the groups that may, or a command.';
REVOKE ALL ON FUNCTION count_of_request, refuse_disabled_delegate, person_disabled FROM PUBLIC;

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT p.oid::regprocedure AS name, CASE WHEN p.prosecdef THEN 'pg_catalog, ' ELSE '' END AS first FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND pg_has_role(p.proowner, 'USAGE')
          AND p.proname IN ('counted_with', 'count_of_request', 'refuse_disabled_delegate', 'person_disabled')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s%I, pg_temp', item.name, item.first, current_schema());
    END LOOP;
END $$;
