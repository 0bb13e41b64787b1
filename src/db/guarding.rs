//! What is known of the guard that a grant is listed in, for whatever lets its person in elsewhere.

use sqlx::PgConnection;

use crate::domain::fetch::Guarding;
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// What is known of the role of a grant that its guard lists. Read after the grant was locked:
/// whoever changes what it says about the guard locks the grant first.
///
/// # Errors
/// When the database does not answer, the grant is not one that a guard lists, or the role's
/// condition is not known.
pub async fn guarding(conn: &mut PgConnection, grant: GrantId) -> sqlx::Result<Guarding> {
    let row = sqlx::query!(
        r#"SELECT t.condition, t.guard_equal_at, NOT t.unpinned AS "is_pinned!", d.unclear_at AS "unclear_at?",
                  CASE WHEN p.state = 'open' THEN greatest(p.opened_at, c.since) END AS listed_at,
                  coalesce(t.unique_id = p.target_uid, false) AS "is_its_role!",
                  coalesce(t.last_error = 'clock_skew', false) AS "clocks_differ!",
                  EXISTS (SELECT FROM revocations v WHERE v.lifted_at IS NULL
                          AND is_revoked(v, g.person, ARRAY(SELECT w.target FROM parts w WHERE w."grant" = g.id)))
                      AS "is_held!"
           FROM grants g JOIN parts p ON p."grant" = g.id AND p.kind = 'listed'
           JOIN targets t ON t.id = p.target
           LEFT JOIN documents d ON d.target = t.id AND d.key = 'guard'
           LEFT JOIN names c ON c."grant" = g.id AND c.target = t.id AND c.name = g.console_name
           WHERE g.id = $1"#,
        grant.uuid()
    )
    .fetch_one(conn)
    .await?;
    let condition = Condition::parse(&row.condition).ok_or_else(|| {
        sqlx::Error::Decode(format!("unknown condition {}", row.condition).into())
    })?;
    Ok(Guarding {
        condition,
        listed_at: row.listed_at,
        equal_at: row.guard_equal_at,
        unclear_at: row.unclear_at,
        is_its_role: row.is_its_role,
        is_pinned: row.is_pinned,
        clocks_differ: row.clocks_differ,
        is_held: row.is_held,
    })
}
