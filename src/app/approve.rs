//! Approving a request: one more voice, and with the last one the grant.

use chrono::{DateTime, TimeDelta, Utc};

use super::ctx::Ctx;
use super::load::{self, Locked, Shown};
use super::submit::guarded::is_alone;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::grant::Grant;
use crate::domain::request::{Approval, Request};
use crate::domain::text::Words;
use crate::error::{CallerError, Error, RoleError, StateError, Unextendable};
use crate::ids::{GrantId, RequestId};
use crate::{authz, db};

/// Counts the caller's voice. The last one needed makes the grant and its target due, in the same
/// transaction.
///
/// # Errors
/// When the caller may not decide it, has decided already, it is not pending, its requester may not
/// ask for it any more, or its role is suspended.
pub async fn approve(ctx: &Ctx, id: RequestId, comment: Option<String>) -> Result<Shown, Error> {
    let comment = match Words::optional(comment.as_deref()) {
        Ok(comment) => comment,
        Err(error) => {
            return Err(ctx
                .refused(
                    Verb::Approve,
                    id,
                    Error::field("comment", error.to_string()),
                )
                .await);
        }
    };
    load::on_request(
        ctx,
        Verb::Approve,
        id,
        async |tx: &mut Tx, locked: Locked| count(ctx, tx, locked, comment.as_ref()).await,
    )
    .await
}

async fn count(
    ctx: &Ctx,
    tx: &mut Tx,
    locked: Locked,
    comment: Option<&Words>,
) -> Result<Shown, Error> {
    let has_decided = locked.has_decided();
    let Locked {
        request,
        caller,
        requester,
        decisions,
        is_own,
    } = locked;
    // Who may not see the request learns nothing of what follows.
    let authz::Decidable(request) = authz::decide(ctx.app.roles(), &caller, request, has_decided)?;
    let group = &request.terms.requester_group;
    let still_eligible = requester.is_some_and(|person| person.is_in(group));
    let (id, target, asked) = (request.id, request.target, request.person);
    let principal = request.principal_arn.clone();
    // Counted under the request's lock: two last voices at once cannot make two grants.
    let have = i16::try_from(db::decisions::have(&decisions)).unwrap_or(i16::MAX);
    let approval = request.approve(have.saturating_add(1), comment, &tx.by)?;
    // After the state: who has decided and comes too late is told that it is closed.
    if has_decided {
        return Err(StateError::AlreadyDecided.into());
    }
    // Only a yes asks for this, and for the role: a no opens nothing, and is always taken.
    if !still_eligible || !is_own {
        return Err(StateError::NotEligible.into());
    }
    let opens = db::targets::opens(tx.conn(), target, asked, principal.as_deref());
    let (condition, is_held) = opens.await?;
    if condition.needs_a_person() {
        return Err(RoleError::Suspended(condition).into());
    }
    if is_held {
        return Err(StateError::OnHold.into());
    }
    let now = tx.now();
    db::decisions::decide(tx.conn(), id, caller.id, true, comment, now).await?;
    match approval {
        Approval::Counted(change) => Ok(db::requests::store(tx.conn(), change).await?.into()),
        Approval::Extends(change, grant) => {
            let request = db::requests::store(tx.conn(), change).await?;
            let grant = Some(extend(tx, &request, grant).await?);
            Ok(Shown { request, grant })
        }
        Approval::Complete(change, grant) => {
            let request = db::requests::store(tx.conn(), change).await?;
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
    let more = TimeDelta::seconds(extension.duration_seconds.into());
    let before = grant.deadline;
    let change = grant.extend(extension.id, more, &tx.by)?;
    let now = tx.now();
    // Locks all of its targets by id; what follows may lock one of them.
    tx.make_due_for(&[change.value.id], now).await?;
    let grant = &change.value;
    still_alone(tx, grant, (before, grant.deadline)).await?;
    Ok(db::grants::extend(tx.conn(), change).await?)
}
