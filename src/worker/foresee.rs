//! What a pass would find on a target and do next, without doing it: the same look and the same
//! plan, and nothing is written, neither in AWS nor in the database.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};

use super::Worker;
use super::claim::{Intent, intent};
use super::handed_out;
use super::look::Seen;
use crate::aws::{AwsError, Purpose};
use crate::clock::Clock;
use crate::db;
use crate::db::lent::Lent;
use crate::db::standing::{self, Place};
use crate::db::targets::Held;
use crate::db::work;
use crate::domain::audit::By;
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::part::{Allows, Part};
use crate::domain::target::DocumentKey;
use crate::ids::GrantId;
use crate::policy::{Divergence, Input, Observed, Plan, Write, divergences, or_plain, plan};

/// Plans from one look, as in a pass.
const MOST_PLANS: usize = 4;

/// What was foreseen of a target.
#[derive(Debug, Default)]
pub struct Foreseen {
    /// What AWS shows and the database does not have so.
    pub diverges: Vec<Divergence>,
    /// What the loop does next.
    pub next: Vec<String>,
    /// The grants that are to be opened, and wait for a person's judgement of the target.
    pub waits: Vec<GrantId>,
    /// The open grants of which nothing in AWS tells whether they have ended.
    pub uncut: Vec<GrantId>,
    /// Whether a guard denies what was handed out for these.
    pub denied: bool,
    /// Whether planning breaks down on what AWS shows, or did at the loop's last look.
    pub unplanned: bool,
}

/// Why nothing was foreseen.
#[derive(Debug, thiserror::Error)]
pub enum Unforeseen {
    /// AWS did not show it.
    #[error("AWS did not show it")]
    Aws(#[from] AwsError),
    /// The database did not.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// The rows of a target at one moment.
struct Rows {
    held: Held,
    grants: Vec<Grant>,
    parts: BTreeMap<GrantId, Part>,
    listed: BTreeSet<GrantId>,
    /// The role's grants that nothing is written for.
    handed_out: Vec<Grant>,
    /// Those of the grants to be opened that may be.
    eligible: BTreeSet<GrantId>,
}

impl Worker {
    /// Looks at a target and plans. Nothing where it is in the database no more.
    ///
    /// # Errors
    /// When AWS or the database does not answer.
    pub async fn foresee(&self, place: &Place) -> Result<Foreseen, Unforeseen> {
        let Some(before) = self.rows(place).await? else {
            return Ok(Foreseen::default());
        };
        let (arn, now) = (place.arn.as_str(), before.held.now);
        let manager = place.manager.as_ref();
        let aws = self.clouds.of_arn(arn, manager, now).await?;
        let aws = aws.used_for(Purpose::Looking);
        let opens = before.grants.iter().any(|grant| self.opens(grant, now));
        let limit = self.settings.lease / 2;
        let homes = self.homes(arn, &before.grants, now).await?;
        let look = Seen::whole(
            &aws,
            limit,
            (arn, place.carries),
            &before.grants,
            opens,
            now,
            &homes,
        );
        let seen = Box::pin(look).await?;
        // The rows again, as a pass plans: what a worker has written since the first read is no
        // divergence.
        let Some(rows) = self.rows(place).await? else {
            return Ok(Foreseen::default());
        };
        let is_real = matches!(self.clock, Clock::Database);
        let clocks_differ = is_real && aws.has_another_time(rows.held.now, seen.asked_at);
        let foresight = Foresight {
            worker: self,
            observed: &seen.observed,
            clocks_differ,
            rows: &rows,
        };
        let mut found = foresight.foresee();
        self.foresee_handed_out(&rows, &seen.observed, &mut found);
        Ok(found)
    }

    /// What follows for grants of the role that nothing is written for, whatever AWS shows; and
    /// that a guard denies what was handed out for them.
    fn foresee_handed_out(&self, rows: &Rows, observed: &Observed, found: &mut Foreseen) {
        let (now, margin) = (rows.held.now, self.settings.margins.clock);
        let is_guarded = matches!(observed, Observed::Role(role) if role.guard.is_some());
        for grant in &rows.handed_out {
            let until = grant.marks.keys_until.map(|until| until + margin);
            let next = match handed_out::due(grant, now) {
                Some(Intent::Open) => "opens: nothing is written for it",
                Some(Intent::Close(_)) => "begins to close: nothing is written for it",
                None if !grant.state.is_closing() => "",
                None if until.is_none_or(|until| until <= now) => "counts as closed",
                None => "waits for the keys that were handed out, which nothing cuts",
            };
            if !next.is_empty() {
                found.next.push(format!("{} {next}", grant.id));
            }
            if grant.state.is_open() {
                found.uncut.push(grant.id);
                found.denied |= is_guarded;
            }
        }
    }

    fn opens(&self, grant: &Grant, now: DateTime<Utc>) -> bool {
        let propagation = self.settings.margins.propagation;
        grant.state.is_opening() || intent(grant, now, propagation) == Some(Intent::Open)
    }

    async fn rows(&self, place: &Place) -> sqlx::Result<Option<Rows>> {
        self.in_time("rows", async {
            let mut conn = Lent::begin_snapshot(&self.pool).await?;
            let read = standing::read(&mut conn, place.target, self.clock.given()).await?;
            let Some((held, both)) = read else {
                conn.commit().await?;
                return Ok(None);
            };
            let parts = both.iter().map(|(grant, part)| (grant.id, part.clone()));
            let parts: BTreeMap<GrantId, Part> = parts.collect();
            let grants: Vec<Grant> = both.into_iter().map(|(grant, _)| grant).collect();
            let listed = self.listed(&mut conn, &grants, &parts, held.now).await?;
            let opening = grants.iter().filter(|grant| self.opens(grant, held.now));
            let opening: Vec<GrantId> = opening.map(|grant| grant.id).collect();
            let eligible = work::eligible(&mut conn, &opening).await?;
            let handed_out = db::handed_out::unfinished(&mut conn, place.target).await?;
            conn.commit().await?;
            Ok(Some(Rows {
                held,
                grants,
                parts,
                listed,
                handed_out,
                eligible,
            }))
        })
        .await
    }
}

/// One look at a target, and the rows beside it.
struct Foresight<'a> {
    worker: &'a Worker,
    observed: &'a Observed,
    clocks_differ: bool,
    rows: &'a Rows,
}

impl Foresight<'_> {
    fn foresee(&self) -> Foreseen {
        let mut found = Foreseen::default();
        let mut grants = self.rows.grants.clone();
        found.unplanned = self.with_input(&grants, |input| {
            let planned = or_plain(input, |input| {
                found.diverges = divergences(input);
                plan(input)
            });
            planned.is_err()
        });
        let last_error = self.rows.held.last_error.as_deref();
        found.unplanned |= last_error == Some(AwsError::Unplanned.code());
        self.take_up(&mut grants, &mut found);
        for _ in 0..MOST_PLANS {
            let planned = self.with_input(&grants, |input| or_plain(input, plan));
            let planned = planned.unwrap_or_else(|broken| broken.plan);
            if !self.follow(&planned, &mut grants, &mut found) {
                break;
            }
        }
        if self.rows.held.target.condition.needs_a_person() {
            let is_to_open = |grant: &&Grant| {
                grant.state.is_open() && !matches!(grant.state, GrantState::Active { .. })
            };
            let waiting = grants.iter().filter(is_to_open);
            found.waits = waiting.map(|grant| grant.id).collect();
        }
        found
    }

    /// What the grants' own times ask for, as a pass begins.
    fn take_up(&self, grants: &mut [Grant], found: &mut Foreseen) {
        let now = self.rows.held.now;
        let propagation = self.worker.settings.margins.propagation;
        for grant in grants {
            match intent(grant, now, propagation) {
                Some(Intent::Open) if self.rows.eligible.contains(&grant.id) => {
                    if let Ok(change) = grant.clone().open(&self.by()) {
                        *grant = change.value;
                    }
                }
                Some(Intent::Open) => self.close(grant, Cause::NotEligible, found),
                Some(Intent::Close(cause)) => self.close(grant, cause, found),
                None => {}
            }
        }
    }

    fn by(&self) -> By {
        By::system("worker", self.rows.held.now)
    }

    fn close(&self, grant: &mut Grant, cause: Cause, found: &mut Foreseen) {
        if let Ok(change) = grant.clone().close(cause, &self.by()) {
            *grant = change.value;
            let told = format!("{} begins to close ({})", grant.id, cause.as_str());
            found.next.push(told);
        }
    }

    /// Notes what a plan says; true where grants begin to close, so that another one is needed.
    fn follow(&self, planned: &Plan, grants: &mut [Grant], found: &mut Foreseen) -> bool {
        let told = |ids: &[GrantId], what: &str| -> Vec<String> {
            ids.iter().map(|id| format!("{id} {what}")).collect()
        };
        found.next.extend(told(&planned.opened, "counts as open"));
        found.next.extend(told(&planned.closed, "counts as closed"));
        found.next.extend(planned.step.write().map(written));
        // What is waited for.
        if let Some(due) = planned.due.filter(|due| *due > self.rows.held.now)
            && !found.diverges.is_empty()
        {
            let due = due.to_rfc3339_opts(SecondsFormat::Secs, true);
            found.next.push(format!("looks again at {due}"));
        }
        let closing = planned.close.iter();
        for (id, cause) in closing {
            if let Some(grant) = grants.iter_mut().find(|grant| grant.id == *id) {
                self.close(grant, *cause, found);
            }
        }
        !planned.close.is_empty()
    }

    fn with_input<T>(&self, grants: &[Grant], read: impl FnOnce(&Input<'_>) -> T) -> T {
        // As in a pass: a scheduled grant has nothing in AWS, but for the name of a policy.
        let is_user = matches!(self.observed, Observed::User(_));
        let begun = grants.iter().filter(|grant| grant.is_begun() || is_user);
        let begun: Vec<Grant> = begun.cloned().collect();
        let allows = self.rows.parts.values();
        let allows = allows.filter_map(|part| Some((part.grant, part.allows.clone()?)));
        let allows: BTreeMap<GrantId, Allows> = allows.collect();
        read(&Input {
            target: &self.rows.held.target,
            grants: &begun,
            allows: &allows,
            listed: &self.rows.listed,
            observed: self.observed,
            now: self.rows.held.now,
            margins: self.worker.settings.margins,
            closings_only: self.clocks_differ,
            one_at_a_time: false,
            clocks_differ: self.clocks_differ,
            guard_refused: false,
            ended_refused: false,
            refused: &BTreeSet::new(),
        })
    }
}

/// A write, in words.
fn written(write: &Write) -> String {
    let verb = if write.text.is_some() {
        "writes"
    } else {
        "deletes"
    };
    let what = match write.key {
        DocumentKey::Trust => "the trust policy".to_owned(),
        DocumentKey::Guard => format!("the guard, revision {}", write.revision),
        DocumentKey::Inline(grant) => format!("the policy of {grant}"),
    };
    let opens: Vec<String> = write.opens.iter().map(GrantId::to_string).collect();
    if opens.is_empty() {
        format!("{verb} {what}")
    } else {
        format!("{verb} {what}, which lets {} in", opens.join(", "))
    }
}
