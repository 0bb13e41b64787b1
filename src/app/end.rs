//! Ending a grant before its deadline.

use super::ctx::Ctx;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::grant::Grant;
use crate::domain::text::Words;
use crate::error::{CallerError, Error};
use crate::ids::GrantId;
use crate::{authz, db};

/// Ends a grant: its requester releases it, an approver or an admin revokes it. The target is due
/// at once; AWS follows.
///
/// # Errors
/// When the caller may not end it, or it is closing or over.
pub async fn end(ctx: &Ctx, id: GrantId, reason: Option<String>) -> Result<Grant, Error> {
    let reason = match reason
        .as_deref()
        .filter(|text| !text.trim().is_empty())
        .map(Words::parse)
        .transpose()
    {
        Ok(reason) => reason,
        Err(error) => {
            return Err(ctx
                .refused(Verb::End, id, Error::field("reason", error.to_string()))
                .await);
        }
    };
    ctx.verb(Verb::End, id, async |tx: &mut Tx| {
        let grant = db::grants::lock(tx.conn(), id)
            .await?
            .ok_or(CallerError::NotFound)?;
        let request = db::requests::get(tx.conn(), grant.request)
            .await?
            .ok_or(CallerError::NotFound)?;
        let person = db::people::get(tx.conn(), ctx.person.id)
            .await?
            .ok_or(CallerError::NotFound)?;
        let decisions = db::requests::decisions(tx.conn(), request.id).await?;
        let has_decided = decisions.iter().any(|vote| vote.person == person.id);
        let authz::Endable(grant, cause) =
            authz::end(ctx.app.roles(), &person, grant, &request, has_decided)?;
        let change = grant.end(cause, person.id, reason, &tx.by)?;
        let now = tx.now();
        let grant = db::grants::store(tx.conn(), change).await?;
        tx.make_due(grant.target, now).await?;
        Ok(grant)
    })
    .await
}
