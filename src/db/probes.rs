//! Tries whether an ended grant's sessions are denied: what is stored before AWS is asked, and what
//! came of it.

use sqlx::PgConnection;

use super::audit;
use crate::domain::audit::Event;
use crate::domain::probe::{Outcome, Probe};

/// Stores the intent to try with its event, for a grant that is locked.
///
/// # Errors
/// When the database does not answer, or the grant is not one that has ended and was fetched.
pub async fn intend(conn: &mut PgConnection, probe: &Probe, event: &Event) -> sqlx::Result<()> {
    sqlx::query!(
        r#"INSERT INTO probes (id, "grant", asked_by, at) VALUES ($1, $2, $3, $4)"#,
        probe.id.uuid(),
        probe.grant.uuid(),
        probe.by.uuid(),
        probe.at
    )
    .execute(&mut *conn)
    .await?;
    audit::append(conn, event).await
}

/// Stores what came of a try, with its event.
///
/// # Errors
/// When the database does not answer, or it has an answer already.
pub async fn settle(
    conn: &mut PgConnection,
    probe: &Probe,
    outcome: &Outcome,
    event: &Event,
) -> sqlx::Result<()> {
    let done = sqlx::query!(
        "UPDATE probes SET outcome = $2, access_key_id = $3, error = $4, answered_at = greatest(at, $5)
         WHERE id = $1 AND outcome IS NULL",
        probe.id.uuid(),
        outcome.seen.as_str(),
        outcome.access_key_id,
        outcome.seen.code(),
        event.at
    )
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() != 1 {
        return Err(sqlx::Error::RowNotFound);
    }
    audit::append(conn, event).await
}
