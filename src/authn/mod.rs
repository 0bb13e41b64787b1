//! Who is calling. A token only says who; what they may do is decided on the row.

use crate::app::{App, tokens};
use crate::db;
use crate::domain::person::Person;
use crate::error::Error;

/// The person of an API token that is neither expired nor revoked.
///
/// # Errors
/// `Unauthenticated` for every other token.
pub async fn bearer(app: &App, token: &str) -> Result<Person, Error> {
    if !token.starts_with(tokens::PREFIX) {
        return Err(Error::Unauthenticated);
    }
    let hash = tokens::hash(token);
    let person = app.read(async |conn, now| Ok(db::people::of_token(conn, &hash, now).await?));
    person.await?.ok_or(Error::Unauthenticated)
}

/// The person of a session of the portal that is neither over, idle for too long, nor ended.
///
/// # Errors
/// `Unauthenticated` for every other token.
pub async fn session(app: &App, token: &str) -> Result<Person, Error> {
    let (hash, idle) = (tokens::hash(token), app.settings().session_idle);
    let person =
        app.read(async |conn, now| Ok(db::people::of_session(conn, &hash, now, now - idle).await?));
    person.await?.ok_or(Error::Unauthenticated)
}
