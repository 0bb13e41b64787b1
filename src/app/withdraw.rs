//! Taking a request back.

use super::ctx::Ctx;
use super::expire;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::request::Request;
use crate::error::{CallerError, Error};
use crate::ids::RequestId;
use crate::{authz, db};

/// Takes the caller's own pending request back.
///
/// # Errors
/// When it is not the caller's, or not pending.
pub async fn withdraw(ctx: &Ctx, id: RequestId) -> Result<Request, Error> {
    expire::if_overdue(&ctx.app, id).await?;
    ctx.verb(Verb::Withdraw, id, async |tx: &mut Tx| {
        let request = db::requests::lock(tx.conn(), id)
            .await?
            .ok_or(CallerError::NotFound)?;
        let person = db::people::get(tx.conn(), ctx.person.id)
            .await?
            .ok_or(CallerError::NotFound)?;
        let decisions = db::requests::decisions(tx.conn(), id).await?;
        let has_decided = decisions.iter().any(|vote| vote.person == person.id);
        let authz::Withdrawable(request) =
            authz::withdraw(ctx.app.roles(), &person, request, has_decided)?;
        let change = request.withdraw(&tx.by)?;
        Ok(db::requests::store(tx.conn(), change).await?)
    })
    .await
}
