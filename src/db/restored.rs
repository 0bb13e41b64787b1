//! After a backup was restored: AWS may be of a later time than every row.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::domain::target::Condition;
use crate::ids::TargetId;

/// Puts every role and user into safe mode from `at` on, and makes them due. Returns each with the
/// condition that it was in.
///
/// # Errors
/// When the database does not answer, or a row cannot be.
pub async fn suspend_all(
    conn: &mut PgConnection,
    at: DateTime<Utc>,
) -> sqlx::Result<Vec<(TargetId, Condition)>> {
    // What a look found before the backup says nothing of now: neither that the guard stands, nor
    // that AWS has called the role gone for a while. `safe_since` begins anew where the backup is
    // of a time in safe mode. By id, as everybody locks several targets.
    let rows = sqlx::query!(
        r#"WITH was AS MATERIALIZED (SELECT id, condition FROM targets ORDER BY id FOR NO KEY UPDATE)
           UPDATE targets t SET condition = 'safe_mode', safe_since = $1, guard_equal_at = NULL, missing_since = NULL,
               due_at = least(t.due_at, $1, t.lease_expires_at - interval '1 microsecond')
           FROM was WHERE was.id = t.id
           RETURNING t.id AS "id: TargetId", was.condition"#,
        at
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let suspended = rows.map(|row| {
        let unknown = || sqlx::Error::Decode(format!("unknown condition {}", row.condition).into());
        let was = Condition::parse(&row.condition).ok_or_else(unknown)?;
        Ok((row.id, was))
    });
    suspended.collect()
}

/// A rewind was seen on the target: keys that nothing could cut are handed out nowhere until a
/// person has judged it.
///
/// # Errors
/// When the database does not answer.
pub async fn rewound(
    conn: &mut PgConnection,
    target: TargetId,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE targets SET rewound_at = $2 WHERE id = $1",
        target.uuid(),
        at
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Makes every other target due with a grant that is not over, or of which something may be left:
/// a rewind was seen on one, and there may be more.
///
/// # Errors
/// When the database does not answer.
pub async fn make_others_due(
    conn: &mut PgConnection,
    seen_on: TargetId,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    // What somebody has locked is at work anyway; nobody waits for anybody here. As in `make_due`
    // for whoever holds a target.
    sqlx::query!(
        r#"WITH standing AS MATERIALIZED (
               SELECT t.id FROM targets t
               WHERE t.id <> $2 AND EXISTS (SELECT FROM names n WHERE n.target = t.id AND n.guard_gone_at IS NULL)
               FOR NO KEY UPDATE SKIP LOCKED)
           UPDATE targets SET due_at = least(due_at, $1, lease_expires_at - interval '1 microsecond')
           WHERE id IN (SELECT id FROM standing)"#,
        at,
        seen_on.uuid()
    )
    .execute(conn)
    .await
    .map(drop)
}
