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
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cookie;
use super::failed::Failed;
use super::page::{Frame, Here, Me};
use super::portal::Portal;
use crate::app::caller::Credential;
use crate::app::drafts::{self, Draft};
use crate::app::{Ctx, find};
use crate::authn;
use crate::domain::audit::Channel;
use crate::error::{CallerError, Error, FieldError, WireError};
use crate::ids::DraftId;

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
    /// Nobody is signed in.
    SignIn(Absent),
    /// Something else.
    Failed(Error),
}

/// A browser without a session that works.
#[derive(Debug)]
pub struct Absent {
    portal: Portal,
    /// What its cookie says all the same.
    token: Option<SecretString>,
    /// Where to come back to.
    next: String,
}

impl Away {
    /// The way to sign in and back to the form, with what was typed into it where the session was
    /// one of ours. The form is only filled in again: it is the person who sends it.
    pub async fn keeping(self, form: &impl Serialize) -> Response {
        let Self::SignIn(absent) = self else {
            return self.into_response();
        };
        match absent.keep(form).await {
            Ok(draft) => absent.to_sign_in(draft).into_response(),
            Err(error) => Failed(error).into_response(),
        }
    }
}

impl Absent {
    async fn keep(&self, form: &impl Serialize) -> Result<Option<DraftId>, Error> {
        // What has no place of its own is shown nowhere.
        let Some(token) = self.token.as_ref().filter(|_| self.next != "/") else {
            return Ok(None);
        };
        let Ok(form) = serde_json::to_value(form) else {
            return Ok(None);
        };
        let mut fields = form.as_object().into_iter().flatten();
        if fields.all(|(_, text)| text.as_str().is_none_or(|it| it.trim().is_empty())) {
            return Ok(None);
        }
        let (token, form) = (token.expose_secret(), form.to_string());
        drafts::keep(&self.portal.app, token, &self.next, &form).await
    }

    fn to_sign_in(&self, draft: Option<DraftId>) -> Redirect {
        if self.next == "/" {
            return Redirect::to("/sign-in");
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", &self.next)
            .finish();
        Redirect::to(&cookie::with_draft(&format!("/sign-in?{query}"), draft))
    }
}

impl IntoResponse for Away {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(absent) => absent.to_sign_in(None).into_response(),
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
                let token = cookie::read(&parts.headers, portal.settings.https());
                Err(Away::SignIn(Absent {
                    portal: portal.clone(),
                    token: token.map(SecretString::from),
                    next: next(parts).to_owned(),
                }))
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
    if !parts.method.is_safe() {
        return cookie::place(parts.uri.path());
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

    /// What the caller had typed before a sign-in, where the address names it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn draft(&self, kept: &Kept) -> Result<Option<Draft>, Error> {
        match kept.draft() {
            Some(id) => drafts::find(&self.ctx, id).await,
            None => Ok(None),
        }
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
            sees_people: find::sees_people(&self.ctx),
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

/// What an address says of a form that was typed before a sign-in.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Kept {
    draft: String,
}

impl Kept {
    /// Which one; none where that is no id.
    #[must_use]
    pub fn draft(&self) -> Option<DraftId> {
        self.draft.parse().ok()
    }
}

/// The fields of a form that was typed at `place` before a sign-in; none where it was typed
/// elsewhere, or another release had other fields.
#[must_use]
pub fn typed_at<T: DeserializeOwned>(draft: Option<&Draft>, place: &str) -> Option<T> {
    let draft = draft.filter(|it| it.place == place)?;
    serde_json::from_str(&draft.form).ok()
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
