//! Grants.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;

use super::bodies::{End, Extend, Nothing};
use super::credentials::{ConsoleLink, Credentials};
use super::extract::{Asked, Bearer, Body, Caller, Id, Said, length, page};
use super::problem::Problem;
use super::types::{Grant, List};
use crate::app::{self, find};
use crate::domain::audit::verb::Verb;
use crate::ids::GrantId;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    #[serde(default)]
    mine: bool,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// The caller's grants, newest first; all of them for auditors and admins, of a machine those that
/// it has asked for
#[utoipa::path(get, path = "/grants",
    params(("mine" = Option<bool>, Query, description = "only the caller's own"),
           ("limit" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 200),
           ("cursor" = Option<String>, Query, description = "the `next` of the page before",
            format = "grant")),
    responses((status = 200, body = List<Grant>)))]
pub(super) async fn list(
    caller: Bearer,
    Asked(asked): Asked<Filter>,
) -> Result<Json<List<Grant>>, Problem> {
    let page = page(asked.limit, asked.cursor.as_deref())?;
    let (found, ctx) = match &caller {
        Bearer::Person(ctx) => (find::grants(ctx, asked.mine, page).await?, Some(ctx)),
        Bearer::Machine(asker) => (asker.grants(page).await?, None),
    };
    Ok(Json(List::of(found, |view| Grant::of(ctx, &view))))
}

/// One grant
#[utoipa::path(get, path = "/grants/{id}",
    params(("id" = String, Path, description = "TypeID", format = "grant")),
    responses((status = 200, body = Grant)))]
pub(super) async fn get(caller: Bearer, Id(id): Id<GrantId>) -> Result<Json<Grant>, Problem> {
    let ctx = caller.of_grant(None, id).await?;
    Ok(Json(Grant::of(Some(&ctx), &find::grant(&ctx, id).await?)))
}

/// End a grant before its deadline
#[utoipa::path(post, path = "/grants/{id}/end",
    params(("id" = String, Path, description = "TypeID", format = "grant")),
    request_body = Option<End>,
    responses((status = 202, body = Grant)))]
pub(super) async fn end(
    caller: Bearer,
    Id(id): Id<GrantId>,
    Said(said): Said<End>,
) -> Result<(StatusCode, Json<Grant>), Problem> {
    let ctx = caller.of_grant(Some(Verb::End), id).await?;
    let ended = app::end::end(&ctx, id, said.reason).await?;
    // 202: the end is on record, and AWS follows. The grant is `closing` until AWS was read back.
    Ok((StatusCode::ACCEPTED, Json(Grant::of(Some(&ctx), &ended))))
}

/// Ask for a later deadline of an open grant: a request with the same approvals
#[utoipa::path(post, path = "/grants/{id}/extend",
    params(("id" = String, Path, description = "TypeID", format = "grant")),
    request_body = Extend,
    responses((status = 202, body = Grant)))]
pub(super) async fn extend(
    Caller(ctx): Caller,
    Id(id): Id<GrantId>,
    Body(body): Body<Extend>,
) -> Result<(StatusCode, Json<Grant>), Problem> {
    let (duration_seconds, unread) = length(&body.duration);
    let new = app::extend::NewExtension {
        duration_seconds,
        justification: body.justification,
        ticket: body.ticket,
        unread,
    };
    let view = app::extend::extend(&ctx, id, new).await?;
    // 202: the old deadline stands until `extension_id` is approved.
    Ok((StatusCode::ACCEPTED, Json(Grant::of(Some(&ctx), &view))))
}

/// Fetch credentials of an open grant, in the form of an AWS credential process
#[utoipa::path(post, path = "/grants/{id}/credentials",
    params(("id" = String, Path, description = "TypeID", format = "grant")),
    request_body = Option<Nothing>,
    responses((status = 200, body = Credentials)))]
pub(super) async fn credentials(
    Caller(ctx): Caller,
    Id(id): Id<GrantId>,
    Said(_): Said<Nothing>,
) -> Result<Json<Credentials>, Problem> {
    let handed_out = app::credentials::fetch(&ctx, id).await?;
    Ok(Json(Credentials::of(&handed_out)))
}

/// Sign in to the AWS console with a session of an open grant: a link for fifteen minutes
#[utoipa::path(post, path = "/grants/{id}/console-link",
    params(("id" = String, Path, description = "TypeID", format = "grant")),
    request_body = Option<Nothing>,
    responses((status = 200, body = ConsoleLink)))]
pub(super) async fn console_link(
    Caller(ctx): Caller,
    Id(id): Id<GrantId>,
    Said(_): Said<Nothing>,
) -> Result<Json<ConsoleLink>, Problem> {
    let handed_out = app::console_link::console_link(&ctx, id).await?;
    Ok(Json(ConsoleLink::of(&handed_out)))
}
