//! Who there is, for admins: disabling somebody who has left, and enabling them again.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::assets;
use super::failed::{self, Failed};
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::show::{self, Badge, Icon, Tone};
use super::visit::{Asked, Named, Sent, Visit};
use crate::app::find::{self, ListedPerson, Page, PeopleFilter};
use crate::app::{disable, enable};
use crate::error::{Error, FieldError};
use crate::ids::PersonId;

/// What may stand behind `?`.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Search {
    /// What to look for.
    pub q: String,
    /// The `next` of the page before.
    pub cursor: Option<String>,
}

/// What the form sends.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DisableForm {
    /// Why.
    pub reason: String,
}

/// A form without fields.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnableForm {}

/// `GET /admin/people`
#[derive(Template)]
#[template(path = "pages/people.html")]
pub struct People {
    /// Around it.
    pub frame: Frame,
    /// What was looked for.
    pub q: String,
    /// They, by name.
    pub people: Vec<ListedPerson>,
    /// Link to the next page.
    pub next: Option<String>,
}

/// `GET /admin/people/{id}`
#[derive(Template)]
#[template(path = "pages/person.html")]
pub struct Person {
    /// Around it.
    pub frame: Frame,
    /// Who it is.
    pub person: ListedPerson,
    /// Whether it is the admin who looks.
    pub is_me: bool,
    /// What was typed as the reason.
    pub reason: String,
    /// What is wrong with what was tried.
    pub errors: Vec<FieldError>,
}

/// Whether somebody is active, as icon and word.
fn standing(person: &ListedPerson) -> Badge {
    let (tone, icon, word) = if person.disabled_at.is_some() {
        (Tone::Bad, Icon::Cross, "Disabled")
    } else {
        (Tone::Good, Icon::Check, "Active")
    };
    Badge { tone, icon, word }
}

/// So many of something.
fn count(number: &i64, one: &str, more: &str) -> String {
    format!("{number} {}", if *number == 1 { one } else { more })
}

impl Person {
    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    /// What ends with it, a line each.
    fn consequences(&self) -> Vec<String> {
        let it = &self.person;
        let sessions = count(&it.sessions, "session ends", "sessions end");
        let tokens = count(&it.tokens, "API token is revoked", "API tokens are revoked");
        let machines = count(
            &it.machines,
            "machine that they answer for ends",
            "machines that they answer for end",
        );
        let requests = count(
            &it.requests,
            "request that waits is withdrawn",
            "requests that wait are withdrawn",
        );
        let grants = count(&it.grants, "grant ends", "grants end");
        vec![
            format!("{sessions}, {tokens}."),
            format!("{machines}."),
            format!("{requests}."),
            format!("{grants}: AWS is asked to close each at once."),
            "Their approvals of requests that still wait count no more.".to_owned(),
        ]
    }
}

/// `GET /admin/people`
pub async fn page(visit: Visit, Asked(search): Asked<Search>) -> Result<Response, Failed> {
    let cursor = search.cursor.map(|id| id.parse::<PersonId>());
    let cursor = cursor.transpose()?;
    let filter = PeopleFilter {
        text: search.q.clone(),
    };
    let found = find::people(&visit.ctx, &filter, Page { cursor, limit: 50 }).await?;
    let next = found.next.map(|cursor| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("q", &search.q)
            .append_pair("cursor", &cursor.to_string())
            .finish();
        format!("/admin/people?{query}")
    });
    let page = People {
        frame: visit.frame(Here::People).await?,
        q: search.q,
        people: found.items,
        next,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// `GET /admin/people/{id}`
pub async fn one(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    show_one(&visit, id.parse()?, String::new(), vec![], StatusCode::OK).await
}

async fn show_one(
    visit: &Visit,
    id: PersonId,
    reason: String,
    errors: Vec<FieldError>,
    status: StatusCode,
) -> Result<Response, Failed> {
    let page = Person {
        person: find::person(&visit.ctx, id).await?,
        frame: visit.frame(Here::People).await?,
        is_me: visit.ctx.person.is(id),
        reason,
        errors,
    };
    Ok(answer(status, &page))
}

/// `GET` of what only takes a form: after a form was refused its address stays in the browser.
pub async fn back(_: Visit, Named(id): Named) -> Result<Redirect, Failed> {
    let id = id.parse::<PersonId>()?;
    Ok(Redirect::to(&place(id)))
}

fn place(id: PersonId) -> String {
    format!("/admin/people/{id}")
}

/// `POST /admin/people/{id}/disable`
pub async fn disable(
    visit: Visit,
    Named(id): Named,
    Sent(form): Sent<DisableForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<PersonId>()?;
    let done = disable::disable(&visit.ctx, id, &form.reason).await;
    again(&visit, id, form.reason, done).await
}

/// `POST /admin/people/{id}/enable`
pub async fn enable(
    visit: Visit,
    Named(id): Named,
    Sent(EnableForm {}): Sent<EnableForm>,
) -> Result<Response, Failed> {
    let id = id.parse::<PersonId>()?;
    let done = enable::enable(&visit.ctx, id).await;
    again(&visit, id, String::new(), done).await
}

/// The person's page as it is now, with why something was not done.
async fn again(
    visit: &Visit,
    id: PersonId,
    reason: String,
    done: Result<(), Error>,
) -> Result<Response, Failed> {
    match done {
        Ok(()) => Ok(Redirect::to(&place(id)).into_response()),
        Err(error) if page::mends(&error) => {
            let (status, errors) = (failed::status(&error), page::errors(&error));
            show_one(visit, id, reason, errors, status).await
        }
        Err(error) => Err(error.into()),
    }
}
