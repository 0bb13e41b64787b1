-- A grant may need something on more than one target, a target may have more than two documents, and who has a session name is a fact of its own.
-- What grants and targets held of that in columns goes into rows. A program of the release before cannot work on this schema: stop it first.

CREATE TABLE documents (
    target     uuid NOT NULL REFERENCES targets,
    key        text NOT NULL CHECK (key IN ('trust', 'guard')),
    sha256     bytea CHECK (length(sha256) = 32),
    wrote_at   timestamptz,
    unclear_at timestamptz,
    sent_at    timestamptz,
    original   text,
    PRIMARY KEY (target, key),
    CONSTRAINT written CHECK ((sha256 IS NULL) = (wrote_at IS NULL)),
    CONSTRAINT original CHECK (original IS NULL OR key = 'trust')
);
COMMENT ON TABLE documents IS 'What AWS was sent of each document of a target.';
COMMENT ON COLUMN documents.target IS 'The target.';
COMMENT ON COLUMN documents.key IS 'trust: the trust policy. guard: the inline policy CountersignGuard.';
COMMENT ON COLUMN documents.sha256 IS 'SHA-256 of what the text that we sent last means.';
COMMENT ON COLUMN documents.wrote_at IS 'When we sent it.';
COMMENT ON COLUMN documents.unclear_at IS 'When a write was sent whose answer is not known; nothing is opened while it may still land.';
COMMENT ON COLUMN documents.sent_at IS 'When a write was last sent, whatever the answer was: for P after that a read may lag behind it.';
COMMENT ON COLUMN documents.original IS 'The trust policy as it was before our first statement went in, to put back byte for byte.';

INSERT INTO documents (target, key, sha256, wrote_at, unclear_at, sent_at, original)
SELECT id, 'trust', written_trust_hash, trust_wrote_at, trust_unclear_at, trust_sent_at, original_trust FROM targets
WHERE num_nonnulls(written_trust_hash, trust_unclear_at, trust_sent_at, original_trust) > 0
UNION ALL
SELECT id, 'guard', written_guard_hash, guard_wrote_at, guard_unclear_at, guard_wrote_at, NULL FROM targets
WHERE num_nonnulls(written_guard_hash, guard_unclear_at) > 0;

ALTER TABLE targets
    DROP COLUMN written_trust_hash, DROP COLUMN trust_wrote_at, DROP COLUMN trust_unclear_at, DROP COLUMN trust_sent_at, DROP COLUMN original_trust,
    DROP COLUMN written_guard_hash, DROP COLUMN guard_wrote_at, DROP COLUMN guard_unclear_at;

CREATE TABLE parts (
    id         uuid PRIMARY KEY,
    "grant"    uuid NOT NULL REFERENCES grants,
    target     uuid NOT NULL REFERENCES targets,
    kind       text NOT NULL CHECK (kind IN ('statement')),
    state      text NOT NULL CHECK (state IN ('waiting', 'open', 'closed')),
    target_uid text,
    sent_until timestamptz,
    unclear_at timestamptz,
    restores   smallint NOT NULL DEFAULT 0 CHECK (restores >= 0),
    opened_at  timestamptz,
    closed_at  timestamptz,
    UNIQUE ("grant", target),
    CONSTRAINT waiting CHECK (state <> 'waiting' OR (opened_at IS NULL AND closed_at IS NULL)),
    CONSTRAINT open    CHECK (state <> 'open'    OR (opened_at IS NOT NULL AND closed_at IS NULL AND sent_until IS NOT NULL)),
    CONSTRAINT closed  CHECK (state <> 'closed'  OR closed_at IS NOT NULL)
);
COMMENT ON TABLE parts IS 'A grant on one target: what is written there for it, and what of it was read back.';
COMMENT ON COLUMN parts.id IS 'TypeID part_….';
COMMENT ON COLUMN parts."grant" IS 'The grant.';
COMMENT ON COLUMN parts.target IS 'The target that is written to.';
COMMENT ON COLUMN parts.kind IS 'statement: a statement in the role''s trust policy, with the guard beside it.';
COMMENT ON COLUMN parts.state IS 'What was read back: waiting (never open), open, closed. What is wanted of it is the grant''s state.';
COMMENT ON COLUMN parts.target_uid IS 'The unique id of role or user (AROA…, AIDA…); fixed at approval, or at the first read when AWS was silent until then.';
COMMENT ON COLUMN parts.sent_until IS 'The latest deadline ever sent to AWS for it; null while nothing was sent.';
COMMENT ON COLUMN parts.unclear_at IS 'When a write with it was sent whose answer is not known.';
COMMENT ON COLUMN parts.restores IS 'How often it was put back after somebody took it away.';
COMMENT ON COLUMN parts.opened_at IS 'When it was read back as open.';
COMMENT ON COLUMN parts.closed_at IS 'When nothing of it was left open.';

INSERT INTO parts (id, "grant", target, kind, state, target_uid, sent_until, unclear_at, restores, opened_at, closed_at)
SELECT gen_random_uuid(), id, target, 'statement',
       CASE WHEN ended_at IS NOT NULL THEN 'closed' WHEN opened_at IS NOT NULL THEN 'open' ELSE 'waiting' END,
       role_id, sent_until, unclear_at, restores, opened_at, ended_at
FROM grants;

CREATE TABLE names (
    target        uuid NOT NULL REFERENCES targets,
    name          text NOT NULL,
    "grant"       uuid NOT NULL REFERENCES grants,
    principal_id  text,
    target_uid    text,
    since         timestamptz NOT NULL,
    guard_until   timestamptz,
    guard_gone_at timestamptz,
    PRIMARY KEY (target, name, "grant")
);
COMMENT ON TABLE names IS 'The session names that grants have on a role, for as long as the guard has to name them.';
COMMENT ON COLUMN names.target IS 'The role.';
COMMENT ON COLUMN names.name IS 'The session name: the grant''s own, or the one that the console''s Switch Role uses.';
COMMENT ON COLUMN names."grant" IS 'Whose name it is.';
COMMENT ON COLUMN names.principal_id IS 'The unique id of who may use a console name; null for the grant''s own.';
COMMENT ON COLUMN names.target_uid IS 'The unique id of the role that a console name was given on; null for the grant''s own.';
COMMENT ON COLUMN names.since IS 'Since when it belongs to the grant.';
COMMENT ON COLUMN names.guard_until IS 'Until when the guard must name it: no session of it can be left after that.';
COMMENT ON COLUMN names.guard_gone_at IS 'When the guard was seen without it after guard_until.';
CREATE INDEX names_grant ON names ("grant");
CREATE INDEX names_standing ON names (target) WHERE guard_gone_at IS NULL;

INSERT INTO names (target, name, "grant", principal_id, target_uid, since, guard_until, guard_gone_at)
SELECT target, grant_name, id, NULL, NULL, approved_at, guard_until, guard_gone_at FROM grants
UNION ALL
SELECT target, console_name, id, principal_id, role_id, console_since, guard_until, guard_gone_at FROM grants WHERE console_since IS NOT NULL;

-- The conditions that spoke of these columns say the same of the rows, at the end of each transaction.
ALTER TABLE grants DROP CONSTRAINT guard_gone, DROP CONSTRAINT scheduled, DROP CONSTRAINT active;
DROP TRIGGER grants_freeze ON grants;
ALTER TABLE grants
    DROP COLUMN role_id, DROP COLUMN sent_until, DROP COLUMN console_since, DROP COLUMN unclear_at, DROP COLUMN absent_at, DROP COLUMN restores,
    DROP COLUMN guard_until, DROP COLUMN guard_gone_at,
    ADD CONSTRAINT scheduled CHECK (state <> 'scheduled' OR (opening_at IS NULL AND opened_at IS NULL AND closing_at IS NULL AND cause IS NULL AND ended_at IS NULL)),
    ADD CONSTRAINT active CHECK (state <> 'active' OR (opening_at IS NOT NULL AND opened_at IS NOT NULL AND closing_at IS NULL AND cause IS NULL AND ended_at IS NULL));

CREATE INDEX grants_target_unfinished ON grants (target) WHERE state IN ('scheduled', 'opening', 'active', 'closing');

CREATE OR REPLACE FUNCTION freeze_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.request, OLD.target, OLD.person, OLD.principal_arn, OLD.grant_name, OLD.console_name, OLD.starts_at, OLD.deadline, OLD.approved_at)
       IS DISTINCT FROM
       (NEW.id, NEW.request, NEW.target, NEW.person, NEW.principal_arn, NEW.grant_name, NEW.console_name, NEW.starts_at, NEW.deadline, NEW.approved_at)
       OR (OLD.principal_id IS NOT NULL AND NEW.principal_id IS DISTINCT FROM OLD.principal_id) THEN
        RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state IN ('ended', 'failed') AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'grant is already %', OLD.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER grants_freeze BEFORE UPDATE ON grants FOR EACH ROW EXECUTE FUNCTION freeze_grant();

CREATE FUNCTION freeze_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD."grant", OLD.target, OLD.kind) IS DISTINCT FROM (NEW.id, NEW."grant", NEW.target, NEW.kind)
       OR (OLD.target_uid IS NOT NULL AND NEW.target_uid IS DISTINCT FROM OLD.target_uid) THEN
        RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.sent_until IS NOT NULL AND (NEW.sent_until IS NULL OR NEW.sent_until < OLD.sent_until) THEN
        RAISE EXCEPTION 'a deadline that was sent cannot be unsent' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state = 'closed' AND NEW.state <> OLD.state THEN
        RAISE EXCEPTION 'part is already closed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER parts_freeze BEFORE UPDATE ON parts FOR EACH ROW EXECUTE FUNCTION freeze_part();
CREATE TRIGGER parts_keep BEFORE DELETE ON parts FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A grant is active only while all of its parts are open, and over only when all of them are closed; before it opens nothing was sent. It has a name
-- of its own on its role.
CREATE FUNCTION grant_is_its_parts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_is grants;
BEGIN
    IF TG_TABLE_NAME = 'grants' THEN
        SELECT * INTO now_is FROM grants WHERE id = NEW.id;
    ELSE
        SELECT * INTO now_is FROM grants WHERE id = NEW."grant";
    END IF;
    IF NOT EXISTS (SELECT FROM parts WHERE "grant" = now_is.id)
       OR NOT EXISTS (SELECT FROM names WHERE "grant" = now_is.id AND target = now_is.target AND name = now_is.grant_name)
       OR EXISTS (SELECT FROM parts p WHERE p."grant" = now_is.id
                  AND ((now_is.state = 'scheduled' AND (p.state <> 'waiting' OR p.sent_until IS NOT NULL))
                    OR (now_is.state = 'active' AND p.state <> 'open')
                    OR (now_is.state IN ('ended', 'failed') AND p.state <> 'closed'))) THEN
        RAISE EXCEPTION 'a grant is what its parts are' USING ERRCODE = 'check_violation', CONSTRAINT = 'parts_of_grant';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER grants_parts AFTER INSERT OR UPDATE OF state ON grants DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION grant_is_its_parts();
CREATE CONSTRAINT TRIGGER parts_grant AFTER INSERT OR UPDATE OF state ON parts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION grant_is_its_parts();

-- What is not over is not forgotten: the guard names it.
CREATE FUNCTION keep_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM grants WHERE id = NEW."grant" AND state NOT IN ('ended', 'failed')) THEN
        RAISE EXCEPTION 'what is not over is not forgotten' USING ERRCODE = 'check_violation', CONSTRAINT = 'guard_gone';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER names_forgotten AFTER INSERT OR UPDATE ON names DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.guard_gone_at IS NOT NULL) EXECUTE FUNCTION keep_name();
CREATE FUNCTION freeze_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.target, OLD.name, OLD."grant", OLD.principal_id, OLD.target_uid, OLD.since)
       IS DISTINCT FROM (NEW.target, NEW.name, NEW."grant", NEW.principal_id, NEW.target_uid, NEW.since) THEN
        RAISE EXCEPTION 'a name that was given stays as it was given' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.guard_gone_at IS NOT NULL AND NEW.guard_gone_at IS NULL THEN
        RAISE EXCEPTION 'a name that is forgotten is not taken up again' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER names_freeze BEFORE UPDATE ON names FOR EACH ROW EXECUTE FUNCTION freeze_name();
CREATE TRIGGER names_keep BEFORE DELETE ON names FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- On one role a name belongs to one principal, for as long as the guard has to name it: another's sessions of that name may be left. Those of a role
-- that was deleted are no sessions of the one that has taken its name.
CREATE FUNCTION refuse_taken_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Whoever takes a name holds the role's row; without that two could take it at once.
    PERFORM FROM targets WHERE id = NEW.target FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM names WHERE target = NEW.target AND name = NEW.name AND "grant" <> NEW."grant"
               AND principal_id <> NEW.principal_id AND coalesce(target_uid = NEW.target_uid, true) AND guard_gone_at IS NULL) THEN
        RAISE EXCEPTION 'the session name is another principal''s' USING ERRCODE = 'unique_violation', CONSTRAINT = 'name_of_another';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER names_exclusive BEFORE INSERT ON names FOR EACH ROW WHEN (NEW.principal_id IS NOT NULL) EXECUTE FUNCTION refuse_taken_name();

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND p.prorettype = 'trigger'::regtype AND pg_has_role(p.proowner, 'USAGE')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', item.name, current_schema());
    END LOOP;
END $$;
