//! A signed-in browser's request, and the forms that it sends.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::Extensions;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Datelike as _, NaiveDateTime, Utc};
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;

use super::cookie;
use super::failed::Failed;
use super::page::{Frame, Here, Me};
use super::portal::Portal;
use crate::app::caller::Credential;
use crate::app::{Ctx, find};
use crate::authn;
use crate::domain::audit::Channel;
use crate::error::{CallerError, Error, FieldError, WireError};

/// Who asks, and what is needed to answer with a page. A browser without a session is sent to sign
/// in, and comes back afterwards.
#[derive(Debug)]
pub struct Visit {
    /// The caller.
    pub ctx: Ctx,
    /// The portal.
    pub portal: Portal,
}

/// Why there is no visit.
#[derive(Debug)]
pub enum Away {
    /// Nobody is signed in; where to come back to.
    SignIn(String),
    /// Something else.
    Failed(Error),
}

impl Away {
    /// Comes back to the form at `place` with what was typed into it. The form is only filled in
    /// again: it is the person who sends it. A text that is too long for an address loses its end.
    #[must_use]
    pub fn keeping(self, place: &str, fields: &[(&str, &str)]) -> Self {
        let Self::SignIn(_) = self else {
            return self;
        };
        let mut next = place.to_owned();
        for (name, text) in fields.iter().filter(|(_, text)| !text.is_empty()) {
            let sign = if next.contains('?') { '&' } else { '?' };
            let room = cookie::LONGEST_PLACE.saturating_sub(next.len() + name.len() + 2);
            next = format!("{next}{sign}{name}={}", encoded(text, room));
        }
        Self::SignIn(next)
    }
}

/// As much of `text` as fits, with the end marked where it is lost.
fn encoded(text: &str, room: usize) -> String {
    const CUT: &str = "%E2%80%A6";
    let whole = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    if whole.len() <= room {
        return whole;
    }
    let mut cut = String::new();
    // Between characters: half of a percent code would make the address unreadable.
    for letter in text.chars() {
        let letter =
            utf8_percent_encode(letter.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC).to_string();
        if cut.len() + letter.len() + CUT.len() > room {
            break;
        }
        cut.push_str(&letter);
    }
    cut + CUT
}

impl IntoResponse for Away {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(next) if next == "/" => Redirect::to("/sign-in").into_response(),
            Self::SignIn(next) => {
                let query = form_urlencoded::Serializer::new(String::new())
                    .append_pair("next", &next)
                    .finish();
                Redirect::to(&format!("/sign-in?{query}")).into_response()
            }
            Self::Failed(error) => Failed(error).into_response(),
        }
    }
}

impl FromRequestParts<Portal> for Visit {
    type Rejection = Away;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Away> {
        let token = cookie::read(&parts.headers, portal.settings.https());
        let visit = Self::of(portal, token, &parts.extensions).await;
        let admitted = visit.and_then(|visit| {
            authn::admit(&visit.ctx.app, visit.ctx.caller(), &parts.extensions)?;
            Ok(visit)
        });
        match admitted {
            Ok(visit) => Ok(visit),
            Err(Error::Caller(CallerError::Unauthenticated)) => {
                Err(Away::SignIn(next(parts).to_owned()))
            }
            Err(error) => Err(Away::Failed(error)),
        }
    }
}

/// Where to go after sign-in. What only takes a form has a page under the same address, but for
/// signing out.
fn next(parts: &Parts) -> &str {
    if parts.uri.path() == "/sign-out" {
        return "/";
    }
    let whole = parts.uri.path_and_query();
    cookie::place(whole.map_or("/", |place| place.as_str()))
}

impl Visit {
    /// The visit of the session with that token.
    ///
    /// # Errors
    /// 401 without a session; 429 when too many from that address had none.
    pub async fn of(
        portal: &Portal,
        token: Option<&str>,
        extensions: &Extensions,
    ) -> Result<Self, Error> {
        let token = token.ok_or(CallerError::Unauthenticated)?;
        let person = authn::from_peer(&portal.app, extensions, token, authn::session).await?;
        let ctx = Ctx {
            app: portal.app.clone(),
            person,
            channel: Channel::Portal,
            credential: Credential::SESSION,
        };
        Ok(Self {
            ctx,
            portal: portal.clone(),
        })
    }

    /// What stands around the page.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn frame(&self, here: Here) -> Result<Frame, Error> {
        let (waiting, now) = find::waiting(&self.ctx).await?;
        let me = Me {
            id: self.ctx.person.id,
            name: self.ctx.person.name.clone(),
            waiting,
            sees_all: self.ctx.sees_all(),
        };
        let me = Some(me);
        Ok(Frame { me, here, now })
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(authn::peer(&parts.extensions)))
    }
}

/// The part of the address that tells what it is about.
#[derive(Debug)]
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(Failed::from(CallerError::NotFound)),
        }
    }
}

/// The query string.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Failed::from(WireError::InvalidJson(format!(
                "The query string does not fit: {}.",
                error.body_text()
            )))),
        }
    }
}

/// A form, as it was sent.
#[derive(Debug)]
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Portal> for Sent<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Failed> {
        match Form::from_request(request, portal).await {
            Ok(Form(form)) => Ok(Self(form)),
            Err(FormRejection::InvalidFormContentType(_)) => {
                Err(Failed::from(WireError::UnsupportedMediaType))
            }
            Err(other) => {
                // No page of ours sends other fields than it has, so that no verb need hear of it.
                let known = WireError::of_body(other.status().as_u16(), &other);
                let error = known.map_or_else(
                    || Error::field("form", "is not one of this page"),
                    Error::from,
                );
                Err(Failed(error))
            }
        }
    }
}

/// The text is no time of a year from 0000 to 9999.
#[derive(Debug, thiserror::Error)]
#[error("not a day and a time")]
pub struct NoMoment;

/// A `datetime-local` input in UTC; empty for none.
///
/// # Errors
/// When it is no time, or one of a year that no page can show.
pub fn moment(typed: &str) -> Result<Option<DateTime<Utc>>, NoMoment> {
    if typed.is_empty() {
        return Ok(None);
    }
    // Browsers leave the seconds out where they are zero.
    let time = NaiveDateTime::parse_from_str(typed, "%Y-%m-%dT%H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(typed, "%Y-%m-%dT%H:%M:%S"));
    let known = time.ok().filter(|it| (0..=9999).contains(&it.year()));
    known.map(|it| Some(it.and_utc())).ok_or(NoMoment)
}

/// What was typed into an optional field, if anything was.
#[must_use]
pub fn typed(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.trim().is_empty())
}

/// A length of time, in seconds.
///
/// # Errors
/// What is wrong with the field `duration`.
pub fn length(typed: &str) -> Result<i64, FieldError> {
    let read = typed.trim().parse::<SignedDuration>();
    read.map(|length| length.as_secs()).map_err(|_| {
        let detail = "must be a length of time such as 45m, 1h30m or PT45M";
        FieldError::invalid("duration", detail)
    })
}
