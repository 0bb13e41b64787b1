//! Work on one target: look, plan, write, look again, until there is nothing left to do.

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use super::Worker;
use super::outcome::{Next, Write};
use crate::aws::observe::{Look, observe};
use crate::aws::{AwsError, apply};
use crate::clock::Clock;
use crate::db::targets::{Lease, LeaseError};
use crate::db::{targets, work};
use crate::domain::grant::{Cause, Grant, GrantState};
use crate::ids::GrantId;

use crate::policy::{Input, Observed, Plan, Step, plan};

/// Looks at one target before it is given back; far more than a plan takes.
const MOST_ROUNDS: usize = 24;
/// The pause after so many.
const BREATH: TimeDelta = TimeDelta::seconds(5);

/// The work on one target, from its claim to its release.
struct Pass<'a> {
    worker: &'a Worker,
    lease: &'a Lease,
    /// ARN of the role.
    role_arn: String,
    /// The grants as they were last seen in the database.
    grants: Vec<Grant>,
    /// Nothing may be opened until the closings are done.
    closings_only: bool,
    /// AWS refused the guard, even without openings.
    guard_refused: bool,
    /// The grants of a write that AWS refused for good.
    refused: Vec<GrantId>,
    /// What is to be told once everything else is done.
    trouble: Option<AwsError>,
}

enum Round {
    Again,
    Rest {
        due: Option<DateTime<Utc>>,
        waits: bool,
    },
    Failed(AwsError),
}

impl Worker {
    /// Claims one target and works on it until it rests. False when none was due.
    ///
    /// # Errors
    /// When the database fails or the lease is lost; another worker takes over when the lease has expired.
    pub async fn step(&self) -> Result<bool, LeaseError> {
        let Some(lease) = self.claim(false).await? else {
            return Ok(false);
        };
        self.reconcile(&lease).await?;
        Ok(true)
    }

    /// Works until no target is due.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn run_until_idle(&self) -> Result<(), LeaseError> {
        while self.step().await? {}
        Ok(())
    }

    /// Works on a claimed target and gives it back.
    pub(super) async fn reconcile(&self, lease: &Lease) -> Result<(), LeaseError> {
        let (role_arn, grants) = self.intents(lease).await?;
        let mut pass = Pass {
            worker: self,
            lease,
            role_arn,
            grants,
            closings_only: false,
            guard_refused: false,
            refused: Vec::new(),
            trouble: None,
        };
        for _ in 0..MOST_ROUNDS {
            if self.is_stopping() {
                return self.hand_back(lease, TimeDelta::zero()).await;
            }
            match pass.round().await? {
                Round::Again => {}
                Round::Rest { due, waits } => return self.rest(lease, due, waits).await,
                Round::Failed(error) => {
                    let Pass {
                        refused,
                        guard_refused,
                        ..
                    } = pass;
                    return self.failed(lease, error, &refused, guard_refused).await;
                }
            }
        }
        tracing::warn!(target.id = %lease.target, "AWS does not come to rest; going on later");
        self.hand_back(lease, BREATH).await
    }
}

impl Pass<'_> {
    async fn round(&mut self) -> Result<Round, LeaseError> {
        let asked_at = Instant::now();
        let Look { observed, unread } = match self.look().await {
            Ok(look) => look,
            Err(error) => return Ok(Round::Failed(error)),
        };
        let mut opening = self.grants.iter().filter(|g| is_opening(g));
        if let Some(error) = opening.find_map(|g| unread.get(&g.principal_arn)) {
            self.trouble = Some(*error);
        }
        let looked_at = Instant::now();
        let ours = self.is_ours(&observed).await;
        match self.plan(&observed, ours, asked_at, looked_at).await? {
            Next::Again => Ok(Round::Again),
            Next::Rest { due, waits } => self.rested(due, waits).await,
            Next::Write(write) => self.write(*write).await,
        }
    }

    async fn look(&self) -> Result<Look, AwsError> {
        let open = self.grants.iter().filter(|g| g.state.is_open());
        let principals: BTreeSet<String> = open.map(|g| g.principal_arn.clone()).collect();
        let look = observe(&self.worker.aws, &self.role_arn, principals);
        let limit = self.worker.settings.lease / 2;
        tokio::time::timeout(limit, look)
            .await
            .unwrap_or(Err(AwsError::Unclear))
    }

    /// Whether it is the role that we work as. Asked before something is opened; when AWS does not tell, nothing is.
    async fn is_ours(&mut self, observed: &Observed) -> bool {
        let Observed::Role(role) = observed else {
            return false;
        };
        if !self.grants.iter().any(is_opening) {
            return false;
        }
        match self.worker.aws.is_ours(&role.arn, &role.role_id).await {
            Ok(ours) => ours,
            Err(error) => {
                self.closings_only = true;
                self.trouble = Some(error);
                false
            }
        }
    }

    /// Plans on the locked rows and records what the look showed and what is about to be sent, all in one transaction.
    async fn plan(
        &mut self,
        observed: &Observed,
        ours: bool,
        asked_at: Instant,
        looked_at: Instant,
    ) -> Result<Next, LeaseError> {
        let worker = self.worker;
        let held_at = Instant::now();
        let mut tx = worker.pool.begin().await?;
        let locked = work::lock(&mut tx, self.lease.target).await?;
        let now = worker.clock.now(&mut tx).await?;
        // A clock of tests stands still; no answer of AWS agrees with it.
        let is_real = matches!(worker.clock, Clock::Database);
        if is_real && worker.aws.has_another_time(now, asked_at) {
            self.closings_only = true;
            self.trouble = Some(AwsError::ClockSkew);
        }
        let held = targets::hold(&mut tx, self.lease, now, now + worker.lease()).await?;
        let mut grants = worker.due(&mut tx, locked, now).await?;
        if looked_at.elapsed() > worker.aws.timeout() {
            // Too much may have changed meanwhile: a plan rests on a fresh look.
            tx.commit().await?;
            self.grants = grants;
            return Ok(Next::Again);
        }
        let planned: Vec<Grant> = grants.iter().filter(|g| is_begun(g)).cloned().collect();
        let mut plan = plan(&Input {
            target: &held.target,
            grants: &planned,
            observed,
            now,
            margins: worker.settings.margins,
            closings_only: self.closings_only,
            guard_refused: self.guard_refused,
        });
        if ours {
            refuse_our_own(&mut plan, &grants);
        }
        let next = worker
            .record(
                &mut tx,
                self.lease,
                held.target,
                &mut grants,
                plan,
                observed,
                now,
            )
            .await?;
        tx.commit().await?;
        self.grants = grants;
        Ok(match next {
            Next::Write(mut write) => {
                write.held_at = held_at;
                Next::Write(write)
            }
            other => other,
        })
    }

    /// Nothing more can be written now. After a refusal the closings are done, and the newest of the refused grants is given up: it is the one
    /// that there was no room for.
    async fn rested(
        &mut self,
        due: Option<DateTime<Utc>>,
        waits: bool,
    ) -> Result<Round, LeaseError> {
        if let Some(error) = self.trouble {
            return Ok(Round::Failed(error));
        }
        if !self.closings_only {
            return Ok(Round::Rest { due, waits });
        }
        self.worker.give_up(self.lease, &self.refused).await?;
        self.refused.clear();
        self.closings_only = false;
        Ok(Round::Again)
    }

    async fn write(&mut self, write: Write) -> Result<Round, LeaseError> {
        let worker = self.worker;
        // Nobody may begin to work on the target while our call may still be under way (GUARD H4).
        if write.held_at.elapsed() + worker.aws.timeout() >= worker.settings.lease {
            return Err(LeaseError::Lost);
        }
        let answer = send(worker, &self.role_arn, &write.step).await;
        match answer {
            Err(AwsError::Unclear) => {}
            definite => worker.answered(self.lease, &write, definite).await?,
        }
        Ok(match answer {
            Ok(()) | Err(AwsError::Gone) => Round::Again,
            Err(error) => self.refused(&write.step, error),
        })
    }

    /// AWS did not do it. A document that it does not take is tried without what it opens; a guard that it does not take at all keeps no statement in.
    fn refused(&mut self, step: &Step, error: AwsError) -> Round {
        let is_guard = matches!(step, Step::PutGuard { .. } | Step::DeleteGuard);
        let opens = opens(step);
        match error {
            AwsError::Full | AwsError::Malformed | AwsError::Protected
                if !self.closings_only && (is_guard || !opens.is_empty()) =>
            {
                self.refused = opens.to_vec();
                self.trouble = self.refused.is_empty().then_some(error);
            }
            AwsError::Full | AwsError::Malformed | AwsError::Protected | AwsError::Denied
                if is_guard && !self.guard_refused =>
            {
                self.guard_refused = true;
                self.trouble = Some(error);
            }
            _ => return Round::Failed(error),
        }
        self.closings_only = true;
        Round::Again
    }
}

async fn send(worker: &Worker, role_arn: &str, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::Rest => Ok(()),
        Step::PutGuard { document, .. } => apply::put_guard(&worker.aws, role_arn, document).await,
        Step::DeleteGuard => apply::delete_guard(&worker.aws, role_arn).await,
        Step::PutTrust { document, .. } => apply::put_trust(&worker.aws, role_arn, document).await,
    }
}

fn opens(step: &Step) -> &[GrantId] {
    match step {
        Step::PutGuard { opens, .. } | Step::PutTrust { opens, .. } => opens,
        Step::Rest | Step::DeleteGuard => &[],
    }
}

/// Our own role is never opened: whoever is let into it could do all that we can.
fn refuse_our_own(plan: &mut Plan, grants: &[Grant]) {
    let opening = grants.iter().filter(|g| is_opening(g));
    plan.close
        .extend(opening.map(|g| (g.id, Cause::CouldNotOpen)));
    plan.step = Step::Rest;
}

fn is_begun(grant: &Grant) -> bool {
    !matches!(grant.state, GrantState::Scheduled) && grant.marks.guard_gone_at.is_none()
}

fn is_opening(grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Opening { .. })
}
