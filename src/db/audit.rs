//! The audit log: rows go in, and stay.

use sqlx::PgConnection;

use crate::domain::audit::{Actor, Event, Outcome};
use crate::ids::EventId;

/// Appends one event.
///
/// # Errors
/// When the database does not answer.
pub async fn append(conn: &mut PgConnection, event: &Event) -> sqlx::Result<()> {
    let (kind, id, name) = match &event.actor {
        Actor::Person { id, name } => ("person", id.to_string(), name.as_str()),
        Actor::Machine { name } => ("machine", name.clone(), name.as_str()),
        Actor::System { part } => ("system", (*part).to_owned(), *part),
    };
    let (outcome, code) = match event.outcome {
        Outcome::Success => ("success", None),
        Outcome::Refused(code) => ("refused", Some(code)),
        Outcome::Failure(code) => ("failure", Some(code)),
    };
    let details = serde_json::to_value(&event.action).map_err(|e| sqlx::Error::Encode(e.into()))?;
    sqlx::query!(
        "INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, code, details)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        EventId::new().uuid(),
        event.at,
        event.action.name(),
        kind,
        id,
        name,
        event.subject,
        event.channel.as_str(),
        outcome,
        code,
        details,
    )
    .execute(conn)
    .await
    .map(drop)
}
