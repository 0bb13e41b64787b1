-- What the rows themselves refuse to somebody who has the application's rights: a voice that does not count, a session name of somebody else's,
-- a grant that is forgotten before it has ended. And a search path of their own for the functions that say so.

-- A vote counts on a pending request, from somebody in the group that its stage asks.
CREATE FUNCTION refuse_idle_vote() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asked requests;
BEGIN
    SELECT * INTO asked FROM requests WHERE id = NEW.request FOR SHARE;
    IF asked.state <> 'pending' OR NEW.at >= asked.expires_at THEN
        RAISE EXCEPTION 'the request is not pending any more' USING ERRCODE = 'check_violation', CONSTRAINT = 'vote_too_late';
    END IF;
    IF NOT EXISTS (SELECT FROM people WHERE id = NEW.person AND groups @> ARRAY[asked.approver_group]) THEN
        RAISE EXCEPTION 'who decides is in the group that the request''s stage asks' USING ERRCODE = 'check_violation', CONSTRAINT = 'vote_from_outside';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER decisions_of_stage BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION refuse_idle_vote();

-- The session name that the console sends is the identity's own: the last part of a user's ARN, or the name in the catalog for a role.
CREATE FUNCTION refuse_foreign_console_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.console_name IS DISTINCT FROM
       (CASE WHEN NEW.principal_arn LIKE '%:user/%' THEN substring(NEW.principal_arn FROM '[^/]+$')
             ELSE (SELECT p.role_session_name FROM requests r JOIN principals p ON p.id = r.principal WHERE r.id = NEW.request) END) THEN
        RAISE EXCEPTION 'the console name is that of the identity' USING ERRCODE = 'check_violation', CONSTRAINT = 'console_name_of_another';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER grants_console_name BEFORE INSERT ON grants FOR EACH ROW WHEN (NEW.console_name IS NOT NULL)
    EXECUTE FUNCTION refuse_foreign_console_name();

-- What is not over is not forgotten: the guard names it.
ALTER TABLE grants ADD CONSTRAINT guard_gone CHECK (guard_gone_at IS NULL OR state IN ('ended', 'failed'));

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
