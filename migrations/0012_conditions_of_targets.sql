-- A role may ask for a second factor or an external ID of whoever is let into it, and what is attached to users for a second factor. Both are conditions of
-- what we write, and fixed with each approval.

ALTER TABLE targets
    ADD COLUMN mfa boolean NOT NULL DEFAULT false,
    ADD COLUMN external_id text,
    ADD CONSTRAINT external_id CHECK (length(external_id) BETWEEN 2 AND 1224 AND external_id ~ '^[A-Za-z0-9_+=,.@:/-]+$'),
    ADD CONSTRAINT asks CHECK (kind = 'role' OR (NOT mfa AND external_id IS NULL));
COMMENT ON COLUMN targets.mfa IS 'Whether whoever comes by the trust policy or by a switch needs a second factor (aws:MultiFactorAuthPresent); of a role alone.';
COMMENT ON COLUMN targets.external_id IS 'What they send as sts:ExternalId; of a role alone. Not the external ID with which we come into its account (accounts.external_id).';

ALTER TABLE entitlements
    ADD COLUMN mfa boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT mfa CHECK (NOT mfa OR method = 'attach');
COMMENT ON COLUMN entitlements.mfa IS 'Whether what is attached needs a second factor; where a role is opened, the role says so (targets.mfa).';

ALTER TABLE grants
    ADD COLUMN mfa boolean NOT NULL DEFAULT false,
    ADD COLUMN external_id text,
    ADD CONSTRAINT mfa CHECK (NOT mfa OR method <> 'sts_credentials'),
    ADD CONSTRAINT external_id CHECK (external_id IS NULL OR (method IN ('trust_policy', 'switch') AND console_name IS NULL));
COMMENT ON COLUMN grants.mfa IS 'Whether AWS asks for a second factor; fixed at approval.';
COMMENT ON COLUMN grants.external_id IS 'What the person sends as sts:ExternalId; fixed at approval. The console sends none, so that such a grant has no console name.';

-- They are what was approved, and stay so.
CREATE FUNCTION asks_as_approved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    approved jsonb;
BEGIN
    SELECT terms INTO approved FROM requests WHERE id = NEW.request;
    IF (coalesce((approved->>'mfa')::boolean, false), approved->>'external_id') IS DISTINCT FROM (NEW.mfa, NEW.external_id) THEN
        RAISE EXCEPTION 'a grant asks for what was approved' USING ERRCODE = 'check_violation', CONSTRAINT = 'not_as_approved';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER grants_ask_as_approved BEFORE INSERT ON grants FOR EACH ROW EXECUTE FUNCTION asks_as_approved();

CREATE FUNCTION freeze_what_is_asked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was approved cannot be changed' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER grants_go_on_asking BEFORE UPDATE ON grants FOR EACH ROW
    WHEN ((OLD.mfa, OLD.external_id) IS DISTINCT FROM (NEW.mfa, NEW.external_id)) EXECUTE FUNCTION freeze_what_is_asked();

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
