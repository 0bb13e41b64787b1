//! Requests and the decisions on them.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;

use super::extract::{Asked, Body, Caller, Id, Said, page};
use super::problem::{Problem, ProblemDetails};
use super::types::{Decision, List, NewRequest, Nothing, Request};
use crate::app::find::RequestFilter;
use crate::app::{self, Ctx, find};
use crate::domain::duration;
use crate::error::Error;
use crate::ids::RequestId;

type Answer = Result<Json<Request>, Problem>;

/// Ask for an entitlement
#[utoipa::path(post, path = "/requests", request_body = NewRequest,
    responses((status = 201, body = Request), (status = "4XX", body = ProblemDetails)))]
pub(super) async fn submit(
    Caller(ctx): Caller,
    Body(new): Body<NewRequest>,
) -> Result<(StatusCode, Json<Request>), Problem> {
    let duration_seconds = match duration::parse(&new.duration) {
        Ok(seconds) => seconds,
        Err(error) => {
            return Err(ctx
                .refused(
                    "request.submitted",
                    app::submit::subject(&new.entitlement),
                    Error::field("duration", error.to_string()),
                )
                .await
                .into());
        }
    };
    let NewRequest {
        entitlement,
        justification,
        starts_at,
        ticket,
        principal,
        ..
    } = new;
    let new = app::submit::NewRequest {
        entitlement,
        principal,
        duration_seconds,
        justification,
        starts_at,
        ticket,
    };
    let request = app::submit::submit(&ctx, new).await?;
    Ok((StatusCode::CREATED, Json(Request::of(&request, None))))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    state: Option<String>,
    #[serde(default)]
    mine: bool,
    #[serde(default)]
    waiting: bool,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// Requests that the caller may see, newest first
#[utoipa::path(get, path = "/requests",
    params(("state" = Option<String>, Query, description = "pending, approved, denied, withdrawn or expired"),
           ("mine" = Option<bool>, Query, description = "only the caller's own"),
           ("waiting" = Option<bool>, Query, description = "only those that wait for the caller"),
           ("limit" = Option<i64>, Query, description = "1 to 200, 50 unless said otherwise"),
           ("cursor" = Option<String>, Query, description = "the `next` of the page before")),
    responses((status = 200, body = List<Request>), (status = "4XX", body = ProblemDetails)))]
pub(super) async fn list(
    Caller(ctx): Caller,
    Asked(asked): Asked<Filter>,
) -> Result<Json<List<Request>>, Problem> {
    let filter = RequestFilter {
        state: asked.state.as_deref().map(state).transpose()?,
        mine: asked.mine,
        waiting: asked.waiting,
    };
    let found = find::requests(&ctx, &filter, page(asked.limit, asked.cursor.as_deref())?).await?;
    Ok(Json(List::of(found, |it| {
        Request::of(&it.request, it.grant.as_ref())
    })))
}

/// One request
#[utoipa::path(get, path = "/requests/{id}", params(("id" = String, Path, description = "TypeID req_…")),
    responses((status = 200, body = Request), (status = "4XX", body = ProblemDetails)))]
pub(super) async fn get(Caller(ctx): Caller, Id(id): Id<RequestId>) -> Answer {
    show(&ctx, id).await
}

/// Approve a request
#[utoipa::path(post, path = "/requests/{id}/approve", params(("id" = String, Path, description = "TypeID req_…")), request_body = Option<Decision>,
    responses((status = 200, body = Request), (status = "4XX", body = ProblemDetails)))]
pub(super) async fn approve(
    Caller(ctx): Caller,
    Id(id): Id<RequestId>,
    Said(said): Said<Decision>,
) -> Answer {
    app::approve::approve(&ctx, id, said.comment).await?;
    show(&ctx, id).await
}

/// Deny a request
#[utoipa::path(post, path = "/requests/{id}/deny", params(("id" = String, Path, description = "TypeID req_…")), request_body = Decision,
    responses((status = 200, body = Request), (status = "4XX", body = ProblemDetails)))]
pub(super) async fn deny(
    Caller(ctx): Caller,
    Id(id): Id<RequestId>,
    Body(said): Body<Decision>,
) -> Answer {
    app::deny::deny(&ctx, id, said.comment).await?;
    show(&ctx, id).await
}

/// Take a request back
#[utoipa::path(post, path = "/requests/{id}/withdraw", params(("id" = String, Path, description = "TypeID req_…")), request_body = Option<Nothing>,
    responses((status = 200, body = Request), (status = "4XX", body = ProblemDetails)))]
pub(super) async fn withdraw(
    Caller(ctx): Caller,
    Id(id): Id<RequestId>,
    Said(_): Said<Nothing>,
) -> Answer {
    app::withdraw::withdraw(&ctx, id).await?;
    show(&ctx, id).await
}

async fn show(ctx: &Ctx, id: RequestId) -> Answer {
    let view = find::request(ctx, id).await?;
    Ok(Json(Request::of(&view.request, view.grant.as_ref())))
}

fn state(text: &str) -> Result<&'static str, Error> {
    let known = ["pending", "approved", "denied", "withdrawn", "expired"]
        .into_iter()
        .find(|it| *it == text);
    known.ok_or_else(|| {
        Error::field(
            "state",
            "must be pending, approved, denied, withdrawn or expired",
        )
    })
}
