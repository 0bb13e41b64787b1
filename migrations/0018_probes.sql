-- An admin may try whether AWS denies the sessions of a grant that has ended: each try is on record before it is made, and has one answer.

CREATE TABLE probes (
    id            uuid PRIMARY KEY,
    "grant"       uuid NOT NULL REFERENCES grants,
    asked_by      uuid NOT NULL REFERENCES people,
    at            timestamptz NOT NULL,
    outcome       text CHECK (outcome IN ('denied', 'not_denied', 'not_asked')),
    access_key_id text CHECK (length(access_key_id) BETWEEN 16 AND 128),
    error         text CHECK (length(error) BETWEEN 1 AND 64),
    answered_at   timestamptz,
    CONSTRAINT answered CHECK ((outcome IS NULL) = (answered_at IS NULL) AND answered_at >= at),
    CONSTRAINT session  CHECK (outcome IS NULL OR outcome = 'not_asked' OR access_key_id IS NOT NULL),
    CONSTRAINT failure  CHECK ((error IS NOT NULL) = coalesce(outcome = 'not_asked', false))
);
COMMENT ON TABLE probes IS 'Each time that a role was assumed under the name of an ended grant to see whether AWS denies that session, from before the call. The secret is nowhere.';
COMMENT ON COLUMN probes.id IS 'TypeID probe_….';
COMMENT ON COLUMN probes."grant" IS 'The grant, which has ended.';
COMMENT ON COLUMN probes.asked_by IS 'The admin, who is the session''s source identity.';
COMMENT ON COLUMN probes.at IS 'When the intent was recorded; STS is asked within seconds of that, or not at all.';
COMMENT ON COLUMN probes.outcome IS 'denied (an explicit deny of an identity-based policy was seen), not_denied (none was), or not_asked; null while AWS is asked, and for good where the process died.';
COMMENT ON COLUMN probes.access_key_id IS 'The id (ASIA…) of the access key of the session, which nobody has, by which CloudTrail names what was asked with it; null where STS gave none.';
COMMENT ON COLUMN probes.error IS 'The code of why nothing was learned.';
COMMENT ON COLUMN probes.answered_at IS 'When the outcome was recorded.';
CREATE INDEX probes_grant ON probes ("grant", id);

-- An intent is recorded for a grant that has ended, gets one answer, and stays.
CREATE FUNCTION require_ended_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.outcome IS NOT NULL OR NOT EXISTS (SELECT FROM grants WHERE id = NEW."grant" AND state = 'ended' AND method = 'sts_credentials') THEN
        RAISE EXCEPTION 'only a grant that has ended is tried' USING ERRCODE = 'check_violation', CONSTRAINT = 'probe_of_ended_grant';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER probes_of_ended_grants BEFORE INSERT ON probes FOR EACH ROW EXECUTE FUNCTION require_ended_grant();

CREATE FUNCTION freeze_probe() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.outcome IS NOT NULL OR NEW.outcome IS NULL
       OR (OLD.id, OLD."grant", OLD.asked_by, OLD.at) IS DISTINCT FROM (NEW.id, NEW."grant", NEW.asked_by, NEW.at) THEN
        RAISE EXCEPTION 'a probe has one answer' USING ERRCODE = 'check_violation', CONSTRAINT = 'probe_answered_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER probes_freeze BEFORE UPDATE ON probes FOR EACH ROW EXECUTE FUNCTION freeze_probe();
CREATE TRIGGER probes_keep BEFORE DELETE ON probes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER probes_no_truncate BEFORE TRUNCATE ON probes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND pg_has_role(p.proowner, 'USAGE')
          AND p.proname IN ('require_ended_grant', 'freeze_probe')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', item.name, current_schema());
    END LOOP;
END $$;
