//! Who is calling. A token says who, and what it is good for at most; what they may do is decided
//! on the row.

pub mod oidc;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, MatchedPath};
use axum::http::Extensions;
use chrono::{DateTime, Utc};
use tokio::sync::SemaphorePermit;

use crate::app::caller::{Caller, Credential};
use crate::app::last_use::Used;
use crate::app::{App, secrets};
use crate::db;
use crate::db::tokens::Speaks;
use crate::domain::machine::Machine;
use crate::domain::person::Person;
use crate::error::{CallerError, Error};
use oidc::workload::{self, Workloads};

/// Who shows a bearer token.
#[derive(Debug, Clone)]
pub enum Bearer {
    /// A person, with what the token is good for.
    Person(Person, Credential),
    /// A machine, with the scopes of the token.
    Machine(Machine),
}

/// Whose API token that is: one that is neither expired nor revoked.
///
/// # Errors
/// `Unauthenticated` for every other token.
pub async fn bearer(app: &App, token: &str) -> Result<Bearer, Error> {
    // What cannot be a token of ours costs no look-up in the database.
    if !secrets::is_token(token) {
        return Err(CallerError::Unauthenticated.into());
    }
    let (hash, fresh) = (secrets::hash(token), app.settings().groups_max_age);
    let given = app.clock().given();
    let found = app
        .read_caller(async |conn| Ok(db::tokens::known(conn, &hash, fresh, given).await?))
        .await?;
    let found = found.ok_or(CallerError::Unauthenticated)?;
    is_used(app, found.is_stale, found.now, Used::Token(hash));
    Ok(match found.speaks {
        Speaks::Machine(machine) => Bearer::Machine(machine),
        Speaks::Person {
            mut person,
            scopes,
            groups_known,
        } => {
            if !groups_known {
                person.groups.clear();
            }
            let credential = Credential {
                scopes,
                machine: None,
                groups_unknown: !groups_known,
            };
            Bearer::Person(person, credential)
        }
    })
}

/// Who shows a bearer token from where a request comes: an API token, or a workload identity.
///
/// # Errors
/// As [`from_peer`]; `Unreachable` where nobody can tell whether its issuer has signed it.
pub async fn of_bearer(
    app: &App,
    workloads: &Workloads,
    extensions: &Extensions,
    token: &str,
) -> Result<Bearer, Error> {
    if !workload::is_jwt(token) {
        return from_peer(app, extensions, token, bearer).await;
    }
    let (hash, issuer) = (secrets::hash(token), workload::issuer(token));
    let known = {
        let _turn = turn(app, extensions, &hash).await?;
        app.read_caller(async |conn| {
            let now = app.clock().now(conn).await?;
            let machines = match &issuer {
                Some(issuer) => db::machines::of_issuer(conn, issuer).await?,
                None => Vec::new(),
            };
            Ok((machines, now))
        })
        .await
    };
    // With no turn of the database's held: the issuer may be slow.
    let found = match known {
        Ok((machines, now)) if !machines.is_empty() => {
            let expected = workload::Expected {
                public_url: app.public_url(),
                now,
                skew: app.settings().clock_skew,
            };
            let machine = workloads.machine(token, machines, expected).await;
            let machine = machine.map_err(Error::from);
            machine.and_then(|it| Ok(it.ok_or(CallerError::Unauthenticated)?))
        }
        Ok(_) => Err(CallerError::Unauthenticated.into()),
        Err(error) => Err(error),
    };
    told(app, extensions, &hash, &found);
    found.map(Bearer::Machine)
}

/// The person of a session of the portal that is neither over, idle for too long, nor ended.
///
/// # Errors
/// `Unauthenticated` for every other token.
pub async fn session(app: &App, token: &str) -> Result<Person, Error> {
    let (hash, idle) = (secrets::hash(token), app.settings().session_idle);
    let given = app.clock().given();
    let found = app
        .read_caller(async |conn| Ok(db::sessions::of_session(conn, &hash, given, idle).await?))
        .await?;
    let found = found.ok_or(CallerError::Unauthenticated)?;
    is_used(app, found.is_stale, found.now, Used::Session(hash));
    Ok(found.person)
}

/// Puts a use on record where the last one is a minute ago.
fn is_used(app: &App, is_stale: bool, now: DateTime<Utc>, used: Used) {
    // At most one write a minute: else every call would write a row.
    if is_stale {
        app.used(used, now);
    }
}

/// Where a request comes from. All of which nobody knows that count as one address.
#[must_use]
pub fn peer(extensions: &Extensions) -> IpAddr {
    let info = extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or(Ipv4Addr::UNSPECIFIED.into(), |it| it.0.ip())
}

/// Who shows a token, as `who` finds it; tokens that do not work are counted for where they come
/// from.
///
/// # Errors
/// As `who`; `RateLimited` after too many that did not work, without asking the database, unless
/// the request ends a grant.
pub async fn from_peer<T>(
    app: &App,
    extensions: &Extensions,
    token: &str,
    who: impl AsyncFnOnce(&App, &str) -> Result<T, Error>,
) -> Result<T, Error> {
    let hash = secrets::hash(token);
    // The name keeps the turn until the look-up is over; a bare `_` would give it back at once.
    let _turn = turn(app, extensions, &hash).await?;
    let found = who(app, token).await;
    told(app, extensions, &hash, &found);
    found
}

async fn turn<'a>(
    app: &'a App,
    extensions: &Extensions,
    hash: &[u8; 32],
) -> Result<Option<SemaphorePermit<'a>>, Error> {
    if ends_a_grant(extensions) {
        app.limits().look_up_to_end(hash).await
    } else {
        app.limits().look_up(peer(extensions), hash).await
    }
}

/// Counts what came of a token.
fn told<T>(app: &App, extensions: &Extensions, hash: &[u8; 32], found: &Result<T, Error>) {
    match found {
        Ok(_) => app.limits().worked(hash),
        Err(Error::Caller(CallerError::Unauthenticated)) => app.limits().failed(peer(extensions)),
        // A database that does not answer says nothing of the token, and must not shut the address.
        Err(_) => {}
    }
}

/// Counts one call of the caller.
///
/// # Errors
/// `RateLimited` when they call too often. Ending a grant is never too often.
pub fn admit(app: &App, caller: Caller, extensions: &Extensions) -> Result<(), Error> {
    if ends_a_grant(extensions) {
        return Ok(());
    }
    app.limits().call(caller)
}

fn ends_a_grant(extensions: &Extensions) -> bool {
    // The route's pattern, not the path: no id or query makes another call look like this one.
    let path = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    path.is_some_and(|path| path.ends_with("/grants/{id}/end"))
}
