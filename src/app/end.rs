//! Ending a grant before its deadline.

use super::ctx::Ctx;
use super::find::GrantView;
use super::load;
use crate::db::cases::Case;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::cause::Cause;
use crate::domain::grant::GrantState;
use crate::domain::scope::Scope;
use crate::domain::text::Words;
use crate::error::{CallerError, Error};
use crate::ids::GrantId;
use crate::{authz, db};

/// Ends a grant: its requester releases it, an approver or an admin revokes it. The target is due
/// at once; AWS follows.
///
/// # Errors
/// When the caller may not end it, or it is closing or over.
pub async fn end(ctx: &Ctx, id: GrantId, reason: Option<String>) -> Result<GrantView, Error> {
    let reason = match Words::optional(reason.as_deref()) {
        Ok(reason) => reason,
        Err(error) => {
            return Err(ctx
                .refused(Verb::End, id, Error::field("reason", error.to_string()))
                .await);
        }
    };
    ctx.verb(Verb::End, id, async |tx: &mut Tx| {
        // The grant before its target, as everybody locks: the other order would deadlock with the
        // worker.
        let grant = db::grants::lock(tx.conn(), id)
            .await?
            .ok_or(CallerError::NotFound)?;
        let (request, now) = (grant.request, tx.now());
        // It closes from now on, so that this is since when it may be kept waiting.
        let moving = Some((grant.grant_name.as_str(), now));
        // Not locked: an approved request does not change any more.
        let Case {
            request,
            caller,
            involved,
            delay,
            extension,
            ..
        } = load::case(ctx, tx.conn(), request, moving).await?;
        let authz::Endable(grant, cause) =
            authz::end(ctx.app.roles(), &caller, grant, &request, involved)?;
        may_end(ctx, cause)?;
        let change = grant.end(cause, caller.id, reason, &tx.by)?;
        let grant = db::grants::store(tx.conn(), change).await?;
        // What waits for a decision was asked for under the grant's lock.
        if extension.is_some() {
            let by = tx.by.clone();
            db::requests::lapse_with(tx.conn(), &[grant.id], &by).await?;
        }
        tx.make_due_first(&[grant.id]).await?;
        Ok(GrantView {
            // What is not open cannot be extended.
            extension: None,
            delay: delay.filter(|_| matches!(grant.state, GrantState::Closing(_))),
            grant,
            request,
        })
    })
    .await
}

/// One's own is given back with the scope to ask; what is others' takes that to decide.
fn may_end(ctx: &Ctx, cause: Cause) -> Result<(), CallerError> {
    let needed: &'static [Scope] = match cause {
        Cause::Released => &[Scope::Create],
        _ => &[Scope::Decide],
    };
    if ctx.credential.scopes.has_one_of(needed) {
        return Ok(());
    }
    Err(CallerError::InsufficientScope(needed))
}
