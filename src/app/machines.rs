//! Machines, as admins make them and their owners look after them.

use sqlx::PgConnection;

use super::ctx::Ctx;
use super::secrets::hash;
use crate::config::check_issuer;
use crate::db;
use crate::db::machines::NewMachine;
pub use crate::db::machines::{Listed, Workload};
use crate::db::tx::Tx;
use crate::domain::audit::Action;
use crate::domain::audit::verb::Verb;
use crate::domain::change::WrongState;
use crate::domain::scope::Scopes;
use crate::domain::text::check_name;
use crate::error::{CallerError, Error, FieldError, InputError};
use crate::ids::{MachineId, PersonId};

/// The most characters of a name, an issuer, an audience or a claim.
const LONGEST: usize = 100;
const LONGEST_CLAIM: usize = 1000;
/// The most entitlements and claims of a machine, and tokens that a page lists.
const MOST: usize = 100;

/// What a machine is to be, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What people call it.
    pub name: String,
    /// Who answers for it: TypeID or e-mail address.
    pub owner: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The names of the entitlements that it may ask for.
    pub entitlements: Vec<String>,
    /// Its workload identity, if it has one.
    pub workload: Option<Workload>,
    /// Fields that could not be read at all.
    pub unread: Vec<FieldError>,
}

/// Makes a machine. `session` is the secret of the session that asks: machines are made by nothing
/// else.
///
/// # Errors
/// `Forbidden` where the caller is no admin; fields that do not fit.
pub async fn create(ctx: &Ctx, session: &str, wanted: Wanted) -> Result<MachineId, Error> {
    let id = MachineId::new();
    // Before the verb, which holds both accounts before anything else. Whether they are active
    // still, the database asks.
    let owner = named(ctx, &wanted.owner).await?;
    let subject = (ctx.person.id, owner.unwrap_or(ctx.person.id));
    ctx.verb_on(Verb::CreateMachine, subject, async |tx: &mut Tx| {
        if !is_admin(ctx, tx.conn()).await? {
            return Err(CallerError::Forbidden.into());
        }
        let owner = check(tx.conn(), &wanted, owner).await?;
        let machine = NewMachine {
            id,
            name: &wanted.name,
            owner,
            scopes: wanted.scopes,
            entitlements: &wanted.entitlements,
            workload: wanted.workload.as_ref(),
        };
        let (now, admins) = (tx.now(), &ctx.app.roles().admin);
        let made = db::machines::create(tx.conn(), &hash(session), &machine, now, admins).await;
        made.map_err(taken)?;
        let action = Action::MachineCreated {
            name: wanted.name.clone(),
            owner,
            scopes: wanted.scopes.words(),
            entitlements: wanted.entitlements.clone(),
            issuer: wanted.workload.as_ref().map(|it| it.issuer.clone()),
        };
        let event = tx.by.did(id, action);
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await?;
    Ok(id)
}

fn taken(error: sqlx::Error) -> Error {
    let constraint = error.as_database_error().and_then(|it| it.constraint());
    if constraint == Some("machines_name_key") {
        return Error::field("name", "is that of another machine");
    }
    error.into()
}

/// Who is named as an owner.
async fn named(ctx: &Ctx, owner: &str) -> Result<Option<PersonId>, Error> {
    let found = ctx
        .app
        .read(async |conn| Ok(db::people::named(conn, owner.trim()).await?));
    Ok(found.await?.map(|it| it.id))
}

/// What an owner that names nobody is told.
const NO_OWNER: &str =
    "must be a person's id, or the address of exactly one person who has it verified";

/// Every field at once; gives the owner.
async fn check(
    conn: &mut PgConnection,
    wanted: &Wanted,
    owner: Option<PersonId>,
) -> Result<PersonId, Error> {
    let mut wrong = wanted.unread.clone();
    let mut invalid = |field, detail: String| wrong.push(FieldError::invalid(field, detail));
    if let Err(error) = check_name(&wanted.name) {
        invalid("name", error.to_string());
    } else if wanted.name.chars().count() > LONGEST {
        invalid("name", format!("must have {LONGEST} characters at most"));
    }
    if owner.is_none() {
        invalid("owner", NO_OWNER.to_owned());
    }
    if wanted.scopes.is_empty() || !wanted.scopes.is_within(Scopes::OF_MACHINES) {
        invalid(
            "scopes",
            format!("must be one or more of {}", Scopes::OF_MACHINES),
        );
    }
    if let Some(detail) = entitlements(conn, &wanted.entitlements).await? {
        invalid("entitlements", detail);
    }
    if let Some((field, detail)) = wanted.workload.as_ref().and_then(unfit) {
        invalid(field, detail);
    }
    match owner {
        Some(owner) if wrong.is_empty() => Ok(owner),
        _ => Err(InputError::Fields(wrong).into()),
    }
}

/// Why these are none that a machine may ask for.
async fn entitlements(conn: &mut PgConnection, names: &[String]) -> Result<Option<String>, Error> {
    if names.is_empty() || names.len() > MOST {
        let told = "must name each entitlement that it may ask for, by its name in the catalog";
        return Ok(Some(told.to_owned()));
    }
    for name in names {
        // Entitlements of tomorrow are nobody's yet.
        if name == "*" {
            return Ok(Some("must be named each: there is no `*`".to_owned()));
        }
        if db::catalog::entitlement(conn, name).await?.is_none() {
            return Ok(Some(format!("must be of the catalog: `{name}` is not")));
        }
    }
    Ok(None)
}

/// The first thing that is wrong with a workload identity.
fn unfit(workload: &Workload) -> Option<(&'static str, String)> {
    let is_fit =
        |text: &str| (1..=LONGEST_CLAIM).contains(&text.chars().count()) && !text.contains('\0');
    if let Err(wrong) = check_issuer(&workload.issuer) {
        return Some(("issuer", format!("must be the issuer's URL, {wrong}")));
    }
    if !is_fit(&workload.issuer) {
        return Some(("issuer", "is too long".to_owned()));
    }
    if workload.audience.as_deref().is_some_and(|it| !is_fit(it)) {
        return Some(("audience", "is too long".to_owned()));
    }
    let claims = &workload.claims;
    let is_named = |(name, text): &(String, String)| is_fit(name) && is_fit(text);
    if claims.len() > MOST || !claims.iter().all(is_named) {
        return Some(("claims", "must be lines of `name = text`".to_owned()));
    }
    if !claims.iter().any(|(name, _)| name == "sub") {
        return Some((
            "claims",
            "must have `sub`: without it everything of the issuer would be this machine".to_owned(),
        ));
    }
    None
}

/// Ends a machine with its tokens. `session` is the secret of the session that asks.
///
/// # Errors
/// `NotFound` where it is not the caller's and they are no admin; 409 where it is ended.
pub async fn end(ctx: &Ctx, session: &str, id: MachineId) -> Result<(), Error> {
    ctx.verb(Verb::EndMachine, id, async |tx: &mut Tx| {
        own(ctx, tx.conn(), id).await?;
        let (now, admins) = (tx.now(), &ctx.app.roles().admin);
        if !db::machines::end(tx.conn(), &hash(session), id, now, admins).await? {
            return Err(ended().into());
        }
        let event = tx.by.did(id, Action::MachineEnded {});
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await
}

/// Gives a machine to another owner as an admin. Its tokens end: whoever had it before may have
/// kept one. `session` is the secret of the session that asks.
///
/// # Errors
/// `NotFound` where there is none or the caller may not see it, `Forbidden` where they are no
/// admin; an owner who is nobody, or whose it is already; 409 where it is ended.
pub async fn give(ctx: &Ctx, session: &str, id: MachineId, owner: &str) -> Result<(), Error> {
    let named = named(ctx, owner).await?;
    let subject = (id, named.unwrap_or(ctx.person.id));
    ctx.verb_on(Verb::GiveMachine, subject, async |tx: &mut Tx| {
        let machine = own(ctx, tx.conn(), id).await?.machine;
        if !is_admin(ctx, tx.conn()).await? {
            return Err(CallerError::Forbidden.into());
        }
        let owner = named.ok_or_else(|| Error::field("owner", NO_OWNER))?;
        if owner == machine.owner {
            return Err(Error::field("owner", "is its owner already"));
        }
        let (now, admins) = (tx.now(), &ctx.app.roles().admin);
        let given = db::machines::give(tx.conn(), &hash(session), id, owner, now, admins).await?;
        // Somebody else was faster.
        let given = given.ok_or(ended())?;
        let action = Action::MachineGiven {
            owner,
            owner_before: given.was,
        };
        let mut events = vec![tx.by.did(id, action)];
        let tokens = given.tokens.iter();
        events.extend(tokens.map(|token| tx.by.did(token, Action::TokenRevoked {})));
        Ok(db::audit::append_all(tx.conn(), &events).await?)
    })
    .await
}

const fn ended() -> WrongState {
    WrongState {
        verb: "do this with",
        subject: "machine",
        state: "ended",
    }
}

/// A machine that is not ended, of the caller's own, or for an admin any.
pub(super) async fn own(
    ctx: &Ctx,
    conn: &mut PgConnection,
    id: MachineId,
) -> Result<Listed, Error> {
    let found = visible(ctx, conn, id).await?;
    if found.ended_at.is_some() {
        return Err(ended().into());
    }
    Ok(found)
}

async fn visible(ctx: &Ctx, conn: &mut PgConnection, id: MachineId) -> Result<Listed, Error> {
    let found = db::machines::get(conn, id).await?;
    let found = found.ok_or(CallerError::NotFound)?;
    if found.machine.owner != ctx.person.id && !is_admin(ctx, conn).await? {
        return Err(CallerError::NotFound.into());
    }
    Ok(found)
}

async fn is_admin(ctx: &Ctx, conn: &mut PgConnection) -> Result<bool, Error> {
    let caller = db::people::get(conn, ctx.person.id).await?;
    Ok(caller.is_some_and(|it| ctx.app.roles().is_admin(&it)))
}

/// Whether the caller may make machines.
#[must_use]
pub fn may_create(ctx: &Ctx) -> bool {
    ctx.app.roles().is_admin(&ctx.person)
}

/// The machines that the caller looks after: their own, or for an admin all, by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(ctx: &Ctx) -> Result<Vec<Listed>, Error> {
    let owner = (!may_create(ctx)).then_some(ctx.person.id);
    ctx.app
        .read(async |conn| Ok(db::machines::list(conn, owner).await?))
        .await
}

/// One of them, with its tokens.
///
/// # Errors
/// `NotFound` where it is none of these.
pub async fn one(ctx: &Ctx, id: MachineId) -> Result<(Listed, Vec<db::tokens::Listed>), Error> {
    ctx.app
        .read(async |conn| {
            let found = visible(ctx, conn, id).await?;
            let limit = i64::try_from(MOST).unwrap_or(i64::MAX);
            Ok((found, db::tokens::of_machine(conn, id, limit).await?))
        })
        .await
}
