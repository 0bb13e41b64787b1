//! API tokens: one's own, and how one is made.

use askama::Template;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::failed::{self, Failed};
use super::page::{self, Frame, Here};
use super::problem::answer;
use super::requests::Begin;
use super::show::{self, Icon};
use super::token_form::{Fields, TokenForm, made, session};
use super::visit::{Asked, Named, Sent, Visit};
use super::{assets, machines, token_form};
use crate::app::find::Page;
use crate::app::tokens::{self, Listed};
use crate::domain::scope::{Scope, Scopes};
use crate::error::FieldError;
use crate::ids::TokenId;

/// Where they are listed.
const PLACE: &str = "/me/tokens";

/// `GET /me/tokens`
#[derive(Template)]
#[template(path = "pages/tokens.html")]
pub struct Tokens {
    /// Around it.
    pub frame: Frame,
    /// They, the latest first.
    pub tokens: Vec<Listed>,
    /// What was typed.
    pub form: TokenForm,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
    /// Link to the next page.
    pub next: Option<String>,
}

impl Tokens {
    fn error(&self, field: &str) -> Option<String> {
        page::error(&self.errors, field)
    }

    #[expect(clippy::unused_self, reason = "templates call methods of their own")]
    fn offered(&self) -> impl Iterator<Item = Scope> {
        Scopes::ALL.iter()
    }

    #[expect(clippy::unused_self, reason = "templates call methods of their own")]
    const fn action(&self) -> &'static str {
        PLACE
    }
}

/// `GET /me/tokens`
pub async fn page(visit: Visit, Asked(begin): Asked<Begin>) -> Result<Response, Failed> {
    let form = TokenForm::default();
    list(&visit, begin, form, vec![], StatusCode::OK).await
}

async fn list(
    visit: &Visit,
    begin: Begin,
    form: TokenForm,
    errors: Vec<FieldError>,
    status: StatusCode,
) -> Result<Response, Failed> {
    let cursor = begin.cursor.map(|id| id.parse::<TokenId>()).transpose()?;
    let found = tokens::own(&visit.ctx, Page { cursor, limit: 50 }).await?;
    let page = Tokens {
        frame: visit.frame(Here::Elsewhere).await?,
        tokens: found.items,
        form,
        errors,
        next: found.next.map(|id| format!("{PLACE}?cursor={id}")),
    };
    Ok(answer(status, &page))
}

/// `POST /me/tokens`: a page with the token. A redirect would have to carry it, or lose it.
pub async fn make(
    visit: Visit,
    headers: HeaderMap,
    Sent(fields): Sent<Fields>,
) -> Result<Response, Failed> {
    let form = TokenForm::read(fields)?;
    let session = session(&visit, &headers)?;
    let wanted = form.wanted();
    match tokens::make(&visit.ctx, session, None, wanted.clone()).await {
        Ok((_, token)) => made(&visit, &wanted, token, PLACE.to_owned()).await,
        Err(error) if page::mends(&error) => {
            let (status, errors) = (failed::status(&error), page::errors(&error));
            list(&visit, Begin::default(), form, errors, status).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET` of what only takes a form.
pub async fn back(_: Visit) -> Redirect {
    Redirect::to(PLACE)
}

/// `POST /me/tokens/{id}/revoke`
///
/// # Errors
/// 404 when it is none of the caller's, or their machines'.
pub async fn revoke(visit: Visit, Named(id): Named) -> Result<Response, Failed> {
    match tokens::revoke_own(&visit.ctx, id.parse::<TokenId>()?).await {
        Ok(revoked) => {
            let place = revoked.machine.map(machines::place);
            let place = place.unwrap_or_else(|| PLACE.to_owned());
            Ok(Redirect::to(&place).into_response())
        }
        Err(error) if page::mends(&error) => {
            let (status, errors) = (failed::status(&error), page::errors(&error));
            list(
                &visit,
                Begin::default(),
                TokenForm::default(),
                errors,
                status,
            )
            .await
        }
        Err(error) => Err(error.into()),
    }
}
