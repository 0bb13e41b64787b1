//! Asking for the deadline of a grant to be later: a request with the same approvals. The old
//! deadline stands until the last of them.

use chrono::{DateTime, TimeDelta, Utc};

use super::ctx::Ctx;
use super::find::GrantView;
use super::load;
use super::submit::by_rules;
use super::submit::guarded::{guarded_longer, has_room};
use super::submit::look::outlives;
use crate::db::cases::Case;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::change::WrongState;
use crate::domain::duration;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::machine::RequestedBy;
use crate::domain::outlive::Outlives;
use crate::domain::request::{More, Request};
use crate::domain::text::{Ticket, Words};
use crate::error::{Error, FieldCode, FieldError, InputError, StateError, Unextendable};
use crate::ids::GrantId;
use crate::{authz, db};

/// What a caller sends, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct NewExtension {
    /// By how much later, seconds.
    pub duration_seconds: i64,
    /// Why.
    pub justification: String,
    /// A ticket's name or URL.
    pub ticket: Option<String>,
    /// Fields that could not be read at all; they are told together with the others that do not
    /// fit.
    pub unread: Vec<FieldError>,
}

/// Asks for a later deadline; gives the grant with the request that waits for its approvals.
///
/// # Errors
/// When the caller is not the grant's person, it is not open, one waits already, or the grant would
/// be longer than its entitlement allows.
pub async fn extend(ctx: &Ctx, id: GrantId, new: NewExtension) -> Result<GrantView, Error> {
    // As any ask: each may keep approvers busy, and costs calls of AWS.
    ctx.app.limits().ask(ctx.caller())?;
    let settings = ctx.app.settings();
    let seen = match look(ctx, id, &new).await {
        Err(error) if error.is_refusal() => return Err(ctx.refused(Verb::Extend, id, error).await),
        other => other?,
    };
    ctx.verb(Verb::Extend, id, async |tx: &mut Tx| {
        let now = tx.now();
        let (grant, case) = load::granted(ctx, tx, id).await?;
        let Case {
            request,
            caller,
            involved,
            extension,
            ..
        } = case;
        let roles = ctx.app.roles();
        let authz::Own(grant) = authz::own(roles, &caller, grant, &request, involved)?;
        let margin = settings.propagation;
        is_open(&grant, margin, now)?;
        // Nobody would be let in who asked anew.
        if !caller.is_in(&request.terms.requester_group) {
            return Err(StateError::NotEligible.into());
        }
        if let Some(bypassed) = &grant.marks.bypassed {
            return Err(Unextendable::Bypassed(bypassed.by.clone()).into());
        }
        if extension.is_some() {
            return Err(Unextendable::Waits.into());
        }
        let more = More {
            outlives: seen.outlives.clone().or_else(|| request.outlives.clone()),
            target_checked: seen.checked,
            requested_by: RequestedBy::Person(caller.name.clone()),
            ..check(&new, &grant, &request)?
        };
        let change = request
            .clone()
            .extension(&grant, more, settings.expire_after, margin, &tx.by);
        let asked = db::requests::insert(tx.conn(), change).await?;
        Ok(GrantView {
            extension: Some(asked.id),
            grant,
            request,
            delay: None,
        })
    })
    .await
}

/// What AWS tells of the role.
#[derive(Default)]
struct Seen {
    outlives: Option<Vec<Outlives>>,
    checked: bool,
}

/// Looks at the role of the caller's grant: whether its guard has room for the later deadline, and
/// what could outlive that. What the caller may not, the verb itself refuses.
async fn look(ctx: &Ctx, id: GrantId, new: &NewExtension) -> Result<Seen, Error> {
    let known = ctx.app.read_at(async |conn, now| {
        let grant = db::grants::get(conn, id).await?;
        let Some(grant) = grant.filter(|grant| grant.person == ctx.person.id) else {
            return Ok(None);
        };
        let Case { request, .. } = load::case(ctx, conn, grant.request, None).await?;
        let more = TimeDelta::try_seconds(new.duration_seconds).unwrap_or_default();
        // What is none, or too much, is told with the other fields; here it only has to be a time.
        let more = more.min(grant.longest_extension(&request.terms));
        let until = grant.deadline + more.max(TimeDelta::zero());
        let guarded = guarded_longer(conn, &grant, until).await?;
        let manager = db::accounts::manager(conn, &request.terms.account).await?;
        Ok(Some((grant, request.terms, guarded, (manager, now))))
    });
    let Some((grant, terms, guarded, as_whom)) = known.await? else {
        return Ok(Seen::default());
    };
    let (outlives, foreign) = Box::pin(outlives(ctx, &terms, &as_whom)).await.unzip();
    let foreign = foreign.flatten();
    has_room(guarded.as_ref(), &terms, grant.role_id.as_deref(), foreign)?;
    Ok(Seen {
        outlives,
        checked: foreign.is_some(),
    })
}

/// Refuses what is not open, or so short before its deadline that no extension could be in AWS by
/// then.
fn is_open(grant: &Grant, margin: TimeDelta, now: DateTime<Utc>) -> Result<(), Error> {
    if grant.is_open_for(margin, now) {
        return Ok(());
    }
    if grant.is_open_for(TimeDelta::zero(), now) {
        return Err(StateError::TooLate.into());
    }
    let is_active = matches!(grant.state, GrantState::Active { .. });
    let wrong = WrongState {
        verb: "extend",
        subject: "grant",
        // What is past its deadline is closing, whether or not that is on record yet.
        state: if is_active {
            "closing"
        } else {
            grant.state.as_str()
        },
    };
    Err(wrong.into())
}

/// Every field at once.
fn check(new: &NewExtension, grant: &Grant, request: &Request) -> Result<More, Error> {
    let longest = grant.longest_extension(&request.terms);
    if longest < TimeDelta::seconds(1) {
        return Err(Unextendable::Longest.into());
    }
    let mut wrong = new.unread.clone();
    let is_read = wrong.iter().all(|error| error.field != "duration");
    let justification = Words::parse(&new.justification)
        .map_err(|error| wrong.push(FieldError::invalid("justification", error.to_string())));
    let ticket = Ticket::optional(new.ticket.as_deref())
        .map_err(|error| wrong.push(FieldError::invalid("ticket", error.to_string())));
    let seconds = i32::try_from(new.duration_seconds).ok();
    let seconds = seconds.filter(|it| *it > 0 && TimeDelta::seconds((*it).into()) <= longest);
    if seconds.is_none() && is_read {
        let most = i32::try_from(longest.num_seconds()).unwrap_or(i32::MAX);
        let detail = format!(
            "must be from PT1S to {}: with it the grant lasts as long as it may",
            duration::print(most)
        );
        wrong.push(FieldError {
            code: FieldCode::DurationOutOfRange,
            ..FieldError::invalid("duration", detail)
        });
    }
    let rules = &request.terms.rules;
    wrong.extend(by_rules(
        rules,
        justification.as_ref().ok(),
        ticket.as_ref().ok(),
    ));
    match (justification, ticket, seconds) {
        (Ok(justification), Ok(ticket), Some(duration_seconds)) if wrong.is_empty() => Ok(More {
            duration_seconds,
            justification,
            ticket,
            outlives: None,
            target_checked: false,
            requested_by: request.requested_by.clone(),
        }),
        _ => Err(InputError::Fields(wrong).into()),
    }
}
