//! Work on one target: look, plan, write, look again, until there is nothing left to do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::Worker;
use super::outcome::{Next, Write};
use crate::aws::observe::{Look, observe};
use crate::aws::{Aws, AwsError, Purpose, apply};
use crate::clock::Clock;
use crate::db::targets::{Lease, LeaseError};
use crate::db::{targets, work};
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::target::Target;
use crate::ids::GrantId;

use crate::policy::{Input, Observed, Plan, Step, fingerprint, or_plain, plan};

/// Looks at one target before it is given back; far more than a plan takes.
const MOST_ROUNDS: usize = 24;
/// The pause where they do not come to rest, and after a failure of the database.
pub(super) const BREATH: TimeDelta = TimeDelta::seconds(5);
/// How old a read may be from which a trust policy is written.
const FRESH: Duration = Duration::from_secs(2);
/// How many trust writes are given up in one pass since their reads were older.
const MOST_TOO_OLD: u8 = 3;

/// The work on one target, from its claim to its release.
struct Pass<'a> {
    worker: &'a Worker,
    /// The role's account.
    aws: Aws,
    lease: &'a Lease,
    /// ARN of the role.
    role_arn: String,
    /// The grants as they were last seen in the database.
    grants: Vec<Grant>,
    /// Nothing may be opened until the closings are done.
    closings_only: bool,
    /// AWS refused the guard, even without openings.
    guard_refused: bool,
    /// AWS did not take a document with several openings in it.
    one_at_a_time: bool,
    /// The clocks of AWS and of the database differ.
    clocks_differ: bool,
    /// Trust writes that were not sent since their reads had grown old.
    too_old: u8,
    /// Fingerprints of what was sent in this pass, by document.
    sent: BTreeSet<(bool, [u8; 32])>,
    /// Whether a document was sent again in this pass that was sent before in it.
    repeats: bool,
    /// The grants of a write that AWS refused for good.
    refused: Vec<GrantId>,
    /// It did not take the document, for what one of them holds.
    malformed: bool,
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
    /// When the database fails or the lease is lost; another worker takes over when the lease has
    /// expired.
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
        let (role_arn, grants) = self.in_time("intents", self.intents(lease)).await?;
        let purpose = if grants.iter().any(is_closing) {
            Purpose::Closing
        } else {
            Purpose::Opening
        };
        let mut pass = Pass {
            worker: self,
            aws: self.clouds.of_arn(&role_arn).used_for(purpose),
            lease,
            role_arn,
            grants,
            closings_only: false,
            guard_refused: false,
            one_at_a_time: false,
            clocks_differ: false,
            too_old: 0,
            sent: BTreeSet::new(),
            repeats: false,
            refused: Vec::new(),
            malformed: false,
            trouble: None,
        };
        for _ in 0..MOST_ROUNDS {
            if self.is_stopping() {
                let released = self.hand_back(lease, TimeDelta::zero());
                return self.in_time("release", released).await;
            }
            match pass.round().await? {
                Round::Again => {}
                Round::Rest { due, waits } => {
                    return self.in_time("release", self.rest(lease, due, waits)).await;
                }
                Round::Failed(error) => {
                    let Pass {
                        refused,
                        guard_refused,
                        ..
                    } = pass;
                    let failed = self.failed(lease, error, &refused, guard_refused);
                    return self.in_time("release", failed).await;
                }
            }
        }
        // As many looks may be needed where much is due; only what is written again and again does
        // not come to rest.
        if !pass.repeats {
            let handed_back = self.hand_back(lease, TimeDelta::zero());
            return self.in_time("release", handed_back).await;
        }
        tracing::warn!(target.id = %lease.target, "AWS does not come to rest; going on later");
        self.in_time("release", self.hand_back(lease, BREATH)).await
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
        let worker = self.worker;
        let planned = self.plan(&observed, ours, asked_at, looked_at);
        match worker.in_time("plan", planned).await? {
            Next::Again => Ok(Round::Again),
            Next::Rest { due, waits } => self.rested(due, waits).await,
            Next::Write(write) => self.write(*write).await,
        }
    }

    async fn look(&self) -> Result<Look, AwsError> {
        let open = self.grants.iter().filter(|g| g.state.is_open());
        let principals: BTreeSet<String> = open.map(|g| g.principal_arn.clone()).collect();
        let look = observe(&self.aws, &self.role_arn, principals);
        let limit = self.worker.settings.lease / 2;
        tokio::time::timeout(limit, look)
            .await
            .unwrap_or(Err(AwsError::Unclear))
    }

    /// Whether it is the role that we work as. Asked before something is opened; when AWS does not
    /// tell, nothing is.
    async fn is_ours(&mut self, observed: &Observed) -> bool {
        let Observed::Role(role) = observed else {
            return false;
        };
        if !self.grants.iter().any(is_opening) {
            return false;
        }
        match self.aws.is_ours(&role.arn, &role.role_id).await {
            Ok(ours) => ours,
            Err(error) => {
                self.closings_only = true;
                self.trouble = Some(error);
                false
            }
        }
    }

    /// Plans on the locked rows and records what the look showed and what is about to be sent, all
    /// in one transaction.
    async fn plan(
        &mut self,
        observed: &Observed,
        ours: bool,
        asked_at: Instant,
        looked_at: Instant,
    ) -> Result<Next, LeaseError> {
        let worker = self.worker;
        let held_at = Instant::now();
        let mut tx = worker.begin().await?;
        let locked = work::lock(&mut tx, self.lease.target).await?;
        let now = worker.clock.now(&mut tx).await?;
        // A clock of tests stands still; no answer of AWS agrees with it.
        let is_real = matches!(worker.clock, Clock::Database);
        if is_real && self.aws.has_another_time(now, asked_at) {
            self.closings_only = true;
            self.clocks_differ = true;
            self.trouble = Some(AwsError::ClockSkew);
        }
        let held = targets::hold(&mut tx, self.lease, now, now + worker.lease()).await?;
        let mut grants = worker.due(&mut tx, locked, now).await?;
        if looked_at.elapsed() > self.aws.timeout() {
            // Too much may have changed meanwhile: a plan rests on a fresh look.
            tx.commit().await?;
            self.grants = grants;
            return Ok(Next::Again);
        }
        let mut plan = self.planned(&held.target, &grants, observed, now);
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
                write.looked_at = looked_at;
                Next::Write(write)
            }
            other => other,
        })
    }

    /// The plan for what is begun; the closings alone where planning itself breaks down.
    fn planned(
        &mut self,
        target: &Target,
        grants: &[Grant],
        observed: &Observed,
        now: DateTime<Utc>,
    ) -> Plan {
        let begun: Vec<Grant> = grants.iter().filter(|g| is_begun(g)).cloned().collect();
        let input = Input {
            target,
            grants: &begun,
            observed,
            now,
            margins: self.worker.settings.margins,
            closings_only: self.closings_only,
            one_at_a_time: self.one_at_a_time,
            clocks_differ: self.clocks_differ,
            guard_refused: self.guard_refused,
        };
        or_plain(&input, plan).unwrap_or_else(|broken| {
            tracing::error!(
                target.id = %target.id,
                panic = broken.message,
                "planning broke down; the closings go on without it"
            );
            self.trouble = Some(AwsError::Unplanned);
            broken.plan
        })
    }

    /// Nothing more can be written now. After a refusal the closings are done, and the newest of
    /// the refused grants is given up: it is the one that there was no room for. A document that
    /// AWS did not take for what it says is tried anew with one opening at a time, since only one
    /// of them need be at fault.
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
        if self.malformed && self.refused.len() > 1 && !self.one_at_a_time {
            self.one_at_a_time = true;
        } else {
            let given_up = self.worker.give_up(self.lease, &self.refused);
            self.worker.in_time("give up", given_up).await?;
        }
        self.refused.clear();
        self.closings_only = false;
        Ok(Round::Again)
    }

    async fn write(&mut self, write: Write) -> Result<Round, LeaseError> {
        let worker = self.worker;
        // Nobody may begin to work on the target while our call may still be under way
        // (docs/guard.md, H4).
        if write.held_at.elapsed() + self.aws.timeout() >= worker.settings.lease {
            let answered = worker.answered(self.lease, &write, false);
            worker.in_time("answer", answered).await?;
            return Ok(Round::Again);
        }
        // A trust policy is written from what was read: the older that is, the more of somebody
        // else's edit is lost. A slow database must not keep a closing waiting for ever, so that
        // only the first few are read anew.
        let is_trust = matches!(write.step, Step::PutTrust { .. });
        if is_trust && write.looked_at.elapsed() > FRESH && self.too_old < MOST_TOO_OLD {
            self.too_old += 1;
            let answered = worker.answered(self.lease, &write, false);
            worker.in_time("answer", answered).await?;
            return Ok(Round::Again);
        }
        self.repeats |= !self.sent.insert((is_trust, meaning(&write.step)));
        let answer = send(&self.aws, &self.role_arn, &write.step).await;
        match answer {
            Err(AwsError::Unclear) => {}
            definite => {
                let answered = worker.answered(self.lease, &write, definite.is_ok());
                worker.in_time("answer", answered).await?;
            }
        }
        Ok(match answer {
            Ok(()) | Err(AwsError::Gone) => Round::Again,
            Err(error) => self.refused(&write.step, error),
        })
    }

    /// AWS did not do it. A document that it does not take is tried without what it opens; a guard
    /// that it does not take at all keeps no statement in.
    fn refused(&mut self, step: &Step, error: AwsError) -> Round {
        let is_guard = matches!(step, Step::PutGuard { .. } | Step::DeleteGuard);
        let opens = opens(step);
        match error {
            AwsError::Full | AwsError::Malformed | AwsError::Protected
                if !self.closings_only && (is_guard || !opens.is_empty()) =>
            {
                self.refused = opens.to_vec();
                self.malformed = error == AwsError::Malformed;
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

/// What a write says, whatever its revision.
fn meaning(step: &Step) -> [u8; 32] {
    match step {
        Step::PutGuard {
            document, revision, ..
        } => fingerprint(&document.replacen(&format!("CountersignRev{revision}i"), "", 1)),
        other => fingerprint(other.document()),
    }
}

async fn send(aws: &Aws, role_arn: &str, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::Rest => Ok(()),
        Step::PutGuard { document, .. } => apply::put_guard(aws, role_arn, document).await,
        Step::DeleteGuard => apply::delete_guard(aws, role_arn).await,
        Step::PutTrust { document, .. } => apply::put_trust(aws, role_arn, document).await,
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

fn is_closing(grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Closing(_))
}

fn is_opening(grant: &Grant) -> bool {
    matches!(grant.state, GrantState::Opening { .. })
}
