//! One's own AWS identities: what they are, and how to link another one.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::failed::{self, Failed};
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::show::Icon;
use super::visit::{Named, Sent, Visit};
use super::{assets, show};
use crate::app::identities::{self, ListedIdentity};
use crate::domain::identity::Source;
use crate::error::{Error, FieldError, IdentityError, WireError};

/// Where they are listed.
const PLACE: &str = "/me/identities";

/// `GET /me/identities`
#[derive(Template)]
#[template(path = "pages/identities.html")]
pub struct Identities {
    /// Around it.
    pub frame: Frame,
    /// The caller's identities, by ARN.
    pub identities: Vec<ListedIdentity>,
    /// What to type in a shell with the keys of another one.
    pub command: String,
    /// Why what was sent was not done.
    pub errors: Vec<FieldError>,
}

/// What the form sends.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkForm {
    /// What the line printed.
    signed: String,
}

/// `GET /me/identities`
///
/// # Errors
/// When the database does not answer or takes no writes.
pub async fn page(visit: Visit) -> Result<Response, Failed> {
    show_page(&visit, None).await
}

/// `GET` of what only takes a form.
pub async fn back(_: Visit) -> Redirect {
    Redirect::to(PLACE)
}

/// `POST /me/identities`
///
/// # Errors
/// When it is no call that was signed for the caller, or AWS names nobody whom they may be.
pub async fn link(visit: Visit, Sent(form): Sent<LinkForm>) -> Result<Response, Failed> {
    match identities::link(&visit.ctx, &form.signed).await {
        Ok(()) => Ok(Redirect::to(PLACE).into_response()),
        Err(Error::Identity(error)) => show_page(&visit, Some(error)).await,
        Err(error) => Err(error.into()),
    }
}

/// `POST /me/identities/{id}/end`
///
/// # Errors
/// 404 when it is none of the caller's.
pub async fn end(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    let id = id.parse().map_err(WireError::from)?;
    match identities::unlink(&visit.ctx, id).await {
        Ok(()) => Ok(Redirect::to(PLACE).into_response()),
        Err(Error::Identity(error)) => show_page(&visit, Some(error)).await,
        Err(error) => Err(error.into()),
    }
}

/// The page with a new challenge: one that was brought back works no more, and what was signed for
/// it is not shown again.
async fn show_page(visit: &Visit, error: Option<IdentityError>) -> Result<Response, Failed> {
    let error = error.map(Error::from);
    let status = error.as_ref().map_or(StatusCode::OK, failed::status);
    let challenge = identities::challenge(&visit.ctx).await?;
    // With its word, which docs/sign-in.md explains.
    let told = error.as_ref().map(Error::about).map(|about| {
        let detail = format!("{} ({})", about.detail, about.code);
        FieldError::invalid("", detail)
    });
    let page = Identities {
        identities: identities::own(&visit.ctx).await?,
        command: visit.portal.settings.aws.sign(&challenge),
        errors: told.into_iter().collect(),
        frame: visit.frame(Here::Elsewhere).await?,
    };
    Ok(answer(status, &page))
}
