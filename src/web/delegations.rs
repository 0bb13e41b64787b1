//! Being away: who decides for oneself, and for whom one does.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::assets;
use super::failed::{self, Failed};
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::show::{self, Icon};
use super::visit::{self, Named, Sent, Visit};
use crate::app::delegations::{self, Listed, Wanted};
use crate::error::{Error, FieldError};
use crate::ids::{DelegationId, PersonId};

/// Where they are listed.
const PLACE: &str = "/me/delegations";

/// What the form sends.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DelegateForm {
    /// Who decides: an id, or an e-mail address.
    pub delegate: String,
    /// `YYYY-MM-DDTHH:MM` in UTC; empty for at once.
    pub from: String,
    /// The same; until when.
    pub until: String,
}

impl DelegateForm {
    /// What is wanted. What is no time is told with everything else that is wrong.
    fn read(&self) -> Wanted {
        let mut unread = Vec::new();
        let mut time = |field, typed: &str| {
            visit::moment(typed).unwrap_or_else(|_| {
                let detail = "must be a day and a time such as 2026-11-23T21:40";
                unread.push(FieldError::invalid(field, detail));
                None
            })
        };
        let (from, until) = (time("from", &self.from), time("until", &self.until));
        Wanted {
            to: self.delegate.clone(),
            from,
            until,
            unread,
        }
    }
}

/// `GET /me/delegations`
#[derive(Template)]
#[template(path = "pages/delegations.html")]
pub struct Delegations {
    /// Around it.
    pub frame: Frame,
    /// The caller's accounts.
    pub me: Vec<PersonId>,
    /// Those from the caller and to them that are not over, in the order in which they begin.
    pub delegations: Vec<Listed>,
    /// What was typed.
    pub form: DelegateForm,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
}

impl Delegations {
    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    /// Whether it is one from the caller.
    fn is_own(&self, listed: &Listed) -> bool {
        self.me.contains(&listed.from)
    }

    fn is_live(&self, listed: &Listed) -> bool {
        listed.starts_at <= self.frame.now
    }
}

/// `GET /me/delegations`
///
/// # Errors
/// When the database does not answer.
pub async fn page(visit: Visit) -> Result<Response, Failed> {
    list(&visit, DelegateForm::default(), None).await
}

/// `GET` of what only takes a form.
pub async fn back(_: Visit) -> Redirect {
    Redirect::to(PLACE)
}

/// `POST /me/delegations`
///
/// # Errors
/// When the database does not answer.
pub async fn delegate(visit: Visit, Sent(form): Sent<DelegateForm>) -> Result<Response, Failed> {
    match delegations::delegate(&visit.ctx, form.read()).await {
        Ok(_) => Ok(Redirect::to(PLACE).into_response()),
        Err(error) if page::mends(&error) => list(&visit, form, Some(error)).await,
        Err(error) => Err(error.into()),
    }
}

/// `POST /me/delegations/{id}/end`
///
/// # Errors
/// 404 when it is none from or to the caller that is not over.
pub async fn end(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    delegations::end_delegation(&visit.ctx, id.parse::<DelegationId>()?).await?;
    Ok(Redirect::to(PLACE).into_response())
}

async fn list(visit: &Visit, form: DelegateForm, error: Option<Error>) -> Result<Response, Failed> {
    let status = error.as_ref().map_or(StatusCode::OK, failed::status);
    let page = Delegations {
        delegations: delegations::own(&visit.ctx).await?,
        frame: visit.frame(Here::Elsewhere).await?,
        me: visit.ctx.person.ids.clone(),
        form,
        errors: error.as_ref().map(page::errors).unwrap_or_default(),
    };
    Ok(answer(status, &page))
}
