//! What is due: targets to be taken, and what their grants' own times ask for.

use chrono::{DateTime, TimeDelta, Utc};

use super::Worker;
use crate::db::lent::Lent;
use crate::db::targets::{self, Claimed, Taken};
use crate::db::work;
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, GrantState};

impl Worker {
    /// Takes up to `most` due targets that nobody has, and none of the accounts in `full`.
    pub(super) async fn claim(
        &self,
        most: usize,
        closings_only: bool,
        full: &[String],
    ) -> sqlx::Result<Claimed> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let (now, lease) = (self.clock.given(), self.lease());
        let mut conn = Lent::take(&self.pool).await?;
        let claimed = targets::claim(&mut conn, now, lease, most, closings_only, full).await?;
        conn.give_back();
        Ok(claimed)
    }

    /// The grants of a target that was taken, as they are before anything is done.
    pub(super) async fn grants_of(&self, taken: &Taken) -> sqlx::Result<Vec<Grant>> {
        let mut conn = Lent::take(&self.pool).await?;
        let grants = work::read(&mut conn, taken.lease.target).await?;
        conn.give_back();
        Ok(grants)
    }
}

/// What a grant's own times ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Open,
    Close(Cause),
}

impl Intent {
    pub const fn closes(self) -> bool {
        matches!(self, Self::Close(_))
    }
}

/// What is due for a grant. Nothing is opened when the guard could not be everywhere before the
/// deadline (docs/guard.md, H5).
pub(super) fn intent(grant: &Grant, now: DateTime<Utc>, propagation: TimeDelta) -> Option<Intent> {
    let over = now >= grant.deadline;
    let too_late = now + propagation >= grant.deadline;
    match grant.state {
        GrantState::Scheduled if over => Some(Intent::Close(Cause::Deadline)),
        GrantState::Scheduled if too_late => Some(Intent::Close(Cause::CouldNotOpen)),
        GrantState::Scheduled if grant.starts_at <= now => Some(Intent::Open),
        // Once something was sent, time alone says nothing: AWS may show it as open until the
        // deadline.
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

/// Whether an inline policy of a grant that is over is there again, and may let in: it has to go as
/// that of a closing one.
pub(super) fn is_back(grant: &Grant, now: DateTime<Utc>) -> bool {
    grant.state.is_over() && grant.marks.back_until(now).is_some()
}

/// When something of a grant becomes due by itself.
pub(super) fn next_intent(grant: &Grant, propagation: TimeDelta) -> Option<DateTime<Utc>> {
    match grant.state {
        GrantState::Scheduled => Some(grant.starts_at),
        // As in `intent`: with P left, what was never sent is given up.
        GrantState::Opening { .. } if grant.marks.sent_until.is_none() => {
            Some(grant.deadline - propagation)
        }
        GrantState::Opening { .. } | GrantState::Active { .. } => Some(grant.deadline),
        GrantState::Closing(_) | GrantState::Ended { .. } | GrantState::Failed { .. } => None,
    }
}
