-- What an entitlement asks of asking and deciding (entitlements.rules, and in the terms of each request) is as usual where it is left out. An entitlement whose
-- rules have no delegation knows nobody who stands in: neither for a vote, nor to see the request.

-- As before (0027), unless the request's rules say that nobody does.
CREATE OR REPLACE FUNCTION stands_in(voter uuid, asked uuid, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM people v JOIN delegations d ON d.to_person = ANY (human_ids(v)) JOIN people a ON a.id = d.from_person
            JOIN people p ON p.id = ANY (human_ids(a)) AND p.status = 'active' JOIN approver_groups g ON p.groups @> ARRAY[g."group"]
        WHERE v.id = voter AND g.request = asked AND d.starts_at <= moment AND d.ends_at > moment AND (d.ended_at IS NULL OR d.ended_at > moment))
    AND (SELECT coalesce((r.terms->'rules'->>'delegation')::boolean, true) FROM requests r WHERE r.id = asked)
$$;
COMMENT ON FUNCTION stands_in IS 'Whether a person stands in for somebody in a group that decides the request, as its rules let them.';

ALTER TABLE entitlements ADD CONSTRAINT entitlements_live CHECK (
    coalesce((rules->>'live')::int, 1) BETWEEN 1 AND 1000 AND coalesce((rules->>'live_per_person')::int, 1) BETWEEN 1 AND 1000);
COMMENT ON COLUMN entitlements.rules IS 'What else holds of asking and deciding; what is left out is as usual: {justification_min, ticket, approve_comment, decide_via, live_per_person, live, remind_after, expire_after, delegation}.';

-- It looks at the tables of its own schema, whatever the caller's search path says.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION stands_in SET search_path = %I, pg_temp', current_schema());
END $$;
