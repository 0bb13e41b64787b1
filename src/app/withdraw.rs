//! Taking a request back.

use super::ctx::Ctx;
use super::load::{self, Locked, Shown};
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::error::Error;
use crate::ids::RequestId;
use crate::{authz, db};

/// Takes the caller's own pending request back.
///
/// # Errors
/// When it is not the caller's, or not pending.
pub async fn withdraw(ctx: &Ctx, id: RequestId) -> Result<Shown, Error> {
    load::on_request(
        ctx,
        Verb::Withdraw,
        id,
        async |tx: &mut Tx, locked: Locked| {
            let Locked {
                request,
                caller,
                involved,
                ..
            } = locked;
            let authz::Withdrawable(request) =
                authz::withdraw(ctx.app.roles(), &caller, request, involved)?;
            let change = request.withdraw(&tx.by)?;
            Ok(db::requests::store(tx.conn(), change).await?.into())
        },
    )
    .await
}
