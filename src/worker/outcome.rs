//! What a look showed and what came of a write, on record under the lease.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::claim::next_intent;
use super::record::Record;
use super::{Worker, delta};
use crate::aws::AwsError;
use crate::db::targets::{Lease, LeaseError, Release};
use crate::db::{audit, targets, work};
use crate::domain::audit::{Action, By};
use crate::domain::grant::Grant;
use crate::domain::target::Target;
use crate::ids::GrantId;
use crate::policy::{Observed, Plan, Step};

/// The longest pause between two attempts.
const MOST_BACKOFF: Duration = Duration::from_mins(5);
/// How often a failure of the same kind is told.
const TELL_AGAIN: TimeDelta = TimeDelta::hours(1);

/// What follows from a plan.
pub(super) enum Next {
    /// Look and plan again.
    Again,
    /// Nothing to write; when to look again, and whether a write is waited for.
    Rest {
        due: Option<DateTime<Utc>>,
        waits: bool,
    },
    /// A write whose intent is stored.
    Write(Box<Write>),
}

/// A write that is about to be sent, with what has to be put back once AWS answers.
pub(super) struct Write {
    pub step: Step,
    /// When the lease was renewed for it.
    pub held_at: Instant,
    /// When the look ended that it follows from.
    pub looked_at: Instant,
    /// The target as if nothing had been sent.
    before: Target,
    /// The target with the write in it.
    sent: Target,
    /// `unclear_at` of the grants in it, as it was.
    unclear: Vec<(GrantId, Option<DateTime<Utc>>)>,
}

impl Worker {
    /// Records a plan in the caller's transaction: what the look showed, the outcomes, and the
    /// intent of the next write.
    #[expect(
        clippy::too_many_arguments,
        reason = "all of it belongs to the one transaction"
    )]
    pub(super) async fn record(
        &self,
        conn: &mut PgConnection,
        lease: &Lease,
        mut target: Target,
        grants: &mut [Grant],
        plan: Plan,
        observed: &Observed,
        now: DateTime<Utc>,
    ) -> Result<Next, LeaseError> {
        let by = By::system("worker", now);
        let mut record = Record {
            conn,
            lease,
            grants,
            by,
        };
        record.seen(&plan).await?;
        target.missing_since = plan.missing_since;
        target.safe_since = plan.safe_since;
        target.kept.clone_from(&plan.kept);
        record.condition(&mut target, &plan).await?;
        let closing = record.outcomes(&plan).await?;
        if !record.grants.iter().any(|g| g.state.may_be_open()) {
            target.guard_restores = 0;
        }
        let before = target.clone();
        let next = if closing {
            Next::Again
        } else if plan.step == Step::Rest {
            let propagation = self.settings.margins.propagation;
            let own = record
                .grants
                .iter()
                .filter_map(|g| next_intent(g, propagation));
            let due = own.filter(|at| *at > now).chain(plan.due).min();
            let waits = plan.waits;
            Next::Rest { due, waits }
        } else {
            let unclear = record.intend(&mut target, &plan.step, observed).await?;
            Next::Write(Box::new(Write {
                step: plan.step,
                held_at: Instant::now(),
                looked_at: Instant::now(),
                before,
                sent: target.clone(),
                unclear,
            }))
        };
        let role_id = match observed {
            Observed::Role(role) => Some(role.role_id.as_str()),
            Observed::Gone => None,
        };
        targets::store(record.conn, lease, role_id, &target).await?;
        Ok(next)
    }

    /// A clear answer, or it was not sent at all: nothing of this write can land any more. One that
    /// was not `done` never happened; an earlier unanswered one may still land.
    pub(super) async fn answered(
        &self,
        lease: &Lease,
        write: &Write,
        done: bool,
    ) -> Result<(), LeaseError> {
        let mut tx = self.begin().await?;
        for (grant, unclear_at) in &write.unclear {
            work::answered(&mut tx, *grant, *unclear_at).await?;
        }
        let now = self.clock.now(&mut tx).await?;
        let held = targets::hold(&mut tx, lease, now, now + self.lease()).await?;
        let mut target = if done {
            Target {
                guard_unclear_at: write.before.guard_unclear_at,
                trust_unclear_at: write.before.trust_unclear_at,
                ..write.sent.clone()
            }
        } else {
            write.before.clone()
        };
        target.trust_sent_at = write.sent.trust_sent_at;
        // A person may have lifted it meanwhile.
        target.condition = held.target.condition;
        target.guard_restores = held.target.guard_restores;
        if done {
            restored(&mut tx, &mut target, &write.step, now).await?;
        }
        targets::store(&mut tx, lease, None, &target).await?;
        Ok(tx.commit().await?)
    }

    /// Gives up the newest of `refused` that is still open, if there is one.
    pub(super) async fn give_up(
        &self,
        lease: &Lease,
        refused: &[GrantId],
    ) -> Result<(), LeaseError> {
        let mut tx = self.begin().await?;
        let mut locked = work::lock(&mut tx, lease.target).await?;
        let now = self.clock.now(&mut tx).await?;
        targets::hold(&mut tx, lease, now, now + self.lease()).await?;
        let mut record = Record {
            conn: &mut tx,
            lease,
            grants: &mut locked,
            by: By::system("worker", now),
        };
        record.close_newest(refused).await?;
        Ok(tx.commit().await?)
    }

    /// Gives the target back: everything is as it should be until `due`. Where a write is waited
    /// for, what failed before still counts.
    pub(super) async fn rest(
        &self,
        lease: &Lease,
        due: Option<DateTime<Utc>>,
        waits: bool,
    ) -> Result<(), LeaseError> {
        if waits {
            return self.release_unfinished(lease, |_| due).await;
        }
        let mut tx = self.begin().await?;
        let done = Release {
            due,
            attempts: 0,
            last_error: None,
            last_error_at: None,
        };
        targets::release(&mut tx, lease, &done).await?;
        Ok(tx.commit().await?)
    }

    /// Gives the target back unfinished, to be taken up again `after` some time.
    pub(super) async fn hand_back(
        &self,
        lease: &Lease,
        after: TimeDelta,
    ) -> Result<(), LeaseError> {
        self.release_unfinished(lease, |now| Some(now + after))
            .await
    }

    async fn release_unfinished(
        &self,
        lease: &Lease,
        due: impl FnOnce(DateTime<Utc>) -> Option<DateTime<Utc>>,
    ) -> Result<(), LeaseError> {
        let mut tx = self.begin().await?;
        let now = self.clock.now(&mut tx).await?;
        let held = targets::hold(&mut tx, lease, now, now + self.lease()).await?;
        let unfinished = Release {
            due: due(now),
            attempts: held.attempts,
            last_error: held.last_error,
            last_error_at: held.last_error_at,
        };
        targets::release(&mut tx, lease, &unfinished).await?;
        Ok(tx.commit().await?)
    }

    /// Gives the target back after a failure: openings are given up after some attempts, closings
    /// never are.
    pub(super) async fn failed(
        &self,
        lease: &Lease,
        error: AwsError,
        refused: &[GrantId],
        guard_refused: bool,
    ) -> Result<(), LeaseError> {
        let mut tx = self.begin().await?;
        let mut locked = work::lock(&mut tx, lease.target).await?;
        let now = self.clock.now(&mut tx).await?;
        let held = targets::hold(&mut tx, lease, now, now + self.lease()).await?;
        let attempts = held.attempts.saturating_add(1);
        let mut record = Record {
            conn: &mut tx,
            lease,
            grants: &mut locked,
            by: By::system("worker", now),
        };
        if attempts >= self.settings.open_attempts {
            record.close_openings().await?;
        } else {
            record.close_newest(refused).await?;
        }
        let told = held.last_error_at.filter(|at| {
            held.last_error.as_deref() == Some(error.code()) && now < *at + TELL_AGAIN
        });
        if told.is_none() {
            record.tell_delay(error, attempts, guard_refused).await?;
        }
        let deadlines = record
            .grants
            .iter()
            .filter_map(|g| next_intent(g, TimeDelta::zero()));
        let due = deadlines
            .filter(|at| *at > now)
            .chain([now + backoff(attempts)])
            .min();
        tracing::warn!(
            target.id = %lease.target,
            error.code = error.code(),
            attempts,
            "AWS is not as it should be; trying again"
        );
        let release = Release {
            due,
            attempts,
            last_error: Some(error.code().to_owned()),
            last_error_at: told.or(Some(now)),
        };
        targets::release(&mut tx, lease, &release).await?;
        Ok(tx.commit().await?)
    }
}

/// One second, doubled with each failure up to five minutes; half of it by chance, so that workers
/// do not come back all at once.
fn backoff(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(16);
    let full = Duration::from_secs(1 << doublings).min(MOST_BACKOFF);
    delta(full.mul_f64(rand::random_range(0.5..=1.0)))
}

/// Tells and counts what somebody had undone and is there again.
async fn restored(
    conn: &mut PgConnection,
    target: &mut Target,
    step: &Step,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    let by = By::system("worker", now);
    match step {
        Step::PutGuard { restores: true, .. } => {
            target.guard_restores = target.guard_restores.saturating_add(1);
            tracing::warn!(target.id = %target.id, "somebody deleted the guard; it is there again");
            audit::append(conn, &by.did(target.id, Action::GuardRestored {})).await
        }
        Step::PutTrust { restores, .. } => {
            for id in restores {
                let request = work::restored(conn, *id).await?;
                tracing::warn!(grant.id = %id, "somebody took the grant's statement away; it is there again");
                audit::append(conn, &by.did(id, Action::GrantRestored { request })).await?;
            }
            Ok(())
        }
        Step::Rest | Step::PutGuard { .. } | Step::DeleteGuard => Ok(()),
    }
}
