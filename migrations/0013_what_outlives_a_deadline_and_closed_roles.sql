-- Who approves is told what lets access outlive the deadline, as the role's policies said when it was asked. And a role may be closed: its guard denies
-- everybody who has no grant, and always stands.

ALTER TABLE targets
    ADD COLUMN closed boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT closed CHECK (NOT closed OR kind = 'role');
COMMENT ON COLUMN targets.closed IS 'Whether every session of the role is denied that is not a live grant''s, whatever its name; of a role alone. The guard then always stands.';

ALTER TABLE requests
    ADD COLUMN outlives jsonb,
    ADD CONSTRAINT outlives CHECK (jsonb_typeof(outlives) = 'array');
COMMENT ON COLUMN requests.outlives IS 'What could outlive the deadline when it was asked: each statement of the role''s policies, or of what is attached, that lets a person stay, and what could not be read. Null where nobody looked.';

-- Who decided saw this, and nothing else.
CREATE FUNCTION freeze_what_outlives() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was asked for cannot be changed' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER requests_go_on_telling BEFORE UPDATE ON requests FOR EACH ROW
    WHEN (OLD.outlives IS DISTINCT FROM NEW.outlives) EXECUTE FUNCTION freeze_what_outlives();

-- It looks at the tables of its own schema, whatever the caller's search path says.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION freeze_what_outlives() SET search_path = %I, pg_temp', current_schema());
END $$;
