//! What a handler takes: the caller, an id, a body, a page of a list.

use std::error::Error as StdError;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use super::methods::Methods;
use super::problem::Problem;
use crate::app::asker::Asker;
use crate::app::{self, App, Ctx, find};
use crate::authn;
use crate::authn::oidc::workload::Workloads;
use crate::domain::audit::Channel;
use crate::domain::audit::verb::Verb;
use crate::domain::duration;
use crate::domain::scope::Scope;
use crate::error::{CallerError, Error, FieldError, StateError, WireError};
use crate::ids::{GrantId, InvalidId, RequestId};

/// The caller, by bearer token alone (RFC 6750): cookies are not looked at.
pub(super) enum Bearer {
    /// A person.
    Person(Ctx),
    /// A machine.
    Machine(Asker),
}

/// The same where it has to be a person.
pub(super) struct Caller(pub(super) Ctx);

impl FromRequestParts<App> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme
                // The scheme's name has no case (RFC 9110 §11.1).
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        });
        let token = token.ok_or(CallerError::Unauthenticated)?;
        let extensions = &parts.extensions;
        let (workloads, verb, needed) = place(parts)?;
        let found = authn::of_bearer(app, workloads, extensions, token).await?;
        let caller = match found {
            authn::Bearer::Person(person, credential) => Self::Person(Ctx {
                app: app.clone(),
                person,
                channel: Channel::Api,
                credential,
            }),
            authn::Bearer::Machine(machine) => Self::Machine(Asker {
                app: app.clone(),
                machine,
            }),
        };
        // Before any row is looked at: what lies there is nothing to a token that is not for it.
        if let Err(error) = caller.may(verb, needed) {
            return Err(caller.refused(verb, error).await.into());
        }
        // Only a known caller has a bucket of calls; unknown tokens are limited by their address
        // before.
        authn::admit(app, caller.counted(), extensions)?;
        Ok(caller)
    }
}

/// What a route asks for, as its table says, and what is known of the issuers of machines.
fn place(parts: &Parts) -> Result<(&Workloads, Option<Verb>, &'static [Scope]), Error> {
    let methods = parts.extensions.get::<Methods>();
    let needs = methods.and_then(|it| it.needs(parts.method.as_str()));
    let workloads = parts.extensions.get::<Arc<Workloads>>();
    match (workloads, needs) {
        (Some(workloads), Some((verb, needed))) => Ok((workloads.as_ref(), verb, needed)),
        // Nobody gets by for want of a rule.
        _ => Err(Error::Internal("a route without its table".into())),
    }
}

impl Bearer {
    fn counted(&self) -> app::caller::Caller {
        match self {
            Self::Person(ctx) => ctx.caller(),
            Self::Machine(asker) => asker.caller(),
        }
    }

    /// Whether the token is for this, whatever its owner may do.
    fn may(&self, verb: Option<Verb>, needed: &'static [Scope]) -> Result<(), Error> {
        let (scopes, groups_unknown) = match self {
            Self::Person(ctx) => (ctx.credential.scopes, ctx.credential.groups_unknown),
            Self::Machine(asker) => (asker.machine.scopes, false),
        };
        if !scopes.has_one_of(needed) {
            return Err(CallerError::InsufficientScope(needed).into());
        }
        // What gives access up is not refused for it, and goes by no group then.
        let gives_up = matches!(verb, Some(Verb::End | Verb::Withdraw | Verb::RevokeToken));
        if groups_unknown && !gives_up {
            return Err(StateError::GroupsStale.into());
        }
        Ok(())
    }

    /// The caller, or whom a machine stands for in a request that it has asked for.
    pub(super) async fn of_request(self, verb: Option<Verb>, id: RequestId) -> Result<Ctx, Error> {
        match self {
            Self::Person(ctx) => Ok(ctx),
            Self::Machine(asker) => asker.of_request(verb, id).await,
        }
    }

    /// The same of the request of a grant.
    pub(super) async fn of_grant(self, verb: Option<Verb>, id: GrantId) -> Result<Ctx, Error> {
        match self {
            Self::Person(ctx) => Ok(ctx),
            Self::Machine(asker) => asker.of_grant(verb, id).await,
        }
    }

    /// Puts a refusal on record, where it is one of a verb.
    async fn refused(&self, verb: Option<Verb>, error: Error) -> Error {
        let Some(verb) = verb else {
            return error;
        };
        match self {
            Self::Person(ctx) => ctx.refused(verb, ctx.person.id, error).await,
            Self::Machine(asker) => asker.refused(verb, self.counted(), error).await,
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let bearer = Bearer::from_request_parts(parts, app).await?;
        let (_, verb, _) = place(parts)?;
        match bearer {
            Bearer::Person(ctx) => Ok(Self(ctx)),
            machine @ Bearer::Machine(_) => {
                let error = CallerError::ForPeople.into();
                Err(machine.refused(verb, error).await.into())
            }
        }
    }
}

/// The id in the path. One that cannot be is told only to callers who have shown who they are.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr<Err = InvalidId>> FromRequestParts<App> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        // A path that is no UTF-8 names nothing that could be there.
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| CallerError::NotFound)?;
        Ok(Self(text.parse()?))
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let Object(body) = json(request, app).await?;
        Ok(Self(body))
    }
}

async fn json<T: DeserializeOwned>(request: Request, app: &App) -> Result<T, Problem> {
    match axum::Json::from_request(request, app).await {
        Ok(axum::Json(body)) => Ok(body),
        Err(JsonRejection::MissingJsonContentType(_)) => {
            Err(Problem::from(WireError::UnsupportedMediaType))
        }
        Err(JsonRejection::JsonDataError(error)) => Err(Problem::from(WireError::InvalidJson(
            reason(&error.body_text()),
        ))),
        Err(JsonRejection::JsonSyntaxError(error)) => Err(Problem::from(WireError::InvalidJson(
            reason(&error.body_text()),
        ))),
        // What is left failed on its way: too large, too slow, or broken off.
        Err(other) => Err(unreadable(other.status(), &other)),
    }
}

/// A JSON object: a derived struct alone would be read from an array as well.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

/// A JSON body all of whose fields may be left out, and with them the body.
pub(super) struct Said<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for Said<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        if request.headers().contains_key(CONTENT_TYPE) {
            // `Option`: clients send `null` where they have nothing to say.
            let said = json::<Option<Object<T>>>(request, app).await?;
            return Ok(Self(said.map_or_else(T::default, |body| body.0)));
        }
        match Bytes::from_request(request, app).await {
            Ok(body) if body.is_empty() => Ok(Self(T::default())),
            // Ignoring a body without a type would lose what was typed: say, the reason of an end.
            Ok(_) => Err(Problem::from(WireError::UnsupportedMediaType)),
            Err(other) => Err(unreadable(other.status(), &other)),
        }
    }
}

/// Why a body could not be read, as far as it is known.
fn unreadable(status: StatusCode, rejection: &(dyn StdError + 'static)) -> Problem {
    let known = WireError::of_body(status.as_u16(), rejection);
    let error =
        known.unwrap_or_else(|| WireError::InvalidJson("The body could not be read.".to_owned()));
    error.into()
}

/// The parser's own words, which name the field and the place.
fn reason(text: &str) -> String {
    let (_, reason) = text.split_once(": ").unwrap_or(("", text));
    format!("The body does not fit: {reason}.")
}

/// The query string; unknown parameters are refused.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, app).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(Problem::from(WireError::InvalidJson(format!(
                "The query string does not fit: {}.",
                error.body_text()
            )))),
        }
    }
}

/// What pages of a list are asked for with, when there is nothing else to ask.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    pub(super) limit: Option<i64>,
    pub(super) cursor: Option<String>,
}

/// A page: 50 rows unless said otherwise, 200 at most; the cursor is what the page before gave as
/// `next`.
pub(super) fn page<C: FromStr>(
    limit: Option<i64>,
    cursor: Option<&str>,
) -> Result<find::Page<C>, Error> {
    let limit = limit.unwrap_or(50);
    // One call must not read a whole history.
    if !(1..=200).contains(&limit) {
        return Err(Error::field("limit", "must be from 1 to 200"));
    }
    // A cursor has the prefix of its list (`req_…`), so that another list's is refused instead of
    // beginning somewhere by chance.
    let cursor = cursor
        .map(str::parse)
        .transpose()
        .map_err(|_| Error::field("cursor", "must be the `next` of the page before"))?;
    Ok(find::Page { cursor, limit })
}

/// A length of time in seconds. One that cannot be read stops nothing yet: the verb tells of it
/// beside every other field that does not fit.
pub(super) fn length(text: &str) -> (i64, Vec<FieldError>) {
    let read = duration::parse(text);
    let unread = read.as_ref().err();
    let unread = unread.map(|error| FieldError::invalid("duration", error.to_string()));
    (read.unwrap_or_default(), unread.into_iter().collect())
}
