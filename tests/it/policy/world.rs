//! A world for `plan`: an IAM whose data plane lags and whose unanswered writes may land late, a worker that may die at any arrow, and an
//! adversary who tries every principal with every session name at every moment and keeps every session that he gets.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use countersign::domain::grant::{Cause, Grant, GrantState};
use countersign::domain::target::{Target, Written};
use countersign::ids::GrantId;
use countersign::policy::{
    Clause, Input, Margins, Observed, ObservedRole, Plan, Step, document, fingerprint, plan_without,
};

use super::evaluate::session_request;
use super::judge;
use super::plane::{Answer, Dice, Plane};
use super::{FOREIGN, PEOPLE, ROLE_ID, at, close, end, grant, is_open, role, target};

/// A lag of 60 s keeps histories short; L is longer than P as in production.
pub const MARGINS: Margins = Margins {
    propagation: TimeDelta::seconds(60),
    unanswered: TimeDelta::seconds(400),
    clock: TimeDelta::seconds(5),
};

pub struct Session {
    pub person: usize,
    pub name: String,
    pub issued: DateTime<Utc>,
    /// `aws:TokenIssueTime`: whole seconds, by the clock of the host that issued it.
    pub token: DateTime<Utc>,
}

pub struct World {
    pub now: DateTime<Utc>,
    pub trust: Plane,
    pub guard: Plane,
    pub grants: Vec<Grant>,
    /// When the end of each grant was announced.
    pub announced: Vec<Option<DateTime<Utc>>>,
    pub sessions: Vec<Session>,
    /// The latest guard that has ever been in force.
    pub latest_revision: i64,
    dice: Dice,
    people: &'static [usize],
    without: Option<Clause>,
    target: Target,
    down_until: DateTime<Utc>,
    due: Option<DateTime<Utc>>,
    unanswered_percent: i64,
    /// Whether AWS refuses the guard now and then even where it opens nothing.
    pub refuses: bool,
    /// What happened, for people who look into a violation.
    pub log: Vec<String>,
}

/// What went wrong, naming the invariant.
pub type Violation = String;

impl World {
    /// `people` may ask, by their places in [`PEOPLE`].
    pub fn new(seed: u64, people: &'static [usize], without: Option<Clause>) -> Self {
        let mut dice = Dice(seed);
        let unanswered_percent = *dice.one_of(&[0, 10, 30]);
        Self {
            now: at(0),
            trust: Plane::new(at(-100_000), Some(FOREIGN.to_owned())),
            guard: Plane::new(at(-100_000), None),
            grants: Vec::new(),
            announced: Vec::new(),
            sessions: Vec::new(),
            latest_revision: 0,
            dice,
            people,
            without,
            target: target(),
            down_until: at(0),
            due: None,
            unanswered_percent,
            refuses: false,
            log: Vec::new(),
        }
    }

    /// Lives through a random history of `events`.
    pub fn live(&mut self, events: usize) -> Result<(), Violation> {
        for _ in 0..events {
            match self.dice.between(0, 99) {
                0..14 => self.approve(),
                14..24 => self.end_one_early(),
                24..27 => self.die(1200),
                _ => {}
            }
            self.pass_time()?;
        }
        Ok(())
    }

    fn say(&mut self, text: String) {
        let moment = (self.now - at(0)).num_milliseconds();
        let short = text
            .replace(ROLE_ID, "R")
            .replace("grant_01j0000000e0080000000000", "grant_");
        self.log
            .push(format!("{moment} {}", short.replace('\\', "")));
    }

    fn approve(&mut self) {
        if self.grants.iter().filter(|g| is_open(g)).count() > 3 {
            return;
        }
        let person = *self.dice.one_of(self.people);
        let starts = (self.now - at(0)).num_seconds();
        let (low, high) = *self.dice.one_of(&[(5, 90), (90, 900), (900, 9000)]);
        let lasts = self.dice.between(low, high);
        let new = grant(
            self.grants.len() as u128 + 1,
            person,
            starts,
            starts + lasts,
        );
        self.say(format!("approved {} for {person}, {lasts} s", new.id));
        self.grants.push(new);
        self.announced.push(None);
        self.due = Some(self.now);
    }

    fn end_one_early(&mut self) {
        let open: Vec<usize> = (0..self.grants.len())
            .filter(|i| is_open(&self.grants[*i]))
            .collect();
        if !open.is_empty() {
            let index = *self.dice.one_of(&open);
            self.say(format!("revoked {}", self.grants[index].id));
            let now = self.now;
            close(&mut self.grants[index], now, Cause::Revoked);
            self.due = Some(now);
        }
    }

    /// On for a while, stopping wherever something may happen.
    fn pass_time(&mut self) -> Result<(), Violation> {
        let (low, high) =
            *self
                .dice
                .one_of(&[(1, 20), (1, 20), (1, 20), (20, 200), (20, 200), (200, 9000)]);
        let until = self.now + TimeDelta::seconds(self.dice.between(low, high));
        while self.now < until {
            let second = TimeDelta::seconds(1);
            let deadlines = self
                .grants
                .iter()
                .flat_map(|g| [g.deadline, g.deadline + second]);
            let landings = [self.trust.next_landing(), self.guard.next_landing()];
            let due = self.due.map(|due| due.max(self.down_until));
            let moments = deadlines.chain(landings.into_iter().flatten()).chain(due);
            let next = moments.filter(|t| *t > self.now && *t < until).min();
            self.advance(next.unwrap_or(until))?;
            if self.now >= self.down_until && self.due.is_some_and(|due| due <= self.now) {
                self.work()?;
            }
        }
        Ok(())
    }

    fn advance(&mut self, to: DateTime<Utc>) -> Result<(), Violation> {
        self.now = to;
        if self.trust.pass(to, MARGINS.propagation) | self.guard.pass(to, MARGINS.propagation) {
            self.say("an unanswered write lands".to_owned());
        }
        self.latest_revision = self.latest_revision.max(self.guard.current().revision());
        self.attack();
        judge::sessions(self)?;
        judge::guarded(self)
    }

    /// The adversary assumes the role in every way that some part of the data plane allows.
    fn attack(&mut self) {
        let now = self.now;
        let own = self.grants.iter().map(|g| g.grant_name.as_str());
        let names: BTreeSet<&str> = own.chain(PEOPLE.map(|(_, _, console)| console)).collect();
        for (person, (arn, _, _)) in PEOPLE.iter().enumerate() {
            for name in &names {
                let trusts = self.trust.versions.iter().filter_map(|v| v.policy.as_ref());
                if trusts.into_iter().any(|t| t.admits(arn, name, now)) {
                    let token = now.trunc_subsecs(0) + TimeDelta::seconds(self.dice.between(-2, 2));
                    self.sessions.push(Session {
                        person,
                        name: (*name).to_owned(),
                        issued: now,
                        token,
                    });
                }
            }
        }
        // He does not keep them all: about two dozen for each name, old and new.
        while self.sessions.len() > 120 {
            let index = self.dice.between(0, 120);
            self.sessions
                .remove(usize::try_from(index).unwrap_or_default());
        }
        self.sessions
            .retain(|s| now < s.issued + TimeDelta::hours(12));
    }

    /// Whether some part of the data plane lets the session work now.
    pub fn works(&self, session: &Session) -> bool {
        let request = session_request(ROLE_ID, &session.name, self.now, Some(session.token));
        self.guard.versions.iter().any(|g| !g.denies(&request))
    }

    /// The worker's run on the role: looks, stores, writes, looks again.
    fn work(&mut self) -> Result<(), Violation> {
        let (mut closings_only, mut guard_refused) = (false, false);
        for _ in 0..12 {
            self.expire();
            let plan = self.look(closings_only, guard_refused)?;
            self.store(&plan);
            if self.dice.chance(3) {
                self.die(3000);
                return Ok(());
            }
            if plan.step == Step::Rest && plan.close.is_empty() {
                // Busy elsewhere, now and then.
                let late = *self.dice.one_of(&[0, 0, 600]);
                let late = TimeDelta::seconds(self.dice.between(0, late));
                self.due = plan.due.map(|due| due + late);
                return Ok(());
            }
            let is_guard = matches!(plan.step, Step::PutGuard { .. } | Step::DeleteGuard);
            let answer = self.write(plan.step)?;
            let pause = TimeDelta::milliseconds(self.dice.between(20, 900));
            self.advance(self.now + pause)?;
            match answer {
                Answer::Done => {}
                Answer::Refused => {
                    guard_refused = closings_only && is_guard;
                    closings_only = true;
                }
                Answer::None => break,
            }
            if self.dice.chance(3) {
                self.die(3000);
                return Ok(());
            }
        }
        self.due = Some(self.now + TimeDelta::seconds(self.dice.between(1, 30)));
        Ok(())
    }

    fn die(&mut self, longest: i64) {
        let down = self.dice.between(1, longest);
        self.say(format!("the worker is gone for {down} s"));
        self.down_until = self.now + TimeDelta::seconds(down);
        self.due = Some(self.now);
    }

    fn expire(&mut self) {
        let now = self.now;
        let over = |g: &&mut Grant| is_open(g) && g.deadline <= now;
        for g in self.grants.iter_mut().filter(over) {
            close(g, now, Cause::Deadline);
        }
    }

    /// What the product knows, beside a look at AWS that does not lag.
    pub fn known(&self) -> (Target, Vec<Grant>, ObservedRole) {
        let trust = self.trust.current().text.as_deref().unwrap_or_default();
        let role = role(trust, self.guard.current().text.as_deref());
        (self.target.clone(), self.grants.clone(), role)
    }

    fn look(&mut self, closings_only: bool, guard_refused: bool) -> Result<Plan, Violation> {
        // unwrap: nobody deletes a trust policy
        let trust = self.trust.read(&mut self.dice).unwrap();
        let guard = self.guard.read(&mut self.dice);
        let role = role(&trust, guard.as_deref());
        let observed = Observed::Role(role.clone());
        let remembered = self
            .grants
            .iter()
            .filter(|g| g.marks.guard_gone_at.is_none());
        let grants: Vec<Grant> = remembered.cloned().collect();
        let input = Input {
            target: &self.target,
            grants: &grants,
            observed: &observed,
            now: self.now,
            margins: MARGINS,
            closings_only,
            guard_refused,
        };
        if self.dice.chance(20) {
            let closings = Input {
                closings_only: true,
                ..input
            };
            let plan = plan_without(&closings, self.without);
            judge::closing(&role, &plan.step, self.latest_revision)?;
        }
        Ok(plan_without(&input, self.without))
    }

    fn store(&mut self, plan: &Plan) {
        let now = self.now;
        for (id, marks) in &plan.marks {
            self.grant(*id).marks = marks.clone();
        }
        for id in &plan.opened {
            let g = self.grant(*id);
            if let GrantState::Opening { at } = g.state {
                g.state = GrantState::Active {
                    opening_at: at,
                    opened_at: now,
                };
            }
        }
        for (id, cause) in &plan.close {
            close(self.grant(*id), now, *cause);
        }
        for id in &plan.closed {
            end(self.grant(*id), now);
            self.say(format!("ended {id}"));
            // unwrap: a plan speaks of the grants that it was given
            let index = self.grants.iter().position(|g| g.id == *id).unwrap();
            self.announced[index] = Some(now);
        }
        for id in &plan.guard_removed {
            self.grant(*id).marks.guard_gone_at = Some(now);
        }
    }

    fn grant(&mut self, id: GrantId) -> &mut Grant {
        // unwrap: a plan speaks of the grants that it was given
        self.grants.iter_mut().find(|g| g.id == id).unwrap()
    }

    fn answer(&mut self, opens: bool) -> Answer {
        if self.dice.chance(self.unanswered_percent) {
            Answer::None
        } else if opens && self.dice.chance(5) {
            Answer::Refused
        } else {
            Answer::Done
        }
    }

    /// Stores the intent, sends, and stores the answer.
    fn write(&mut self, step: Step) -> Result<Answer, Violation> {
        match step {
            Step::Rest => Ok(Answer::Done),
            Step::PutGuard {
                document,
                revision,
                opens,
                restores,
            } => {
                self.target.guard_restores += i16::from(restores);
                judge::fails_closed(self, &document)?;
                Ok(self.send_guard(Some(document), revision, !opens.is_empty()))
            }
            Step::DeleteGuard => Ok(self.send_guard(None, self.target.revision, false)),
            Step::PutTrust {
                document,
                opens,
                restores,
                sends,
                replaces,
            } => {
                for id in restores {
                    self.grant(id).marks.restores += 1;
                }
                if !document::has_grants(&replaces) {
                    self.target.original_trust = Some(replaces);
                }
                Ok(self.send_trust(document, !opens.is_empty(), &sends))
            }
        }
    }

    fn send_guard(&mut self, document: Option<String>, revision: i64, opens: bool) -> Answer {
        let refused = self.refuses && !opens && self.dice.chance(10);
        let (now, answer) = if refused {
            (self.now, Answer::Refused)
        } else {
            (self.now, self.answer(opens))
        };
        self.say(format!("guard, {answer:?}: {document:?}"));
        if answer != Answer::Refused {
            let hash = fingerprint(document.as_deref().unwrap_or(""));
            self.target.written_guard = Some(Written { hash, at: now });
            self.target.revision = revision;
        }
        let unclear = self.target.guard_unclear_at;
        if answer == Answer::None {
            self.target.guard_unclear_at = unclear.max(Some(now));
        }
        self.guard
            .write(&mut self.dice, now, answer, MARGINS.unanswered, document);
        answer
    }

    fn send_trust(
        &mut self,
        document: String,
        opens: bool,
        sends: &[(GrantId, DateTime<Utc>)],
    ) -> Answer {
        let (now, answer) = (self.now, self.answer(opens));
        self.say(format!("trust, {answer:?}: {document}"));
        if answer != Answer::Refused {
            let hash = fingerprint(&document);
            self.target.written_trust = Some(Written { hash, at: now });
        }
        for (id, until) in sends {
            let marks = &mut self.grant(*id).marks;
            marks.sent_until = marks.sent_until.max(Some(*until));
            if answer == Answer::None {
                marks.unclear_at = marks.unclear_at.max(Some(now));
            }
        }
        self.trust.write(
            &mut self.dice,
            now,
            answer,
            MARGINS.unanswered,
            Some(document),
        );
        answer
    }
}
