-- What one look alone must not decide: whether a role or a user is gone, and whether a trust write may still land.

ALTER TABLE targets ADD trust_sent_at timestamptz, ADD trust_unclear_at timestamptz, ADD missing_since timestamptz, ADD safe_since timestamptz;
COMMENT ON COLUMN targets.safe_since IS 'When safe mode was first noticed: for P after that a read may lag behind a write that the database has lost.';
COMMENT ON COLUMN targets.trust_sent_at IS 'When a trust write was last sent, whatever the answer was: for P after that a read may lag behind it.';
COMMENT ON COLUMN targets.trust_unclear_at IS 'When a trust write was sent whose answer is not known; nothing is opened while it may still land.';
COMMENT ON COLUMN targets.missing_since IS 'When AWS first said that the role is not there; null once it shows it again. One such answer may be wrong.';

ALTER TABLE grants ADD principal_missing_since timestamptz;
COMMENT ON COLUMN grants.principal_missing_since IS 'When AWS first said that the principal is not there; null once it shows it again. One such answer may be wrong.';

COMMENT ON COLUMN grants.absent_at IS 'Not used any more: an ended name is denied until its latest deadline has passed. Kept for an older build.';

-- Names that stand in the guard alone would be lost with one look that lags.
ALTER TABLE targets ADD kept jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(kept) = 'object');
COMMENT ON COLUMN targets.kept IS 'Session names that the guard denies although no grant explains them, each with the time when it was found.';

-- The release before did not look at roles whose grants are over; from now on they are, as long as a session may be left.
UPDATE targets t SET due_at = least(due_at, timestamptz '2026-01-01 00:00:00Z')
WHERE EXISTS (SELECT FROM grants g WHERE g.target = t.id AND g.guard_gone_at IS NULL AND g.state <> 'scheduled');
