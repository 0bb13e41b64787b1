//! Taking a role back into service after a person has looked.

use super::ctx::App;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::audit::{Action, Actor, Channel};
use crate::domain::target::Condition;
use crate::error::{CallerError, Error};

/// Ends the condition of a role that only a person can judge: `contested` or `safe_mode`; and that
/// keys are withheld since AWS was seen there to be of a later time. Should the reason still be
/// there, the next look brings it back.
///
/// # Errors
/// `NotFound` where the catalog has no such role; a field error where its condition is not one that
/// a person lifts, or was noticed so recently that AWS may still show an older guard.
pub async fn resume(app: &App, machine: &str, role_arn: &str) -> Result<Condition, Error> {
    let actor = Actor::Machine {
        name: machine.to_owned(),
    };
    app.transaction(actor, Channel::Cli, async |tx: &mut Tx| {
        let found = db::targets::lock_by_arn(tx.conn(), role_arn).await?;
        let (target, condition, safe_since, is_rewound) = found.ok_or(CallerError::NotFound)?;
        // The others follow from what AWS shows: the next look would set them again.
        if !condition.needs_a_person() && !is_rewound {
            return Err(Error::field(
                "role",
                format!(
                    "is in the condition {}: there is nothing to resume",
                    condition.as_str()
                ),
            ));
        }
        let now = tx.now();
        // Only a look from then on tells which grants are of a time that the database has lost
        // (docs/guard.md, C13).
        let known = safe_since.map(|at| at + app.settings().propagation);
        if let Some(known) = known.filter(|known| now < *known) {
            let seconds = (known - now).num_seconds() + 1;
            return Err(Error::field(
                "role",
                format!("may still be shown by AWS as it was before: try again in {seconds} s"),
            ));
        }
        db::targets::resume(tx.conn(), target).await?;
        tx.make_due(target, now).await?;
        // Where AWS was only seen to be of a later time, the condition stays as it is.
        let is_lifted = condition.needs_a_person();
        let to = if is_lifted { Condition::Ok } else { condition };
        let from = condition;
        let event = tx.by.did(target, Action::TargetChanged { from, to });
        db::audit::append(tx.conn(), &event).await?;
        Ok(condition)
    })
    .await
}
