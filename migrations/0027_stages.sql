-- Requests are decided in stages, in each of which several groups may have seats. Votes belong to the request, seats to its stages: who sits where is
-- computed anew each time (src/domain/tally.rs), and SQL holds the floor under it. Not to be mixed with replicas of the release before: the votes of an
-- older program have no seq and no revision, and are refused.

CREATE FUNCTION stages_fit(stages jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_typeof(stages) = 'array' AND jsonb_array_length(stages) BETWEEN 1 AND 5
        AND (SELECT bool_and(jsonb_typeof(s->'groups') = 'array' AND jsonb_array_length(s->'groups') BETWEEN 1 AND 5)
             FROM jsonb_array_elements(stages) s)
        AND (SELECT bool_and(g->>'group' <> '' AND (g->>'needed')::int BETWEEN 1 AND 10) AND sum((g->>'needed')::int) <= 10
             FROM jsonb_array_elements(stages) s, jsonb_array_elements(s->'groups') g), false)
$$;
COMMENT ON FUNCTION stages_fit IS 'Whether it is 1 to 5 stages of 1 to 5 groups each, with 10 seats in all.';
CREATE FUNCTION seats(stages jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT sum((g->>'needed')::int) FROM jsonb_array_elements(stages) s, jsonb_array_elements(s->'groups') g
$$;
COMMENT ON FUNCTION seats IS 'How many humans have to approve, in all stages.';

ALTER TABLE entitlements ADD COLUMN stages jsonb, ADD COLUMN rules jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(rules) = 'object');
UPDATE entitlements SET stages = jsonb_build_array(jsonb_build_object('groups', jsonb_build_array(jsonb_build_object('group', approver_group, 'needed', needed))));
ALTER TABLE entitlements ALTER COLUMN stages SET NOT NULL, ADD CONSTRAINT entitlements_stages CHECK (stages_fit(stages)),
    DROP COLUMN approver_group, DROP COLUMN needed;
COMMENT ON COLUMN entitlements.stages IS 'Who approves: stages in their order, in each the groups with seats: [{groups: [{group, needed, escalate_to?, escalate_after?}]}].';
COMMENT ON COLUMN entitlements.rules IS 'What else holds of asking and deciding; what is left out is as usual.';

-- What was asked for stays readable by its old keys.
ALTER TABLE requests DISABLE TRIGGER USER;
ALTER TABLE requests DROP CONSTRAINT terms_needed, DROP CONSTRAINT terms_approvers;
UPDATE requests SET terms = terms || jsonb_build_object('stages', jsonb_build_array(jsonb_build_object('groups', jsonb_build_array(
    jsonb_build_object('group', terms->>'approver_group', 'needed', (terms->>'needed')::int)))));
ALTER TABLE requests ENABLE TRIGGER USER;
ALTER TABLE requests ADD CONSTRAINT terms_stages CHECK (stages_fit(terms->'stages')), ADD COLUMN revision integer NOT NULL DEFAULT 1 CHECK (revision > 0);
COMMENT ON COLUMN requests.revision IS 'Grows with what is judged: the duration, a question, its answer. A vote does not change it.';

CREATE TABLE request_stages (
    request   uuid NOT NULL REFERENCES requests,
    stage     smallint NOT NULL CHECK (stage BETWEEN 1 AND 5),
    opened_at timestamptz,
    closed_at timestamptz,
    PRIMARY KEY (request, stage),
    CHECK (closed_at IS NULL OR opened_at IS NOT NULL)
);
COMMENT ON TABLE request_stages IS 'The stages of a request, and how far they are.';
COMMENT ON COLUMN request_stages.request IS 'The request.';
COMMENT ON COLUMN request_stages.stage IS 'The stage, from 1.';
COMMENT ON COLUMN request_stages.opened_at IS 'When it was first open; null while an earlier one waits.';
COMMENT ON COLUMN request_stages.closed_at IS 'Since when it and all before have their seats; null again where a vote that it needs does not count any more.';

CREATE TABLE approver_groups (
    request    uuid NOT NULL REFERENCES requests,
    stage      smallint NOT NULL CHECK (stage BETWEEN 1 AND 5),
    "group"    text NOT NULL CHECK ("group" <> ''),
    needed     smallint NOT NULL CHECK (needed BETWEEN 1 AND 10),
    escalation boolean NOT NULL,
    due_at     timestamptz,
    wanted     boolean NOT NULL,
    state      text NOT NULL,
    PRIMARY KEY (request, stage, "group", escalation),
    CHECK (escalation OR due_at IS NULL)
);
COMMENT ON TABLE approver_groups IS 'Whose members may decide a request, for the lists.';
COMMENT ON COLUMN approver_groups.request IS 'The request.';
COMMENT ON COLUMN approver_groups.stage IS 'The stage, from 1.';
COMMENT ON COLUMN approver_groups."group" IS 'The group.';
COMMENT ON COLUMN approver_groups.needed IS 'How many seats of the stage are theirs, or of the group whose escalation they are.';
COMMENT ON COLUMN approver_groups.escalation IS 'Whether they decide only once the stage has been open for some time.';
COMMENT ON COLUMN approver_groups.due_at IS 'From when an escalation decides; null while its stage was never open.';
COMMENT ON COLUMN approver_groups.wanted IS 'Whether one more vote of a member would bring the request further, as last computed.';
COMMENT ON COLUMN approver_groups.state IS 'The state of the request.';
INSERT INTO request_stages (request, stage, opened_at, closed_at)
    SELECT id, 1, submitted_at, CASE WHEN state = 'approved' THEN closed_at END FROM requests;
INSERT INTO approver_groups (request, stage, "group", needed, escalation, wanted, state)
    SELECT id, 1, approver_group, (terms->>'needed')::int, false, state = 'pending', state FROM requests;
CREATE INDEX approver_groups_of ON approver_groups ("group", request);
CREATE INDEX approver_groups_state ON approver_groups ("group", state, request);
CREATE INDEX approver_groups_wanted ON approver_groups ("group", request DESC) WHERE wanted;
CREATE INDEX approver_groups_due ON approver_groups (due_at) WHERE escalation AND state = 'pending';

ALTER TABLE decisions DISABLE TRIGGER USER;
ALTER TABLE decisions ADD COLUMN id uuid, ADD COLUMN seq integer, ADD COLUMN revision integer, ADD COLUMN duration_seconds integer, ADD COLUMN channel text,
    DROP CONSTRAINT decisions_pkey, DROP CONSTRAINT decisions_verdict_check, DROP CONSTRAINT decisions_check;
UPDATE decisions d SET id = gen_random_uuid(), revision = 1, seq = it.seq,
    duration_seconds = CASE WHEN d.verdict = 'approve' THEN r.duration_seconds END,
    channel = coalesce((SELECT e.channel FROM audit_events e WHERE e.at = d.at AND e.concerns = r.person
        AND e.action = CASE d.verdict WHEN 'approve' THEN 'request.approved' ELSE 'request.denied' END LIMIT 1), 'portal')
FROM (SELECT request, stage, person, times_disabled, row_number() OVER (PARTITION BY request ORDER BY at, person) AS seq FROM decisions) it, requests r
WHERE (it.request, it.stage, it.person, it.times_disabled) = (d.request, d.stage, d.person, d.times_disabled) AND r.id = d.request;
ALTER TABLE decisions ADD PRIMARY KEY (id), ALTER COLUMN seq SET NOT NULL, ALTER COLUMN revision SET NOT NULL, ALTER COLUMN channel SET NOT NULL,
    DROP COLUMN stage,
    ADD CONSTRAINT decisions_seq UNIQUE (request, seq),
    ADD CONSTRAINT decisions_verdict CHECK (verdict IN ('approve', 'deny', 'withdraw')),
    ADD CONSTRAINT decisions_comment CHECK (verdict <> 'deny' OR comment IS NOT NULL),
    ADD CONSTRAINT decisions_duration CHECK ((verdict = 'approve') = (duration_seconds IS NOT NULL) AND duration_seconds > 0),
    ADD CONSTRAINT decisions_counted CHECK (seq > 0 AND revision > 0);
ALTER TABLE decisions ENABLE TRIGGER USER;
COMMENT ON TABLE decisions IS 'What people said of a request, one after the other. The last row of a human is where they stand.';
COMMENT ON COLUMN decisions.id IS 'Its id.';
COMMENT ON COLUMN decisions.seq IS 'The how-manieth of the request, from 1.';
COMMENT ON COLUMN decisions.verdict IS 'approve, deny, or withdraw: takes an approval back.';
COMMENT ON COLUMN decisions.duration_seconds IS 'Of an approval, the longest grant that it approves, seconds.';
COMMENT ON COLUMN decisions.channel IS 'Through what they said so.';
COMMENT ON COLUMN decisions.revision IS 'The revision of the request that they judged.';

-- Where each human stands.
CREATE FUNCTION standing(asked uuid) RETURNS SETOF decisions LANGUAGE sql STABLE AS $$
    SELECT DISTINCT ON (human(d.person)) d.* FROM decisions d WHERE d.request = asked ORDER BY human(d.person), d.seq DESC
$$;
CREATE OR REPLACE FUNCTION approvals(of_request requests) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM standing(of_request.id) d JOIN people p ON p.id = d.person
    WHERE d.verdict = 'approve' AND p.status = 'active' AND d.times_disabled = p.times_disabled AND human(d.person) <> ALL (askers(of_request))
$$;
CREATE FUNCTION effective_duration(of_request requests) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT least(of_request.duration_seconds, (SELECT min(d.duration_seconds) FROM standing(of_request.id) d WHERE d.verdict = 'approve'))
$$;
COMMENT ON FUNCTION effective_duration IS 'The longest that every standing approval approves, seconds.';

-- Who is away has somebody else decide for them.
CREATE TABLE delegations (
    id          uuid PRIMARY KEY,
    from_person uuid NOT NULL REFERENCES people,
    to_person   uuid NOT NULL REFERENCES people,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    made_at     timestamptz NOT NULL,
    ended_at    timestamptz,
    CONSTRAINT delegation_to_another CHECK (from_person <> to_person),
    CONSTRAINT delegation_ends CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '30 days')
);
COMMENT ON TABLE delegations IS 'Who decides for whom, and for how long.';
COMMENT ON COLUMN delegations.id IS 'TypeID delegation_….';
COMMENT ON COLUMN delegations.from_person IS 'Who is away.';
COMMENT ON COLUMN delegations.to_person IS 'Who decides for them.';
COMMENT ON COLUMN delegations.starts_at IS 'From when.';
COMMENT ON COLUMN delegations.ends_at IS 'Until when; 30 days at most.';
COMMENT ON COLUMN delegations.made_at IS 'When it was made.';
COMMENT ON COLUMN delegations.ended_at IS 'When it was ended before its time.';
CREATE INDEX delegations_from ON delegations (from_person) WHERE ended_at IS NULL;
CREATE INDEX delegations_to ON delegations (to_person) WHERE ended_at IS NULL;
CREATE FUNCTION delegates_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One at a time: two at once would not see each other.
    PERFORM pg_advisory_xact_lock(hashtextextended('delegation ' || human(NEW.from_person), 0));
    IF human(NEW.from_person) = human(NEW.to_person) THEN
        RAISE EXCEPTION 'nobody stands in for themselves' USING ERRCODE = 'check_violation', CONSTRAINT = 'delegation_to_another';
    END IF;
    IF EXISTS (SELECT FROM delegations d WHERE human(d.from_person) = human(NEW.from_person) AND d.id <> NEW.id AND d.ended_at IS NULL
               AND d.ends_at > NEW.starts_at AND d.starts_at < NEW.ends_at) THEN
        RAISE EXCEPTION 'one delegation of a person at a time' USING ERRCODE = 'check_violation', CONSTRAINT = 'delegation_live';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER delegations_one BEFORE INSERT ON delegations FOR EACH ROW EXECUTE FUNCTION delegates_once();
CREATE FUNCTION freeze_delegation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.from_person, OLD.to_person, OLD.starts_at, OLD.ends_at, OLD.made_at) IS DISTINCT FROM
       (NEW.id, NEW.from_person, NEW.to_person, NEW.starts_at, NEW.ends_at, NEW.made_at) OR OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'a delegation is ended, and else left as it is' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER delegations_freeze BEFORE UPDATE ON delegations FOR EACH ROW EXECUTE FUNCTION freeze_delegation();
CREATE TRIGGER delegations_keep BEFORE DELETE ON delegations FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What an approver asks instead of deciding.
CREATE TABLE questions (
    request     uuid NOT NULL REFERENCES requests,
    seq         integer NOT NULL CHECK (seq > 0),
    asked_by    uuid NOT NULL REFERENCES people,
    text        text NOT NULL CHECK (length(text) BETWEEN 1 AND 2000),
    at          timestamptz NOT NULL,
    answer      text CHECK (length(answer) BETWEEN 1 AND 2000),
    answered_at timestamptz,
    PRIMARY KEY (request, seq),
    CHECK ((answer IS NULL) = (answered_at IS NULL))
);
COMMENT ON TABLE questions IS 'Questions to the requester, and what they answered.';
COMMENT ON COLUMN questions.request IS 'The request.';
COMMENT ON COLUMN questions.seq IS 'The how-manieth of the request, from 1.';
COMMENT ON COLUMN questions.asked_by IS 'Who asks.';
COMMENT ON COLUMN questions.text IS 'What they ask.';
COMMENT ON COLUMN questions.at IS 'When.';
COMMENT ON COLUMN questions.answer IS 'What the requester answered.';
COMMENT ON COLUMN questions.answered_at IS 'When; null while it is open.';
CREATE UNIQUE INDEX questions_open ON questions (request) WHERE answered_at IS NULL;
CREATE FUNCTION freeze_question() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.request, OLD.seq, OLD.asked_by, OLD.text, OLD.at) IS DISTINCT FROM (NEW.request, NEW.seq, NEW.asked_by, NEW.text, NEW.at)
       OR OLD.answered_at IS NOT NULL THEN
        RAISE EXCEPTION 'a question is answered once, and else left as it is' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER questions_freeze BEFORE UPDATE ON questions FOR EACH ROW EXECUTE FUNCTION freeze_question();
CREATE TRIGGER questions_keep BEFORE DELETE ON questions FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- For whom of a request's groups a person stands in: of none of those who have asked, and where its rules take that.
CREATE FUNCTION stands_in(voter uuid, asked uuid, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM people v, unnest(human_ids(v)) own(id) JOIN delegations d ON d.to_person = own.id JOIN people a ON a.id = d.from_person
            JOIN requests r ON r.id = asked,
            unnest(human_ids(a)) away(id) JOIN people p ON p.id = away.id AND p.status = 'active'
            JOIN approver_groups g ON g.request = asked AND p.groups @> ARRAY[g."group"]
        WHERE v.id = voter AND d.starts_at <= moment AND d.ends_at > moment AND (d.ended_at IS NULL OR d.ended_at > moment)
          AND human(a.id) <> ALL (askers(r)) AND coalesce((r.terms->'rules'->>'delegation')::boolean, true))
$$;
COMMENT ON FUNCTION stands_in IS 'Whether a person stands in for somebody in a group that decides the request.';
-- Which seat they may have is not asked here.
CREATE FUNCTION may_sit(voter uuid, asked uuid, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT stands_in(voter, asked, moment) OR EXISTS (
        SELECT FROM people v, unnest(human_ids(v)) own(id) JOIN people p ON p.id = own.id AND p.status = 'active'
            JOIN approver_groups g ON g.request = asked AND p.groups @> ARRAY[g."group"]
        WHERE v.id = voter)
$$;
COMMENT ON FUNCTION may_sit IS 'Whether a person is in a group that decides the request, by whichever account, or stands in for somebody who is.';

-- Who has left since has sat there all the same.
CREATE FUNCTION has_sat(voter uuid, asked uuid, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT stands_in(voter, asked, moment) OR EXISTS (
        SELECT FROM people v, unnest(human_ids(v)) own(id) JOIN people p ON p.id = own.id
            JOIN approver_groups g ON g.request = asked AND p.groups @> ARRAY[g."group"]
        WHERE v.id = voter)
$$;
COMMENT ON FUNCTION has_sat IS 'As may_sit, also of somebody who is disabled by now.';

CREATE OR REPLACE FUNCTION refuse_idle_vote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
    stands text;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request FOR SHARE;
    -- Of whoever was disabled since, nothing stands.
    SELECT d.verdict INTO stands FROM standing(NEW.request) d JOIN people p ON p.id = d.person AND p.times_disabled = d.times_disabled
        WHERE human(d.person) = human(NEW.person);
    IF NEW.verdict = 'withdraw' THEN
        IF stands IS DISTINCT FROM 'approve' THEN
            RAISE EXCEPTION 'there is no approval to take back' USING ERRCODE = 'check_violation', CONSTRAINT = 'nothing_to_withdraw';
        END IF;
        RETURN NEW;
    END IF;
    IF asked.state <> 'pending' OR NEW.at >= asked.expires_at THEN
        RAISE EXCEPTION 'the request is not pending any more' USING ERRCODE = 'check_violation', CONSTRAINT = 'vote_too_late';
    END IF;
    IF NEW.verdict = 'approve' AND stands = 'approve' THEN
        RAISE EXCEPTION 'a person has one voice' USING ERRCODE = 'unique_violation', CONSTRAINT = 'one_voice';
    END IF;
    IF NOT may_sit(NEW.person, NEW.request, NEW.at) THEN
        RAISE EXCEPTION 'who decides is in a group that decides, or stands in for somebody who is' USING ERRCODE = 'check_violation', CONSTRAINT = 'vote_from_outside';
    END IF;
    RETURN NEW;
END $$;

-- The stages and groups of a request follow from its terms, and their state from its state.
CREATE FUNCTION stages_of_request() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        UPDATE approver_groups SET state = NEW.state, wanted = wanted AND NEW.state = 'pending' WHERE request = NEW.id;
        RETURN NULL;
    END IF;
    INSERT INTO request_stages (request, stage, opened_at)
        SELECT NEW.id, s.nth, CASE WHEN s.nth = 1 THEN NEW.submitted_at END FROM jsonb_array_elements(NEW.terms->'stages') WITH ORDINALITY s(it, nth);
    INSERT INTO approver_groups (request, stage, "group", needed, escalation, due_at, wanted, state)
        SELECT NEW.id, s.nth, g->>'group', (g->>'needed')::int, false, NULL, s.nth = 1, NEW.state
        FROM jsonb_array_elements(NEW.terms->'stages') WITH ORDINALITY s(it, nth), jsonb_array_elements(s.it->'groups') g
        UNION ALL
        SELECT NEW.id, s.nth, g->>'escalate_to', max((g->>'needed')::int), true,
               CASE WHEN s.nth = 1 THEN NEW.submitted_at + min((g->>'escalate_after')::interval) END, false, NEW.state
        FROM jsonb_array_elements(NEW.terms->'stages') WITH ORDINALITY s(it, nth), jsonb_array_elements(s.it->'groups') g
        WHERE g ? 'escalate_to' GROUP BY s.nth, g->>'escalate_to';
    RETURN NULL;
END $$;
CREATE TRIGGER requests_staged AFTER INSERT ON requests FOR EACH ROW EXECUTE FUNCTION stages_of_request();
CREATE TRIGGER requests_stages_follow AFTER UPDATE OF state ON requests FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION stages_of_request();
REVOKE ALL ON FUNCTION stages_of_request FROM PUBLIC;

-- As before (0015), without the one group.
CREATE OR REPLACE FUNCTION freeze_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.person, OLD.principal, OLD.principal_arn, OLD.principal_session, OLD.principal_unique_id, OLD.entitlement, OLD.target, OLD.role_id,
        OLD.terms, OLD.justification, OLD.duration_seconds, OLD.starts_at, OLD.ticket, OLD.target_checked, OLD.submitted_at, OLD.expires_at, OLD.extends)
       IS DISTINCT FROM
       (NEW.id, NEW.person, NEW.principal, NEW.principal_arn, NEW.principal_session, NEW.principal_unique_id, NEW.entitlement, NEW.target, NEW.role_id,
        NEW.terms, NEW.justification, NEW.duration_seconds, NEW.starts_at, NEW.ticket, NEW.target_checked, NEW.submitted_at, NEW.expires_at, NEW.extends)
       OR NEW.revision < OLD.revision THEN
        RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'pending' AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'request is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
-- As before (0015); terms of before have keys of before as well.
CREATE OR REPLACE FUNCTION extends_its_own() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM grants g JOIN requests r ON r.id = g.request WHERE g.id = NEW.extends
                   AND (r.person, r.principal_arn, r.principal_session, r.entitlement, r.target, r.terms - 'approver_group' - 'needed')
                       IS NOT DISTINCT FROM
                       (NEW.person, NEW.principal_arn, NEW.principal_session, NEW.entitlement, NEW.target, NEW.terms - 'approver_group' - 'needed')) THEN
        RAISE EXCEPTION 'an extension asks for what its grant was approved for' USING ERRCODE = 'check_violation', CONSTRAINT = 'extends_its_own';
    END IF;
    RETURN NEW;
END $$;
ALTER TABLE requests DROP COLUMN approver_group;

-- As before (0025), with the seats of all stages, and as long as every approval approves.
CREATE OR REPLACE FUNCTION require_approvals() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF approvals(asked) < seats(asked.terms->'stages') THEN
        RAISE EXCEPTION 'a grant needs the approvals that its request asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'approvals_missing';
    END IF;
    IF NOT principal_is_own(asked) THEN
        RAISE EXCEPTION 'an identity that was given up lets nobody in' USING ERRCODE = 'check_violation', CONSTRAINT = 'principal_given_up';
    END IF;
    -- Not locked: who disables them waits for the request, and then finds the grant.
    IF NOT EXISTS (SELECT FROM people WHERE id = NEW.person AND status = 'active') THEN
        RAISE EXCEPTION 'who is disabled gets no grant' USING ERRCODE = 'check_violation', CONSTRAINT = 'person_disabled';
    END IF;
    IF (asked.state, asked.person, asked.target, asked.principal_arn, asked.principal_session, make_interval(secs => effective_duration(asked)),
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

-- As before (0022), by what was approved of each.
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
          AND NEW.deadline = OLD.deadline + make_interval(secs => effective_duration(r))
          AND NEW.deadline = OLD.starts_at + make_interval(secs => (SELECT sum(effective_duration(x)) FROM requests x
              WHERE x.id = OLD.request OR (x.extends = OLD.id AND x.state = 'approved')))
          AND NEW.deadline <= OLD.starts_at + make_interval(secs => (r.terms->>'max_duration_seconds')::int)
          AND approvals(r) >= seats(r.terms->'stages'))) THEN
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
        SELECT p.oid::regprocedure AS name, CASE WHEN p.prosecdef THEN 'pg_catalog, ' ELSE '' END AS first FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND pg_has_role(p.proowner, 'USAGE')
          AND p.proname IN ('stages_fit', 'seats', 'standing', 'approvals', 'effective_duration', 'delegates_once', 'freeze_delegation', 'freeze_question',
                            'stands_in', 'may_sit', 'has_sat', 'refuse_idle_vote', 'stages_of_request', 'freeze_request', 'extends_its_own', 'require_approvals', 'freeze_grant')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s%I, pg_temp', item.name, item.first, current_schema());
    END LOOP;
END $$;
