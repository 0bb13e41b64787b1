//! Denying a request: one no ends it.

use super::approve::decidable;
use super::ctx::Ctx;
use super::expire;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::request::Request;
use crate::domain::text::{InvalidText, Words};
use crate::error::{Error, InputError, StateError};
use crate::ids::RequestId;
use crate::{authz, db};

/// Ends a pending request with the caller's no.
///
/// # Errors
/// When there is no comment, the caller may not decide it, has decided already, or it is not
/// pending.
pub async fn deny(ctx: &Ctx, id: RequestId, comment: Option<String>) -> Result<Request, Error> {
    let comment = match Words::parse(comment.as_deref().unwrap_or_default()) {
        Ok(comment) => comment,
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
    expire::if_overdue(&ctx.app, id).await?;
    ctx.verb(Verb::Deny, id, async |tx: &mut Tx| {
        let (authz::Decidable(request), decisions) = decidable(ctx, tx, id).await?;
        let change = request.deny(&comment, &tx.by)?;
        if decisions.iter().any(|vote| vote.person == ctx.person.id) {
            return Err(StateError::AlreadyDecided.into());
        }
        let now = tx.now();
        db::requests::decide(tx.conn(), id, ctx.person.id, false, Some(&comment), now).await?;
        Ok(db::requests::store(tx.conn(), change).await?)
    })
    .await
}
