//! Trying whether AWS denies the sessions of a grant that has ended.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::bodies::Nothing;
use super::extract::{Caller, Id, Said};
use super::problem::Problem;
use crate::app;
use crate::domain::probe::Probed;
use crate::ids::GrantId;

/// One try whether AWS denies a session under the name of a grant that has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Probe {
    /// denied: AWS told of an explicit deny in an identity-based policy of the role, as its guard
    /// is one. `not_denied`: AWS carried the call out, or refused it for want of an Allow alone.
    /// `not_asked`: nothing was learned.
    #[schema(pattern = "^(denied|not_denied|not_asked)$")]
    outcome: String,
    /// Why nothing was learned.
    because: Option<String>,
    /// When.
    at: DateTime<Utc>,
}

impl From<Probed> for Probe {
    fn from(it: Probed) -> Self {
        Self {
            outcome: it.outcome,
            because: it.error,
            at: it.at,
        }
    }
}

/// Try whether AWS denies the sessions of a grant that has ended; for admins
#[utoipa::path(post, path = "/grants/{id}/probe",
    params(("id" = String, Path, description = "TypeID", format = "grant")),
    request_body = Option<Nothing>,
    responses((status = 200, body = Probe)))]
pub(super) async fn probe(
    Caller(ctx): Caller,
    Id(id): Id<GrantId>,
    Said(_): Said<Nothing>,
) -> Result<Json<Probe>, Problem> {
    Ok(Json(app::probe::probe(&ctx, id).await?.into()))
}
