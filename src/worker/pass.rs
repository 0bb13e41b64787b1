//! Work on one target: look, plan, write, read back, until there is nothing left to do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::Worker;
use super::barred::{hand_nothing_out, is_handed_out, refuse_our_own, tag_nothing};
use super::claim::{Intent, intent, is_back, next_intent};
use super::ledger::Ledger;
use super::look::Seen;
use super::record::{Answer, Sending};
use crate::aws::{Aws, AwsError, Purpose};
use crate::clock::Clock;
use crate::db::targets::{LeaseError, Taken};
use crate::domain::grant::Grant;
use crate::ids::GrantId;
use crate::policy::{Input, Observed, Plan, Step, or_plain, plan};

/// Plans for one target before it is given back; far more than its work takes.
const MOST_ROUNDS: usize = 24;
/// Plans from one look in one transaction: each but the last begins to close something.
const MOST_PLANS: usize = 4;
/// The pause where they do not come to rest, and after a failure of the database.
pub(super) const BREATH: TimeDelta = TimeDelta::seconds(5);

/// The work on one target, from its claim to its release.
pub(super) struct Pass<'a> {
    pub worker: &'a Worker,
    /// The role's account.
    pub aws: Aws,
    taken: &'a Taken,
    /// The grants as they were last seen in the database.
    grants: Vec<Grant>,
    /// What AWS showed, as long as it may be planned from.
    pub seen: Option<Seen>,
    /// What became of the last write, until it is on record.
    pub answer: Option<(Sending, Answer)>,
    /// Nothing may be opened until the closings are done.
    pub closings_only: bool,
    /// AWS refused the guard, even without openings.
    pub guard_refused: bool,
    /// AWS refused the text that ends an inline policy.
    pub ended_refused: bool,
    /// The grants whose inline policies AWS refused to take away.
    pub kept_there: BTreeSet<GrantId>,
    /// Why AWS refused to take something away.
    pub kept: Option<AwsError>,
    /// AWS did not take a document with several openings in it.
    one_at_a_time: bool,
    /// The clocks of AWS and of the database differ.
    clocks_differ: bool,
    /// Writes that were not sent since their reads had grown old.
    pub too_old: u8,
    /// Fingerprints of what was sent in this pass.
    pub sent: BTreeSet<[u8; 32]>,
    /// Whether a document was sent again in this pass that was sent before in it.
    pub repeats: bool,
    /// The grants of a write that AWS refused for good.
    pub refused: Vec<GrantId>,
    /// AWS did not take the document, for what one of them holds.
    pub malformed: bool,
    /// What is to be told once everything else is done.
    pub trouble: Option<AwsError>,
}

/// What follows from a round.
pub(super) enum Round {
    /// Plan again.
    Again,
    /// The target was given back, and is due again after so long.
    Over(Option<TimeDelta>),
    /// AWS did not do or show something.
    Failed(AwsError),
}

/// What follows from a plan.
enum Next {
    /// Look at everything and plan again.
    Again,
    Released,
    Write(Box<Sending>),
}

impl Worker {
    /// Works on a claimed target and gives it back. Returns after how long it is due again.
    pub(super) async fn reconcile(&self, taken: &Taken) -> Result<Option<TimeDelta>, LeaseError> {
        let grants = self.in_time("grants", self.grants_of(taken)).await?;
        let propagation = self.settings.margins.propagation;
        // What is over by now is closed in this pass as well, though no row says so yet.
        let ends = |grant: &Grant| {
            grant.state.is_closing()
                || taken.carries && is_back(grant, taken.at)
                || intent(grant, taken.at, propagation).is_some_and(Intent::closes)
        };
        let purpose = if grants.iter().any(ends) {
            Purpose::Closing
        } else {
            Purpose::Opening
        };
        // An account's calls are paced, those of a closing never behind others.
        let Taken {
            arn, manager, at, ..
        } = taken;
        let aws = match self.clouds.of_arn(arn, manager.as_ref(), *at).await {
            Ok(aws) => aws.used_for(purpose),
            // Nobody lets us into the account: nothing was looked at, and nothing sent.
            Err(error) => {
                let error = self.why_kept_out(taken, error).await;
                return self.kept_out(taken, error).await;
            }
        };
        self.let_in_again(taken, &aws).await;
        let mut pass = Pass::new(self, aws, taken, grants);
        let done = Box::pin(pass.rounds()).await;
        pass.ask_who_we_are().await;
        if done.is_ok() {
            self.ask_who_needs_none(&pass.aws, taken, &pass.grants)
                .await;
        }
        // What the database has cut off is given back on another connection, so that nobody need
        // wait for the lease's end; and with the answer to the last write, which else counted as
        // unanswered for L and P.
        if let Err(LeaseError::Database(error)) = &done
            && let Err(error) = pass.after(error).await
        {
            tracing::warn!(
                target.id = %taken.lease.target,
                error = &error as &dyn std::error::Error,
                "cannot give the target back; it is taken up again when its lease is over"
            );
        }
        done
    }
}

impl<'a> Pass<'a> {
    fn new(worker: &'a Worker, aws: Aws, taken: &'a Taken, grants: Vec<Grant>) -> Self {
        Self {
            worker,
            aws,
            taken,
            grants,
            seen: None,
            answer: None,
            closings_only: false,
            guard_refused: false,
            ended_refused: false,
            kept_there: BTreeSet::new(),
            kept: None,
            one_at_a_time: false,
            clocks_differ: false,
            too_old: 0,
            sent: BTreeSet::new(),
            repeats: false,
            refused: Vec::new(),
            malformed: false,
            trouble: None,
        }
    }

    /// Where credentials are handed out, the next look has to know who we are. Asked for now, when
    /// nothing waits for the answer.
    async fn ask_who_we_are(&self) {
        if self.aws.known_us().is_none() && self.grants.iter().any(is_handed_out) {
            let asked = tokio::time::timeout(self.aws.timeout(), self.aws.identify());
            // Without an answer the next pass asks again.
            drop(asked.await);
        }
    }

    /// A look that takes longer than half of the lease leaves no time to act on it.
    pub fn look_limit(&self) -> Duration {
        self.worker.settings.lease / 2
    }

    async fn rounds(&mut self) -> Result<Option<TimeDelta>, LeaseError> {
        for _ in 0..MOST_ROUNDS {
            if self.worker.is_stopping() {
                // Due at once, so that another worker goes on with it.
                return self.hand_back(TimeDelta::zero()).await;
            }
            match self.round().await? {
                Round::Again => {}
                Round::Over(due) => return Ok(due),
                Round::Failed(error) => return self.failed(error).await,
            }
        }
        // As many looks may be needed where much is due; only what is written again and again does
        // not come to rest.
        if !self.repeats {
            return self.hand_back(TimeDelta::zero()).await;
        }
        let target = self.taken.lease.target;
        tracing::warn!(target.id = %target, "AWS does not come to rest; going on later");
        self.hand_back(BREATH).await
    }

    /// Whether something is to be opened, as far as the rows were seen.
    fn opens(&self) -> bool {
        let propagation = self.worker.settings.margins.propagation;
        let mut grants = self.grants.iter();
        grants.any(|grant| {
            grant.state.is_opening()
                || intent(grant, self.taken.at, propagation) == Some(Intent::Open)
        })
    }

    /// ARN of the role or user.
    pub fn arn(&self) -> &str {
        &self.taken.arn
    }

    async fn round(&mut self) -> Result<Round, LeaseError> {
        let seen = match self.seen.take().filter(Seen::is_fresh) {
            Some(seen) => seen,
            None => {
                let (limit, opens) = (self.look_limit(), self.opens());
                let Taken {
                    arn, carries, at, ..
                } = self.taken;
                let homes = self.worker.homes(arn, &self.grants, *at).await?;
                let of = (arn.as_str(), *carries);
                let look = Seen::whole(&self.aws, limit, of, &self.grants, opens, *at, &homes);
                match Box::pin(look).await {
                    Ok(seen) => seen,
                    Err(error) => return Ok(Round::Failed(error)),
                }
            }
        };
        let worker = self.worker;
        let (next, due) = worker.in_time("plan", self.plan(&seen)).await?;
        let looked_at = seen.looked_at;
        match next {
            Next::Again => Ok(Round::Again),
            Next::Released => Ok(Round::Over(due)),
            // What was written is read back, and the rest of the look serves once more.
            Next::Write(sending) => {
                self.seen = Some(seen);
                Ok(Box::pin(self.write(*sending, looked_at)).await)
            }
        }
    }

    /// Opens the ledger, with the answer to the last write on record.
    async fn open(&mut self) -> Result<Ledger, LeaseError> {
        let mut ledger = self.worker.open(&self.taken.lease).await?;
        if let Some((sending, answer)) = &self.answer {
            ledger.answered(sending, *answer);
        }
        Ok(ledger)
    }

    /// Stores the ledger; what it holds of the last write's answer is on record then.
    async fn commit(&mut self, ledger: Ledger) -> Result<Option<TimeDelta>, LeaseError> {
        let committed = self.worker.store(ledger).await?;
        self.grants = committed.grants;
        self.answer = None;
        Ok(committed.due)
    }

    /// Plans on the locked rows and records what the look showed and what is about to be sent, all
    /// in one transaction.
    async fn plan(&mut self, seen: &Seen) -> Result<(Next, Option<TimeDelta>), LeaseError> {
        let held_at = Instant::now();
        let mut ledger = self.open().await?;
        ledger
            .take_up(self.worker.settings.margins.propagation)
            .await?;
        let is_old = seen.looked_at.elapsed() > self.aws.timeout();
        // Too much may have changed meanwhile: a plan rests on a fresh look at everything that is
        // to be opened.
        let next = if is_old || !ledger.grants.iter().all(|grant| seen.covers(grant)) {
            Next::Again
        } else {
            self.consider(&mut ledger, seen);
            self.decide(&mut ledger, seen, held_at)
        };
        let due = self.commit(ledger).await?;
        Ok((next, due))
    }

    /// What the look says besides the documents: clocks that differ, principals that could not be
    /// read or for whom nobody vouches, and that AWS does not tell whose the role is.
    fn consider(&mut self, ledger: &mut Ledger, seen: &Seen) {
        // A clock of tests stands still; no answer of AWS agrees with it.
        let is_real = matches!(self.worker.clock, Clock::Database);
        if is_real && self.aws.has_another_time(ledger.now(), seen.asked_at) {
            self.closings_only = true;
            self.clocks_differ = true;
            self.trouble = Some(AwsError::ClockSkew);
        }
        // Until a look says otherwise, whatever fails meanwhile.
        ledger.target.clocks_differ = self.clocks_differ;
        let opening = || ledger.grants.iter().filter(|it| it.state.is_opening());
        let unread = |grant: &Grant| seen.unread.get(grant.principal_arn.as_deref()?);
        if let Some(error) = opening().find_map(unread) {
            self.trouble = Some(*error);
        }
        if opening().any(|grant| seen.is_unvouched(grant)) {
            self.trouble = Some(AwsError::Unvouched);
        }
        // Whoever is let into our own role could do all that we can: not knowing bars every
        // opening.
        if let Some(Err(error)) = &seen.ours
            && ledger.grants.iter().any(|grant| grant.state.is_opening())
        {
            self.closings_only = true;
            self.trouble = Some(*error);
        }
    }

    /// Plans until there is something to write or nothing to do.
    fn decide(&mut self, ledger: &mut Ledger, seen: &Seen, held_at: Instant) -> Next {
        ledger.bypassed_by_trust(&seen.observed);
        for _ in 0..MOST_PLANS {
            let mut plan = self.planned(ledger, &seen.observed);
            if matches!(seen.ours, Some(Ok(true))) {
                refuse_our_own(&mut plan, &ledger.grants);
            }
            // A look that cannot tell takes nothing back of what an earlier one found.
            if ledger.grants.iter().any(is_handed_out)
                && let Some(pinned) = seen.pins()
            {
                ledger.target.unpinned = pinned.is_err();
                if let Err(lacking) = pinned {
                    hand_nothing_out(&mut plan, &ledger.grants, lacking);
                }
            }
            if seen.takes_tags() == Some(false) {
                tag_nothing(&mut plan, &ledger.grants);
            }
            // What has begun to close is planned for at once: nothing was written meanwhile. Who is
            // forgotten makes room for another holder of the name in the next transaction alone.
            if ledger.record(&plan, &seen.observed) {
                if plan.guard_removed.is_empty() {
                    continue;
                }
                return Next::Again;
            }
            return match plan.step {
                Step::Write(write) => Next::Write(Box::new(ledger.intend(*write, held_at))),
                Step::Rest => self.rest(ledger, plan.due, plan.waits),
            };
        }
        Next::Again
    }

    /// The plan for what is begun; the closings alone where planning itself breaks down.
    fn planned(&mut self, ledger: &Ledger, observed: &Observed) -> Plan {
        // A scheduled grant has nothing in AWS, and nothing may be planned for it yet. On a user a
        // policy of its name would be nobody's without it.
        let carries = matches!(observed, Observed::User(_));
        let begun = ledger.grants.iter();
        let begun = begun.filter(|grant| grant.is_begun() || carries);
        let begun: Vec<Grant> = begun.cloned().collect();
        let (allows, listed) = ledger.inline();
        let input = Input {
            target: &ledger.target,
            grants: &begun,
            allows: &allows,
            listed,
            observed,
            now: ledger.now(),
            margins: self.worker.settings.margins,
            closings_only: self.closings_only,
            one_at_a_time: self.one_at_a_time,
            clocks_differ: self.clocks_differ,
            guard_refused: self.guard_refused,
            ended_refused: self.ended_refused,
            refused: &self.kept_there,
        };
        or_plain(&input, plan).unwrap_or_else(|broken| {
            tracing::error!(
                target.id = %ledger.target.id,
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
    fn rest(&mut self, ledger: &mut Ledger, due: Option<DateTime<Utc>>, waits: bool) -> Next {
        if let Some(error) = self.trouble.or(self.kept) {
            // Only now, with nothing left to write: what AWS refuses keeps nothing else waiting.
            let (worker, of_closing) = (self.worker, self.trouble.is_none());
            worker.fail(ledger, error, &self.refused, self.guard_refused, of_closing);
            return Next::Released;
        }
        if !self.closings_only {
            let propagation = self.worker.settings.margins.propagation;
            let own = ledger.grants.iter();
            let own = own.filter_map(|grant| next_intent(grant, propagation));
            let due = own.filter(|at| *at > ledger.now()).chain(due).min();
            // Where a write is waited for, what failed before still counts.
            if waits {
                ledger.hand_back(due);
            } else {
                ledger.rest(due);
            }
            return Next::Released;
        }
        if self.malformed && self.refused.len() > 1 && !self.one_at_a_time {
            self.one_at_a_time = true;
        } else {
            ledger.close_newest(&self.refused);
        }
        self.refused.clear();
        self.closings_only = false;
        Next::Again
    }

    /// Gives the target back after a failure.
    pub async fn failed(&mut self, error: AwsError) -> Result<Option<TimeDelta>, LeaseError> {
        let worker = self.worker;
        let done = async {
            let mut ledger = self.open().await?;
            // AWS's silence keeps no intent off the record (docs/decisions.md, 14).
            ledger.take_up(worker.settings.margins.propagation).await?;
            let (refused, of_closing) = (&self.refused, self.kept == Some(error));
            worker.fail(&mut ledger, error, refused, self.guard_refused, of_closing);
            self.commit(ledger).await
        };
        worker.in_time("release", done).await
    }

    /// Gives the target back unfinished, to be taken up again `after` some time.
    pub async fn hand_back(&mut self, after: TimeDelta) -> Result<Option<TimeDelta>, LeaseError> {
        let worker = self.worker;
        let done = async {
            let mut ledger = self.open().await?;
            let due = ledger.now() + after;
            ledger.hand_back(Some(due));
            self.commit(ledger).await
        };
        worker.in_time("release", done).await
    }
}
