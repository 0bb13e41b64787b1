//! The audit log.

use axum::Json;
use serde::Deserialize;

use super::extract::{Asked, Caller, page};
use super::moment::Moment;
use super::problem::Problem;
use super::types::{Actor, AuditEvent, List};
use crate::app::find::{self, AuditFilter};

#[derive(Debug, Default, Deserialize)]
// A misspelt filter (`?actions=…`) is refused: ignored, it would pass the whole log off as the
// answer.
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    action: Option<String>,
    actor: Option<String>,
    subject: Option<String>,
    from: Option<Moment>,
    to: Option<Moment>,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// The audit log, newest first: all of it for auditors and admins, else what concerns the caller
#[utoipa::path(get, path = "/audit-events",
    params(("action" = Option<String>, Query, description = "such as request.approved"),
           ("actor" = Option<String>, Query, description = "TypeID of a person, or name of a machine or part"),
           ("subject" = Option<String>, Query, description = "TypeID of a request or grant, or a name"),
           ("from" = Option<Moment>, Query, description = "not before (RFC 3339)"),
           ("to" = Option<Moment>, Query, description = "before (RFC 3339)"),
           ("limit" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 200),
           ("cursor" = Option<String>, Query, description = "the `next` of the page before",
            format = "event")),
    responses((status = 200, body = List<AuditEvent>)))]
pub(super) async fn list(
    Caller(ctx): Caller,
    Asked(asked): Asked<Filter>,
) -> Result<Json<List<AuditEvent>>, Problem> {
    let Filter {
        action,
        actor,
        subject,
        from,
        to,
        limit,
        cursor,
    } = asked;
    let filter = AuditFilter {
        action,
        actor,
        subject,
        from: from.map(|moment| moment.0),
        to: to.map(|moment| moment.0),
    };
    let found = find::audit_events(&ctx, filter, page(limit, cursor.as_deref())?).await?;
    Ok(Json(List::of(found, |event| AuditEvent {
        id: event.id.to_string(),
        at: event.at,
        action: event.action,
        actor: Actor {
            kind: event.actor_kind,
            id: event.actor_id,
            name: event.actor_name,
        },
        subject: event.subject,
        channel: event.channel,
        outcome: event.outcome,
        code: event.code,
        details: event.details,
    })))
}
