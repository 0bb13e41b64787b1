//! Which roles are closed.

use sqlx::PgConnection;

use crate::ids::TargetId;

/// Whether a role is closed; nothing else is.
///
/// # Errors
/// When the database does not answer.
pub async fn is(conn: &mut PgConnection, target: TargetId) -> sqlx::Result<bool> {
    sqlx::query_scalar!("SELECT closed FROM targets WHERE id = $1", target.uuid())
        .fetch_one(conn)
        .await
}

/// Closes a role, or opens it to whoever else may come; tells whether that is new.
///
/// # Errors
/// When the database does not answer.
pub async fn put(conn: &mut PgConnection, target: TargetId, closed: bool) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "UPDATE targets SET closed = $2 WHERE id = $1 AND closed <> $2",
        target.uuid(),
        closed
    );
    Ok(done.execute(conn).await?.rows_affected() > 0)
}

/// An entitlement of that role, none of these, where the role is not as `closed` says.
///
/// # Errors
/// When the database does not answer.
pub async fn unlike(
    conn: &mut PgConnection,
    role_arn: &str,
    closed: bool,
    names: &[String],
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "SELECT e.name FROM entitlements e JOIN targets t ON t.id = e.target
         WHERE t.arn = $1 AND t.closed <> $2 AND e.retired_at IS NULL AND e.name <> ALL($3) ORDER BY e.name LIMIT 1",
        role_arn,
        closed,
        names
    )
    .fetch_optional(conn)
    .await
}
