//! Denying a request: one no ends it.

use super::ctx::Ctx;
use super::load::{self, Locked, Seen, Shown};
use super::seats;
use crate::db::decisions::Voice;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::request::Verdict;
use crate::domain::text::{InvalidText, Words};
use crate::error::{Error, InputError};
use crate::{authz, db};

/// Ends a pending request with the caller's no, also after their yes.
///
/// # Errors
/// When there is no comment, the caller may not decide it, or not in a stage that is open, it is
/// not what they have `seen` any more, or it is not pending.
pub async fn deny(
    ctx: &Ctx,
    seen: impl Into<Seen>,
    comment: Option<String>,
) -> Result<Shown, Error> {
    let seen = seen.into();
    let id = seen.id;
    let comment = match Words::parse(comment.as_deref().unwrap_or_default()) {
        Ok(comment) => comment,
        // It has a code of its own (`comment_required`), so that clients can ask for the words.
        Err(InvalidText::Empty) => {
            return Err(ctx
                .refused(Verb::Deny, id, InputError::CommentRequired(Verdict::Deny))
                .await);
        }
        Err(error) => {
            return Err(ctx
                .refused(Verb::Deny, id, Error::field("comment", error.to_string()))
                .await);
        }
    };
    load::on_request(ctx, Verb::Deny, id, async |tx: &mut Tx, locked: Locked| {
        let Locked {
            request,
            caller,
            seats,
            stands_in,
            involved,
            ..
        } = locked;
        let roles = ctx.app.roles();
        let authz::Decidable(request) =
            authz::decide(roles, &caller, request, stands_in, involved)?;
        seen.is_still(&request)?;
        load::comes_through(&request, tx.by.channel)?;
        request.may_be_decided("deny", &tx.by)?;
        let (now, human) = (tx.now(), caller.human());
        let may = seats.count(&request, now).may_deny(human);
        may.map_err(seats::refused)?;
        let voice = Voice {
            request: id,
            revision: request.revision,
            person: caller.id,
            verdict: Verdict::Deny,
            comment: Some(&comment),
            duration_seconds: None,
            channel: tx.by.channel,
            at: now,
        };
        db::decisions::decide(tx.conn(), &voice).await?;
        let change = request.deny(&comment, &tx.by)?;
        Ok(db::requests::store(tx.conn(), change).await?.into())
    })
    .await
}
