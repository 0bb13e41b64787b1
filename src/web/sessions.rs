//! One's own sessions: where one is signed in.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::failed::Failed;
use super::page::{Frame, Here};
use super::portal::Portal;
use super::problem::answer;
use super::visit::{Named, Visit};
use super::{assets, cookie, show};
use crate::app::sessions::{self, ListedSession};
use crate::error::WireError;

/// Where they are listed.
const PLACE: &str = "/me/sessions";

/// `GET /me/sessions`
#[derive(Template)]
#[template(path = "pages/sessions.html")]
pub struct Sessions {
    /// Around it.
    pub frame: Frame,
    /// The sessions that work, the last used first.
    pub sessions: Vec<ListedSession>,
}

/// `GET /me/sessions`
///
/// # Errors
/// When the database does not answer.
pub async fn page(visit: Visit, headers: HeaderMap) -> Result<Response, Failed> {
    let token = cookie::read(&headers, visit.portal.settings.https());
    let page = Sessions {
        sessions: sessions::own(&visit.ctx, token).await?,
        frame: visit.frame(Here::Elsewhere).await?,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// `GET` of what only takes a form.
pub async fn back(_: Visit) -> Redirect {
    Redirect::to(PLACE)
}

/// `POST /me/sessions/{id}/end`
///
/// # Errors
/// 404 when it is no session of the caller's that works.
pub async fn end(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    let id = id.parse().map_err(WireError::from)?;
    sessions::end(&visit.ctx, Some(id)).await?;
    Ok(Redirect::to(PLACE).into_response())
}

/// `POST /me/sessions/end-all`
///
/// # Errors
/// When the database does not answer.
pub async fn end_all(State(portal): State<Portal>, visit: Visit) -> Result<Response, Failed> {
    sessions::end(&visit.ctx, None).await?;
    let gone = cookie::clear(portal.settings.https());
    let set = [(axum::http::header::SET_COOKIE, gone)];
    Ok((set, Redirect::to("/sign-in?signed_out=1")).into_response())
}
