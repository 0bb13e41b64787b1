-- What the loop notices beside what it was asked to do: people who need no grant, accounts that let nobody in, and what no row tells of.

ALTER TABLE grants
    ADD COLUMN bypass_asked_at timestamptz,
    ADD COLUMN bypassed_at timestamptz,
    ADD COLUMN bypassed_by text CHECK (bypassed_by <> ''),
    ADD CONSTRAINT bypassed CHECK ((bypassed_at IS NULL) = (bypassed_by IS NULL)),
    ADD CONSTRAINT bypass_of_switch CHECK (method = 'switch' OR num_nonnulls(bypass_asked_at, bypassed_at) = 0);
COMMENT ON COLUMN grants.bypass_asked_at IS 'When IAM was last asked whether the person could assume the role without the grant; of switch alone. Nothing opens before it was asked.';
COMMENT ON COLUMN grants.bypassed_at IS 'When it was first seen that the person could do so.';
COMMENT ON COLUMN grants.bypassed_by IS 'What lets them, in words: a policy''s id as IAM tells it, or the role''s trust policy.';

-- What was seen once stays on record.
CREATE FUNCTION keep_bypass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'that a grant was bypassed stays on record' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER grants_keep_bypass BEFORE UPDATE ON grants FOR EACH ROW
    WHEN (OLD.bypassed_at IS NOT NULL AND (OLD.bypassed_at, OLD.bypassed_by) IS DISTINCT FROM (NEW.bypassed_at, NEW.bypassed_by))
    EXECUTE FUNCTION keep_bypass();

-- What the worker knows of an account; the account itself is the catalog's.
CREATE TABLE account_entries (
    account text PRIMARY KEY REFERENCES accounts,
    entered_at timestamptz,
    look_through_at timestamptz
);
COMMENT ON TABLE account_entries IS 'How Countersign fares with each account: when its manager role let it in where others refused, and when everybody in it is looked through.';
COMMENT ON COLUMN account_entries.account IS 'The account''s 12 digits.';
COMMENT ON COLUMN account_entries.entered_at IS 'When STS last gave a session of the account''s manager role to who wanted to know whether it still does.';
COMMENT ON COLUMN account_entries.look_through_at IS 'When everybody in the account is looked through next, for what no row tells of; null: at once.';

CREATE TABLE hub_refusals (
    since timestamptz PRIMARY KEY,
    over_at timestamptz,
    CONSTRAINT over CHECK (over_at >= since)
);
COMMENT ON TABLE hub_refusals IS 'The times in which every manager role that was tried refused Countersign''s own identity: one cause, told once.';
COMMENT ON COLUMN hub_refusals.since IS 'When that was seen.';
COMMENT ON COLUMN hub_refusals.over_at IS 'When one of them let Countersign in again; null while none does.';
CREATE UNIQUE INDEX hub_refusals_one ON hub_refusals ((true)) WHERE over_at IS NULL;

-- Closed roles whose guards are not known to stand.
CREATE INDEX targets_closed ON targets (arn) WHERE closed;

-- They look at the tables of their own schema, whatever the caller's search path says.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION keep_bypass() SET search_path = %I, pg_temp', current_schema());
END $$;
