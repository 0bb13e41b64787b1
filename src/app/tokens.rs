//! API tokens: made in the portal or on the server's command line, shown once, stored as a hash.

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;

use super::ctx::{App, Ctx};
use super::find::{Items, Page};
use super::secrets::{MACHINE_PREFIX, PREFIX, hash, text};
use crate::db;
pub use crate::db::tokens::Listed;
use crate::db::tokens::NewToken;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::audit::{Action, Actor, Channel, Event};
use crate::domain::change::WrongState;
use crate::domain::person::Person;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::text::check_name;
use crate::error::{CallerError, Error, FieldError, InputError};
use crate::ids::{MachineId, TokenId};

/// The most characters of its name.
const LONGEST_NAME: usize = 100;
/// The longest life of a token.
pub const LONGEST: TimeDelta = TimeDelta::days(90);

/// What a token is to be, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// What it is for.
    pub name: String,
    /// How long it works.
    pub expires_in: TimeDelta,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Fields that could not be read at all.
    pub unread: Vec<FieldError>,
}

impl Wanted {
    /// Every field at once; the scopes have to be among `most`.
    fn check(&self, most: Scopes) -> Result<(), Error> {
        let mut wrong = self.unread.clone();
        let mut invalid = |field, detail: String| wrong.push(FieldError::invalid(field, detail));
        if let Err(error) = check_name(&self.name) {
            invalid("name", error.to_string());
        } else if self.name.chars().count() > LONGEST_NAME {
            invalid(
                "name",
                format!("must have {LONGEST_NAME} characters at most"),
            );
        }
        let is_read = |field| self.unread.iter().all(|error| error.field != field);
        let lives = self.expires_in > TimeDelta::zero() && self.expires_in <= LONGEST;
        if !lives && is_read("expires_in") {
            let most = "must be from 1 second (PT1S) to 90 days (PT2160H)";
            invalid("expires_in", most.to_owned());
        }
        let fits = !self.scopes.is_empty() && self.scopes.is_within(most);
        if !fits && is_read("scopes") {
            invalid("scopes", format!("must be one or more of {most}"));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(InputError::Fields(wrong).into())
        }
    }
}

/// A token before it is stored: its text, what is stored, and its event.
struct Made {
    id: TokenId,
    text: String,
    hash: [u8; 32],
}

impl Made {
    fn new(prefix: &str) -> Self {
        let text = text(prefix);
        Self {
            id: TokenId::new(),
            hash: hash(&text),
            text,
        }
    }

    fn row<'a>(&'a self, wanted: &'a Wanted, now: DateTime<Utc>) -> NewToken<'a> {
        NewToken {
            id: self.id,
            hash: &self.hash,
            // Enough for people to tell tokens apart, and for nobody to find the rest.
            prefix: &self.text[..PREFIX.len() + 6],
            name: &wanted.name,
            scopes: wanted.scopes,
            created_at: now,
            expires_at: now + wanted.expires_in,
        }
    }
}

fn created(tx: &Tx, row: &NewToken<'_>, machine: Option<MachineId>) -> Event {
    let action = Action::TokenCreated {
        name: row.name.to_owned(),
        prefix: row.prefix.to_owned(),
        expires_at: row.expires_at,
        scopes: row.scopes.words(),
        machine,
    };
    tx.by.did(row.id, action)
}

/// Makes a token for the person with this id or e-mail address.
///
/// # Errors
/// When there is no such person or more than one, the name is empty, there is no scope, or the life
/// is longer than 90 days.
pub async fn create(
    app: &App,
    machine: &str,
    person: &str,
    wanted: Wanted,
) -> Result<(TokenId, SecretString), Error> {
    wanted.check(Scopes::ALL)?;
    let made = Made::new(PREFIX);
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let person = named(tx, person).await?;
        let row = made.row(&wanted, tx.now());
        db::tokens::insert(tx.conn(), &row, person.id).await?;
        let event = created(tx, &row, None);
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await?;
    Ok((made.id, made.text.into()))
}

/// Makes a token of the caller's own, or of a machine that is theirs (of any, for an admin).
/// `session` is the secret of the session that asks: tokens are made by nothing else.
///
/// # Errors
/// When a field does not fit, the machine is not theirs, or it is ended.
pub async fn make(
    ctx: &Ctx,
    session: &str,
    machine: Option<MachineId>,
    wanted: Wanted,
) -> Result<(TokenId, SecretString), Error> {
    let made = Made::new(machine.map_or(PREFIX, |_| MACHINE_PREFIX));
    let subject = machine.map_or_else(|| ctx.person.id.to_string(), |id| id.to_string());
    ctx.verb(Verb::CreateToken, subject, async |tx: &mut Tx| {
        let most = match machine {
            Some(id) => {
                super::machines::own(ctx, tx.conn(), id)
                    .await?
                    .machine
                    .scopes
            }
            None => Scopes::ALL,
        };
        wanted.check(most)?;
        let row = made.row(&wanted, tx.now());
        let admins = &ctx.app.roles().admin;
        db::tokens::create(tx.conn(), &hash(session), &row, machine, admins).await?;
        let event = created(tx, &row, machine);
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await?;
    Ok((made.id, made.text.into()))
}

/// Revokes a token. A token that does not work any more stays as it is.
///
/// # Errors
/// `NotFound` where there is no token of this id that works.
pub async fn revoke(app: &App, machine: &str, id: TokenId) -> Result<(), Error> {
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let now = tx.now();
        if !db::tokens::revoke(tx.conn(), id, now).await? {
            return Err(CallerError::NotFound.into());
        }
        let event = tx.by.did(id, Action::TokenRevoked {});
        Ok(db::audit::append(tx.conn(), &event).await?)
    })
    .await
}

/// Revokes a token of the caller's own, or of a machine of theirs; an admin, whose own token has
/// that scope, any.
///
/// # Errors
/// `NotFound` where there is none of theirs, 409 where it does not work any more.
pub async fn revoke_own(ctx: &Ctx, id: TokenId) -> Result<Listed, Error> {
    ctx.verb(Verb::RevokeToken, id, async |tx: &mut Tx| {
        let caller = db::people::get(tx.conn(), ctx.person.id).await?;
        let caller = caller.ok_or(CallerError::NotFound)?;
        let found = db::tokens::get(tx.conn(), id).await?;
        let (token, whose) = found.ok_or(CallerError::NotFound)?;
        let credential = &ctx.credential;
        // Groups that were told too long ago make nobody an admin.
        let may_be = credential.scopes.has(Scope::Admin) && !credential.groups_unknown;
        let is_admin = may_be && ctx.app.roles().is_admin(&caller);
        if whose != Some(caller.id) && !is_admin {
            return Err(CallerError::NotFound.into());
        }
        let (now, admins) = (tx.now(), &ctx.app.roles().admin);
        if !db::tokens::revoke_by(tx.conn(), caller.id, id, now, admins).await? {
            let state = match token.revoked_at {
                Some(_) => "revoked",
                None => "expired",
            };
            let wrong = WrongState {
                verb: "revoke",
                subject: "token",
                state,
            };
            return Err(wrong.into());
        }
        let event = tx.by.did(id, Action::TokenRevoked {});
        db::audit::append(tx.conn(), &event).await?;
        Ok(Listed {
            revoked_at: Some(now),
            ..token
        })
    })
    .await
}

/// Every token, the newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(app: &App) -> Result<Vec<Listed>, Error> {
    app.read(async |conn| Ok(db::tokens::all(conn).await?))
        .await
}

/// The caller's own tokens, and those of their machines, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn own(ctx: &Ctx, page: Page<TokenId>) -> Result<Items<Listed, TokenId>, Error> {
    let (person, limit) = (ctx.person.id, page.limit + 1);
    let found = ctx
        .app
        .read(async |conn| Ok(db::tokens::of_person(conn, person, page.cursor, limit).await?));
    Ok(Items::of(found.await?, page.limit, |it| it.id))
}

/// The person with this id or e-mail address.
///
/// # Errors
/// When there is no such person or more than one.
pub(super) async fn named(tx: &mut Tx, person: &str) -> Result<Person, Error> {
    if let Ok(id) = person.parse() {
        return db::people::get(tx.conn(), id)
            .await?
            .ok_or_else(|| Error::field("person", "is not known"));
    }
    let mut found = db::people::with_email(tx.conn(), person).await?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::field(
            "person",
            "is not known: give the e-mail address or the id of somebody in the catalog",
        )),
        // E-mail addresses are not unique, and a token must not go to the wrong one of two.
        _ => Err(Error::field(
            "person",
            "is the e-mail address of several people: give the id",
        )),
    }
}
