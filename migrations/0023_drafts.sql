-- What somebody typed into a form while their session ended: it waits here for the sign-in, and not in an address.

CREATE TABLE drafts (
    id         uuid PRIMARY KEY,
    person     uuid NOT NULL REFERENCES people,
    place      text NOT NULL CHECK (place LIKE '/%' AND length(place) <= 2048),
    form       text NOT NULL CHECK (octet_length(form) <= 16384),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE drafts IS 'Forms that were sent with a session of ours that was over. They are shown again to the same person, never sent, and deleted after an hour or when another person signs in instead.';
COMMENT ON COLUMN drafts.id IS 'TypeID draft_…: what the address of the sign-in names.';
COMMENT ON COLUMN drafts.person IS 'Whose session it was; nobody else is shown it.';
COMMENT ON COLUMN drafts.place IS 'The path that the form was sent to.';
COMMENT ON COLUMN drafts.form IS 'Its fields, as JSON.';
COMMENT ON COLUMN drafts.expires_at IS 'From then on it is shown no more, and a sweep deletes it.';
CREATE INDEX drafts_person ON drafts (person);
CREATE INDEX drafts_over ON drafts (expires_at);

ALTER TABLE sign_in_attempts ADD COLUMN draft uuid REFERENCES drafts ON DELETE SET NULL;
COMMENT ON COLUMN sign_in_attempts.draft IS 'What the browser had typed before; deleted when another person comes back.';
CREATE INDEX sign_in_attempts_draft ON sign_in_attempts (draft) WHERE draft IS NOT NULL;
