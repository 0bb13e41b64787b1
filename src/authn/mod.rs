//! Who is calling. A token only says who; what they may do is decided on the row.

pub mod oidc;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, MatchedPath};
use axum::http::Extensions;

use crate::app::last_use::Used;
use crate::app::{App, Ctx, tokens};
use crate::db;
use crate::db::people::Known;
use crate::domain::person::Person;
use crate::error::{CallerError, Error};

/// The person of an API token that is neither expired nor revoked.
///
/// # Errors
/// `Unauthenticated` for every other token.
pub async fn bearer(app: &App, token: &str) -> Result<Person, Error> {
    // What cannot be a token of ours costs no look-up in the database.
    if !tokens::is_token(token) {
        return Err(CallerError::Unauthenticated.into());
    }
    let hash = tokens::hash(token);
    let given = app.clock().given();
    let found = app
        .read_caller(async |conn| Ok(db::people::of_token(conn, &hash, given).await?))
        .await?;
    known(app, found, Used::Token(hash))
}

/// The person of a session of the portal that is neither over, idle for too long, nor ended.
///
/// # Errors
/// `Unauthenticated` for every other token.
pub async fn session(app: &App, token: &str) -> Result<Person, Error> {
    let (hash, idle) = (tokens::hash(token), app.settings().session_idle);
    let given = app.clock().given();
    let found = app
        .read_caller(async |conn| Ok(db::sessions::of_session(conn, &hash, given, idle).await?))
        .await?;
    known(app, found, Used::Session(hash))
}

/// Who was found, and its use on record where the last one is a minute ago.
fn known(app: &App, found: Option<Known>, used: Used) -> Result<Person, Error> {
    let Known {
        person,
        is_stale,
        now,
    } = found.ok_or(CallerError::Unauthenticated)?;
    // At most one write a minute: else every call would write a row.
    if is_stale {
        app.used(used, now);
    }
    Ok(person)
}

/// Where a request comes from. All of which nobody knows that count as one address.
#[must_use]
pub fn peer(extensions: &Extensions) -> IpAddr {
    let info = extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or(Ipv4Addr::UNSPECIFIED.into(), |it| it.0.ip())
}

/// The person of a request's token, as `who` finds it; tokens that do not work are counted for
/// where they come from.
///
/// # Errors
/// As `who`; `RateLimited` after too many that did not work, without asking the database, unless
/// the request ends a grant.
pub async fn from_peer(
    app: &App,
    extensions: &Extensions,
    token: &str,
    who: impl AsyncFnOnce(&App, &str) -> Result<Person, Error>,
) -> Result<Person, Error> {
    let (limits, peer, hash) = (app.limits(), peer(extensions), tokens::hash(token));
    // The name keeps the turn until the look-up is over; a bare `_` would give it back at once.
    let _turn = if ends_a_grant(extensions) {
        limits.look_up_to_end(&hash).await?
    } else {
        limits.look_up(peer, &hash).await?
    };
    let person = who(app, token).await;
    match &person {
        Ok(_) => limits.worked(&hash),
        Err(Error::Caller(CallerError::Unauthenticated)) => limits.failed(peer),
        // A database that does not answer says nothing of the token, and must not shut the address.
        Err(_) => {}
    }
    person
}

/// Counts one call of the caller.
///
/// # Errors
/// `RateLimited` when they call too often. Ending a grant is never too often.
pub fn admit(ctx: &Ctx, extensions: &Extensions) -> Result<(), Error> {
    if ends_a_grant(extensions) {
        return Ok(());
    }
    ctx.app.limits().call(ctx.person.human())
}

fn ends_a_grant(extensions: &Extensions) -> bool {
    // The route's pattern, not the path: no id or query makes another call look like this one.
    let path = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    path.is_some_and(|path| path.ends_with("/grants/{id}/end"))
}
