//! What AWS does not do: told, and tried again later.

use std::time::Duration;

use chrono::TimeDelta;
use sqlx::error::DatabaseError;

use super::claim::{is_back, next_intent};
use super::ledger::Ledger;
use super::pass::{BREATH, Pass};
use super::{Worker, delta};
use crate::aws::AwsError;
use crate::db::targets::{LeaseError, Release, Taken};
use crate::domain::audit::Action;
use crate::domain::cause::Cause;
use crate::domain::entitlement::Method;
use crate::domain::grant::{Grant, GrantState};
use crate::ids::GrantId;
use crate::policy::mutations::{Clause, stands};

/// The longest pause between two attempts.
const MOST_BACKOFF: Duration = Duration::from_mins(5);
/// How often a failure of the same kind is told.
const TELL_AGAIN: TimeDelta = TimeDelta::hours(1);

impl Worker {
    /// Gives a target back whose account we could not come into.
    pub(super) async fn kept_out(
        &self,
        taken: &Taken,
        error: AwsError,
    ) -> Result<Option<TimeDelta>, LeaseError> {
        let done = async {
            let mut ledger = self.open(&taken.lease).await?;
            // As after a look without an answer (docs/decisions.md, 14).
            ledger.take_up(self.settings.margins.propagation).await?;
            self.fail(&mut ledger, error, &[], false, false);
            Ok(self.store(ledger).await?.due)
        };
        self.in_time("release", done).await
    }

    /// Gives the target back after a failure: openings are given up after some attempts, closings
    /// never are. `of_closing`: AWS has refused a write that only takes something away.
    pub(super) fn fail(
        &self,
        ledger: &mut Ledger,
        error: AwsError,
        refused: &[GrantId],
        guard_refused: bool,
        of_closing: bool,
    ) {
        let now = ledger.now();
        let attempts = ledger.before.attempts.saturating_add(1);
        if attempts >= self.settings.open_attempts {
            ledger.close_openings(of_closing);
        } else {
            ledger.close_newest(refused);
        }
        // Openings are; a closing is not.
        let is_given_up = attempts >= self.settings.open_attempts && !stands(Clause::ClosingsGoOn);
        let is_the_same = ledger.before.last_error.as_deref() == Some(error.code());
        let told = ledger.before.last_error_at;
        // One cause of all of them is told once, and not of each grant.
        let is_told = error == AwsError::HubRefused;
        let told = told.filter(|at| is_the_same && (is_told || now < *at + TELL_AGAIN));
        if told.is_none() && !is_told {
            ledger.tell_delay(error, attempts, guard_refused);
            ledger.tell_unguarded(error);
        }
        let own = ledger.grants.iter();
        let own = own.filter_map(|grant| next_intent(grant, TimeDelta::zero()));
        // A deadline does not wait for the back-off.
        let due = own
            .filter(|at| *at > now)
            .chain([now + backoff(attempts)])
            .min()
            .filter(|_| !is_given_up);
        tracing::warn!(
            target.id = %ledger.lease.target,
            error.code = error.code(),
            attempts,
            "AWS is not as it should be; trying again"
        );
        ledger.give_back(Release {
            due,
            attempts,
            last_error: Some(error.code().to_owned()),
            last_error_at: told.or(Some(now)),
        });
    }
}

impl Pass<'_> {
    /// Gives the target back after a failure of the database. What it does not take, it takes the
    /// next time no more than now: that is told, as a look on which nobody can plan.
    pub async fn after(&mut self, error: &sqlx::Error) -> Result<Option<TimeDelta>, LeaseError> {
        let code = error.as_database_error().and_then(DatabaseError::code);
        // Data that cannot be, or that breaks a rule of the tables.
        if code.is_some_and(|code| code.starts_with("22") || code.starts_with("23")) {
            return self.failed(AwsError::Unplanned).await;
        }
        self.hand_back(BREATH).await
    }
}

impl Ledger {
    /// What cannot be taken away may stay so for months. It stands in the way of what the same
    /// document, a trust policy, is to let in, and of nothing else.
    fn close_openings(&mut self, of_closing: bool) {
        let is_given_up = |grant: &&Grant| {
            grant.state.is_opening() && (!of_closing || grant.method == Method::TrustPolicy)
        };
        let opening = self.grants.iter().filter(is_given_up);
        let opening: Vec<GrantId> = opening.map(|grant| grant.id).collect();
        for id in opening {
            self.change(id, |grant, by| grant.close(Cause::CouldNotOpen, by));
        }
    }

    /// Tells of a closed role of whose guard nobody knows that it stands: whoever the role lets in
    /// comes in.
    fn tell_unguarded(&mut self, error: AwsError) {
        if self.target.closed && self.target.guard_equal_at.is_none() {
            let alarm = Action::TargetAlarm {
                alarm: "unguarded".to_owned(),
                of: error.code().to_owned(),
            };
            let event = self.tx.by.did(self.target.id, alarm);
            self.tell(event);
        }
    }

    /// Tells of a failure, on every grant that waits for AWS: without its guard an active one does
    /// as well, since its statement may be gone; and one that is over, where its policy is back.
    fn tell_delay(&mut self, error: AwsError, attempts: i32, guard_refused: bool) {
        let (carries, now) = (self.target.carries, self.now());
        let waits = |grant: &&Grant| match grant.state {
            GrantState::Opening { .. } | GrantState::Closing(_) => true,
            GrantState::Active { .. } => guard_refused,
            GrantState::Ended { .. } | GrantState::Failed { .. } => carries && is_back(grant, now),
            GrantState::Scheduled => false,
        };
        let waiting = self.grants.iter().filter(waits);
        let waiting: Vec<GrantId> = waiting.map(|grant| grant.id).collect();
        for id in waiting {
            let action = Action::GrantDelayed {
                error: error.code().to_owned(),
                attempts,
            };
            let event = self.tx.by.failed(id, action, error.code());
            self.tell(event);
        }
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
