//! Signing in and out.

use askama::Template;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::ExposeSecret;

use super::failed::Failed;
use super::oidc::browser;
use super::page::{Frame, Here};
use super::portal::Portal;
use super::problem::answer;
use super::visit::Visit;
use super::{assets, cookie, show};
use crate::app::sign_in::{self, Browser};
use crate::ids::{DraftId, PersonId};

/// `GET /sign-in` where there is no way to sign in.
#[derive(Template)]
#[template(path = "pages/sign_in.html")]
pub struct SignIn {
    /// Around it.
    pub frame: Frame,
}

/// `GET /sign-in` where there is no way to sign in.
pub async fn page() -> Response {
    answer(
        StatusCode::OK,
        &SignIn {
            frame: Frame::nobody(),
        },
    )
}

/// Starts a session for somebody who has shown who they are, and sends the browser on to `next`, if
/// that is a place of ours, with the `draft` that was typed before. A session that the browser
/// already had, as `headers` say, ends.
///
/// # Errors
/// 404 when there is no such person.
pub async fn begin(
    portal: &Portal,
    headers: &HeaderMap,
    person: PersonId,
    (next, draft): (&str, Option<DraftId>),
) -> Result<Response, Failed> {
    let https = portal.settings.https();
    let browser = Browser {
        draft,
        ..browser(headers, https)
    };
    let token = sign_in::start(&portal.app, person, browser).await?;
    let set = cookie::set(token.expose_secret(), https);
    Ok(([(SET_COOKIE, set)], cookie::back(next, draft)).into_response())
}

/// `POST /sign-out`
pub async fn sign_out(
    State(portal): State<Portal>,
    visit: Visit,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let https = portal.settings.https();
    // The session ends in the database: a copy of the cookie would go on working.
    if let Some(token) = cookie::read(&headers, https) {
        sign_in::end(&portal.app, &visit.ctx.person, token).await?;
    }
    Ok((
        [(SET_COOKIE, cookie::clear(https))],
        // That page may say how to sign out of the provider as well.
        Redirect::to("/sign-in?signed_out=1"),
    )
        .into_response())
}
