//! What was typed into a form whose session was over: kept for whoever typed it until they have
//! signed in again. It is shown again, and never sent by itself.

use chrono::TimeDelta;

use super::ctx::{App, Ctx};
use super::secrets::hash;
use crate::db;
pub use crate::db::drafts::Draft;
use crate::db::drafts::NewDraft;
use crate::db::tx::Tx;
use crate::domain::audit::{Actor, Channel};
use crate::error::Error;
use crate::ids::DraftId;

/// How long it is kept.
const KEPT: TimeDelta = TimeDelta::hours(1);
/// The longest form that is kept, in bytes of JSON.
const LONGEST: usize = 16 * 1024;
/// How many of them one person has at most.
const MOST: i64 = 10;

/// Keeps the form (JSON) that was sent to `place` with the token of a session. Whose token names no
/// session of ours has nothing kept: anybody could fill the table.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(
    app: &App,
    token: &str,
    place: &str,
    form: &str,
) -> Result<Option<DraftId>, Error> {
    if form.len() > LONGEST {
        return Ok(None);
    }
    let system = Actor::System { part: "drafts" };
    app.transaction(system, Channel::Portal, async |tx: &mut Tx| {
        let expires_at = tx.now() + KEPT;
        let Some(person) = db::sessions::whose(tx.conn(), &hash(token)).await? else {
            return Ok(None);
        };
        let draft = NewDraft {
            id: DraftId::new(),
            person,
            place,
            form,
            expires_at,
        };
        db::drafts::keep(tx.conn(), &draft, MOST).await?;
        Ok(Some(draft.id))
    })
    .await
}

/// What the caller had typed, while it is kept. Somebody else's is not told from none.
///
/// # Errors
/// When the database does not answer.
pub async fn find(ctx: &Ctx, id: DraftId) -> Result<Option<Draft>, Error> {
    ctx.app
        .read_at(async |conn, now| Ok(db::drafts::of_person(conn, id, ctx.person.id, now).await?))
        .await
}
