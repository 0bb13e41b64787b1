//! Being away: somebody else decides for oneself, for some time.

use chrono::{DateTime, TimeDelta, Utc};

use super::ctx::Ctx;
use super::recount;
use crate::db;
use crate::db::delegations::New;
pub use crate::db::delegations::{Away, Listed};
use crate::db::tx::Tx;
use crate::domain::audit::Action;
use crate::domain::audit::verb::Verb;
use crate::domain::person::Person;
use crate::error::{CallerError, Error, FieldCode, FieldError, InputError};
use crate::ids::DelegationId;

/// The longest one.
const LONGEST: TimeDelta = TimeDelta::days(30);
/// How long ago it may begin: forms know minutes alone.
const A_MINUTE: TimeDelta = TimeDelta::minutes(1);

/// What a delegation is to be, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Who decides: an id, or an e-mail address.
    pub to: String,
    /// From when; at once where there is none.
    pub from: Option<DateTime<Utc>>,
    /// Until when.
    pub until: Option<DateTime<Utc>>,
    /// Fields that could not be read at all.
    pub unread: Vec<FieldError>,
}

impl Wanted {
    /// From when until when; what is wrong with it is added to `wrong`.
    fn times(
        &self,
        now: DateTime<Utc>,
        wrong: &mut Vec<FieldError>,
    ) -> (DateTime<Utc>, DateTime<Utc>) {
        let is_read = |field| self.unread.iter().all(|error| error.field != field);
        let mut invalid = |field, detail: &str| wrong.push(FieldError::invalid(field, detail));
        let from = self.from.unwrap_or(now);
        if from <= now - A_MINUTE {
            invalid("from", "must not be in the past: leave it out to begin now");
        }
        let from = from.max(now);
        match self.until {
            None if is_read("until") => invalid("until", "is missing: it says when you are back"),
            Some(until) if until <= from => invalid("until", "must be later than it begins"),
            Some(until) if until - from > LONGEST => {
                invalid("until", "must be 30 days at most after it begins");
            }
            _ => {}
        }
        (from, self.until.unwrap_or(from))
    }
}

/// Lets another person decide for the caller, wherever the caller could, and counts at once what
/// that person has decided.
///
/// # Errors
/// When nobody or more than one is meant, it is the caller themselves, or nobody who approves
/// anything; when the times do not fit; when the caller has one that is live in that time.
pub async fn delegate(ctx: &Ctx, wanted: Wanted) -> Result<DelegationId, Error> {
    let caller = ctx.person.id;
    let (new, is_live) = ctx
        .verb(Verb::Delegate, caller, async |tx: &mut Tx| {
            let now = tx.now();
            let mut wrong = wanted.unread.clone();
            let to = named(tx, &wanted.to, &ctx.person, &mut wrong).await?;
            let (starts_at, ends_at) = wanted.times(now, &mut wrong);
            let Some(to) = to.filter(|_| wrong.is_empty()) else {
                return Err(InputError::Fields(wrong).into());
            };
            let new = New {
                id: DelegationId::new(),
                from: caller,
                to: to.id,
                starts_at,
                ends_at,
                made_at: now,
            };
            if !db::delegations::insert(tx.conn(), new).await? {
                let detail =
                    "would be the second one at the same time: end the one that you have first";
                return Err(Error::field("delegate", detail));
            }
            let action = Action::DelegationStarted {
                from: new.from,
                to: new.to,
                starts_at,
                ends_at,
            };
            let event = tx.by.did(new.id, action);
            db::audit::append(tx.conn(), &event).await?;
            Ok((new, starts_at <= now))
        })
        .await?;
    if is_live {
        recount::at_once(&ctx.app, &[new.to]).await;
    }
    Ok(new.id)
}

/// Who is to decide; what is wrong with them is added to `wrong`.
async fn named(
    tx: &mut Tx,
    text: &str,
    caller: &Person,
    wrong: &mut Vec<FieldError>,
) -> Result<Option<Person>, Error> {
    let Some(to) = db::people::named(tx.conn(), text.trim()).await? else {
        wrong.push(FieldError {
            code: FieldCode::PersonUnknown,
            ..FieldError::invalid(
                "delegate",
                "must be the id of somebody who is active, or an e-mail address that they alone have verified",
            )
        });
        return Ok(None);
    };
    if to.human() == caller.human() {
        wrong.push(FieldError::invalid(
            "delegate",
            "must be somebody else: nobody stands in for themselves",
        ));
    } else if !db::delegations::approves(tx.conn(), &to.ids).await? {
        wrong.push(FieldError::invalid(
            "delegate",
            "must be somebody who approves something: this person is in no group that does",
        ));
    }
    Ok(Some(to))
}

/// Ends a delegation from or to the caller, before its time or before it begins.
///
/// # Errors
/// `NotFound` where there is no such one that is not over.
pub async fn end_delegation(ctx: &Ctx, id: DelegationId) -> Result<(), Error> {
    let to = ctx
        .verb(Verb::EndDelegation, id, async |tx: &mut Tx| {
            let (now, own) = (tx.now(), &ctx.person.ids);
            let ended = db::delegations::end(tx.conn(), own, id, now).await?;
            let (from, to) = ended.ok_or(CallerError::NotFound)?;
            let event = tx.by.did(id, Action::DelegationEnded { from, to });
            db::audit::append(tx.conn(), &event).await?;
            Ok(to)
        })
        .await?;
    recount::at_once(&ctx.app, &[to]).await;
    Ok(())
}

/// The caller's delegations that are not over, from them and to them, in the order in which they
/// begin; and the time.
///
/// # Errors
/// When the database does not answer.
pub async fn own(ctx: &Ctx) -> Result<Vec<Listed>, Error> {
    ctx.app
        .read_at(
            async |conn, now| Ok(db::delegations::of_people(conn, &ctx.person.ids, now).await?),
        )
        .await
}
