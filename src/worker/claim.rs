//! Taking a target, and what is due on it: the intents, on record before AWS is asked.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::Worker;
use crate::db::lent::Lent;
use crate::db::targets::{self, Lease, LeaseError};
use crate::db::{grants, work};
use crate::domain::audit::By;
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, GrantState};

impl Worker {
    /// Takes the next due target, if there is one that nobody has.
    pub(super) async fn claim(&self, closings_only: bool) -> sqlx::Result<Option<Lease>> {
        let mut conn = Lent::take(&self.pool).await?;
        let now = self.clock.now(&mut conn).await?;
        let lease = targets::claim(&mut conn, now, self.lease(), closings_only).await?;
        conn.give_back();
        Ok(lease)
    }

    /// Records what is due, and returns the role's ARN and its grants as they are then. A
    /// transaction of its own: intents count whether AWS answers or not.
    pub(super) async fn intents(&self, lease: &Lease) -> Result<(String, Vec<Grant>), LeaseError> {
        let mut tx = self.begin().await?;
        let locked = work::lock(&mut tx, lease.target).await?;
        let now = self.clock.now(&mut tx).await?;
        let held = targets::hold(&mut tx, lease, now, now + self.lease()).await?;
        let grants = self.due(&mut tx, locked, now).await?;
        tx.commit().await?;
        Ok((held.target.arn, grants))
    }

    /// Turns what is due into intents, each with its audit event: scheduled grants open or fail,
    /// open ones whose time is over close.
    pub(super) async fn due(
        &self,
        conn: &mut PgConnection,
        locked: Vec<Grant>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Vec<Grant>> {
        let by = By::system("worker", now);
        let mut grants = Vec::with_capacity(locked.len());
        for grant in locked {
            let change = match intent(&grant, now, self.settings.margins.propagation) {
                None => None,
                Some(Intent::Close(cause)) => grant.clone().close(cause, &by).ok(),
                Some(Intent::Open) if work::is_eligible(&mut *conn, grant.id).await? => {
                    grant.clone().open(&by).ok()
                }
                Some(Intent::Open) => grant.clone().close(Cause::NotEligible, &by).ok(),
            };
            grants.push(match change {
                Some(change) => grants::store(&mut *conn, change).await?,
                None => grant,
            });
        }
        Ok(grants)
    }
}

enum Intent {
    Open,
    Close(Cause),
}

/// What is due for a grant. Nothing is opened when the guard could not be everywhere before the
/// deadline (docs/guard.md, H5).
fn intent(grant: &Grant, now: DateTime<Utc>, propagation: TimeDelta) -> Option<Intent> {
    let over = now >= grant.deadline;
    let too_late = now + propagation >= grant.deadline;
    match grant.state {
        GrantState::Scheduled if over => Some(Intent::Close(Cause::Deadline)),
        GrantState::Scheduled if too_late => Some(Intent::Close(Cause::CouldNotOpen)),
        GrantState::Scheduled if grant.starts_at <= now => Some(Intent::Open),
        GrantState::Opening { .. } if over || too_late && grant.marks.sent_until.is_none() => {
            Some(Intent::Close(Cause::CouldNotOpen))
        }
        GrantState::Active { .. } if over => Some(Intent::Close(Cause::Deadline)),
        GrantState::Scheduled
        | GrantState::Opening { .. }
        | GrantState::Active { .. }
        | GrantState::Closing(_)
        | GrantState::Ended { .. }
        | GrantState::Failed { .. } => None,
    }
}

/// When something of a grant becomes due by itself.
pub(super) fn next_intent(grant: &Grant, propagation: TimeDelta) -> Option<DateTime<Utc>> {
    match grant.state {
        GrantState::Scheduled => Some(grant.starts_at),
        GrantState::Opening { .. } if grant.marks.sent_until.is_none() => {
            Some(grant.deadline - propagation)
        }
        GrantState::Opening { .. } | GrantState::Active { .. } => Some(grant.deadline),
        GrantState::Closing(_) | GrantState::Ended { .. } | GrantState::Failed { .. } => None,
    }
}
