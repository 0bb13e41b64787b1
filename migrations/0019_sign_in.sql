-- People sign in through their provider (OpenID Connect): what is remembered on the way there, what a session knows of it, and whom the provider
-- has signed out.

-- A session of before knows nothing of the provider: nobody could end it from there.
DELETE FROM sessions;
ALTER TABLE sessions
    ADD COLUMN id         uuid NOT NULL UNIQUE,
    ADD COLUMN issuer     text CHECK (issuer <> ''),
    ADD COLUMN subject    text CHECK (subject <> ''),
    ADD COLUMN sid        text CHECK (sid <> ''),
    ADD COLUMN auth_time  timestamptz,
    ADD COLUMN acr        text,
    ADD COLUMN user_agent text NOT NULL CHECK (length(user_agent) <= 200),
    ADD COLUMN began_at   timestamptz NOT NULL,
    ADD CHECK ((issuer IS NULL) = (subject IS NULL)),
    ADD CHECK (issuer IS NOT NULL OR (sid IS NULL AND auth_time IS NULL AND acr IS NULL)),
    ADD CHECK (began_at <= created_at);
COMMENT ON COLUMN sessions.id IS 'TypeID session_…: what a list of one''s own sessions names.';
COMMENT ON COLUMN sessions.issuer IS 'Who said who it is; null in the demo, where one of its people is picked.';
COMMENT ON COLUMN sessions.subject IS 'Who it is there.';
COMMENT ON COLUMN sessions.sid IS 'The provider''s own session, where it has told.';
COMMENT ON COLUMN sessions.auth_time IS 'When the person last showed the provider who they are, where it has told.';
COMMENT ON COLUMN sessions.acr IS 'How strongly, in the provider''s words.';
COMMENT ON COLUMN sessions.user_agent IS 'What the browser calls itself, cut; for the list of one''s own sessions alone.';
COMMENT ON COLUMN sessions.began_at IS 'When the sign-in was begun: a logout that came after ends it.';
CREATE INDEX sessions_person ON sessions (person) WHERE ended_at IS NULL;
CREATE INDEX sessions_sid ON sessions (issuer, sid) WHERE ended_at IS NULL;
CREATE INDEX sessions_subject ON sessions (issuer, subject) WHERE ended_at IS NULL;

ALTER TABLE people
    ADD COLUMN groups_known   boolean NOT NULL DEFAULT true,
    ADD COLUMN groups_at      timestamptz,
    ADD COLUMN email_verified boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN people.groups_known IS 'Whether the groups are what somebody has told; unknown is not the same as none.';
COMMENT ON COLUMN people.groups_at IS 'When the provider last told the groups; null where a catalog file did.';
COMMENT ON COLUMN people.email_verified IS 'Whether somebody vouches for the address: the provider, or who wrote the catalog file.';

CREATE TABLE sign_in_attempts (
    cookie_hash bytea PRIMARY KEY CHECK (length(cookie_hash) = 32),
    state_hash  bytea NOT NULL UNIQUE CHECK (length(state_hash) = 32),
    nonce       text NOT NULL CHECK (nonce <> ''),
    verifier    text NOT NULL CHECK (length(verifier) BETWEEN 43 AND 128),
    next        text NOT NULL CHECK (next LIKE '/%'),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at     timestamptz
);
COMMENT ON TABLE sign_in_attempts IS 'Browsers on their way to the provider and back; a sweep deletes those that are over.';
COMMENT ON COLUMN sign_in_attempts.cookie_hash IS 'SHA-256 of the browser''s cookie for this attempt.';
COMMENT ON COLUMN sign_in_attempts.state_hash IS 'SHA-256 of state.';
COMMENT ON COLUMN sign_in_attempts.nonce IS 'What the ID token has to repeat.';
COMMENT ON COLUMN sign_in_attempts.verifier IS 'code_verifier of PKCE (RFC 7636): worth nothing without the code.';
COMMENT ON COLUMN sign_in_attempts.next IS 'Where to go afterwards: a path of ours.';
COMMENT ON COLUMN sign_in_attempts.created_at IS 'When it was begun.';
COMMENT ON COLUMN sign_in_attempts.expires_at IS 'After this it is over.';
COMMENT ON COLUMN sign_in_attempts.used_at IS 'When the browser came back; an attempt works once.';
CREATE INDEX sign_in_attempts_over ON sign_in_attempts (expires_at);

CREATE TABLE logouts (
    issuer      text NOT NULL CHECK (issuer <> ''),
    jti         text NOT NULL CHECK (jti <> ''),
    subject     text CHECK (subject <> ''),
    sid         text CHECK (sid <> ''),
    before      timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, jti),
    CHECK (subject IS NOT NULL OR sid IS NOT NULL)
);
COMMENT ON TABLE logouts IS 'Whom the provider has signed out (back-channel logout), kept for a day: no session is made of a sign-in that had begun before.';
COMMENT ON COLUMN logouts.issuer IS 'Who says so.';
COMMENT ON COLUMN logouts.jti IS 'The logout token''s id: the same one twice ends nothing more.';
COMMENT ON COLUMN logouts.subject IS 'All sessions of this person there.';
COMMENT ON COLUMN logouts.sid IS 'This session of the provider.';
COMMENT ON COLUMN logouts.before IS 'Sign-ins that were begun before are over: the end of the second of iat, or when it was received if that was earlier.';
COMMENT ON COLUMN logouts.received_at IS 'When it came.';
CREATE INDEX logouts_subject ON logouts (issuer, subject);
CREATE INDEX logouts_sid ON logouts (issuer, sid);
CREATE INDEX logouts_over ON logouts (received_at);

-- Who serves reads people and does not write them. A sign-in brings the row of its own issuer and subject, and no other; groups that the provider
-- has not told (null) stay as they are.
CREATE FUNCTION person_signed_in(new_id uuid, of_issuer text, of_subject text, told_name text, told_email text, is_verified boolean,
                                 told_groups text[], told_at timestamptz)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    found uuid;
BEGIN
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
COMMENT ON FUNCTION person_signed_in IS 'The person of an issuer and subject, as their provider tells of them now; a new one where there was none.';
REVOKE ALL ON FUNCTION person_signed_in FROM PUBLIC;

DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION person_signed_in SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$;
