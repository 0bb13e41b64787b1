//! A grant is shown on its request's page; here is what leads there, and how it is ended.

use axum::response::{IntoResponse, Redirect, Response};

use super::cookie;
use super::failed::Failed;
use super::forms::{EndForm, ExtendForm};
use super::request::{self, Typed};
use super::visit::{self, Asked, Away, Kept, Named, Sent, Visit};
use crate::app::extend::{self, NewExtension};
use crate::app::find::GrantView;
use crate::app::{end, find};
use crate::error::Error;
use crate::ids::{GrantId, RequestId};

fn place(request: RequestId) -> Redirect {
    Redirect::to(&format!("/requests/{request}#grant"))
}

/// `GET /grants/{id}`
pub async fn page(
    visit: Visit,
    Named(id): Named,
    Asked(kept): Asked<Kept>,
) -> Result<Redirect, Failed> {
    let found = find::grant(&visit.ctx, id.parse::<GrantId>()?).await?;
    let page = format!("/requests/{}", found.request.id);
    let page = cookie::with_draft(&page, kept.draft());
    Ok(Redirect::to(&format!("{page}#grant")))
}

/// `POST /grants/{id}/end`
pub async fn end(
    visit: Result<Visit, Away>,
    Named(id): Named,
    Sent(form): Sent<EndForm>,
) -> Result<Response, Failed> {
    let visit = match visit {
        Ok(visit) => visit,
        Err(away) => return Ok(away.keeping(&form).await),
    };
    let id = id.parse::<GrantId>()?;
    match end::end(&visit.ctx, id, visit::typed(&form.reason)).await {
        Ok(ended) => Ok(place(ended.request.id).into_response()),
        Err(error) => {
            let typed = Typed {
                reason: form.reason,
                ..Typed::default()
            };
            again(&visit, id, typed, error).await
        }
    }
}

/// `POST /grants/{id}/extend`
pub async fn extend(
    visit: Result<Visit, Away>,
    Named(id): Named,
    Sent(form): Sent<ExtendForm>,
) -> Result<Response, Failed> {
    let visit = match visit {
        Ok(visit) => visit,
        Err(away) => return Ok(away.keeping(&form).await),
    };
    let id = id.parse::<GrantId>()?;
    let mut unread = Vec::new();
    let length = visit::length(&form.duration).unwrap_or_else(|error| {
        unread.push(error);
        0
    });
    let new = NewExtension {
        duration_seconds: length,
        justification: form.justification.clone(),
        ticket: visit::typed(&form.ticket),
        unread,
    };
    match extend::extend(&visit.ctx, id, new).await {
        Ok(GrantView {
            extension: Some(asked),
            ..
        }) => Ok(Redirect::to(&format!("/requests/{asked}")).into_response()),
        Ok(asked) => Ok(place(asked.request.id).into_response()),
        Err(error) => {
            let typed = Typed {
                more: form,
                ..Typed::default()
            };
            again(&visit, id, typed, error).await
        }
    }
}

/// The page of the grant's request, with why something was not done.
///
/// # Errors
/// `error` itself, where the page cannot tell of it.
pub async fn again(
    visit: &Visit,
    id: GrantId,
    typed: Typed,
    error: Error,
) -> Result<Response, Failed> {
    // Who may not see the grant gets no page of it: the refusal is all they are told.
    let Ok(found) = find::grant(&visit.ctx, id).await else {
        return Err(error.into());
    };
    request::again(visit, found.request.id, typed, error).await
}
