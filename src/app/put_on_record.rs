//! How many refusals were counted goes on record.

use super::ctx::App;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::audit::{Actor, By, Channel};
use crate::error::Error;

/// Puts on record how many refusals were counted: in windows that are over, or, before the process
/// ends, in all of them.
///
/// # Errors
/// When the database does not answer; they are counted on then.
pub async fn refusals(app: &App, all: bool) -> Result<(), Error> {
    let mut taken = app.refusals().take(all);
    // What is not above the first few has events of its own already.
    taken.retain(|_, window| window.more > 0);
    if taken.is_empty() {
        return Ok(());
    }
    let actor = Actor::System { part: "sweep" };
    let told = app.transaction(actor, Channel::System, async |tx: &mut Tx| {
        for (kind, window) in &taken {
            let by = By {
                actor: window.actor.clone(),
                channel: window.channel,
                at: tx.now(),
            };
            let event = by.refused(kind.caller, kind.verb, kind.code, Some(window.more));
            db::audit::append(tx.conn(), &event).await?;
        }
        Ok(())
    });
    let told = told.await;
    if told.is_err() {
        app.refusals().put_back(taken);
    }
    told
}
