-- What an entitlement asks of asking and deciding (entitlements.rules, and in the terms of each request) is as usual where it is left out. An entitlement whose
-- rules have no delegation knows nobody who stands in: neither for a vote, nor to see the request.

ALTER TABLE entitlements ADD CONSTRAINT entitlements_live CHECK (
    coalesce((rules->>'live')::int, 1) BETWEEN 1 AND 1000 AND coalesce((rules->>'live_per_person')::int, 1) BETWEEN 1 AND 1000);
COMMENT ON COLUMN entitlements.rules IS 'What else holds of asking and deciding; what is left out is as usual: {justification_min, ticket, approve_comment, decide_via, live_per_person, live, remind_after, expire_after, delegation}.';
