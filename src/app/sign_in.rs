//! Sessions of the portal: begun once somebody has shown who they are, ended by them or by time.

use secrecy::SecretString;

use super::ctx::{App, Tx};
use super::tokens::{hash, secret};
use crate::db;
use crate::domain::audit::{Action, Actor, Channel};
use crate::domain::person::Person;
use crate::error::Error;
use crate::ids::PersonId;

/// Begins a session and gives its token, which is stored as a hash alone.
///
/// # Errors
/// `NotFound` where there is no such person.
pub async fn start(app: &App, person: PersonId) -> Result<SecretString, Error> {
    let token = secret();
    let person = app
        .read(async |conn, _| Ok(db::people::get(conn, person).await?))
        .await?
        .ok_or(Error::NotFound)?;
    let lifetime = app.settings().session_lifetime;
    app.transaction(actor(&person), Channel::Portal, async |tx: &mut Tx| {
        let now = tx.now();
        db::people::start_session(tx.conn(), &hash(&token), person.id, now, now + lifetime).await?;
        let event = tx.by.did(person.id, Action::SessionStarted);
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await?;
    Ok(token.into())
}

/// Ends a session.
///
/// # Errors
/// When the database does not answer.
pub async fn end(app: &App, person: &Person, token: &str) -> Result<(), Error> {
    app.transaction(actor(person), Channel::Portal, async |tx: &mut Tx| {
        let now = tx.now();
        if db::people::end_session(tx.conn(), &hash(token), now).await? {
            let event = tx.by.did(person.id, Action::SessionEnded);
            db::audit::append(tx.conn(), &event).await?;
        }
        Ok(())
    })
    .await
}

/// Everybody in the catalog, by name: the demo lets one of them be picked.
///
/// # Errors
/// When the database does not answer.
pub async fn people(app: &App) -> Result<Vec<Person>, Error> {
    app.read(async |conn, _| Ok(db::people::all(conn).await?))
        .await
}

fn actor(person: &Person) -> Actor {
    Actor::Person {
        id: person.id,
        name: person.name.clone(),
    }
}
