//! Enabling somebody who was disabled. What has ended stays so.

use super::ctx::{App, Ctx};
use super::disable::already;
use super::tokens;
use crate::authz;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Action, Actor, Channel};
use crate::error::{CallerError, Error};
use crate::ids::PersonId;

/// Enables a person as an admin.
///
/// # Errors
/// When the caller is no admin, or it is an account of their own; when there is nobody of that id,
/// or they are not disabled.
pub async fn enable(ctx: &Ctx, id: PersonId) -> Result<(), Error> {
    ctx.verb_on(Verb::Enable, (id, id), async |tx: &mut Tx| {
        let caller = db::people::get(tx.conn(), ctx.person.id).await?;
        let caller = caller.ok_or(CallerError::Forbidden)?;
        authz::manage(ctx.app.roles(), &caller, id)?;
        let person = db::people::get(tx.conn(), id).await?;
        person.ok_or(CallerError::NotFound)?;
        let was = db::leavers::enable(tx.conn(), id, caller.id).await?;
        again(tx, id, was).await
    })
    .await
}

/// Enables the person with this id or e-mail address on the server's command line; gives their id
/// and name.
///
/// # Errors
/// When there is no such person or more than one, or they are not disabled.
pub async fn by_command(
    app: &App,
    machine: &str,
    person: &str,
) -> Result<(PersonId, String), Error> {
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let person = tokens::named(tx, person).await?;
        let was = db::leavers::enable_by_command(tx.conn(), person.id).await?;
        again(tx, person.id, was).await?;
        Ok((person.id, person.name))
    })
    .await
}

/// Puts it on record, where they were disabled.
async fn again(tx: &mut Tx, id: PersonId, was: bool) -> Result<(), Error> {
    if !was {
        return Err(already("enable", "active").into());
    }
    let event = tx.by.did(id, Action::PersonEnabled {});
    Ok(db::audit::append(tx.conn(), &event).await?)
}
