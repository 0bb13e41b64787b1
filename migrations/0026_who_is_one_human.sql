-- Humans, not accounts: an AWS identity is one human's, whichever of their accounts has it, and gives way where its account is disabled. Votes that were
-- lost stay lost. Locks are taken in one order, functions refuse nulls, a machine's name is free again when the machine has ended, and its owner can change.

-- A vote counts that was cast since its person was disabled the last time. Not by the time: who votes and who disables may have begun in one order and
-- done it in the other.
ALTER TABLE people ADD COLUMN times_disabled integer NOT NULL DEFAULT 0 CHECK (times_disabled >= 0);
COMMENT ON COLUMN people.times_disabled IS 'How often they have been disabled: votes from before the last time count no more.';
UPDATE people SET times_disabled = 1 WHERE status = 'disabled';
ALTER TABLE decisions
    ADD COLUMN times_disabled integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT decisions_pkey,
    ADD CONSTRAINT decisions_pkey PRIMARY KEY (request, stage, person, times_disabled);
COMMENT ON COLUMN decisions.times_disabled IS 'How often its person had been disabled then; while that is so, the vote stands, and they have no second one.';

CREATE FUNCTION count_disabled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.times_disabled := OLD.times_disabled + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER people_disabled BEFORE UPDATE OF status ON people FOR EACH ROW
    WHEN (OLD.status = 'active' AND NEW.status = 'disabled') EXECUTE FUNCTION count_disabled();

-- As refuse_disabled (0022), and the row says since when it counts, whatever whoever writes it says.
CREATE FUNCTION vote_of_active() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NOT person_acts(NEW.person) THEN
        RAISE EXCEPTION 'this person is disabled' USING ERRCODE = 'check_violation', CONSTRAINT = 'person_disabled';
    END IF;
    NEW.times_disabled := (SELECT p.times_disabled FROM people p WHERE p.id = NEW.person);
    RETURN NEW;
END $$;
DROP TRIGGER decisions_of_active ON decisions;
CREATE TRIGGER decisions_of_active BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION vote_of_active();

CREATE OR REPLACE FUNCTION approvals(of_request requests) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(DISTINCT human(d.person)) FROM decisions d JOIN people p ON p.id = d.person
    WHERE d.request = of_request.id AND d.verdict = 'approve' AND p.status = 'active' AND d.times_disabled = p.times_disabled
      AND human(d.person) <> ALL (askers(of_request))
$$;
COMMENT ON FUNCTION approvals IS 'The yeses that count: of so many humans who are active and were not disabled since, none of them one who has asked.';

-- Any account of a human asks with the identities of all that are active.
CREATE OR REPLACE FUNCTION principal_is_own(of_request requests) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT of_request.principal IS NULL OR EXISTS (
        SELECT FROM principals o JOIN people p ON p.id = o.person
        WHERE o.id = of_request.principal AND coalesce(p.same_as, p.id) = human(of_request.person) AND p.status = 'active'
          AND o.ended_at IS NULL AND o.conflict_with IS NULL)
$$;
COMMENT ON FUNCTION principal_is_own IS 'Whether the identity that a request lets in, if it lets one in, is its human''s still, by an account that is active.';

-- As before (0020), between humans. The identity of an account that is disabled gives way: its row ends, and whose it was is told.
CREATE OR REPLACE FUNCTION claim_identity(new_id uuid, of_person uuid, of_account text, of_arn text, of_session text, from_source text, of_unique_id text,
                                          told_at timestamptz, OUT outcome text, OUT identity uuid, OUT other uuid)
LANGUAGE plpgsql AS $$
DECLARE
    named text := lower(substring(of_arn FROM '[^/]+$'));
    holder principals%ROWTYPE;
    is_left boolean;
BEGIN
    IF num_nulls(new_id, of_person, told_at) > 0 THEN
        RAISE EXCEPTION 'an identity is claimed by somebody, at some time' USING ERRCODE = 'check_violation', CONSTRAINT = 'told_nothing';
    END IF;
    IF coalesce(of_arn !~ '^arn:(aws|aws-cn|aws-us-gov):iam::[0-9]{12}:(user|role)/([!-~]*/)?[A-Za-z0-9_+=,.@-]{1,64}$', true)
       OR split_part(of_arn, ':', 5) IS DISTINCT FROM of_account THEN
        RAISE EXCEPTION 'an identity is an IAM user or a role of its account' USING ERRCODE = 'check_violation', CONSTRAINT = 'identity_of_no_form';
    END IF;
    IF NOT EXISTS (SELECT FROM accounts WHERE id = of_account) THEN
        outcome := 'no_account';
        RETURN;
    END IF;
    -- A role's name is its own whatever its path and case.
    IF EXISTS (SELECT FROM targets t WHERE t.kind = 'role' AND t.account = of_account AND of_session IS NOT NULL
               AND lower(substring(t.arn FROM '[^/]+$')) = named) THEN
        outcome := 'opened';
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM accounts a WHERE of_session IS NOT NULL AND split_part(a.manager_role_arn, ':', 5) = of_account
               AND lower(substring(a.manager_role_arn FROM '[^/]+$')) = named) THEN
        outcome := 'ours';
        RETURN;
    END IF;
    -- Of two who claim it at once the second sees the first.
    PERFORM pg_advisory_xact_lock(hashtextextended('identity ' || lower(of_arn), 0));
    SELECT * INTO holder FROM principals p
        WHERE lower(p.arn) = lower(of_arn) AND lower(coalesce(p.role_session_name, '')) = lower(coalesce(of_session, ''))
          AND p.ended_at IS NULL AND p.conflict_with IS NULL;
    is_left := holder.person <> of_person AND EXISTS (SELECT FROM people p WHERE p.id = holder.person AND p.status = 'disabled');
    IF human(holder.person) = human(of_person) AND NOT is_left THEN
        UPDATE principals SET unique_id = coalesce(of_unique_id, unique_id), verified_at = told_at
            WHERE id = holder.id AND (of_unique_id IS NOT NULL OR source = from_source);
        outcome := 'kept';
        identity := holder.id;
    ELSIF holder.id IS NOT NULL AND NOT is_left THEN
        INSERT INTO principals AS p (id, person, account, arn, role_session_name, source, unique_id, verified_at, conflict_with)
        VALUES (new_id, of_person, of_account, of_arn, of_session, from_source, of_unique_id, told_at, holder.id)
        ON CONFLICT (person, lower(arn), lower(coalesce(role_session_name, ''))) WHERE conflict_with IS NOT NULL DO UPDATE SET
            source = excluded.source, unique_id = excluded.unique_id, verified_at = excluded.verified_at, ended_at = NULL,
            conflict_with = excluded.conflict_with
        RETURNING p.id INTO identity;
        outcome := 'taken';
        other := holder.person;
        RETURN;
    ELSIF EXISTS (SELECT FROM principals p WHERE p.person = of_person AND lower(p.arn) = lower(of_arn) AND p.ended_at IS NULL
                  AND p.conflict_with IS NULL) THEN
        outcome := 'other_session';
        RETURN;
    ELSE
        UPDATE principals SET ended_at = told_at WHERE id = holder.id;
        other := holder.person;
        INSERT INTO targets (id, account, kind, arn)
            VALUES (gen_random_uuid(), of_account, CASE WHEN of_session IS NULL THEN 'user' ELSE 'carrier' END, of_arn) ON CONFLICT (arn) DO NOTHING;
        INSERT INTO principals AS p (id, person, account, arn, role_session_name, source, unique_id, verified_at)
        VALUES (new_id, of_person, of_account, of_arn, of_session, from_source, of_unique_id, told_at)
        ON CONFLICT (person, arn) WHERE conflict_with IS NULL DO UPDATE SET
            role_session_name = excluded.role_session_name, source = excluded.source, unique_id = excluded.unique_id,
            verified_at = excluded.verified_at, ended_at = NULL
        RETURNING p.id INTO identity;
        outcome := 'new';
    END IF;
    -- What has come true is no claim any more.
    DELETE FROM principals p WHERE p.person = of_person AND p.conflict_with IS NOT NULL AND lower(p.arn) = lower(of_arn)
        AND lower(coalesce(p.role_session_name, '')) = lower(coalesce(of_session, ''));
END $$;
COMMENT ON FUNCTION claim_identity IS 'new (other: whose it was, of a disabled account), kept, taken (by other), or why it is nobody''s own: no_account, opened, ours, other_session.';

-- As before (0020), of somebody and at some time.
CREATE OR REPLACE FUNCTION identity_templated(new_id uuid, of_person uuid, of_account text, of_arn text, of_session text, told_at timestamptz,
                                              OUT outcome text, OUT identity uuid, OUT other uuid, OUT ended text[])
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF num_nulls(of_person, told_at) > 0 THEN
        RAISE EXCEPTION 'claims are somebody''s, at some time' USING ERRCODE = 'check_violation', CONSTRAINT = 'told_nothing';
    END IF;
    WITH gone AS (
        UPDATE principals p SET ended_at = told_at
            WHERE p.person = of_person AND p.source = 'template' AND p.ended_at IS NULL
              AND (lower(p.arn), lower(coalesce(p.role_session_name, '')))
                  IS DISTINCT FROM (lower(of_arn), lower(coalesce(of_session, '')))
            RETURNING p.arn, p.conflict_with)
    SELECT coalesce(array_agg(gone.arn) FILTER (WHERE gone.conflict_with IS NULL), '{}') INTO ended FROM gone;
    outcome := 'none';
    IF of_arn IS NOT NULL THEN
        SELECT c.outcome, c.identity, c.other INTO outcome, identity, other
            FROM claim_identity(new_id, of_person, of_account, of_arn, of_session, 'template', NULL, told_at) c;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION identity_unlinked(of_person uuid, of_identity uuid, told_at timestamptz, OUT outcome text, OUT of_arn text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    own principals%ROWTYPE;
BEGIN
    IF told_at IS NULL THEN
        RAISE EXCEPTION 'an identity is given up at some time' USING ERRCODE = 'check_violation', CONSTRAINT = 'told_nothing';
    END IF;
    SELECT * INTO own FROM principals p
        WHERE p.id = of_identity AND p.person = of_person AND p.ended_at IS NULL AND p.conflict_with IS NULL FOR UPDATE;
    of_arn := own.arn;
    -- Any account of theirs may have asked with it.
    outcome := CASE
        WHEN own.id IS NULL THEN 'none'
        WHEN own.source <> 'linked' THEN 'not_linked'
        WHEN EXISTS (SELECT FROM requests r LEFT JOIN grants g ON g.request = r.id WHERE r.principal = own.id
                     AND (r.state = 'pending' OR g.state NOT IN ('ended', 'failed'))) THEN 'in_use'
        ELSE 'ended'
    END;
    UPDATE principals SET ended_at = told_at WHERE id = own.id AND outcome = 'ended';
END $$;

-- As before (0019): groups that were told at no time would never be told too long ago.
CREATE OR REPLACE FUNCTION person_signed_in(new_id uuid, of_issuer text, of_subject text, told_name text, told_email text, is_verified boolean,
                                            told_groups text[], told_at timestamptz)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    found uuid;
BEGIN
    IF num_nulls(new_id, is_verified, told_at) > 0 THEN
        RAISE EXCEPTION 'a sign-in is at some time' USING ERRCODE = 'check_violation', CONSTRAINT = 'told_nothing';
    END IF;
    IF coalesce(of_issuer, '') = '' OR coalesce(of_subject, '') = '' OR octet_length(of_subject) > 255 THEN
        RAISE EXCEPTION 'a sign-in is of an issuer and a subject' USING ERRCODE = 'check_violation', CONSTRAINT = 'signed_in_as_nobody';
    END IF;
    IF coalesce(told_name, '') = '' OR length(told_name) > 255 OR told_email IS NULL OR length(told_email) > 255 THEN
        RAISE EXCEPTION 'a person has a name' USING ERRCODE = 'check_violation', CONSTRAINT = 'signed_in_without_name';
    END IF;
    IF cardinality(told_groups) > 2000 OR array_position(told_groups, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'groups are at most 2,000 names' USING ERRCODE = 'check_violation', CONSTRAINT = 'signed_in_with_too_much';
    END IF;
    INSERT INTO people AS p (id, issuer, subject, name, email, email_verified, groups, groups_known, groups_at)
    VALUES (new_id, of_issuer, of_subject, told_name, told_email, is_verified AND told_email <> '', coalesce(told_groups, '{}'),
            told_groups IS NOT NULL, CASE WHEN told_groups IS NOT NULL THEN told_at END)
    ON CONFLICT (issuer, subject) DO UPDATE SET
        name = excluded.name,
        email = excluded.email,
        email_verified = excluded.email_verified,
        groups = CASE WHEN told_groups IS NULL THEN p.groups ELSE excluded.groups END,
        groups_known = p.groups_known OR told_groups IS NOT NULL,
        groups_at = CASE WHEN told_groups IS NULL THEN p.groups_at ELSE told_at END
    RETURNING p.id INTO found;
    RETURN found;
END $$;

-- Locks in one order: people by id, then their sessions by id, machines by id, tokens; then requests, grants, targets. Who changes another's row holds
-- both before anything else, since two who disable each other would else each hold their own and wait for the other's.
CREATE FUNCTION person_acts_on(who uuid, other uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM people p WHERE p.id IN (who, other) ORDER BY p.id FOR NO KEY UPDATE;
    RETURN EXISTS (SELECT FROM people p WHERE p.id = who AND p.status = 'active');
END $$;
COMMENT ON FUNCTION person_acts_on IS 'As person_acts, of somebody who is about to change another account, which is held as well.';

-- Of nobody, by nobody who is known, or at no time: comparisons with null refuse nothing.
CREATE OR REPLACE FUNCTION check_who_manages(person uuid, by_person uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF person IS NULL THEN
        RAISE EXCEPTION 'somebody is disabled or enabled' USING ERRCODE = 'check_violation', CONSTRAINT = 'told_nothing';
    END IF;
    IF by_person IS NOT NULL AND NOT EXISTS (SELECT FROM people WHERE id = by_person AND status = 'active') THEN
        RAISE EXCEPTION 'who disables or enables somebody is active' USING ERRCODE = 'check_violation', CONSTRAINT = 'managed_by_nobody';
    END IF;
    IF human(by_person) = human(person) THEN
        RAISE EXCEPTION 'nobody disables or enables themselves' USING ERRCODE = 'check_violation', CONSTRAINT = 'managed_by_themselves';
    END IF;
END $$;

CREATE OR REPLACE FUNCTION person_disabled(person uuid, by_person uuid, told_at timestamptz, OUT sessions bigint, OUT tokens uuid[], OUT machines uuid[])
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
END $$;
COMMENT ON FUNCTION person_disabled IS 'Disables a person who is active, with their sessions (how many), API tokens and machines; null for all of them where they are not. By nobody: a sign-in with none of the groups that may, or a command.';

CREATE OR REPLACE FUNCTION person_enabled(person uuid, by_person uuid) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF by_person IS NULL THEN
        RAISE EXCEPTION 'somebody enables people' USING ERRCODE = 'check_violation', CONSTRAINT = 'managed_by_nobody';
    END IF;
    PERFORM check_who_manages(person_enabled.person, by_person);
    UPDATE people p SET status = 'active', disabled_at = NULL, disabled_by = NULL WHERE p.id = person_enabled.person AND p.status = 'disabled';
    RETURN FOUND;
END $$;

-- Of machines that have not ended each has another name.
ALTER TABLE machines DROP CONSTRAINT machines_name_key;
CREATE UNIQUE INDEX machines_name_key ON machines (name) WHERE ended_at IS NULL;

-- An admin gives a machine to another owner. Its tokens end: whoever had it before may have kept one, and would ask with it for what they then approve.
CREATE FUNCTION machine_given(session bytea, of_machine uuid, new_owner uuid, at timestamptz, admins text[], OUT was uuid, OUT tokens uuid[])
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller people := person_of_session(session, at);
BEGIN
    IF NOT caller.groups && coalesce(admins, '{}') THEN
        RAISE EXCEPTION 'machines are given by admins' USING ERRCODE = 'check_violation', CONSTRAINT = 'machine_of_no_admin';
    END IF;
    IF NOT person_acts(new_owner) THEN
        RAISE EXCEPTION 'this person is disabled' USING ERRCODE = 'check_violation', CONSTRAINT = 'person_disabled';
    END IF;
    SELECT m.owner INTO was FROM machines m WHERE m.id = of_machine AND m.ended_at IS NULL AND m.owner <> new_owner FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    UPDATE machines SET owner = new_owner WHERE id = of_machine;
    WITH revoked AS (
        UPDATE api_tokens t SET revoked_at = at WHERE t.machine = of_machine AND t.revoked_at IS NULL AND t.expires_at > at RETURNING t.id)
    SELECT coalesce(array_agg(revoked.id ORDER BY revoked.id), '{}') INTO tokens FROM revoked;
END $$;
COMMENT ON FUNCTION machine_given IS 'Whose the machine was, and its tokens that have ended; null where it has ended, or is theirs already.';
REVOKE ALL ON FUNCTION vote_of_active, person_acts_on, machine_given FROM PUBLIC;

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT p.oid::regprocedure AS name, CASE WHEN p.prosecdef OR p.proname = 'claim_identity' THEN 'pg_catalog, ' ELSE '' END AS first FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND pg_has_role(p.proowner, 'USAGE')
          AND p.proname IN ('count_disabled', 'vote_of_active', 'approvals', 'principal_is_own', 'claim_identity', 'identity_templated', 'identity_unlinked',
                            'person_signed_in', 'person_acts_on', 'check_who_manages', 'person_disabled', 'person_enabled', 'machine_given')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %s%I, pg_temp', item.name, item.first, current_schema());
    END LOOP;
END $$;
