-- API tokens have scopes, and are made in the portal. Machines ask on behalf of people, by a token or by a workload identity, and never decide.

CREATE TABLE machines (
    id           uuid PRIMARY KEY,
    name         text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
    owner        uuid NOT NULL REFERENCES people,
    scopes       text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['request:create', 'request:read']),
    entitlements text[] NOT NULL CHECK (cardinality(entitlements) > 0 AND NOT entitlements && ARRAY['*', ''] AND array_position(entitlements, NULL) IS NULL),
    issuer       text CHECK (issuer ~ '^(https://|http://(localhost|127\.0\.0\.1|\[::1\])(:|/|$))' AND issuer !~ '[?#@]'),
    audience     text CHECK (audience <> ''),
    claims       jsonb CHECK (claims IS NULL OR (jsonb_typeof(claims) = 'object' AND coalesce(jsonb_typeof(claims->'sub'), '') = 'string'
                                                 AND NOT jsonb_path_exists(claims, '$.* ? (@.type() != "string")'))),
    created_at   timestamptz NOT NULL,
    created_by   uuid NOT NULL REFERENCES people,
    ended_at     timestamptz CHECK (ended_at >= created_at),
    CHECK ((issuer IS NULL) = (claims IS NULL)),
    CHECK (audience IS NULL OR issuer IS NOT NULL)
);
COMMENT ON TABLE machines IS 'Programs that ask on behalf of people and read what they have asked for, and never decide.';
COMMENT ON COLUMN machines.id IS 'TypeID machine_….';
COMMENT ON COLUMN machines.name IS 'What people call it.';
COMMENT ON COLUMN machines.owner IS 'Who answers for it, and may not decide on what it asked for.';
COMMENT ON COLUMN machines.scopes IS 'What its tokens may have at most, and what its workload identity has.';
COMMENT ON COLUMN machines.entitlements IS 'Names of the entitlements that it may ask for; each is named, there is no "all".';
COMMENT ON COLUMN machines.issuer IS 'Who signs its workload identity (OpenID Connect issuer); null where it has tokens alone.';
COMMENT ON COLUMN machines.audience IS 'For whom that is signed (aud); null for server.public_url.';
COMMENT ON COLUMN machines.claims IS 'The claims that are equal in it, letter for letter; sub is among them.';
COMMENT ON COLUMN machines.created_at IS 'When it was made.';
COMMENT ON COLUMN machines.created_by IS 'The admin who made it.';
COMMENT ON COLUMN machines.ended_at IS 'From when nothing of it works any more; it stays ended.';
CREATE INDEX machines_owner ON machines (owner);
CREATE INDEX machines_issuer ON machines (issuer) WHERE ended_at IS NULL;

-- Those of before speak for people, and may do what they could but for what admins alone do.
ALTER TABLE api_tokens
    ADD COLUMN kind       text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'machine')),
    ADD COLUMN machine    uuid REFERENCES machines,
    ADD COLUMN scopes     text[] NOT NULL DEFAULT '{request:create,request:read,request:decide,audit:read}'
                          CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['request:create', 'request:read', 'request:decide', 'audit:read', 'admin']),
    ADD COLUMN created_by uuid REFERENCES people,
    ALTER COLUMN person DROP NOT NULL;
ALTER TABLE api_tokens
    ALTER COLUMN kind DROP DEFAULT,
    ALTER COLUMN scopes DROP DEFAULT,
    ADD CHECK ((kind = 'person') = (person IS NOT NULL)),
    ADD CHECK ((kind = 'machine') = (machine IS NOT NULL)),
    ADD CHECK (kind = 'person' OR scopes <@ ARRAY['request:create', 'request:read']),
    ADD CONSTRAINT token_life CHECK (expires_at <= created_at + interval '2160 hours');
COMMENT ON COLUMN api_tokens.kind IS 'Whether it speaks for a person, or is a machine''s own.';
COMMENT ON COLUMN api_tokens.person IS 'Whom the token speaks for; null for a machine''s.';
COMMENT ON COLUMN api_tokens.machine IS 'Whose token it is; null where it speaks for a person.';
COMMENT ON COLUMN api_tokens.scopes IS 'What it may be used for.';
COMMENT ON COLUMN api_tokens.created_by IS 'Who made it in the portal; null where the server''s command line did.';
CREATE INDEX api_tokens_machine ON api_tokens (machine) WHERE machine IS NOT NULL;

ALTER TABLE requests
    ADD COLUMN requested_by  uuid REFERENCES machines,
    ADD COLUMN machine_owner uuid REFERENCES people,
    ADD CHECK ((requested_by IS NULL) = (machine_owner IS NULL));
COMMENT ON COLUMN requests.requested_by IS 'The machine that asked on behalf of the person; null where the person did.';
COMMENT ON COLUMN requests.machine_owner IS 'Whose machine it was then.';
CREATE INDEX requests_requested_by ON requests (requested_by, id) WHERE requested_by IS NOT NULL;

-- What was asked for never changes, nor who asked.
CREATE TRIGGER requests_freeze_machine BEFORE UPDATE OF requested_by, machine_owner ON requests FOR EACH ROW
    WHEN ((OLD.requested_by, OLD.machine_owner) IS DISTINCT FROM (NEW.requested_by, NEW.machine_owner)) EXECUTE FUNCTION refuse_change();

-- A machine asks for what it may ask for, and is told to be its owner's.
CREATE FUNCTION asked_by_machine() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM machines m WHERE m.id = NEW.requested_by AND m.ended_at IS NULL AND m.owner = NEW.machine_owner
                   AND NEW.terms->>'name' = ANY (m.entitlements)) THEN
        RAISE EXCEPTION 'a machine asks for its own entitlements' USING ERRCODE = 'check_violation', CONSTRAINT = 'asked_by_machine';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER requests_by_machine BEFORE INSERT ON requests FOR EACH ROW WHEN (NEW.requested_by IS NOT NULL) EXECUTE FUNCTION asked_by_machine();

-- One person is one voice, never the requester's own, nor that of whoever owns the machine that asked, then or now.
CREATE OR REPLACE FUNCTION refuse_self_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request;
    IF NEW.person IN (asked.person, asked.machine_owner) OR NEW.person = (SELECT owner FROM machines WHERE id = asked.requested_by) THEN
        RAISE EXCEPTION 'a person cannot decide on their own request' USING ERRCODE = 'check_violation', CONSTRAINT = 'self_approval';
    END IF;
    RETURN NEW;
END $$;

-- Who serves writes neither tokens nor machines. Each function asks for itself: for a session of the portal that works, and what its person may make.
-- Who is an admin stands in the configuration, so that the groups are told.
CREATE FUNCTION person_of_session(session bytea, at timestamptz) RETURNS people LANGUAGE plpgsql STABLE AS $$
DECLARE
    found people;
BEGIN
    SELECT p.* INTO found FROM sessions s JOIN people p ON p.id = s.person
    WHERE s.token_hash = session AND s.ended_at IS NULL AND s.created_at <= at AND s.expires_at > at;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'this is made by a session of the portal' USING ERRCODE = 'check_violation', CONSTRAINT = 'made_without_session';
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION person_of_session IS 'Whose session it is, where it works at that time; idleness is for whoever calls.';

CREATE FUNCTION token_created(session bytea, new_id uuid, new_hash bytea, new_prefix text, of_machine uuid, new_name text, new_scopes text[],
                              until timestamptz, at timestamptz, admins text[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller people := person_of_session(session, at);
BEGIN
    IF of_machine IS NOT NULL AND NOT EXISTS (
        SELECT FROM machines m WHERE m.id = of_machine AND m.ended_at IS NULL AND (m.owner = caller.id OR caller.groups && admins)
          AND new_scopes <@ m.scopes) THEN
        RAISE EXCEPTION 'a machine''s token is made by its owner or an admin, with scopes of the machine' USING ERRCODE = 'check_violation', CONSTRAINT = 'token_of_another';
    END IF;
    INSERT INTO api_tokens (id, token_hash, prefix, kind, person, machine, name, scopes, created_by, created_at, expires_at)
    VALUES (new_id, new_hash, new_prefix, CASE WHEN of_machine IS NULL THEN 'person' ELSE 'machine' END,
            CASE WHEN of_machine IS NULL THEN caller.id END, of_machine, new_name, new_scopes, caller.id, at, until);
END $$;
COMMENT ON FUNCTION token_created IS 'A token of the session''s person, or of a machine that is theirs, or any machine''s for an admin.';

CREATE FUNCTION token_revoked(by_person uuid, of_token uuid, at timestamptz, admins text[])
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE api_tokens t SET revoked_at = at
    WHERE t.id = of_token AND t.revoked_at IS NULL AND t.expires_at > at
      AND (t.person = by_person OR EXISTS (SELECT FROM machines m WHERE m.id = t.machine AND m.owner = by_person)
           OR EXISTS (SELECT FROM people p WHERE p.id = by_person AND p.groups && admins));
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION token_revoked IS 'Revokes a token of a person, of their machine, or for an admin any; tells whether it worked until now.';

CREATE FUNCTION machine_created(session bytea, new_id uuid, new_name text, new_owner uuid, new_scopes text[], new_entitlements text[], new_issuer text,
                                new_audience text, new_claims jsonb, at timestamptz, admins text[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller people := person_of_session(session, at);
BEGIN
    IF NOT caller.groups && coalesce(admins, '{}') THEN
        RAISE EXCEPTION 'machines are made by admins' USING ERRCODE = 'check_violation', CONSTRAINT = 'machine_of_no_admin';
    END IF;
    IF EXISTS (SELECT FROM unnest(new_entitlements) AS named(entitlement)
               WHERE NOT EXISTS (SELECT FROM entitlements e WHERE e.name = named.entitlement AND e.retired_at IS NULL)) THEN
        RAISE EXCEPTION 'a machine asks for entitlements of the catalog' USING ERRCODE = 'check_violation', CONSTRAINT = 'machine_entitlement_unknown';
    END IF;
    INSERT INTO machines (id, name, owner, scopes, entitlements, issuer, audience, claims, created_at, created_by)
    VALUES (new_id, new_name, new_owner, new_scopes, new_entitlements, new_issuer, new_audience, new_claims, at, caller.id);
END $$;
COMMENT ON FUNCTION machine_created IS 'A machine, made by the session''s person, who is an admin.';

CREATE FUNCTION machine_ended(session bytea, of_machine uuid, at timestamptz, admins text[])
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller people := person_of_session(session, at);
BEGIN
    UPDATE machines m SET ended_at = at
    WHERE m.id = of_machine AND m.ended_at IS NULL AND (m.owner = caller.id OR caller.groups && admins);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE api_tokens SET revoked_at = at WHERE machine = of_machine AND revoked_at IS NULL AND expires_at > at;
    RETURN true;
END $$;
COMMENT ON FUNCTION machine_ended IS 'Ends a machine with its tokens, for its owner or an admin; tells whether it worked until now.';

REVOKE ALL ON FUNCTION token_created, token_revoked, machine_created, machine_ended FROM PUBLIC;

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace
          AND p.proname IN ('asked_by_machine', 'refuse_self_approval', 'person_of_session', 'token_created', 'token_revoked', 'machine_created', 'machine_ended')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', item.name, current_schema());
    END LOOP;
END $$;
