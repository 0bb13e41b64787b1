//! Taking one's approval back, as long as nothing is open.

use super::ctx::Ctx;
use super::load::{self, Locked, Shown};
use crate::authz;
use crate::db;
use crate::db::decisions::Voice;
use crate::db::tx::Tx;
use crate::domain::audit::Action;
use crate::domain::audit::verb::Verb;
use crate::domain::cause::Cause;
use crate::domain::change::WrongState;
use crate::domain::grant::Grant;
use crate::domain::request::{Request, RequestState, Verdict};
use crate::domain::text::Words;
use crate::error::{CallerError, Error, VoteError};
use crate::ids::{PersonId, RequestId};

/// Takes the caller's approval back. While the request waits, it counts no more; once it is
/// approved, its grant ends if it is not open yet.
///
/// # Errors
/// When the caller may not see it, has no approval that stands, or the grant is open already: then
/// it is ended.
pub async fn withdraw_approval(
    ctx: &Ctx,
    id: RequestId,
    comment: Option<String>,
) -> Result<Shown, Error> {
    let comment = match Words::optional(comment.as_deref()) {
        Ok(comment) => comment,
        Err(error) => {
            let error = Error::field("comment", error.to_string());
            return Err(ctx.refused(Verb::WithdrawApproval, id, error).await);
        }
    };
    let take_back =
        async |tx: &mut Tx, locked: Locked| take_back(ctx, tx, locked, comment.as_ref()).await;
    load::on_request(ctx, Verb::WithdrawApproval, id, take_back).await
}

async fn take_back(
    ctx: &Ctx,
    tx: &mut Tx,
    locked: Locked,
    comment: Option<&Words>,
) -> Result<Shown, Error> {
    let Locked {
        request,
        caller,
        mut seats,
        involved,
        ..
    } = locked;
    if !authz::sees(ctx.app.roles(), &caller, &request, involved) {
        return Err(CallerError::NotFound.into());
    }
    let (now, human) = (tx.now(), caller.human());
    if !seats.has_approved(human) {
        return Err(VoteError::NothingToWithdraw.into());
    }
    let grant = match request.state {
        RequestState::Approved(_) => Some(closable(tx, &request).await?),
        _ => {
            request.may_be_decided("take back your approval of", &tx.by)?;
            None
        }
    };
    let voice = Voice {
        request: request.id,
        revision: request.revision,
        person: caller.id,
        verdict: Verdict::Withdraw,
        comment,
        duration_seconds: None,
        channel: tx.by.channel,
        at: now,
    };
    db::decisions::decide(tx.conn(), &voice).await?;
    if let Some(grant) = grant {
        return end(tx, request, grant, caller.id, comment).await;
    }
    seats.take_back(human);
    let after = seats.count(&request, now);
    seats.follow(tx, &request, &after).await?;
    let seconds = seats.effective_seconds(&request);
    let change = request
        .clone()
        .approval_withdrawn(seconds, comment, &tx.by)?;
    Ok(db::requests::store(tx.conn(), change).await?.into())
}

/// The grant under its lock, where nothing of it is open.
async fn closable(tx: &mut Tx, request: &Request) -> Result<Grant, Error> {
    let grants = db::grants::of_requests(tx.conn(), std::iter::once(request)).await?;
    let grant = grants.into_values().next().ok_or(CallerError::NotFound)?;
    let grant = db::grants::lock(tx.conn(), grant.id).await?;
    let grant = grant.ok_or(CallerError::NotFound)?;
    // What an extension has moved is open, or was.
    if grant.state.is_to_open() {
        return Ok(grant);
    }
    Err(WrongState {
        verb: "take back your approval of",
        subject: "grant",
        state: grant.state.as_str(),
    }
    .into())
}

/// Ends the grant, as an approver who revokes it: the request stays approved.
async fn end(
    tx: &mut Tx,
    request: Request,
    grant: Grant,
    by: PersonId,
    comment: Option<&Words>,
) -> Result<Shown, Error> {
    let told = Action::ApprovalWithdrawn {
        comment: comment.map(ToString::to_string),
    };
    let event = tx.by.did(request.id, told);
    db::audit::append(tx.conn(), &event).await?;
    let change = grant.end(Cause::Revoked, by, comment.cloned(), &tx.by)?;
    let grant = db::grants::store(tx.conn(), change).await?;
    tx.make_due_first(&[grant.id]).await?;
    Ok(Shown {
        request,
        grant: Some(grant),
    })
}
