//! The form for a new token, of one's own or of a machine, and the one page that shows the token.

use askama::Template;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::failed::Failed;
use super::page::{Frame, Here};
use super::problem::answer;
use super::visit::Visit;
use super::{assets, cookie, show};
use crate::app::tokens::Wanted;
use crate::domain::duration;
use crate::domain::scope::{Scope, Scopes};
use crate::error::{CallerError, Error, FieldError};

/// How long a token may work, as the form offers it.
pub const LIVES: [(&str, &str); 4] = [
    ("PT24H", "1 day"),
    ("PT168H", "7 days"),
    ("PT720H", "30 days"),
    ("PT2160H", "90 days"),
];

/// The fields of a form, in the order in which they came; some come several times.
pub type Fields = Vec<(String, String)>;

/// What the form for a new token sends.
#[derive(Debug, Clone, Default)]
pub struct TokenForm {
    /// What it is for.
    pub name: String,
    /// ISO 8601.
    pub expires_in: String,
    /// The words of its scopes.
    pub scopes: Vec<String>,
}

impl TokenForm {
    /// Reads what was sent.
    ///
    /// # Errors
    /// When there is a field that the page does not have.
    pub fn read(fields: Fields) -> Result<Self, Error> {
        let mut form = Self::default();
        for (field, text) in fields {
            match field.as_str() {
                "name" => form.name = text,
                "expires_in" => form.expires_in = text,
                "scopes" => form.scopes.push(text),
                _ => return Err(unknown_field()),
            }
        }
        Ok(form)
    }

    /// What is wanted; what cannot be read is told with everything else that is wrong.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        let mut unread = Vec::new();
        let seconds = duration::parse(self.expires_in.trim()).unwrap_or_else(|error| {
            unread.push(FieldError::invalid("expires_in", error.to_string()));
            0
        });
        Wanted {
            name: self.name.trim().to_owned(),
            // What does not fit is far above the longest life.
            expires_in: TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX),
            scopes: scopes(&self.scopes, &mut unread),
            unread,
        }
    }

    /// Whether that life is chosen: thirty days at first.
    #[must_use]
    pub fn lives(&self, life: &str) -> bool {
        let chosen = self.expires_in.as_str();
        life == if chosen.is_empty() { "PT720H" } else { chosen }
    }

    /// Whether that scope is chosen.
    #[must_use]
    pub fn has(&self, scope: &Scope) -> bool {
        self.scopes.iter().any(|word| word == scope.as_str())
    }
}

/// What the page of a form answers to a field that it does not have.
#[must_use]
pub fn unknown_field() -> Error {
    Error::field("form", "is not one of this page")
}

/// The scopes of these words.
pub fn scopes(words: &[String], unread: &mut Vec<FieldError>) -> Scopes {
    Scopes::parse(words).unwrap_or_else(|_| {
        unread.push(FieldError::invalid("scopes", "must be those on offer"));
        Scopes::default()
    })
}

/// The secret of the session that asks.
///
/// # Errors
/// `Unauthenticated` where there is none.
pub fn session<'a>(visit: &Visit, headers: &'a HeaderMap) -> Result<&'a str, CallerError> {
    let token = cookie::read(headers, visit.portal.settings.https());
    token.ok_or(CallerError::Unauthenticated)
}

/// `POST /me/tokens`, and the same of a machine: the token, this once.
#[derive(Template)]
#[template(path = "pages/token_made.html")]
pub struct TokenMade {
    /// Around it.
    pub frame: Frame,
    /// What it is for.
    pub name: String,
    /// The token. It is on no other page, and in no address of ours.
    pub token: SecretString,
    /// When it stops to work.
    pub expires_at: DateTime<Utc>,
    /// The page of what it belongs to.
    pub back: String,
}

impl TokenMade {
    fn text(&self) -> &str {
        self.token.expose_secret()
    }
}

/// The page with a token that was made.
///
/// # Errors
/// When the database does not answer.
pub async fn made(
    visit: &Visit,
    wanted: &Wanted,
    token: SecretString,
    back: String,
) -> Result<Response, Failed> {
    let frame = visit.frame(Here::Elsewhere).await?;
    let page = TokenMade {
        expires_at: frame.now + wanted.expires_in,
        frame,
        name: wanted.name.clone(),
        token,
        back,
    };
    Ok(answer(StatusCode::OK, &page))
}
