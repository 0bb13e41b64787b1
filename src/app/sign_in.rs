//! Sessions of the portal: begun once somebody has shown who they are, ended by them or by time.

use chrono::TimeDelta;
use secrecy::SecretString;

use super::ctx::App;
use super::tokens::{hash, secret};
use crate::db;
use crate::db::tx::Tx;
use crate::domain::audit::{Action, Actor, By, Channel};
use crate::domain::person::Person;
use crate::error::{CallerError, Error};
use crate::ids::PersonId;

/// Begins a session and gives its token, which is stored as a hash alone. The session of the same
/// browser that it `replaces` ends, whosever it was.
///
/// # Errors
/// `NotFound` where there is no such person.
pub async fn start(
    app: &App,
    person: PersonId,
    replaces: Option<&str>,
) -> Result<SecretString, Error> {
    let token = secret();
    let person = app
        .read(async |conn| Ok(db::people::get(conn, person).await?))
        .await?
        .ok_or(CallerError::NotFound)?;
    let lifetime = app.settings().session_lifetime;
    app.transaction(actor(&person), Channel::Portal, async |tx: &mut Tx| {
        let now = tx.now();
        if let Some(old) = replaces {
            replace(tx, &hash(old), app.settings().session_idle).await?;
        }
        db::people::start_session(tx.conn(), &hash(&token), person.id, now, now + lifetime).await?;
        let event = tx.by.did(person.id, Action::SessionStarted {});
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await?;
    // Whoever else comes from the same address with tokens that do not work must not keep this one
    // out.
    app.limits().worked(&hash(&token));
    Ok(token.into())
}

/// Ends a session that works, as its own person: a cookie that is overwritten would leave it behind
/// for whoever has a copy.
async fn replace(tx: &mut Tx, old: &[u8; 32], idle: TimeDelta) -> Result<(), Error> {
    let now = tx.now();
    let Some(known) = db::people::of_session(tx.conn(), old, Some(now), idle).await? else {
        return Ok(());
    };
    let person = known.person;
    db::people::end_session(tx.conn(), old, now).await?;
    let by = By {
        actor: actor(&person),
        ..tx.by.clone()
    };
    let event = by.did(person.id, Action::SessionEnded {});
    Ok(db::audit::append(tx.conn(), &event).await?)
}

/// Ends a session.
///
/// # Errors
/// When the database does not answer.
pub async fn end(app: &App, person: &Person, token: &str) -> Result<(), Error> {
    app.transaction(actor(person), Channel::Portal, async |tx: &mut Tx| {
        let now = tx.now();
        // A second click ends nothing, and leaves no second event.
        if db::people::end_session(tx.conn(), &hash(token), now).await? {
            let event = tx.by.did(person.id, Action::SessionEnded {});
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
    app.read(async |conn| Ok(db::people::all(conn).await?))
        .await
}

fn actor(person: &Person) -> Actor {
    Actor::Person {
        id: person.id,
        name: person.name.clone(),
    }
}
