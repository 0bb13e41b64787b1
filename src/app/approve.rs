//! Approving a request: one more voice, and with the last one the grant.

use chrono::{DateTime, TimeDelta, Utc};

use super::ctx::Ctx;
use super::live;
use super::load::{self, Locked, Seen, Shown};
use super::seats;
use super::submit::guarded::is_alone;
use crate::db::decisions::Voice;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::duration;
use crate::domain::grant::Grant;
use crate::domain::person::Person;
use crate::domain::request::{Approval, Request, Verdict};
use crate::domain::rules::Presence;
use crate::domain::text::Words;
use crate::error::{
    CallerError, Error, FieldCode, FieldError, InputError, RoleError, StateError, Unextendable,
};
use crate::ids::GrantId;
use crate::{authz, db};

/// Counts the caller's voice, on a grant of `seconds` at most where they say so. The last one
/// needed makes the grant and its target due, in the same transaction.
///
/// # Errors
/// When the caller may not decide it, it is not what they have `seen` any more, they have decided
/// already or are not needed, it is not pending, its requester may not ask for it any more, its
/// role is suspended, or the duration does not fit.
pub async fn approve(
    ctx: &Ctx,
    seen: impl Into<Seen>,
    comment: Option<String>,
    seconds: Option<i64>,
) -> Result<Shown, Error> {
    let seen = seen.into();
    let id = seen.id;
    let comment = match Words::optional(comment.as_deref()) {
        Ok(comment) => comment,
        Err(error) => {
            let error = Error::field("comment", error.to_string());
            return Err(ctx.refused(Verb::Approve, id, error).await);
        }
    };
    let count = async |tx: &mut Tx, locked: Locked| {
        count(ctx, tx, locked, (seen, comment.as_ref(), seconds)).await
    };
    load::on_request(ctx, Verb::Approve, id, count).await
}

async fn count(
    ctx: &Ctx,
    tx: &mut Tx,
    locked: Locked,
    (seen, comment, seconds): (Seen, Option<&Words>, Option<i64>),
) -> Result<Shown, Error> {
    let Locked {
        request,
        caller,
        requester,
        mut seats,
        is_own,
        stands_in,
        involved,
    } = locked;
    let roles = ctx.app.roles();
    // Who may not see the request learns nothing of what follows.
    let authz::Decidable(request) = authz::decide(roles, &caller, request, stands_in, involved)?;
    seen.is_still(&request)?;
    load::comes_through(&request, tx.by.channel)?;
    request.may_be_decided("approve", &tx.by)?;
    let now = tx.now();
    // Counted under the request's lock: two last voices at once cannot make two grants. And after
    // the state: who has decided and comes too late is told that it is closed.
    let count = seats.count(&request, now);
    count.may_vote(caller.human()).map_err(seats::refused)?;
    let before = count.tally().clone();
    // Only a yes asks for this: a no opens nothing, and is always taken.
    may_open(tx, &request, (requester.as_ref(), is_own)).await?;
    if comment.is_none() && request.terms.rules.approve_comment == Presence::Required {
        return Err(InputError::CommentRequired(Verdict::Approve).into());
    }
    let seconds = approved(&request, seconds)?;
    let voice = Voice {
        request: request.id,
        revision: request.revision,
        person: caller.id,
        verdict: Verdict::Approve,
        comment,
        duration_seconds: Some(seconds),
        channel: tx.by.channel,
        at: now,
    };
    db::decisions::decide(tx.conn(), &voice).await?;
    seats.vote(caller.human());
    let after = seats.count(&request, now);
    seats.follow(tx, &request, &after).await?;
    let tallied = seats::tallied(&before, after.tally());
    let approval = request.clone().approve(tallied, seconds, comment, &tx.by)?;
    carry_out(tx, approval).await
}

/// Whether what was asked for may be opened: its requester may ask for it still, by an identity of
/// theirs, and nothing keeps the role.
pub(super) async fn may_open(
    tx: &mut Tx,
    request: &Request,
    (requester, is_own): (Option<&Person>, bool),
) -> Result<(), Error> {
    let group = &request.terms.requester_group;
    if !is_own || !requester.is_some_and(|person| person.is_in(group)) {
        return Err(StateError::NotEligible.into());
    }
    let principal = request.principal_arn.as_deref();
    let opens = db::targets::opens(tx.conn(), request.target, request.person, principal).await?;
    let (condition, is_held) = opens;
    if condition.needs_a_person() {
        return Err(RoleError::Suspended(condition).into());
    }
    if is_held {
        return Err(StateError::OnHold.into());
    }
    Ok(())
}

/// How long a grant the voice approves, seconds: never longer than what stands.
fn approved(request: &Request, seconds: Option<i64>) -> Result<i32, Error> {
    let most = request.effective_seconds;
    let Some(asked) = seconds else {
        return Ok(most);
    };
    let least = request.least_seconds();
    let fitting = i32::try_from(asked).ok();
    let fitting = fitting.filter(|it| (least..=most).contains(it));
    fitting.ok_or_else(|| {
        let (least, most) = (duration::words(least), duration::words(most));
        let detail =
            format!("must be from {least} to {most}: who approves may shorten it, not lengthen it");
        let code = FieldCode::DurationOutOfRange;
        let wrong = FieldError {
            code,
            ..FieldError::invalid("duration", detail)
        };
        InputError::Fields(vec![wrong]).into()
    })
}

/// Stores what an approval leads to.
pub(super) async fn carry_out(tx: &mut Tx, approval: Approval) -> Result<Shown, Error> {
    match approval {
        Approval::Counted(change) => Ok(db::requests::store(tx.conn(), change).await?.into()),
        Approval::Extends(change, grant) => {
            let request = db::requests::store(tx.conn(), change).await?;
            let grant = Some(extend(tx, &request, grant).await?);
            Ok(Shown { request, grant })
        }
        Approval::Complete(change, grant) => {
            let request = db::requests::store(tx.conn(), change).await?;
            // Before any grant: that is the order in which everybody locks.
            let (of, terms) = (request.entitlement, &request.terms);
            live::lock_room(tx.conn(), of, terms, request.person).await?;
            db::grants::insert(tx.conn(), &grant, &request.terms).await?;
            // At its start: before that there is nothing to do in AWS.
            tx.make_due_for(&[grant.id], grant.starts_at).await?;
            still_alone(tx, &grant, (grant.starts_at, grant.deadline)).await?;
            let grant = Some(*grant);
            Ok(Shown { request, grant })
        }
    }
}

/// As at the request: another one may have been approved since. The role is locked, so that of two
/// at once one sees the other.
async fn still_alone(
    tx: &mut Tx,
    grant: &Grant,
    window: (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), Error> {
    if !grant.method.opens_role() {
        return Ok(());
    }
    // What is written to it has locked it already.
    if !grant.early_end.cuts() {
        db::handed_out::lock_role(tx.conn(), grant.target).await?;
    }
    is_alone(tx.conn(), grant, window).await
}

/// Moves the deadline of the grant that was to be extended. Both dates in AWS follow, the guard's
/// first.
async fn extend(tx: &mut Tx, extension: &Request, grant: GrantId) -> Result<Grant, Error> {
    let grant = db::grants::lock(tx.conn(), grant).await?;
    let grant = grant.ok_or(CallerError::NotFound)?;
    // Seen since it was asked for.
    if let Some(bypassed) = &grant.marks.bypassed {
        return Err(StateError::from(Unextendable::Bypassed(bypassed.by.clone())).into());
    }
    let more = TimeDelta::seconds(extension.effective_seconds.into());
    let before = grant.deadline;
    let change = grant.extend(extension.id, more, &tx.by)?;
    let now = tx.now();
    // Locks all of its targets by id; what follows may lock one of them.
    tx.make_due_for(&[change.value.id], now).await?;
    let grant = &change.value;
    still_alone(tx, grant, (before, grant.deadline)).await?;
    Ok(db::grants::extend(tx.conn(), change).await?)
}
