//! Which targets are due, and from when.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::ids::{GrantId, TargetId};

/// By how much earlier a target is due on which somebody ends something. What is due longest is
/// taken first, and thousands of grants may end in the same second: AWS itself ends those at their
/// deadline, and does not know of this one.
pub const AHEAD: TimeDelta = TimeDelta::days(1);

/// Makes a target due at `at`, or leaves it due earlier. Somebody who is at work on it right now
/// may have looked before the caller's change: it is due again as soon as he is done.
///
/// # Errors
/// When the database does not answer.
pub async fn make_due(
    conn: &mut PgConnection,
    target: TargetId,
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    // Whoever holds the target has set `due_at` to the end of the lease. One microsecond less tells
    // `store` that something has come in since.
    sqlx::query!(
        "UPDATE targets SET due_at = least(due_at, $2, lease_expires_at - interval '1 microsecond') WHERE id = $1",
        target.uuid(),
        at,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The same for every target that something is written to for locked grants, as long as they are
/// not over there.
///
/// # Errors
/// When the database does not answer.
pub async fn make_due_for(
    conn: &mut PgConnection,
    grants: &[GrantId],
    at: DateTime<Utc>,
) -> sqlx::Result<()> {
    let grants: Vec<Uuid> = grants.iter().map(|id| id.uuid()).collect();
    // By id, as everybody locks several targets.
    sqlx::query!(
        r#"WITH written AS (
               SELECT id FROM targets
               WHERE id IN (SELECT target FROM parts WHERE "grant" = ANY($1) AND state <> 'closed')
               ORDER BY id FOR NO KEY UPDATE)
           UPDATE targets SET due_at = least(due_at, $2, lease_expires_at - interval '1 microsecond')
           WHERE id IN (SELECT id FROM written)"#,
        &grants,
        at,
    )
    .execute(conn)
    .await
    .map(drop)
}
