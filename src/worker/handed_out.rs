//! Grants that nothing is written for in AWS: they open, close and are over by the time alone, with
//! no look at anything. So neither a silent account nor a role that somebody works on keeps them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Worker;
use super::claim::{Intent, intent};
use crate::db::lent::Lent;
use crate::db::tx::Tx;
use crate::db::{self, handed_out, revocations, work};
use crate::domain::Change;
use crate::domain::audit::By;
use crate::domain::cause::Cause;
use crate::domain::grant::{Effect, Grant};

/// How many are taken up in one transaction.
const BATCH: i64 = 100;

/// What was done.
pub(super) struct Moved {
    /// Whether anything was due.
    pub any: bool,
    /// After how long more is due.
    pub due: Option<TimeDelta>,
}

impl Worker {
    /// Does what is due for them, one batch.
    ///
    /// # Errors
    /// When the database does not answer; nothing is changed then.
    pub(super) async fn hand_out(&self) -> sqlx::Result<Moved> {
        let (given, margin) = (self.clock.given(), self.settings.margins.clock);
        let mut conn = Lent::take(&self.pool).await?;
        let due = handed_out::due(&mut conn, given, margin, BATCH).await?;
        conn.give_back();
        let any = !due.grants.is_empty();
        if any {
            self.take_up_those(&due.grants).await?;
        }
        // A full batch may have left some.
        let is_full = i64::try_from(due.grants.len()) == Ok(BATCH);
        let next = due.next_due.map(|at| at - due.now);
        Ok(Moved {
            any,
            due: next.filter(|_| !is_full).or(is_full.then(TimeDelta::zero)),
        })
    }

    async fn take_up_those(&self, ids: &[Uuid]) -> sqlx::Result<()> {
        let mut conn = Lent::begin(&self.pool).await?;
        // Whoever else has one of them does what is due for it, or leaves it due.
        let grants = handed_out::lock(&mut conn, ids).await?;
        // Under the locks, since waiting may have taken some time.
        let now = self.clock.now(&mut conn).await?;
        let by = By::system("worker", now);
        let mut tx = Tx::of(conn, by, Arc::clone(&self.wake));
        let held = revocations::of_grants(tx.conn(), ids).await?;
        let opening = grants.iter().filter(|it| opens(it, now));
        let opening: Vec<_> = opening.map(|grant| grant.id).collect();
        let eligible = if opening.is_empty() {
            Default::default()
        } else {
            work::eligible(tx.conn(), &opening).await?
        };
        for grant in grants {
            if let Some(revocation) = held.get(&grant.id)
                && let Ok(change) = grant.clone().revoke(revocation, &tx.by)
            {
                self.put(&mut tx, change).await?;
                continue;
            }
            let change = match due(&grant, now) {
                Some(Intent::Open) if !eligible.contains(&grant.id) => {
                    grant.close(Cause::NotEligible, &tx.by)
                }
                Some(Intent::Open) => {
                    let known = handed_out::unguarded(tx.conn(), grant.id).await?;
                    // Whatever was handed out would be denied.
                    if known.is_guarded {
                        grant.close(Cause::CouldNotOpen, &tx.by)
                    } else {
                        grant.open(&tx.by)
                    }
                }
                Some(Intent::Close(cause)) => grant.close(cause, &tx.by),
                None => {
                    self.settle(&mut tx, grant).await?;
                    continue;
                }
            };
            if let Ok(change) = change {
                self.put(&mut tx, change).await?;
            }
        }
        tx.commit().await
    }

    /// Stores a transition, and what follows from it at once.
    async fn put(&self, tx: &mut Tx, change: Change<Grant>) -> sqlx::Result<()> {
        let grant = db::grants::store(tx.conn(), change).await?;
        self.settle(tx, grant).await
    }

    async fn settle(&self, tx: &mut Tx, grant: Grant) -> sqlx::Result<()> {
        let margin = self.settings.margins.clock;
        let until = grant.marks.keys_until.map(|until| until + margin);
        if let Some(change) = grant.settle(Effect::HandedOut(until), &tx.by) {
            let grant = db::grants::store(tx.conn(), change).await?;
            tracing::info!(grant.id = %grant.id, state = grant.state.as_str(), "grant changed");
        }
        Ok(())
    }
}

/// What is due for such a grant: no part of AWS has to follow before it opens.
pub(super) fn due(grant: &Grant, now: DateTime<Utc>) -> Option<Intent> {
    intent(grant, now, TimeDelta::zero())
}

fn opens(grant: &Grant, now: DateTime<Utc>) -> bool {
    due(grant, now) == Some(Intent::Open)
}
