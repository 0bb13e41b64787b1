//! Errors as pages: the same codes as the API's.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use futures_util::FutureExt as _;

use super::failed::{Failed, status};
use super::page::{Frame, Here};
use super::portal::Portal;
use super::visit::Visit;
use super::{assets, cookie, show};
use crate::error::{CallerError, Error, LimitError};
use crate::telemetry::RequestId;

/// Any error.
#[derive(Template)]
#[template(path = "pages/problem.html")]
pub struct Problem {
    /// Around it.
    pub frame: Frame,
    /// HTTP status.
    pub status: u16,
    /// What happened, for a heading.
    pub title: String,
    /// What happened, for a person.
    pub detail: String,
    /// Stable code.
    pub code: String,
    /// The id of the browser's request, under which the log tells of it.
    pub request_id: String,
}

/// Turns what failed below into a page.
pub async fn pages(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let https = portal.settings.https();
    // Before the request is handed on: the page's frame names who has asked.
    let token = cookie::read(request.headers(), https).map(ToOwned::to_owned);
    let extensions = request.extensions().clone();
    let request_id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<Arc<Error>>() else {
        return response;
    };
    if let Error::Internal(cause) = &*error {
        tracing::error!(
            error = cause.as_ref() as &dyn std::error::Error,
            "a page could not be made"
        );
    }
    let visit = match *error {
        // Nobody is looked up again.
        Error::Limit(LimitError::TooFast(_)) => Err(CallerError::Unauthenticated.into()),
        _ => Visit::of(&portal, token.as_deref(), &extensions).await,
    };
    let frame = match visit {
        Ok(visit) => visit
            .frame(Here::Elsewhere)
            .await
            .unwrap_or_else(|_| Frame::nobody()),
        // The page tells of an error already, and must not fail for want of its frame.
        Err(_) => Frame::nobody(),
    };
    let about = error.about();
    let page = Problem {
        frame,
        status: about.status,
        title: about.title.to_owned(),
        detail: about.detail.into_owned(),
        code: about.code.to_owned(),
        request_id: request_id.map(|id| id.0).unwrap_or_default(),
    };
    let mut response = answer(status(&error), &page);
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Answers for a handler that breaks down.
pub async fn caught(request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|panic| Failed(Error::panicked(&*panic)).into_response())
}

/// A page as an answer.
#[must_use]
pub fn answer(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => Failed(Error::Internal(Box::new(error))).into_response(),
    }
}
