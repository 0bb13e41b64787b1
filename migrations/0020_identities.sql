-- The AWS identities of people come from the catalog, from a claim of their provider, or from the person, who has signed a call with its keys. One
-- identity is one human's: who has it first keeps it, and whoever else is said to have it is on record as a conflict.

ALTER TABLE principals
    ADD COLUMN source        text NOT NULL DEFAULT 'catalog' CHECK (source IN ('catalog', 'template', 'linked')),
    ADD COLUMN unique_id     text CHECK (unique_id ~ '^A(IDA|ROA)[A-Z0-9]+$'),
    ADD COLUMN verified_at   timestamptz,
    ADD COLUMN ended_at      timestamptz,
    ADD COLUMN conflict_with uuid REFERENCES principals CHECK (conflict_with <> id),
    ADD CONSTRAINT shown CHECK (source = 'catalog' OR verified_at IS NOT NULL),
    ADD CONSTRAINT signed CHECK (source <> 'linked' OR unique_id IS NOT NULL);
COMMENT ON COLUMN principals.id IS 'TypeID identity_….';
COMMENT ON COLUMN principals.source IS 'catalog: a file names it. template: oidc.principal_template makes it of a claim. linked: its person has signed a call with its keys.';
COMMENT ON COLUMN principals.unique_id IS 'AIDA… of the user or AROA… of the role whose keys have signed; null where nobody has.';
COMMENT ON COLUMN principals.verified_at IS 'When its keys last signed, or the provider last told its claim; null where the catalog alone says so.';
COMMENT ON COLUMN principals.ended_at IS 'From then on it lets nobody in anew; what is open by it goes on to its deadline.';
COMMENT ON COLUMN principals.conflict_with IS 'Of a row that is no identity but a claim to one: the row of whoever has it.';

-- One row for each identity that a person has or had; the index before counted claims as well.
ALTER TABLE principals DROP CONSTRAINT principals_person_arn_key;
CREATE UNIQUE INDEX principals_own ON principals (person, arn) WHERE conflict_with IS NULL;
CREATE UNIQUE INDEX principals_claims ON principals (person, lower(arn), lower(coalesce(role_session_name, ''))) WHERE conflict_with IS NOT NULL;
DROP INDEX principals_identity;
CREATE UNIQUE INDEX principals_identity ON principals (lower(arn), lower(coalesce(role_session_name, '')))
    WHERE ended_at IS NULL AND conflict_with IS NULL;

CREATE TABLE challenges (
    nonce_hash bytea PRIMARY KEY CHECK (length(nonce_hash) = 32),
    person     uuid NOT NULL REFERENCES people,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at    timestamptz,
    linked_at  timestamptz CHECK (linked_at >= used_at)
);
COMMENT ON TABLE challenges IS 'What people are to sign to show whose AWS keys they have; a sweep deletes those that are over.';
COMMENT ON COLUMN challenges.nonce_hash IS 'SHA-256 of what is shown.';
COMMENT ON COLUMN challenges.person IS 'To whom it was shown: nobody else may bring it back.';
COMMENT ON COLUMN challenges.created_at IS 'When it was shown.';
COMMENT ON COLUMN challenges.expires_at IS 'After this it is over.';
COMMENT ON COLUMN challenges.used_at IS 'When it was brought back, before AWS was asked; it works once.';
COMMENT ON COLUMN challenges.linked_at IS 'When an identity was linked by it: one at most.';
CREATE INDEX challenges_over ON challenges (expires_at);
CREATE INDEX challenges_person ON challenges (person);

-- Gives somebody an identity that nobody has. Called by the functions below, which run as the owner; whoever calls it otherwise has no right to write.
CREATE FUNCTION claim_identity(new_id uuid, of_person uuid, of_account text, of_arn text, of_session text, from_source text, of_unique_id text,
                               told_at timestamptz, OUT outcome text, OUT identity uuid, OUT other uuid)
LANGUAGE plpgsql AS $$
DECLARE
    named text := lower(substring(of_arn FROM '[^/]+$'));
    holder principals%ROWTYPE;
BEGIN
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
    IF holder.person = of_person THEN
        UPDATE principals SET unique_id = coalesce(of_unique_id, unique_id), verified_at = told_at
            WHERE id = holder.id AND (of_unique_id IS NOT NULL OR source = from_source);
        outcome := 'kept';
        identity := holder.id;
        RETURN;
    END IF;
    IF holder.id IS NOT NULL THEN
        INSERT INTO principals AS p (id, person, account, arn, role_session_name, source, unique_id, verified_at, conflict_with)
        VALUES (new_id, of_person, of_account, of_arn, of_session, from_source, of_unique_id, told_at, holder.id)
        ON CONFLICT (person, lower(arn), lower(coalesce(role_session_name, ''))) WHERE conflict_with IS NOT NULL DO UPDATE SET
            source = excluded.source, unique_id = excluded.unique_id, verified_at = excluded.verified_at, ended_at = NULL,
            conflict_with = excluded.conflict_with
        RETURNING p.id INTO identity;
        outcome := 'taken';
        other := holder.person;
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM principals p WHERE p.person = of_person AND lower(p.arn) = lower(of_arn) AND p.ended_at IS NULL
               AND p.conflict_with IS NULL) THEN
        outcome := 'other_session';
        RETURN;
    END IF;
    INSERT INTO targets (id, account, kind, arn)
        VALUES (gen_random_uuid(), of_account, CASE WHEN of_session IS NULL THEN 'user' ELSE 'carrier' END, of_arn) ON CONFLICT (arn) DO NOTHING;
    INSERT INTO principals AS p (id, person, account, arn, role_session_name, source, unique_id, verified_at)
    VALUES (new_id, of_person, of_account, of_arn, of_session, from_source, of_unique_id, told_at)
    ON CONFLICT (person, arn) WHERE conflict_with IS NULL DO UPDATE SET
        role_session_name = excluded.role_session_name, source = excluded.source, unique_id = excluded.unique_id,
        verified_at = excluded.verified_at, ended_at = NULL
    RETURNING p.id INTO identity;
    DELETE FROM principals p WHERE p.person = of_person AND p.conflict_with IS NOT NULL AND lower(p.arn) = lower(of_arn)
        AND lower(coalesce(p.role_session_name, '')) = lower(coalesce(of_session, ''));
    outcome := 'new';
END $$;
COMMENT ON FUNCTION claim_identity IS 'new, kept, taken (by other), or why it is nobody''s own: no_account, opened, ours, other_session.';
REVOKE ALL ON FUNCTION claim_identity FROM PUBLIC;

-- A person links what AWS says they have signed as, with a challenge of theirs that was brought back just now and has linked nothing.
CREATE FUNCTION identity_linked(new_id uuid, of_person uuid, of_nonce_hash bytea, of_account text, of_arn text, of_session text, of_unique_id text,
                                told_at timestamptz, OUT outcome text, OUT identity uuid, OUT other uuid)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE challenges SET linked_at = told_at
        WHERE nonce_hash = of_nonce_hash AND person = of_person AND linked_at IS NULL
          AND used_at BETWEEN told_at - interval '2 minutes' AND told_at AND used_at < expires_at;
    IF NOT FOUND OR of_unique_id IS NULL THEN
        RAISE EXCEPTION 'an identity is linked by a challenge that was signed' USING ERRCODE = 'check_violation', CONSTRAINT = 'linked_without_challenge';
    END IF;
    SELECT c.outcome, c.identity, c.other INTO outcome, identity, other
        FROM claim_identity(new_id, of_person, of_account, of_arn, of_session, 'linked', of_unique_id, told_at) c;
END $$;
COMMENT ON FUNCTION identity_linked IS 'As claim_identity, of a person who has just brought a challenge of theirs back.';

-- At a sign-in, what the person's claims make; null where they make nothing. What they made before and make no more ends.
CREATE FUNCTION identity_templated(new_id uuid, of_person uuid, of_account text, of_arn text, of_session text, told_at timestamptz,
                                   OUT outcome text, OUT identity uuid, OUT other uuid, OUT ended text[])
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
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
COMMENT ON FUNCTION identity_templated IS 'As claim_identity; ended: the ARNs of what the claims made before.';

-- A person gives up what they have linked themselves, unless something hangs on it.
CREATE FUNCTION identity_unlinked(of_person uuid, of_identity uuid, told_at timestamptz, OUT outcome text, OUT of_arn text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    own principals%ROWTYPE;
BEGIN
    SELECT * INTO own FROM principals p
        WHERE p.id = of_identity AND p.person = of_person AND p.ended_at IS NULL AND p.conflict_with IS NULL FOR UPDATE;
    of_arn := own.arn;
    outcome := CASE
        WHEN own.id IS NULL THEN 'none'
        WHEN own.source <> 'linked' THEN 'not_linked'
        WHEN EXISTS (SELECT FROM requests r LEFT JOIN grants g ON g.request = r.id WHERE r.person = of_person AND r.principal = own.id
                     AND (r.state = 'pending' OR g.state NOT IN ('ended', 'failed'))) THEN 'in_use'
        ELSE 'ended'
    END;
    UPDATE principals SET ended_at = told_at WHERE id = own.id AND outcome = 'ended';
END $$;
COMMENT ON FUNCTION identity_unlinked IS 'ended, or why it is not: none, not_linked, in_use.';

DO $$
DECLARE
    it text;
BEGIN
    FOREACH it IN ARRAY ARRAY['claim_identity', 'identity_linked', 'identity_templated', 'identity_unlinked'] LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %I FROM PUBLIC', it);
        EXECUTE format('ALTER FUNCTION %I SET search_path = pg_catalog, %I, pg_temp', it, current_schema());
    END LOOP;
END $$;
