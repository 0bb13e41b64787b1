//! Ending everything of a person, a role or user, an account, or everywhere, and holding it.

use sqlx::PgConnection;

use super::ctx::{App, Ctx};
use crate::authz;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Action, Actor, Channel};
use crate::domain::revocation::{Revocation, Scope};
use crate::domain::text::Words;
use crate::error::{CallerError, Error, FieldError, InputError};
use crate::ids::{PersonId, RevocationId};

/// How many grants end in one transaction.
const BATCH: i64 = 200;

/// What a caller sends, not yet checked: exactly one of the four, and why.
#[derive(Debug, Clone, Default)]
pub struct NewRevocation {
    /// TypeID or e-mail address of a person.
    pub person: Option<String>,
    /// ARN of a role that is opened, or of a user or role that people come as.
    pub role: Option<String>,
    /// An account's 12 digits.
    pub account: Option<String>,
    /// Whether everything is meant.
    pub everything: bool,
    /// Why.
    pub reason: String,
}

/// Ends everything of a scope. From its commit on nothing of it opens and nothing is handed out;
/// what is open ends in batches, here and, should this process die, in the next sweep. The same
/// scope again goes on with the revocation that holds.
///
/// # Errors
/// When the caller is no admin, or what was sent names nothing that could be ended.
pub async fn revoke(ctx: &Ctx, new: NewRevocation) -> Result<Revocation, Error> {
    let subject = subject(&new);
    let revocation = ctx.verb(Verb::Revoke, subject, async |tx: &mut Tx| {
        let caller = db::people::get(tx.conn(), ctx.person.id).await?;
        let caller = caller.ok_or(CallerError::Forbidden)?;
        authz::revoke(ctx.app.roles(), &caller)?;
        let (scope, called, reason) = check(tx.conn(), &new).await?;
        let change = Revocation::begin(scope, called, reason, caller.id, &tx.by);
        let begun = db::revocations::begin(tx.conn(), change).await?;
        begun.ok_or(Error::Busy)
    });
    let revocation = revocation.await?;
    let (app, id) = (ctx.app.clone(), revocation.id);
    // By itself from here on: a client that hangs up ends nothing of it.
    tokio::spawn(async move {
        if let Err(error) = carry_on(&app, id).await {
            tracing::warn!(
                revocation.id = %id,
                error = &error as &dyn std::error::Error,
                "not everything was ended yet; the next sweep goes on"
            );
        }
    });
    Ok(revocation)
}

/// Whether the caller may begin one.
#[must_use]
pub fn may(ctx: &Ctx) -> bool {
    authz::revoke(ctx.app.roles(), &ctx.person).is_ok()
}

/// A revocation's scope as a subject of the audit log, where it was refused.
fn subject(new: &NewRevocation) -> String {
    let named = [&new.person, &new.role, &new.account];
    let named = named.into_iter().flatten().next();
    super::submit::subject(named.map_or("everything", String::as_str))
}

/// What is meant, how it is called, and why.
async fn check(
    conn: &mut PgConnection,
    new: &NewRevocation,
) -> Result<(Scope, Option<String>, Words), Error> {
    let mut wrong = Vec::new();
    let reason = Words::parse(&new.reason)
        .map_err(|error| wrong.push(FieldError::invalid("reason", error.to_string())));
    let named = [
        new.person.is_some(),
        new.role.is_some(),
        new.account.is_some(),
        new.everything,
    ];
    let scope = if named.into_iter().filter(|is| *is).count() == 1 {
        scope(conn, new).await?
    } else {
        let one = "exactly one of person, role, account and everything has to be named";
        Err(FieldError::invalid("scope", one))
    };
    let scope = scope.map_err(|error| wrong.push(error));
    match (scope, reason) {
        (Ok((scope, called)), Ok(reason)) => Ok((scope, called, reason)),
        _ => Err(InputError::Fields(wrong).into()),
    }
}

type Named = Result<(Scope, Option<String>), FieldError>;

/// The one that is named, if it is there.
async fn scope(conn: &mut PgConnection, new: &NewRevocation) -> Result<Named, Error> {
    if let Some(text) = &new.person {
        let text = text.trim();
        let people = if text.contains('@') {
            db::people::with_email(conn, text).await?
        } else if let Ok(id) = text.parse::<PersonId>() {
            db::people::get(conn, id).await?.into_iter().collect()
        } else {
            Vec::new()
        };
        return Ok(match people.as_slice() {
            [person] => Ok((Scope::Person(person.id), Some(person.id.to_string()))),
            [] => Err(FieldError::invalid(
                "person",
                "is nobody's id or e-mail address here",
            )),
            _ => Err(FieldError::invalid(
                "person",
                "is the e-mail address of several people: name one by id",
            )),
        });
    }
    if let Some(arn) = &new.role {
        let target = db::targets::by_arn(conn, arn.trim()).await?;
        let unknown =
            "is not the ARN of a role that is opened here, nor of a user that could carry a policy";
        return Ok(target.map_or_else(
            || Err(FieldError::invalid("role", unknown)),
            |id| Ok((Scope::Role(id), Some(arn.trim().to_owned()))),
        ));
    }
    let Some(account) = &new.account else {
        return Ok(Ok((Scope::Everything, None)));
    };
    let account = account.trim();
    if db::accounts::exists(conn, account).await? {
        return Ok(Ok((
            Scope::Account(account.to_owned()),
            Some(account.to_owned()),
        )));
    }
    Ok(Err(FieldError::invalid(
        "account",
        "is no account of the catalog",
    )))
}

/// Ends what is still open of every revocation that holds: what was approved beside it, and what a
/// process left that died.
///
/// # Errors
/// When the database does not answer.
pub async fn carry_on_all(app: &App) -> Result<(), Error> {
    let holding = app.read(async |conn| Ok(db::revocations::holding(conn).await?));
    for id in holding.await? {
        // One that cannot be gone on with stands in no other's way.
        if let Err(error) = carry_on(app, id).await {
            tracing::warn!(
                revocation.id = %id,
                error = &error as &dyn std::error::Error,
                "cannot end all that a revocation holds; the next sweep goes on"
            );
        }
    }
    Ok(())
}

/// Ends what is still open of a revocation, in batches.
///
/// # Errors
/// When the database does not answer.
pub async fn carry_on(app: &App, id: RevocationId) -> Result<(), Error> {
    let by = app.read(async |conn| {
        let revocation = db::revocations::get(conn, id).await?;
        let revocation = revocation.ok_or(CallerError::NotFound)?;
        let names = db::people::names(conn, &[revocation.begun_by.uuid()]).await?;
        let name = names.get(&revocation.begun_by).cloned().unwrap_or_default();
        Ok((revocation, name))
    });
    let (revocation, name) = by.await?;
    // Whoever's process does it: the admin has ended them.
    let actor = Actor::Person {
        id: revocation.begun_by,
        name,
    };
    loop {
        let batch = app.transaction(actor.clone(), Channel::System, async |tx: &mut Tx| {
            end_batch(tx, &revocation).await
        });
        if batch.await? == 0 {
            return Ok(());
        }
    }
}

/// Ends up to [`BATCH`] grants of a revocation; tells how many.
async fn end_batch(tx: &mut Tx, revocation: &Revocation) -> Result<usize, Error> {
    let now = tx.now();
    let grants = db::revocations::open_grants(tx.conn(), revocation.id, BATCH).await?;
    if grants.is_empty() {
        if db::revocations::through(tx.conn(), revocation.id, now).await? {
            let event = tx.by.did(revocation.id, Action::RevocationThrough {});
            db::audit::append(tx.conn(), &event).await?;
        }
        return Ok(0);
    }
    let mut ended = Vec::with_capacity(grants.len());
    for grant in grants {
        // It may have ended while its lock was waited for.
        if let Ok(change) = grant.revoke(revocation, &tx.by) {
            ended.push(db::grants::store(tx.conn(), change).await?.id);
        }
    }
    let by = tx.by.clone();
    db::requests::lapse_with(tx.conn(), &ended, &by).await?;
    tx.make_due_first(&ended).await?;
    Ok(ended.len())
}

/// Lifts the hold of a revocation; of one on everything, the first admin asks and another one does.
/// What was ended stays so.
///
/// # Errors
/// When the caller is no admin, or the one who asked for it, or it is lifted already.
pub async fn lift(ctx: &Ctx, id: RevocationId) -> Result<Revocation, Error> {
    ctx.verb(Verb::Lift, id, async |tx: &mut Tx| {
        let revocation = db::revocations::lock(tx.conn(), id).await?;
        let revocation = revocation.ok_or(CallerError::NotFound)?;
        let caller = db::people::get(tx.conn(), ctx.person.id).await?;
        let caller = caller.ok_or(CallerError::NotFound)?;
        let authz::Liftable(revocation) = authz::lift(ctx.app.roles(), &caller, revocation)?;
        // What was approved beside it is ended before anything may open again.
        if !db::revocations::open_grants(tx.conn(), id, 1)
            .await?
            .is_empty()
        {
            return Err(revocation.is_ending().into());
        }
        let change = revocation.lift(caller.id, &tx.by)?;
        Ok(db::revocations::store(tx.conn(), change).await?)
    })
    .await
}
