//! Starting on a database that was restored from a backup.

use super::ctx::App;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::audit::{Action, Actor, Channel};
use crate::domain::target::Condition;
use crate::error::Error;

/// Puts every role and user into safe mode, and tells how many there are: nothing opens on them
/// until `resume`, and closings go on. All of them, and not those alone of which something is
/// known: the grants of the time that is lost were on roles and users of which the backup says
/// nothing.
///
/// # Errors
/// When the database does not answer, or somebody else holds a target for too long.
pub async fn suspend_all(app: &App) -> Result<usize, Error> {
    let actor = Actor::Machine {
        name: "command line".to_owned(),
    };
    app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let now = tx.now();
        let suspended = db::restored::suspend_all(tx.conn(), now).await?;
        let to = Condition::SafeMode;
        let events = suspended.iter().map(|(target, from)| {
            let from = *from;
            tx.by.did(target, Action::TargetChanged { from, to })
        });
        let events: Vec<_> = events.collect();
        db::audit::append_all(tx.conn(), &events).await?;
        Ok(events.len())
    })
    .await
}
