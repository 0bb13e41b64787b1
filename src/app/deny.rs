//! Denying a request: one no ends it.

use super::ctx::Ctx;
use super::load::{self, Locked, Shown};
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::text::{InvalidText, Words};
use crate::error::{Error, InputError, StateError};
use crate::ids::RequestId;
use crate::{authz, db};

/// Ends a pending request with the caller's no.
///
/// # Errors
/// When there is no comment, the caller may not decide it, has decided already, or it is not
/// pending.
pub async fn deny(ctx: &Ctx, id: RequestId, comment: Option<String>) -> Result<Shown, Error> {
    let comment = match Words::parse(comment.as_deref().unwrap_or_default()) {
        Ok(comment) => comment,
        // It has a code of its own (`comment_required`), so that clients can ask for the words.
        Err(InvalidText::Empty) => {
            return Err(ctx
                .refused(Verb::Deny, id, InputError::CommentRequired)
                .await);
        }
        Err(error) => {
            return Err(ctx
                .refused(Verb::Deny, id, Error::field("comment", error.to_string()))
                .await);
        }
    };
    load::on_request(ctx, Verb::Deny, id, async |tx: &mut Tx, locked: Locked| {
        let has_decided = locked.has_decided();
        let Locked {
            request, caller, ..
        } = locked;
        let authz::Decidable(request) =
            authz::decide(ctx.app.roles(), &caller, request, has_decided)?;
        let change = request.deny(&comment, &tx.by)?;
        if has_decided {
            return Err(StateError::AlreadyDecided.into());
        }
        let now = tx.now();
        db::decisions::decide(tx.conn(), id, caller.id, false, Some(&comment), now).await?;
        Ok(db::requests::store(tx.conn(), change).await?.into())
    })
    .await
}
