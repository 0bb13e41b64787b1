-- A grant may be opened by an inline policy on the requester's own IAM user: a target of its own, with a document for each grant. The policy lets her
-- into a role (switch), or allows what the entitlement says (attach), which opens no role at all.

ALTER TABLE targets DROP CONSTRAINT targets_kind_check;
ALTER TABLE targets ADD CONSTRAINT targets_kind_check CHECK (kind IN ('role', 'user'));
COMMENT ON TABLE targets IS 'The IAM roles and users whose policies we write; each row is also the reconciler''s queue item.';
ALTER TABLE targets ADD COLUMN unpinned boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN targets.unpinned IS 'Whether the last look found that the role does not let Countersign in pinned; no credentials of it are handed out then.';
COMMENT ON COLUMN targets.kind IS 'role: it is opened; its trust policy and its guard are written. user: it carries inline policies of grants. One ARN is one of them.';

INSERT INTO targets (id, account, kind, arn)
SELECT gen_random_uuid(), min(account), 'user', arn FROM principals WHERE arn LIKE '%:user/%' GROUP BY arn;

ALTER TABLE documents DROP CONSTRAINT documents_key_check;
ALTER TABLE documents ADD CONSTRAINT documents_key_check CHECK (key IN ('trust', 'guard') OR key ~ '^inline:grant_[0-7][0-9a-hjkmnp-tv-z]{25}$');
ALTER TABLE foreign_documents DROP CONSTRAINT foreign_documents_kind_check;
ALTER TABLE foreign_documents ADD CONSTRAINT foreign_documents_kind_check CHECK (kind IN ('trust', 'guard') OR kind ~ '^inline:grant_[0-7][0-9a-hjkmnp-tv-z]{25}$');
COMMENT ON COLUMN documents.key IS 'trust: the trust policy. guard: the inline policy CountersignGuard. inline:grant_…: the inline policy of that grant on a user.';

ALTER TABLE entitlements DROP CONSTRAINT entitlements_method_check;
ALTER TABLE entitlements
    ADD COLUMN account text REFERENCES accounts,
    ADD COLUMN statements jsonb,
    ALTER COLUMN target DROP NOT NULL;
UPDATE entitlements e SET account = t.account FROM targets t WHERE t.id = e.target;
ALTER TABLE entitlements
    ALTER COLUMN account SET NOT NULL,
    ADD CONSTRAINT entitlements_method_check CHECK (method IN ('trust_policy', 'switch', 'attach', 'sts_credentials')),
    ADD CONSTRAINT opens CHECK ((method = 'attach') = (target IS NULL) AND (method = 'attach') = (statements IS NOT NULL)),
    ADD CONSTRAINT statements CHECK (jsonb_typeof(statements) = 'array' AND jsonb_array_length(statements) > 0);
COMMENT ON COLUMN entitlements.target IS 'The role that it opens; null where each grant is on its person''s own user (attach).';
COMMENT ON COLUMN entitlements.account IS 'The account of the role, or of the users that are allowed something.';
COMMENT ON COLUMN entitlements.statements IS 'What a person''s own user is allowed until the deadline (attach): the JSON text of each statement, without the deadline.';

ALTER TABLE requests DROP CONSTRAINT terms_method;
ALTER TABLE requests ADD CONSTRAINT terms_method CHECK (coalesce(terms->>'method' IN ('trust_policy', 'switch', 'attach', 'sts_credentials'), false));
COMMENT ON COLUMN requests.target IS 'The role of that entitlement when asked; the person''s own user where it opens none.';
COMMENT ON COLUMN requests.target_checked IS 'Whether the role, or the user, was read in AWS at submit; false when AWS did not answer.';

ALTER TABLE grants DROP CONSTRAINT grants_method_check;
ALTER TABLE grants ADD CONSTRAINT grants_method_check CHECK (method IN ('trust_policy', 'switch', 'attach', 'sts_credentials'));
COMMENT ON COLUMN grants.method IS 'How it is opened: trust_policy, switch, attach or sts_credentials; fixed at approval.';
COMMENT ON COLUMN grants.target IS 'The role that is opened; the person''s own user where none is.';

ALTER TABLE parts DROP CONSTRAINT parts_kind_check;
ALTER TABLE parts
    ADD COLUMN allows jsonb,
    ADD COLUMN absent_at timestamptz,
    ADD CONSTRAINT parts_kind_check CHECK (kind IN ('statement', 'listed', 'inline')),
    ADD CONSTRAINT allows CHECK ((allows IS NOT NULL) = (kind = 'inline')),
    ADD CONSTRAINT absent CHECK (absent_at IS NULL OR kind = 'inline');
COMMENT ON COLUMN parts.kind IS 'statement: a statement in the role''s trust policy, with the guard beside it. listed: the grant''s name in the guard, and nothing else. inline: an inline policy of its own on a user.';
COMMENT ON COLUMN parts.allows IS 'What the inline policy allows, fixed at approval: {"role": {"arn": …}} or {"statements": […]}. Its text is made of this, the deadline and the session names.';
COMMENT ON COLUMN parts.absent_at IS 'Since when nothing of an inline policy lets anybody in, as far as reads tell.';
COMMENT ON TABLE names IS 'The names that grants have on a target, for as long as they have to be looked for: session names in a role''s guard, and on a user that of the grant''s policy.';

CREATE OR REPLACE FUNCTION freeze_part() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id, OLD."grant", OLD.target, OLD.kind, OLD.allows) IS DISTINCT FROM (NEW.id, NEW."grant", NEW.target, NEW.kind, NEW.allows)
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

-- What is written for a grant is what its method asks for: a role's part on the role, an inline policy on the user that was approved. Without its name
-- there nobody would look for it.
CREATE OR REPLACE FUNCTION part_is_of_method() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner grants;
BEGIN
    SELECT * INTO owner FROM grants WHERE id = NEW."grant";
    IF (SELECT array_agg(kind ORDER BY kind) FROM parts WHERE "grant" = owner.id)
       IS DISTINCT FROM (CASE owner.method WHEN 'trust_policy' THEN ARRAY['statement'] WHEN 'sts_credentials' THEN ARRAY['listed']
                                           WHEN 'switch' THEN ARRAY['inline', 'listed'] WHEN 'attach' THEN ARRAY['inline'] END)
       OR NOT EXISTS (SELECT FROM targets t WHERE t.id = NEW.target
                      AND CASE WHEN NEW.kind = 'inline' THEN t.kind = 'user' AND t.arn = owner.principal_arn AND (owner.method <> 'attach' OR t.id = owner.target)
                               ELSE t.kind = 'role' AND t.id = owner.target END)
       OR NOT EXISTS (SELECT FROM names n WHERE n.target = NEW.target AND n."grant" = owner.id AND n.name = owner.grant_name) THEN
        RAISE EXCEPTION 'a part is what its grant''s method asks for' USING ERRCODE = 'check_violation', CONSTRAINT = 'part_of_method';
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER parts_of_method ON parts;
CREATE CONSTRAINT TRIGGER parts_of_method AFTER INSERT OR UPDATE OF "grant", target, kind ON parts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION part_is_of_method();

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
