//! The worker's side of the world: a run looks, stores, writes and looks again, as the product's
//! does.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::cause::Cause;
use countersign::domain::grant::{Grant, GrantState};
use countersign::domain::target::{DocumentKey, Written};
use countersign::ids::GrantId;
use countersign::policy::{
    Input, Observed, ObservedRole, Plan, Step, Write, document, fingerprint, plan_without,
};

use super::faults::What;
use super::plane::Answer;
use super::world::{MARGINS, Violation, World};
use super::{
    NOBODY, NOTHING, PEOPLE, close, end, identity, is_open, judge, liveness, normal, role,
};

/// From here on the worker notices that AWS's clock and the database's differ.
const APART: TimeDelta = TimeDelta::seconds(2);

impl World {
    /// The worker's run on the role: looks, stores, writes, looks again.
    pub(super) fn work(&mut self) -> Result<(), Violation> {
        let (mut closings_only, mut guard_refused) = (false, false);
        for _ in 0..12 {
            self.expire();
            let plan = self.look(closings_only, guard_refused)?;
            self.store(&plan)?;
            if self.dice.chance(3) {
                self.die(3000);
                return Ok(());
            }
            if plan.step == Step::Rest && plan.close.is_empty() {
                liveness::looks_again(self, &plan)?;
                // Busy elsewhere, now and then.
                let late = *self.dice.one_of(&[0, 0, 600]);
                let late = TimeDelta::seconds(self.dice.between(0, late));
                self.due = plan.due.map(|due| due + late);
                if let Some(due) = self.due.filter(|_| late > TimeDelta::zero()) {
                    self.trouble("the worker is busy elsewhere", due);
                }
                return Ok(());
            }
            let is_guard = plan
                .step
                .write()
                .is_some_and(|w| w.key == DocumentKey::Guard);
            let answer = self.write(plan.step)?;
            let pause = TimeDelta::milliseconds(self.dice.between(20, 900));
            self.advance(self.now + pause)?;
            match answer {
                Answer::Done | Answer::Gone => {}
                Answer::Refused | Answer::RefusedAndDone => {
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

    pub(super) fn die(&mut self, longest: i64) {
        let down = self.dice.between(1, longest);
        self.say(format!("the worker is gone for {down} s"));
        self.down_until = self.now + TimeDelta::seconds(down);
        self.trouble("the worker is gone", self.down_until);
        self.due = Some(self.now);
    }

    fn expire(&mut self) {
        let now = self.now;
        let over = |g: &&mut Grant| is_open(g) && g.deadline <= now;
        for g in self.grants.iter_mut().filter(over) {
            close(g, now, Cause::Deadline);
        }
    }

    /// What a look that neither lags nor lies shows.
    pub fn seen(&self) -> ObservedRole {
        let trust = self.trust.current().text.as_deref().unwrap_or_default();
        self.as_read(trust, self.guard.current().text.as_deref())
    }

    fn as_read(&self, trust: &str, guard: Option<&str>) -> ObservedRole {
        let shown = |text: &str| match self.faults.normalises() {
            true => normal::normalised(text),
            false => text.to_owned(),
        };
        let mut role = role(&shown(trust), guard.map(shown).as_deref());
        role.role_id = self.role_id.clone();
        // Only those are asked for whose grants are open.
        let asked = |arn: &&str| {
            let mut open = self.grants.iter().filter(|g| is_open(g));
            open.any(|g| g.principal_arn.as_deref() == Some(*arn))
        };
        let users = self.users.iter().map(|id| id.as_deref().map(identity));
        let arns = PEOPLE.iter().map(|(arn, ..)| *arn);
        let asked = arns.zip(users).filter(|(arn, _)| asked(arn));
        role.principals = asked.map(|(arn, it)| (arn.to_owned(), it)).collect();
        role
    }

    /// A look as the worker gets it: it may lag, and lie.
    fn observe(&mut self) -> Observed {
        // unwrap: nobody deletes a trust policy
        let trust = self.trust.read(&mut self.dice).unwrap();
        let guard = self.guard.read(&mut self.dice);
        let mut role = self.as_read(&trust, guard.as_deref());
        self.seen.insert(trust, self.now);
        match self.lie.as_mut().filter(|lie| lie.holds(self.now)) {
            _ if self.role_gone => Observed::Gone,
            None => Observed::Role(role),
            Some(lie) => {
                lie.looks -= 1;
                let What::User(person) = lie.what else {
                    return Observed::Gone;
                };
                let asked = role.principals.get_mut(PEOPLE[person].0);
                asked.into_iter().for_each(|it| *it = None);
                Observed::Role(role)
            }
        }
    }

    fn look(&mut self, closings_only: bool, guard_refused: bool) -> Result<Plan, Violation> {
        let observed = self.observe();
        let remembered = self
            .grants
            .iter()
            .filter(|g| g.marks.guard_gone_at.is_none());
        let grants: Vec<Grant> = remembered.cloned().collect();
        let apart = self.ahead.abs() > APART;
        let input = Input {
            target: &self.target,
            grants: &grants,
            observed: &observed,
            now: self.now,
            margins: MARGINS,
            // The worker compares the clocks before it plans.
            closings_only: closings_only || apart,
            clocks_differ: apart,
            one_at_a_time: false,
            guard_refused,
            allows: NOTHING,
            listed: NOBODY,
            ended_refused: false,
            refused: NOBODY,
        };
        if let (true, Observed::Role(role)) = (self.dice.chance(20), &observed) {
            let closings = Input {
                closings_only: true,
                ..input
            };
            let plan = plan_without(&closings, self.without);
            judge::closing(self, role, &plan.step)?;
        }
        let plan = plan_without(&input, self.without);
        if let Observed::Role(role) = &observed {
            judge::foreign_stays(role, &plan.step)?;
        }
        Ok(plan)
    }

    fn store(&mut self, plan: &Plan) -> Result<(), Violation> {
        let now = self.now;
        self.target.condition = plan.condition;
        self.target.revision = plan.revision;
        self.target.missing_since = plan.missing_since;
        self.target.safe_since = plan.safe_since;
        self.target.kept.clone_from(&plan.kept);
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
            self.say(format!("closes {id}: {}", cause.as_str()));
            close(self.grant(*id), now, *cause);
            liveness::ends_rightly(self, *id, *cause)?;
        }
        for id in &plan.closed {
            end(self.grant(*id), now);
            self.say(format!("ended {id}"));
            // After a restore a grant may end once more.
            let approval = self.approval(*id);
            approval.announced = approval.announced.or(Some(now));
        }
        for id in &plan.guard_removed {
            self.grant(*id).marks.guard_gone_at = Some(now);
        }
        if !self.grants.iter().any(is_open) {
            self.target.guard_restores = 0;
        }
        Ok(())
    }

    fn grant(&mut self, id: GrantId) -> &mut Grant {
        // unwrap: a plan speaks of the grants that it was given
        self.grants.iter_mut().find(|g| g.id == id).unwrap()
    }

    fn answer(&mut self, opens: bool) -> Answer {
        let answer = if self.dice.chance(self.unanswered_percent) {
            Answer::None
        } else if opens && self.dice.chance(5) {
            Answer::Refused
        } else if self.faults.lies() && self.dice.chance(5) {
            Answer::RefusedAndDone
        } else {
            Answer::Done
        };
        self.answered(answer)
    }

    /// Where the role is gone, or the document names somebody who is not there, AWS has its own
    /// answer.
    fn answered(&mut self, answer: Answer) -> Answer {
        let answer = if self.role_gone { Answer::Gone } else { answer };
        match answer {
            Answer::None => self.trouble("a write has no answer", self.now),
            Answer::Refused | Answer::RefusedAndDone => self.trouble("AWS refuses", self.now),
            Answer::Done | Answer::Gone => {}
        }
        answer
    }

    /// Stores the intent, sends, and stores the answer.
    fn write(&mut self, step: Step) -> Result<Answer, Violation> {
        let Step::Write(write) = step else {
            return Ok(Answer::Done);
        };
        let Write {
            key,
            text,
            revision,
            opens,
            guard_back,
            restores,
            sends,
            replaces,
        } = *write;
        if key == DocumentKey::Guard {
            if let Some(document) = &text {
                judge::fails_closed(self, document)?;
            }
            let answer = self.send_guard(text, revision, !opens.is_empty());
            self.target.guard_restores += i16::from(guard_back && answer == Answer::Done);
            return Ok(answer);
        }
        let replaces = replaces.unwrap_or_default();
        let original = !document::has_grants(&replaces);
        let answer = self.send_trust(text.unwrap_or_default(), !opens.is_empty(), &sends);
        for id in restores.into_iter().filter(|_| answer == Answer::Done) {
            self.grant(id).marks.restores += 1;
        }
        if original && matches!(answer, Answer::Done | Answer::None) {
            self.target.trust.original = Some(replaces);
        }
        Ok(answer)
    }

    fn send_guard(&mut self, document: Option<String>, revision: i64, opens: bool) -> Answer {
        let refused = self.refuses && !opens && self.dice.chance(10);
        let (now, answer) = if refused {
            (self.now, self.answered(Answer::Refused))
        } else {
            (self.now, self.answer(opens))
        };
        self.say(format!("guard, {answer:?}: {document:?}"));
        if matches!(answer, Answer::Done | Answer::None) {
            let hash = fingerprint(document.as_deref().unwrap_or(""));
            self.target.guard.written = Some(Written { hash, at: now });
            self.target.revision = revision;
        }
        let unclear = self.target.guard.unclear_at;
        if answer == Answer::None {
            self.target.guard.unclear_at = unclear.max(Some(now));
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
        let (now, mut answer) = (self.now, self.answer(opens));
        if !self.may_be_saved(&document) {
            answer = self.answered(Answer::Refused);
        }
        self.say(format!("trust, {answer:?}: {document}"));
        self.target.trust.sent_at = Some(now);
        if matches!(answer, Answer::Done | Answer::None) {
            let hash = fingerprint(&document);
            self.target.trust.written = Some(Written { hash, at: now });
        }
        for (id, until) in sends {
            let marks = &mut self.grant(*id).marks;
            marks.sent_until = marks.sent_until.max(Some(*until));
            if answer == Answer::None {
                marks.unclear_at = marks.unclear_at.max(Some(now));
            }
        }
        if answer == Answer::None {
            self.target.trust.unclear_at = self.target.trust.unclear_at.max(Some(now));
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

    /// AWS takes no trust policy that names somebody who is not there.
    pub(super) fn may_be_saved(&self, document: &str) -> bool {
        let named = PEOPLE.iter().map(|(arn, ..)| format!("\"{arn}\""));
        let gone = named
            .zip(&self.users)
            .any(|(arn, user)| user.is_none() && document.contains(&arn));
        !gone && !document.contains("\"AIDA")
    }
}
