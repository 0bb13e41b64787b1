//! A signed-in browser's request, and the forms that it sends.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::de::DeserializeOwned;

use super::page::{Frame, Here, Me};
use super::problem::Failed;
use super::{Portal, cookie};
use crate::app::{Ctx, find};
use crate::authn;
use crate::domain::audit::Channel;
use crate::error::Error;

/// Who asks, and what is needed to answer with a page. A browser without a session is sent to sign in, and comes back afterwards.
#[derive(Debug)]
pub struct Visit {
    /// The caller.
    pub ctx: Ctx,
    /// The portal.
    pub portal: Portal,
}

impl FromRequestParts<Portal> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, Response> {
        let token = cookie::read(&parts.headers, portal.settings.https());
        match Self::of(portal, token).await {
            Ok(visit) => Ok(visit),
            Err(Error::Unauthenticated) => Err(sign_in(parts).into_response()),
            Err(error) => Err(Failed(error).into_response()),
        }
    }
}

fn sign_in(parts: &Parts) -> Redirect {
    let place = parts
        .uri
        .path_and_query()
        .map_or("/", |place| place.as_str());
    let next = if parts.method.is_safe() {
        cookie::place(place)
    } else {
        "/"
    };
    if next == "/" {
        return Redirect::to("/sign-in");
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next)
        .finish();
    Redirect::to(&format!("/sign-in?{query}"))
}

impl Visit {
    /// The visit of the session with that token.
    ///
    /// # Errors
    /// 401 without a session.
    pub async fn of(portal: &Portal, token: Option<&str>) -> Result<Self, Error> {
        let token = token.ok_or(Error::Unauthenticated)?;
        let person = authn::session(&portal.app, token).await?;
        let ctx = Ctx {
            app: portal.app.clone(),
            person,
            channel: Channel::Portal,
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
        let me = Me {
            name: self.ctx.person.name.clone(),
            waiting: find::waiting(&self.ctx).await?,
        };
        Ok(Frame {
            me: Some(me),
            here,
            now: self.ctx.app.read(async |_, now| Ok(now)).await?,
        })
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
            Err(_) => Err(Failed(Error::NotFound)),
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
            Err(error) => Err(Failed(Error::InvalidJson(format!(
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
                Err(Failed(Error::UnsupportedMediaType))
            }
            Err(other) if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Failed(Error::PayloadTooLarge))
            }
            Err(_) => Err(Failed(Error::field("form", "is not one of this page"))),
        }
    }
}

/// A `datetime-local` input in UTC; empty for none.
///
/// # Errors
/// When it is no time.
pub fn moment(typed: &str) -> Result<Option<DateTime<Utc>>, chrono::ParseError> {
    if typed.is_empty() {
        return Ok(None);
    }
    let time = NaiveDateTime::parse_from_str(typed, "%Y-%m-%dT%H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(typed, "%Y-%m-%dT%H:%M:%S"))?;
    Ok(Some(time.and_utc()))
}

/// What was typed into an optional field, if anything was.
#[must_use]
pub fn typed(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.trim().is_empty())
}
