//! What is known of a role's guard: for whatever lets a person in elsewhere, and for who asks.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::domain::fetch::Guarding;
use crate::domain::target::Condition;
use crate::ids::{GrantId, TargetId};

/// What is known of the role of a grant that its guard lists. Read after the grant was locked:
/// whoever changes what it says about the guard locks the grant first.
///
/// # Errors
/// When the database does not answer, the grant is not one that a guard lists, or the role's
/// condition is not known.
pub async fn guarding(conn: &mut PgConnection, grant: GrantId) -> sqlx::Result<Guarding> {
    let row = sqlx::query!(
        r#"SELECT t.condition, t.guard_equal_at, NOT t.unpinned AS "is_pinned!", d.unclear_at AS "unclear_at?",
                  CASE WHEN p.state = 'open' THEN greatest(p.opened_at, c.since) END AS listed_at, p.listed_until,
                  coalesce(t.unique_id = p.target_uid, false) AS "is_its_role!",
                  t.clocks_differ,
                  EXISTS (SELECT FROM revocations v WHERE v.lifted_at IS NULL
                          AND is_revoked(v, g.person,
                                         g.target || ARRAY(SELECT w.target FROM parts w WHERE w."grant" = g.id),
                                         g.principal_arn))
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
        listed_until: row.listed_until,
        equal_at: row.guard_equal_at,
        unclear_at: row.unclear_at,
        is_its_role: row.is_its_role,
        is_pinned: row.is_pinned,
        clocks_differ: row.clocks_differ,
        is_held: row.is_held,
    })
}

/// A grant of which a guard may have names to tell.
#[derive(Debug, Deserialize)]
pub struct Name {
    /// The grant's own name.
    pub name: String,
    /// The console's, where it has or may get it.
    pub console: Option<String>,
    /// Until when it was approved.
    pub deadline: DateTime<Utc>,
    /// Whether it is not over then.
    pub is_live: bool,
}

/// What a guard may have to say at some time.
#[derive(Debug)]
pub struct Names {
    /// Of grants.
    pub names: Vec<Name>,
    /// Names that nobody explains, and since when.
    pub kept: BTreeMap<String, DateTime<Utc>>,
    /// Whether the role is closed.
    pub closed: bool,
    /// Until when keys may work on it that nothing cuts, of grants that overlap.
    pub keys_until: Option<DateTime<Utc>>,
}

/// What the guard of a role may have to say between these times: the grants that are not over and
/// overlap, those of which it still denies a name by then, and the names that nobody explains; and
/// until when keys may work that it would deny.
///
/// # Errors
/// When the database does not answer, or there is no such role.
pub async fn names(
    conn: &mut PgConnection,
    role: TargetId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Names> {
    let row = sqlx::query!(
        r#"SELECT t.kept AS "kept: Json<BTreeMap<String, DateTime<Utc>>>", t.closed,
                  coalesce((SELECT jsonb_agg(jsonb_build_object('name', g.grant_name, 'console', g.console_name,
                                'deadline', g.deadline,
                                'is_live', g.state IN ('scheduled', 'opening', 'active') AND g.deadline > $2))
                            FROM names n JOIN grants g ON g.id = n."grant" AND g.grant_name = n.name
                            WHERE n.target = t.id AND n.guard_gone_at IS NULL
                              AND (g.state <> 'scheduled' OR (g.starts_at < $3 AND g.deadline > $2))
                              AND (n.guard_until IS NULL OR n.guard_until > $2)), '[]')
                      AS "names!: Json<Vec<Name>>",
                  (SELECT max(g.deadline) FROM grants g
                   WHERE g.target = t.id AND g.early_end = 'none' AND g.starts_at < $3 AND g.deadline > $2
                     AND g.state IN ('scheduled', 'opening', 'active', 'closing')) AS keys_until
           FROM targets t WHERE t.id = $1"#,
        role.uuid(),
        from,
        until
    );
    let row = row.fetch_one(conn).await?;
    Ok(Names {
        names: row.names.0,
        kept: row.kept.0,
        closed: row.closed,
        keys_until: row.keys_until,
    })
}
