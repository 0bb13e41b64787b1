//! Credentials that were asked for: what is stored before STS is asked, and its answer after.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::audit;
use crate::domain::audit::Event;
use crate::domain::fetch::{Fetch, Outcome};

/// Stores the intent to ask STS with its event, and until when a session of it may be issued, for
/// a grant that is locked. Where no guard stands behind it the fetch itself says until when.
///
/// # Errors
/// When the database does not answer, or the grant is not open, or not listed where it has to be.
pub async fn intend(
    conn: &mut PgConnection,
    fetch: &Fetch,
    issues_until: DateTime<Utc>,
    event: &Event,
) -> sqlx::Result<()> {
    let event = audit::Columns::try_from(event)?;
    let done = sqlx::query!(
        r#"WITH part AS (
               UPDATE parts SET sent_until = greatest(sent_until, $4)
               WHERE "grant" = $2 AND kind = 'listed' AND state = 'open' RETURNING "grant"),
           open AS (
               SELECT "grant" FROM part
               UNION ALL SELECT id FROM grants WHERE id = $2 AND early_end = 'none'),
           made AS (
               INSERT INTO fetches (id, "grant", kind, at) SELECT $1, "grant", $16, $3 FROM open
               RETURNING "grant")
           INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome,
               code, details, concerns)
           SELECT $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, g.person
           FROM made JOIN grants g ON g.id = made."grant""#,
        fetch.id.uuid(),
        fetch.grant.uuid(),
        fetch.at,
        issues_until,
        event.id,
        event.at,
        event.action,
        event.actor_kind,
        event.actor_id,
        event.actor_name,
        event.subject,
        event.channel,
        event.outcome,
        event.code,
        event.details,
        fetch.kind.as_str(),
    )
    .execute(conn)
    .await?;
    if done.rows_affected() != 1 {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(())
}

/// Stores what became of a fetch, with its event.
///
/// # Errors
/// When the database does not answer, or the fetch has an answer already.
pub async fn settle(
    conn: &mut PgConnection,
    fetch: &Fetch,
    outcome: &Outcome,
    event: &Event,
) -> sqlx::Result<()> {
    let issued = outcome.issued();
    let event = audit::Columns::try_from(event)?;
    let done = sqlx::query!(
        r#"WITH settled AS (
               UPDATE fetches SET outcome = $2, access_key_id = $3, expires_at = $4, packed_percent = $5, error = $6,
                                  answered_at = greatest(at, $7)
               WHERE id = $1 AND outcome IS NULL RETURNING "grant")
           INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome,
               code, details, concerns)
           SELECT $8, $7, $9, $10, $11, $12, $13, $14, $15, $16, $17, g.person
           FROM settled JOIN grants g ON g.id = settled."grant""#,
        fetch.id.uuid(),
        outcome.as_str(),
        issued.map(|it| it.access_key_id.as_str()),
        issued.map(|it| it.expires_at),
        issued.and_then(|it| it.packed_percent),
        outcome.code(),
        event.at,
        event.id,
        event.action,
        event.actor_kind,
        event.actor_id,
        event.actor_name,
        event.subject,
        event.channel,
        event.outcome,
        event.code,
        event.details,
    )
    .execute(conn)
    .await?;
    if done.rows_affected() != 1 {
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(())
}
