-- Credentials may be handed out with no guard behind them: nothing of such a grant is written in AWS, and nothing can cut what was fetched before it
-- expires or the deadline comes. And sessions that are handed out may carry the grant's id as a tag.

ALTER TABLE entitlements
    ADD COLUMN early_end text NOT NULL DEFAULT 'guard',
    ADD COLUMN session_tags boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT early_end CHECK (early_end = 'guard' OR (early_end = 'none' AND method = 'sts_credentials' AND max_duration_seconds <= 3600)),
    ADD CONSTRAINT session_tags CHECK (NOT session_tags OR method = 'sts_credentials');
COMMENT ON COLUMN entitlements.early_end IS 'What an early end cuts: guard (the role''s guard ends what is open), or none (what was handed out works until it expires or the deadline comes; sts_credentials alone, an hour at most).';
COMMENT ON COLUMN entitlements.session_tags IS 'Whether sessions that are handed out carry the tag countersign:grant with the grant''s id (sts_credentials alone).';

ALTER TABLE grants
    ADD COLUMN early_end text NOT NULL DEFAULT 'guard',
    ADD CONSTRAINT early_end CHECK (early_end = 'guard' OR (early_end = 'none' AND method = 'sts_credentials' AND deadline <= starts_at + interval '1 hour'));
COMMENT ON COLUMN grants.early_end IS 'guard, or none: nothing of it is in AWS, and it has neither parts nor names; fixed at approval. What may work is told by its fetches.';
CREATE INDEX grants_uncut ON grants (target) WHERE early_end = 'none' AND state IN ('scheduled', 'opening', 'active', 'closing');

ALTER TABLE targets ADD COLUMN rewound_at timestamptz;
COMMENT ON COLUMN targets.rewound_at IS 'When a look found that AWS is of a later time than the database. Until a person has judged it, no keys are handed out anywhere that nothing could cut: their ends leave no trace in AWS.';
CREATE INDEX targets_rewound ON targets (id) WHERE rewound_at IS NOT NULL;

-- It is what was approved, and stays so.
CREATE OR REPLACE FUNCTION asks_as_approved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    approved jsonb;
BEGIN
    SELECT terms INTO approved FROM requests WHERE id = NEW.request;
    IF (coalesce((approved->>'mfa')::boolean, false), approved->>'external_id', coalesce(approved->>'early_end', 'guard'))
       IS DISTINCT FROM (NEW.mfa, NEW.external_id, NEW.early_end) THEN
        RAISE EXCEPTION 'a grant asks for what was approved' USING ERRCODE = 'check_violation', CONSTRAINT = 'not_as_approved';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER grants_go_on_asking ON grants;
CREATE TRIGGER grants_go_on_asking BEFORE UPDATE ON grants FOR EACH ROW
    WHEN ((OLD.mfa, OLD.external_id, OLD.early_end) IS DISTINCT FROM (NEW.mfa, NEW.external_id, NEW.early_end)) EXECUTE FUNCTION freeze_what_is_asked();

-- A link to the console is made with a session that outlasts it under another key, so that a guard has to stand behind it.
CREATE OR REPLACE FUNCTION require_open_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.outcome IS NOT NULL OR NOT EXISTS (SELECT FROM grants WHERE id = NEW."grant" AND state = 'active' AND method = 'sts_credentials'
                                              AND (early_end = 'guard' OR NEW.kind = 'keys')) THEN
        RAISE EXCEPTION 'credentials are asked for an open grant' USING ERRCODE = 'check_violation', CONSTRAINT = 'fetch_of_open_grant';
    END IF;
    RETURN NEW;
END $$;

-- A grant is active only while all of its parts are open, and over only when all of them are closed; before it opens nothing was sent. It has a name
-- of its own on its role. One that nothing is written for has neither, and is over only when no session of it is left: one of which nobody knows when
-- it expires ends at the deadline.
CREATE OR REPLACE FUNCTION grant_is_its_parts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    now_is grants;
    is_so boolean;
BEGIN
    IF TG_TABLE_NAME = 'grants' THEN
        SELECT * INTO now_is FROM grants WHERE id = NEW.id;
    ELSE
        SELECT * INTO now_is FROM grants WHERE id = NEW."grant";
    END IF;
    IF now_is.early_end = 'none' THEN
        is_so := NOT EXISTS (SELECT FROM parts WHERE "grant" = now_is.id) AND NOT EXISTS (SELECT FROM names WHERE "grant" = now_is.id)
                 AND NOT EXISTS (SELECT FROM fetches f WHERE f."grant" = now_is.id AND f.outcome IS DISTINCT FROM 'failed'
                                 AND now_is.ended_at < least(now_is.deadline, f.expires_at));
    ELSE
        is_so := EXISTS (SELECT FROM parts WHERE "grant" = now_is.id)
                 AND EXISTS (SELECT FROM names WHERE "grant" = now_is.id AND target = now_is.target AND name = now_is.grant_name)
                 AND NOT EXISTS (SELECT FROM parts p WHERE p."grant" = now_is.id
                      AND ((now_is.state = 'scheduled' AND (p.state <> 'waiting' OR p.sent_until IS NOT NULL))
                        OR (now_is.state = 'active' AND p.state <> 'open')
                        OR (now_is.state IN ('ended', 'failed') AND p.state <> 'closed')));
    END IF;
    IF NOT is_so THEN
        RAISE EXCEPTION 'a grant is what its parts are' USING ERRCODE = 'check_violation', CONSTRAINT = 'parts_of_grant';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER names_grant AFTER INSERT ON names DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION grant_is_its_parts();

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
