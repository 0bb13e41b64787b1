-- Whose a guard is, how often what we wrote was put back, and what lists need so that they never read more than they show.

CREATE TABLE installation (
    id   text PRIMARY KEY DEFAULT substr(md5(gen_random_uuid()::text), 1, 8) CHECK (id ~ '^[0-9a-f]{8}$'),
    single boolean NOT NULL DEFAULT true UNIQUE CHECK (single)
);
COMMENT ON TABLE installation IS 'This installation: one row. Two of them on one AWS account are told apart by it.';
COMMENT ON COLUMN installation.id IS 'Stands in the first Sid of every guard that is written from this database.';
COMMENT ON COLUMN installation.single IS 'Keeps a second row out.';
INSERT INTO installation DEFAULT VALUES;
CREATE TRIGGER installation_keep BEFORE UPDATE OR DELETE ON installation FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER installation_no_truncate BEFORE TRUNCATE ON installation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE targets ADD guard_restores smallint NOT NULL DEFAULT 0 CHECK (guard_restores >= 0);
COMMENT ON COLUMN targets.guard_restores IS 'How often the guard was put back under the grants that are open now.';
ALTER TABLE grants ADD restores smallint NOT NULL DEFAULT 0 CHECK (restores >= 0);
COMMENT ON COLUMN grants.restores IS 'How often its statement was put back after somebody took it away.';

ALTER TABLE audit_events ADD concerns uuid REFERENCES people;
COMMENT ON COLUMN audit_events.concerns IS 'The requester, where the subject is a request or a grant: they see it in their own log.';
CREATE INDEX audit_events_concerns ON audit_events (concerns, id DESC);
CREATE INDEX audit_events_actor_action ON audit_events (actor_id, action, id DESC);
CREATE INDEX requests_person_state ON requests (person, state, id DESC);
