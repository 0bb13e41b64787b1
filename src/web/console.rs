//! The link to the console of an open grant, shown once.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::failed::Failed;
use super::grants;
use super::page::{Frame, Here};
use super::problem::answer;
use super::request::Typed;
use super::visit::{Named, Visit};
use super::{assets, show};
use crate::app::console_link::console_link;
use crate::ids::GrantId;

/// `POST /grants/{id}/console-link`
#[derive(Template)]
#[template(path = "pages/console.html")]
pub struct Console {
    /// Around it.
    pub frame: Frame,
    /// The grant.
    pub grant: GrantId,
    /// The link. It is on no other page, and in no address of ours.
    pub url: SecretString,
    /// When it stops to sign in.
    pub expires_at: DateTime<Utc>,
    /// When the console stops to work.
    pub session_until: DateTime<Utc>,
}

impl Console {
    fn href(&self) -> &str {
        self.url.expose_secret()
    }
}

/// `POST /grants/{id}/console-link`: a page with the link. Our pages send forms to ourselves alone,
/// so that a redirect to AWS would be stopped by the browser.
pub async fn link(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    let id = id.parse::<GrantId>()?;
    match console_link(&visit.ctx, id).await {
        Ok(made) => {
            let page = Console {
                frame: visit.frame(Here::Requests).await?,
                grant: id,
                url: made.url,
                expires_at: made.expires_at,
                session_until: made.session_until,
            };
            Ok(answer(StatusCode::OK, &page))
        }
        Err(error) => grants::again(&visit, id, Typed::default(), error).await,
    }
}
