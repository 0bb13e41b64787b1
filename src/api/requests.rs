//! Requests and the decisions on them.

use axum::Json;
use axum::http::StatusCode;
use serde::Deserialize;

use super::bodies::{Approval, Comment, Denial, NewRequest, Nothing, Spoken};
use super::extract::{Asked, Bearer, Body, Caller, Id, Said, length, page};
use super::problem::Problem;
use super::request::{Decided, Request};
use super::types::List;
use crate::app::ctx::Ctx;
use crate::app::find::RequestFilter;
use crate::app::load::{Seen, Shown};
use crate::app::submit::Submitted;
use crate::app::{self, ask_question, find};
use crate::domain::audit::verb::Verb;
use crate::error::{CallerError, Error, InputError};
use crate::ids::RequestId;

type Answer = Result<Json<Decided>, Problem>;

/// Ask for an entitlement
#[utoipa::path(post, path = "/requests", request_body = NewRequest,
    responses((status = 201, body = Decided),
              (status = 200, body = Decided, description = "The same was asked a moment ago: that request")))]
pub(super) async fn submit(
    caller: Bearer,
    Body(new): Body<NewRequest>,
) -> Result<(StatusCode, Json<Decided>), Problem> {
    let (name, named) = (&new.entitlement, new.on_behalf_of.as_deref());
    let ctx = match caller {
        Bearer::Machine(asker) => asker.on_behalf_of(named, name).await?,
        Bearer::Person(ctx) if named.is_some() => {
            let subject = app::submit::subject(name);
            let error = CallerError::OnBehalf;
            return Err(ctx.refused(Verb::Submit, subject, error).await.into());
        }
        Bearer::Person(ctx) => ctx,
    };
    let (duration_seconds, unread) = length(&new.duration);
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
        starts_at: starts_at.map(|moment| moment.0),
        ticket,
        unread,
    };
    let (status, asked) = match app::submit::submit(&ctx, new).await? {
        Submitted::New(asked) => (StatusCode::CREATED, asked),
        // 200, not 201: nothing was made. A client that tries again gets the id of its first try.
        Submitted::Again(asked) => (StatusCode::OK, asked),
    };
    Ok((status, show(&ctx, asked).await?))
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

/// Requests that the caller may see, newest first; of a machine those that it has asked for
#[utoipa::path(get, path = "/requests",
    params(("state" = Option<String>, Query, description = "only those in this state",
            pattern = "^(pending|approved|denied|withdrawn|expired)$"),
           ("mine" = Option<bool>, Query, description = "only the caller's own"),
           ("waiting" = Option<bool>, Query, description = "only those that wait for the caller: they are \
           others' and pending"),
           ("limit" = Option<i64>, Query, description = "50 unless said otherwise", minimum = 1, maximum = 200),
           ("cursor" = Option<String>, Query, description = "the `next` of the page before",
            format = "req")),
    responses((status = 200, body = List<Request>)))]
pub(super) async fn list(
    caller: Bearer,
    Asked(asked): Asked<Filter>,
) -> Result<Json<List<Request>>, Problem> {
    compatible(&asked)?;
    let filter = RequestFilter {
        state: asked.state.as_deref().map(state).transpose()?,
        mine: asked.mine,
        waiting: asked.waiting,
    };
    let page = page(asked.limit, asked.cursor.as_deref())?;
    let (found, ctx) = match &caller {
        Bearer::Person(ctx) => (find::requests(ctx, &filter, page).await?, Some(ctx)),
        // Nothing waits for a machine.
        Bearer::Machine(_) if filter.waiting => return Err(CallerError::ForPeople.into()),
        Bearer::Machine(asker) => (asker.requests(filter.state, page).await?, None),
    };
    Ok(Json(List::of(found, |listed| {
        Request::of(ctx, &listed.request, listed.grant.as_ref())
    })))
}

/// One request
#[utoipa::path(get, path = "/requests/{id}",
    params(("id" = String, Path, description = "TypeID", format = "req")),
    responses((status = 200, body = Decided)))]
pub(super) async fn get(caller: Bearer, Id(id): Id<RequestId>) -> Answer {
    let ctx = caller.of_request(None, id).await?;
    let view = find::counted(&ctx, id).await?;
    Ok(Json(Decided::of(&ctx, &view)))
}

/// Approve a request
#[utoipa::path(post, path = "/requests/{id}/approve",
    params(("id" = String, Path, description = "TypeID", format = "req")),
    request_body = Option<Approval>,
    responses((status = 200, body = Decided)))]
pub(super) async fn approve(
    Caller(ctx): Caller,
    Id(id): Id<RequestId>,
    Said(said): Said<Approval>,
) -> Answer {
    let seconds = match said.duration.as_deref().map(length) {
        Some((seconds, wrong)) if wrong.is_empty() => Some(seconds),
        Some((_, wrong)) => {
            let error = InputError::Fields(wrong);
            return Err(ctx.refused(Verb::Approve, id, error).await.into());
        }
        None => None,
    };
    let seen = Seen {
        id,
        revision: said.revision,
    };
    let shown = app::approve::approve(&ctx, seen, said.comment, seconds).await?;
    show(&ctx, shown).await
}

/// Deny a request
#[utoipa::path(post, path = "/requests/{id}/deny",
    params(("id" = String, Path, description = "TypeID", format = "req")),
    request_body = Denial,
    responses((status = 200, body = Decided)))]
pub(super) async fn deny(
    Caller(ctx): Caller,
    Id(id): Id<RequestId>,
    Body(said): Body<Denial>,
) -> Answer {
    let seen = Seen {
        id,
        revision: said.revision,
    };
    let shown = app::deny::deny(&ctx, seen, said.comment).await?;
    show(&ctx, shown).await
}

/// Take one's approval back
///
/// As long as the request waits, it counts no more. Once it is approved, the grant ends if it is
/// not open yet.
#[utoipa::path(post, path = "/requests/{id}/withdraw-approval",
    params(("id" = String, Path, description = "TypeID", format = "req")),
    request_body = Option<Comment>,
    responses((status = 200, body = Decided)))]
pub(super) async fn withdraw_approval(
    Caller(ctx): Caller,
    Id(id): Id<RequestId>,
    Said(said): Said<Comment>,
) -> Answer {
    let shown = app::withdraw_approval::withdraw_approval(&ctx, id, said.comment).await?;
    show(&ctx, shown).await
}

/// Ask the requester something
///
/// Whoever could approve now may ask instead. One question waits at a time; it stops no decision.
#[utoipa::path(post, path = "/requests/{id}/ask",
    params(("id" = String, Path, description = "TypeID", format = "req")),
    request_body = Spoken,
    responses((status = 200, body = Decided)))]
pub(super) async fn ask(
    Caller(ctx): Caller,
    Id(id): Id<RequestId>,
    Body(said): Body<Spoken>,
) -> Answer {
    let shown = ask_question::ask(&ctx, id, &said.text).await?;
    show(&ctx, shown).await
}

/// Answer what an approver has asked
#[utoipa::path(post, path = "/requests/{id}/answer",
    params(("id" = String, Path, description = "TypeID", format = "req")),
    request_body = Spoken,
    responses((status = 200, body = Decided)))]
pub(super) async fn answer(
    Caller(ctx): Caller,
    Id(id): Id<RequestId>,
    Body(said): Body<Spoken>,
) -> Answer {
    let shown = ask_question::answer(&ctx, id, &said.text).await?;
    show(&ctx, shown).await
}

/// Take a request back
#[utoipa::path(post, path = "/requests/{id}/withdraw",
    params(("id" = String, Path, description = "TypeID", format = "req")),
    request_body = Option<Nothing>,
    responses((status = 200, body = Decided)))]
pub(super) async fn withdraw(
    caller: Bearer,
    Id(id): Id<RequestId>,
    Said(_): Said<Nothing>,
) -> Answer {
    let ctx = caller.of_request(Some(Verb::Withdraw), id).await?;
    let shown = app::withdraw::withdraw(&ctx, id).await?;
    show(&ctx, shown).await
}

async fn show(ctx: &Ctx, shown: Shown) -> Answer {
    let view = find::after(ctx, shown).await?;
    Ok(Json(Decided::of(ctx, &view)))
}

/// What waits for the caller is pending and another's: a filter that says otherwise would show
/// nothing, and not why.
fn compatible(asked: &Filter) -> Result<(), Error> {
    if !asked.waiting {
        return Ok(());
    }
    if asked
        .state
        .as_deref()
        .is_some_and(|state| state != "pending")
    {
        return Err(Error::field(
            "state",
            "must be pending or left out beside `waiting=true`: what waits for a decision is pending",
        ));
    }
    if asked.mine {
        return Err(Error::field(
            "mine",
            "must be left out beside `waiting=true`: nobody decides on their own requests",
        ));
    }
    Ok(())
}

fn state(text: &str) -> Result<&'static str, Error> {
    // An unknown state would match no row, and read like "there are none".
    let known = ["pending", "approved", "denied", "withdrawn", "expired"]
        .into_iter()
        .find(|state| *state == text);
    known.ok_or_else(|| {
        Error::field(
            "state",
            "must be pending, approved, denied, withdrawn or expired",
        )
    })
}
