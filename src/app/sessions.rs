//! One's own sessions: a list of them, and their ends.

use super::ctx::Ctx;
use super::secrets::hash;
use crate::db;
pub use crate::db::sessions::ListedSession;
use crate::db::tx::Tx;
use crate::domain::audit::Action;
use crate::domain::audit::verb::Verb;
use crate::error::{CallerError, Error};
use crate::ids::SessionId;

/// The caller's sessions that work, the last used first; `token` is that of the one that asks.
///
/// # Errors
/// When the database does not answer.
pub async fn own(ctx: &Ctx, token: Option<&str>) -> Result<Vec<ListedSession>, Error> {
    let idle = ctx.app.settings().session_idle;
    let this = token.map(hash);
    ctx.app
        .read_at(async |conn, now| {
            let sessions = db::sessions::of_person(conn, ctx.person.id, this.as_ref(), idle, now);
            Ok(sessions.await?)
        })
        .await
}

/// Ends one of the caller's sessions, or all of them, the one that asks among them.
///
/// # Errors
/// `NotFound` where there is no such session of theirs.
pub async fn end(ctx: &Ctx, one: Option<SessionId>) -> Result<(), Error> {
    let person = ctx.person.id;
    ctx.verb(Verb::SignOut, person, async |tx: &mut Tx| {
        let now = tx.now();
        let ended = db::sessions::end_own(tx.conn(), person, one, now).await?;
        if ended == 0 && one.is_some() {
            return Err(CallerError::NotFound.into());
        }
        let events: Vec<_> = (0..ended)
            .map(|_| tx.by.did(person, Action::SessionEnded {}))
            .collect();
        Ok(db::audit::append_all(tx.conn(), &events).await?)
    })
    .await
}
