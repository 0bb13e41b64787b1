//! Approving a request: one more voice, and with the last one the grant.

use super::ctx::Ctx;
use super::expire;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::request::{Approval, Request};
use crate::domain::text::Words;
use crate::error::{CallerError, Error, RoleError, StateError};
use crate::ids::RequestId;
use crate::{authz, db};

/// Counts the caller's voice. The last one needed makes the grant and its target due, in the same
/// transaction.
///
/// # Errors
/// When the caller may not decide it, has decided already, it is not pending, its requester may not
/// ask for it any more, or its role is suspended.
pub async fn approve(ctx: &Ctx, id: RequestId, comment: Option<String>) -> Result<Request, Error> {
    let said = comment.as_deref().filter(|text| !text.trim().is_empty());
    let comment = match said.map(Words::parse).transpose() {
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
    expire::if_overdue(&ctx.app, id).await?;
    ctx.verb(Verb::Approve, id, async |tx: &mut Tx| {
        let (authz::Decidable(request), decisions) = decidable(ctx, tx, id).await?;
        let still_eligible = db::people::get(tx.conn(), request.person)
            .await?
            .is_some_and(|person| person.is_in(&request.terms.requester_group));
        let target = request.target;
        let voted = decisions.iter().any(|vote| vote.person == ctx.person.id);
        let have = i16::try_from(decisions.iter().filter(|vote| vote.approved).count())
            .unwrap_or(i16::MAX);
        let approval = request.approve(have.saturating_add(1), comment.as_ref(), &tx.by)?;
        if voted {
            return Err(StateError::AlreadyDecided.into());
        }
        if !still_eligible {
            return Err(StateError::NotEligible.into());
        }
        let condition = db::targets::condition(tx.conn(), target).await?;
        if condition.needs_a_person() {
            return Err(RoleError::Suspended(condition).into());
        }
        let now = tx.now();
        db::requests::decide(tx.conn(), id, ctx.person.id, true, comment.as_ref(), now).await?;
        match approval {
            Approval::Counted(change) => Ok(db::requests::store(tx.conn(), change).await?),
            Approval::Complete(change, grant) => {
                let request = db::requests::store(tx.conn(), change).await?;
                db::grants::insert(tx.conn(), &grant).await?;
                tx.make_due(grant.target, grant.starts_at).await?;
                Ok(request)
            }
        }
    })
    .await
}

/// Locks the request and its requester's say: the caller as they are now in the database, and the
/// voices so far.
pub(super) async fn decidable(
    ctx: &Ctx,
    tx: &mut Tx,
    id: RequestId,
) -> Result<(authz::Decidable, Vec<db::requests::Decision>), Error> {
    let request = db::requests::lock(tx.conn(), id)
        .await?
        .ok_or(CallerError::NotFound)?;
    let person = db::people::get(tx.conn(), ctx.person.id)
        .await?
        .ok_or(CallerError::NotFound)?;
    let decisions = db::requests::decisions(tx.conn(), id).await?;
    let has_decided = decisions.iter().any(|vote| vote.person == person.id);
    let decidable = authz::decide(ctx.app.roles(), &person, request, has_decided)?;
    Ok((decidable, decisions))
}
