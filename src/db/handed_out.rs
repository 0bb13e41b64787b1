//! Grants that nothing is written for in AWS: keys that were handed out for them work until they
//! expire or the deadline comes, whatever anybody decides. They have neither parts nor names, so
//! that what follows for them is asked of their fetches and of the time alone.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::grants::row::whole;
use super::targets::row::parse;
use crate::domain::fetch::Unguarded;
use crate::domain::grant::Grant;
use crate::ids::{GrantId, TargetId};

/// What there is to do.
#[derive(Debug)]
pub struct Due {
    /// The grants for which something is to be done, those that have waited longest first.
    pub grants: Vec<Uuid>,
    /// When something is to be done for the next one.
    pub next_due: Option<DateTime<Utc>>,
    /// The moment of the look.
    pub now: DateTime<Utc>,
}

/// Up to `most` grants that are to be opened, closed or counted as over. AWS's clock may be behind
/// by `margin`. `now` is the database's own time where it is not given.
///
/// # Errors
/// When the database does not answer.
pub async fn due(
    conn: &mut PgConnection,
    now: Option<DateTime<Utc>>,
    margin: TimeDelta,
    most: i64,
) -> sqlx::Result<Due> {
    sqlx::query_as!(
        Due,
        r#"WITH clock AS MATERIALIZED (SELECT coalesce($1, clock_timestamp()) AS now),
           waiting AS MATERIALIZED (
               SELECT g.id, CASE g.state
                   WHEN 'scheduled' THEN g.starts_at
                   WHEN 'active' THEN g.deadline
                   WHEN 'closing' THEN coalesce(
                       (SELECT max(least(g.deadline, f.expires_at)) + make_interval(secs => $2) FROM fetches f
                        WHERE f."grant" = g.id AND f.outcome IS DISTINCT FROM 'failed'), g.closing_at)
                   ELSE g.opening_at END AS due_at
               FROM grants g
               WHERE g.early_end = 'none' AND g.state IN ('scheduled', 'opening', 'active', 'closing'))
           SELECT now AS "now!",
                  ARRAY(SELECT id FROM waiting WHERE due_at <= now ORDER BY due_at, id LIMIT $3) AS "grants!",
                  (SELECT min(due_at) FROM waiting WHERE due_at > now) AS next_due
           FROM clock"#,
        now,
        margin.as_seconds_f64(),
        most,
    )
    .fetch_one(conn)
    .await
}

/// Locks those of the grants that nobody else has, by id, with what their fetches say by then.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn lock(conn: &mut PgConnection, ids: &[Uuid]) -> sqlx::Result<Vec<Grant>> {
    let rows = whole!(
        "WHERE g.id = ANY($1) ORDER BY g.id FOR NO KEY UPDATE OF g SKIP LOCKED",
        ids
    );
    let rows = rows.fetch_all(&mut *conn).await?;
    // Read anew under the locks: who fetches holds the grant.
    let until = sqlx::query!(
        r#"SELECT g.id AS "id: GrantId", max(least(g.deadline, f.expires_at)) AS keys_until
           FROM grants g JOIN fetches f ON f."grant" = g.id AND f.outcome IS DISTINCT FROM 'failed'
           WHERE g.id = ANY($1) GROUP BY g.id"#,
        ids
    );
    let until = until.fetch_all(conn).await?.into_iter();
    let until: HashMap<GrantId, Option<DateTime<Utc>>> =
        until.map(|row| (row.id, row.keys_until)).collect();
    let grants = rows.into_iter().map(|row| {
        let mut grant = Grant::try_from(row)?;
        grant.marks.keys_until = until.get(&grant.id).copied().flatten();
        Ok(grant)
    });
    grants.collect()
}

/// What is known of the role of such a grant, and of AWS altogether. Read after the grant was
/// locked.
///
/// # Errors
/// When the database does not answer, or the role's condition is not known.
pub async fn unguarded(conn: &mut PgConnection, grant: GrantId) -> sqlx::Result<Unguarded> {
    // What was sent last of a guard that was deleted is nothing.
    let row = sqlx::query!(
        r#"SELECT t.condition, t.closed OR EXISTS (SELECT FROM documents d
                                      WHERE d.target = t.id AND d.key = 'guard' AND d.sha256 <> sha256(''))
                      AS "is_guarded!",
                  EXISTS (SELECT FROM targets o WHERE o.rewound_at IS NOT NULL) AS "is_rewound!",
                  EXISTS (SELECT FROM revocations v WHERE v.lifted_at IS NULL
                          AND is_revoked(v, g.person, ARRAY[g.target], g.principal_arn))
                      AS "is_held!"
           FROM grants g JOIN targets t ON t.id = g.target WHERE g.id = $1"#,
        grant.uuid()
    );
    let row = row.fetch_one(conn).await?;
    Ok(Unguarded {
        condition: parse(&row.condition)?,
        is_guarded: row.is_guarded,
        is_rewound: row.is_rewound,
        is_held: row.is_held,
    })
}

/// Locks a role for whoever approves something on it, so that what they ask of its grants stays so.
///
/// # Errors
/// When the database does not answer, or there is no such role.
pub async fn lock_role(conn: &mut PgConnection, role: TargetId) -> sqlx::Result<()> {
    sqlx::query_scalar!(
        "SELECT id FROM targets WHERE id = $1 FOR NO KEY UPDATE",
        role.uuid()
    )
    .fetch_one(conn)
    .await
    .map(drop)
}

/// Such grants of a role that are not over, by id. Not locked.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn unfinished(conn: &mut PgConnection, role: TargetId) -> sqlx::Result<Vec<Grant>> {
    let rows = whole!(
        "WHERE g.target = $1 AND g.early_end = 'none'
           AND g.state IN ('scheduled', 'opening', 'active', 'closing') ORDER BY g.id",
        role.uuid()
    );
    let rows = rows.fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
