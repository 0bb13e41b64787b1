-- A revocation ends what Countersign has opened for a person, on a role or user, in an account, or everywhere, and holds it: nothing of it opens or is
-- handed out until the hold is lifted. What it ended stays ended then.

CREATE TABLE revocations (
    id uuid PRIMARY KEY,
    scope text NOT NULL CHECK (scope IN ('person', 'role', 'account', 'everything')),
    person uuid REFERENCES people,
    target uuid REFERENCES targets,
    account text REFERENCES accounts,
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    begun_by uuid NOT NULL REFERENCES people,
    begun_at timestamptz NOT NULL,
    through_at timestamptz,
    lift_asked_by uuid REFERENCES people,
    lift_asked_at timestamptz,
    lifted_by uuid REFERENCES people,
    lifted_at timestamptz,
    CONSTRAINT one_scope CHECK ((scope = 'person') = (person IS NOT NULL) AND (scope = 'role') = (target IS NOT NULL)
                                AND (scope = 'account') = (account IS NOT NULL)),
    CONSTRAINT lift_asked CHECK ((lift_asked_by IS NULL) = (lift_asked_at IS NULL)),
    CONSTRAINT lifted CHECK ((lifted_by IS NULL) = (lifted_at IS NULL)),
    CONSTRAINT two_people_lift_everything CHECK (scope <> 'everything' OR lifted_by IS NULL OR coalesce(lifted_by <> lift_asked_by, false))
);
COMMENT ON TABLE revocations IS 'Revocations of everything in a scope, each with its hold.';
COMMENT ON COLUMN revocations.id IS 'TypeID revocation_….';
COMMENT ON COLUMN revocations.scope IS 'Of what everything ends: person, role, account or everything.';
COMMENT ON COLUMN revocations.person IS 'Whose grants end.';
COMMENT ON COLUMN revocations.account IS 'In which account; a grant with parts in two accounts belongs to both.';
COMMENT ON COLUMN revocations.reason IS 'In the words of who began it.';
COMMENT ON COLUMN revocations.begun_by IS 'The admin.';
COMMENT ON COLUMN revocations.begun_at IS 'From when it holds.';
COMMENT ON COLUMN revocations.target IS 'The role that grants open, or the user whom they let in or who carries their policies.';
COMMENT ON COLUMN revocations.through_at IS 'When nothing of the scope was left that could still be ended.';
COMMENT ON COLUMN revocations.lift_asked_by IS 'The first of the two people who lift a hold on everything.';
COMMENT ON COLUMN revocations.lift_asked_at IS 'When they did so.';
COMMENT ON COLUMN revocations.lifted_by IS 'Who lifted the hold; of one on everything another person than who asked.';
COMMENT ON COLUMN revocations.lifted_at IS 'Until when it holds; null while it does.';
-- The same scope again goes on with the one that holds.
CREATE UNIQUE INDEX revocations_hold ON revocations (scope, coalesce(person::text, target::text, account, '')) WHERE lifted_at IS NULL;

-- What was not over when a revocation began.
CREATE INDEX grants_ended ON grants (ended_at) WHERE ended_at IS NOT NULL;

CREATE FUNCTION freeze_revocation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD.scope, OLD.person, OLD.target, OLD.account, OLD.reason, OLD.begun_by, OLD.begun_at)
       IS DISTINCT FROM (NEW.id, NEW.scope, NEW.person, NEW.target, NEW.account, NEW.reason, NEW.begun_by, NEW.begun_at)
       OR OLD.lifted_at IS NOT NULL THEN
        RAISE EXCEPTION 'a revocation is not changed, and its hold is lifted once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER revocations_frozen BEFORE UPDATE ON revocations FOR EACH ROW EXECUTE FUNCTION freeze_revocation();

-- Whether what is a person's, is written to those targets and lets that user in (by ARN) belongs to a revocation: a user is one of whom something is
-- carried, and one who is let in by a role's own trust policy.
CREATE FUNCTION is_revoked(revocation revocations, owner uuid, written uuid[], principal text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE revocation.scope
        WHEN 'person' THEN revocation.person = owner
        WHEN 'role' THEN revocation.target = ANY(written) OR EXISTS (SELECT FROM targets t WHERE t.id = revocation.target AND t.arn = principal)
        WHEN 'account' THEN coalesce(split_part(principal, ':', 5) = revocation.account, false)
                            OR EXISTS (SELECT FROM targets t WHERE t.id = ANY(written) AND t.account = revocation.account)
        ELSE true
    END
$$;

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
DECLARE
    item record;
BEGIN
    FOR item IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND pg_has_role(p.proowner, 'USAGE')
          AND (p.prorettype = 'trigger'::regtype OR p.proname = 'is_revoked')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', item.name, current_schema());
    END LOOP;
END $$;
