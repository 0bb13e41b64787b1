//! Somebody leaves, or is back.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bodies::Nothing;
use super::extract::{Body, Caller, Id, Said};
use super::problem::Problem;
use crate::app::ctx::Ctx;
use crate::app::{disable, enable, find};
use crate::ids::PersonId;

/// Why somebody is disabled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Leaving {
    /// In the admin's words, for the audit log.
    #[schema(value_type = String, required, min_length = 1, max_length = 2000)]
    reason: String,
}

/// A person, as an admin sees them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Person {
    /// TypeID.
    #[schema(format = "person")]
    id: String,
    /// For display.
    name: String,
    /// For display; may be empty.
    email: String,
    /// active, or disabled.
    #[schema(pattern = "^(active|disabled)$")]
    status: &'static str,
    /// Since when they are disabled.
    disabled_at: Option<DateTime<Utc>>,
    /// How many of their sessions of the portal work.
    sessions: i64,
    /// How many of their API tokens work, those of their machines among them.
    tokens: i64,
    /// How many machines that have not ended they answer for.
    machines: i64,
    /// How many of their requests wait for a decision.
    requests: i64,
    /// How many of their grants are scheduled, opening or active.
    grants: i64,
    /// The other accounts of the same human, in words; each of them is disabled by itself.
    other_accounts: Vec<String>,
}

async fn shown(ctx: &Ctx, id: PersonId) -> Result<Json<Person>, Problem> {
    let it = find::person(ctx, id).await?;
    Ok(Json(Person {
        id: it.id.to_string(),
        status: it.status(),
        name: it.name,
        email: it.email,
        disabled_at: it.disabled_at,
        sessions: it.sessions,
        tokens: it.tokens,
        machines: it.machines,
        requests: it.requests,
        grants: it.grants,
        other_accounts: it.others,
    }))
}

/// Disable somebody who has left; for admins, and never of themselves. Their sessions, API tokens,
/// machines, pending requests and grants end, and their approvals of pending requests count no more
#[utoipa::path(post, path = "/people/{id}/disable",
    params(("id" = String, Path, description = "TypeID", format = "person")),
    request_body = Leaving,
    responses((status = 200, body = Person)))]
pub(super) async fn disable(
    Caller(ctx): Caller,
    Id(id): Id<PersonId>,
    Body(said): Body<Leaving>,
) -> Result<Json<Person>, Problem> {
    disable::disable(&ctx, id, &said.reason).await?;
    shown(&ctx, id).await
}

/// Enable somebody again; for admins. What has ended stays so
#[utoipa::path(post, path = "/people/{id}/enable",
    params(("id" = String, Path, description = "TypeID", format = "person")),
    request_body = Option<Nothing>,
    responses((status = 200, body = Person)))]
pub(super) async fn enable(
    Caller(ctx): Caller,
    Id(id): Id<PersonId>,
    Said(_): Said<Nothing>,
) -> Result<Json<Person>, Problem> {
    enable::enable(&ctx, id).await?;
    shown(&ctx, id).await
}
