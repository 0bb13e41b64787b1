//! Disabling somebody who has left: everything that they have ends in one transaction, which waits
//! for no call of AWS. What is open is closed by the worker, before all else that is due.

use super::ctx::{App, Ctx};
use super::{expire, recount, tokens};
use crate::authz;
use crate::db;
use crate::db::leavers::Ended;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Action, Actor, By, Channel, Event};
use crate::domain::change::WrongState;
use crate::domain::request::Request;
use crate::domain::sign_in::Identity;
use crate::domain::text::Words;
use crate::error::{CallerError, Error};
use crate::ids::{GrantId, PersonId};

/// What the audit log calls whoever withdraws what a leaver has asked for.
const PART: &str = "leavers";

/// Disables a person as an admin. `reason` is for the audit log.
///
/// # Errors
/// When the caller is no admin, or it is an account of their own; when there is nobody of that id,
/// or they are disabled; when the reason does not fit.
pub async fn disable(ctx: &Ctx, id: PersonId, reason: &str) -> Result<(), Error> {
    let disabled = ctx.verb_on(Verb::Disable, (id, id), async |tx: &mut Tx| {
        let caller = db::people::get(tx.conn(), ctx.person.id).await?;
        let caller = caller.ok_or(CallerError::Forbidden)?;
        authz::manage(ctx.app.roles(), &caller, id)?;
        let done = everything(tx, id, Some(caller.id), Some(reason)).await?;
        done.ok_or(CallerError::NotFound.into())
    });
    let delegates = disabled.await?;
    recount::at_once(&ctx.app, &delegates).await;
    Ok(())
}

/// Disables the person with this id or e-mail address on the server's command line; gives their id
/// and name.
///
/// # Errors
/// When there is no such person or more than one, they are disabled, or the reason does not fit.
pub async fn by_command(
    app: &App,
    machine: &str,
    person: &str,
    reason: Option<&str>,
) -> Result<(PersonId, String), Error> {
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let person = tokens::named(tx, person).await?;
        everything(tx, person.id, None, reason).await?;
        Ok((person.id, person.name))
    })
    .await
}

/// Disables the person of an identity that is in none of the groups that may sign in, as far as
/// they are known here and active.
///
/// # Errors
/// When the database does not answer.
pub async fn not_allowed(app: &App, identity: &Identity) -> Result<(), Error> {
    let actor = Actor::System { part: "sign-in" };
    let disabled = app.transaction(actor, Channel::Portal, async |tx: &mut Tx| {
        let Some(person) = db::leavers::of_identity(tx.conn(), identity).await? else {
            return Ok(None);
        };
        let reason = "in none of the groups that may sign in (oidc.allowed_groups)";
        match everything(tx, person, None, Some(reason)).await {
            // Somebody else was faster.
            Err(Error::State(_)) => Ok(None),
            other => other,
        }
    });
    if let Some(delegates) = disabled.await? {
        recount::at_once(app, &delegates).await;
    }
    Ok(())
}

/// Disables a person with everything that they have; tells who decided for them, whose votes may
/// not count any more. `None` where there is no such person.
async fn everything(
    tx: &mut Tx,
    id: PersonId,
    by: Option<PersonId>,
    reason: Option<&str>,
) -> Result<Option<Vec<PersonId>>, Error> {
    let now = tx.now();
    // The person first, as whoever acts holds their own row first: nothing of theirs is under way
    // from here on. Then requests, grants and targets.
    let Some(ended) = db::leavers::disable(tx.conn(), id, by, now).await? else {
        return match db::people::get(tx.conn(), id).await? {
            Some(_) => Err(already("disable", "disabled").into()),
            None => Ok(None),
        };
    };
    let reason = Words::optional(reason);
    let reason = reason.map_err(|error| Error::field("reason", error.to_string()))?;
    if by.is_some() && reason.is_none() {
        return Err(Error::field("reason", "must say why, for the audit log"));
    }
    let requests = db::leavers::requests(tx.conn(), id).await?;
    let (own, approved): (Vec<_>, Vec<_>) = requests.into_iter().partition(|it| it.person == id);
    let grants = db::leavers::grants(tx.conn(), id).await?;
    let mut events = vec![tx.by.did(
        id,
        Action::PersonDisabled {
            reason: reason.as_ref().map(ToString::to_string),
            sessions: ended.sessions,
            tokens: ended.tokens.len(),
            requests: own.len(),
            grants: grants.len(),
            approvals: approved.len(),
        },
    )];
    events.extend(over(tx, id, &ended));
    db::audit::append_all(tx.conn(), &events).await?;
    withdraw(tx, own).await?;
    for request in approved {
        if !request.is_overdue(now) {
            recount::of_locked(tx, request, false).await?;
        }
    }
    let mut closing: Vec<GrantId> = Vec::with_capacity(grants.len());
    for grant in grants {
        // It may have ended while its lock was waited for.
        if let Ok(change) = grant.leave(by, &tx.by) {
            closing.push(db::grants::store(tx.conn(), change).await?.id);
        }
    }
    tx.make_due_first(&closing).await?;
    let delegates = ended.delegations.into_iter().map(|(_, _, to)| to);
    Ok(Some(delegates.collect()))
}

/// What is told of everything that they signed in and called with, and of who stood in for whom.
fn over(tx: &Tx, id: PersonId, ended: &Ended) -> Vec<Event> {
    let by = &tx.by;
    let sessions = (0..ended.sessions).map(|_| by.did(id, Action::SessionEnded {}));
    let tokens = ended.tokens.iter();
    let tokens = tokens.map(|token| by.did(token, Action::TokenRevoked {}));
    let machines = ended.machines.iter();
    let machines = machines.map(|machine| by.did(machine, Action::MachineEnded {}));
    let delegations = ended.delegations.iter().map(|(delegation, from, to)| {
        let (from, to) = (*from, *to);
        by.did(delegation, Action::DelegationEnded { from, to })
    });
    let all = sessions.chain(tokens).chain(machines);
    all.chain(delegations).collect()
}

/// Takes pending requests back, or lets those lapse whose time is over.
async fn withdraw(tx: &mut Tx, requests: Vec<Request>) -> Result<(), Error> {
    let by = By::system(PART, tx.now());
    for request in requests {
        if request.is_overdue(by.at) {
            expire::lapse(tx, request).await?;
        } else {
            let change = request.withdraw(&by)?;
            db::requests::store(tx.conn(), change).await?;
        }
    }
    Ok(())
}

/// What is so already.
pub(super) const fn already(verb: &'static str, state: &'static str) -> WrongState {
    WrongState {
        verb,
        subject: "person",
        state,
    }
}
