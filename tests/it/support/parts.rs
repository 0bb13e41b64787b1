//! What belongs to grants that SQL of a test has made or moved on.

/// Every grant has its part and its own name, and the part stands as the grant does: to be said in
/// the same transaction as the change of the grant.
pub const FOLLOW: &str = r#"
    INSERT INTO parts (id, "grant", target, kind, state)
    SELECT gen_random_uuid(), id, target, 'statement', 'waiting' FROM grants ON CONFLICT DO NOTHING;
    INSERT INTO names (target, name, "grant", since) SELECT target, grant_name, id, approved_at FROM grants ON CONFLICT DO NOTHING;
    UPDATE parts p
    SET state = CASE WHEN g.ended_at IS NOT NULL THEN 'closed' WHEN g.opened_at IS NOT NULL THEN 'open' ELSE 'waiting' END,
        opened_at = g.opened_at, closed_at = g.ended_at,
        sent_until = CASE WHEN g.opened_at IS NOT NULL THEN g.deadline ELSE p.sent_until END
    FROM grants g WHERE g.id = p."grant" AND p.state <> 'closed'"#;
