-- What a look at a guard says is kept for each grant, so that what the guard does not say of one grant keeps no other one waiting.

ALTER TABLE parts
    ADD COLUMN listed_until timestamptz,
    ADD CONSTRAINT listed_on_a_role CHECK (listed_until IS NULL OR kind <> 'inline');
COMMENT ON COLUMN parts.listed_until IS 'Until when the guard as last read lists the names of the grant, at most until its deadline; null where it does not list all of them.';

-- Until now a guard counted as read only with every open grant in its list until its deadline.
UPDATE parts p SET listed_until = g.deadline FROM grants g, targets t
WHERE g.id = p."grant" AND t.id = p.target AND p.kind <> 'inline' AND p.state = 'open' AND g.state IN ('opening', 'active') AND t.guard_equal_at IS NOT NULL;
COMMENT ON COLUMN targets.guard_equal_at IS 'When the guard was last read as it should be, or as it was sent last; null where a look has found something else since. Whom it lists is in parts.listed_until.';

ALTER TABLE targets ADD COLUMN clocks_differ boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN targets.clocks_differ IS 'Whether the last look that AWS answered found that it has another time than the database: nothing opens, and nothing is handed out.';
