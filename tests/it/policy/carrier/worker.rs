//! The worker's side of the world: a run looks, stores, writes and looks again; and what it says
//! and writes is judged.

use countersign::domain::target::Written;
use countersign::policy::capacity::size;
use countersign::policy::inline::ENDED;
use countersign::policy::{Input, Observed, ObservedUser, Plan, Write, fingerprint, plan_without};

use super::world::World;
use super::*;
use crate::policy::plane::{Answer, Plane, Version};
use crate::policy::world::{MARGINS, Violation};

impl World {
    fn look(&mut self, closings_only: bool, ended_refused: bool) -> Plan {
        let mut policies = BTreeMap::new();
        for (id, doc) in &self.docs {
            let text = doc.read(&mut self.dice);
            policies.extend(text.map(|text| (inline::name(&self.target.installation, *id), text)));
        }
        let observed = Observed::User(ObservedUser {
            user_id: USER_ID.to_owned(),
            arn: USER_ARN.to_owned(),
            created_at: at(-1_000_000),
            policies,
            foreign: self.foreign,
            quota: 2048,
            unvouched: None,
        });
        let remembered = self
            .grants
            .iter()
            .filter(|grant| grant.marks.guard_gone_at.is_none());
        let grants: Vec<Grant> = remembered.cloned().collect();
        let listed: BTreeSet<GrantId> = match self.guarded {
            true => grants.iter().map(|grant| grant.id).collect(),
            false => BTreeSet::new(),
        };
        let input = Input {
            target: &self.target,
            grants: &grants,
            allows: &self.allows,
            listed: &listed,
            observed: &observed,
            now: self.now,
            margins: MARGINS,
            closings_only,
            one_at_a_time: false,
            clocks_differ: false,
            guard_refused: false,
            ended_refused,
            refused: NOBODY,
        };
        plan_without(&input, self.without)
    }

    /// The worker's run: looks, stores, writes, looks again.
    pub fn work(&mut self) -> Result<(), Violation> {
        let (mut closings_only, mut ended_refused) = (false, false);
        for _ in 0..12 {
            let now = self.now;
            for grant in &mut self.grants {
                if is_open(grant) && grant.deadline <= now {
                    close(grant, now, Cause::Deadline);
                }
            }
            let plan = self.look(closings_only, ended_refused);
            self.store(&plan)?;
            if self.dice.chance(self.death_percent) {
                self.die(300);
                return Ok(());
            }
            let Some(write) = plan.step.write() else {
                if plan.close.is_empty() {
                    self.due = plan.due;
                    return Ok(());
                }
                continue;
            };
            let answer = self.send(write)?;
            let pause = TimeDelta::milliseconds(self.dice.between(20, 100));
            self.advance(self.now + pause)?;
            match answer {
                Answer::Done | Answer::Gone => {}
                Answer::Refused | Answer::RefusedAndDone => {
                    closings_only = !write.opens.is_empty();
                    ended_refused = write.opens.is_empty();
                }
                Answer::None => break,
            }
            if self.dice.chance(self.death_percent) {
                self.die(300);
                return Ok(());
            }
        }
        let again = self.dice.between(1, 30);
        self.due = Some(self.now + TimeDelta::seconds(again));
        self.excuse_all(self.now + TimeDelta::seconds(again));
        Ok(())
    }

    fn store(&mut self, plan: &Plan) -> Result<(), Violation> {
        let now = self.now;
        self.target.condition = plan.condition;
        for (id, marks) in &plan.marks {
            self.grant(*id).marks = marks.clone();
        }
        for id in &plan.opened {
            let grant = self.grant(*id);
            if let GrantState::Opening { at } = grant.state {
                grant.state = GrantState::Active {
                    opening_at: at,
                    opened_at: now,
                };
            }
            self.approval(*id).was_open = true;
        }
        for (id, cause) in &plan.close {
            close(self.grant(*id), now, *cause);
            self.say(format!("closes {id}: {}", cause.as_str()));
            let approved = self.approval(*id);
            approved.revoked = approved.revoked.or(Some(now));
        }
        for id in &plan.closed {
            end(self.grant(*id), now);
            self.say(format!("ended {id}"));
            self.ended_is_so(*id)?;
        }
        for id in &plan.guard_removed {
            self.grant(*id).marks.guard_gone_at = Some(now);
        }
        Ok(())
    }

    /// What is said to have ended lets nobody in, and no write of ours is on its way that does;
    /// hands aside.
    fn ended_is_so(&self, id: GrantId) -> Result<(), Violation> {
        let allows = &self.allows[&id];
        let doc = &self.docs[&id];
        // What a hand has just done may not be in force everywhere.
        let mut approved = self.approved.iter();
        let is_excused = approved.any(|it| it.id == id && self.now < it.excused);
        let versions = doc.versions.iter().filter(|_| !is_excused);
        for version in versions.chain(&doc.late) {
            let when = version.since.max(self.now);
            let policy = version.policy.as_ref().filter(|_| !version.by_hand);
            if policy.is_some_and(|it| lets_in(it, allows, &id.to_string(), when)) {
                return Err(format!("ended: {id} is not: {:?}", version.text));
            }
        }
        Ok(())
    }

    fn grant(&mut self, id: GrantId) -> &mut Grant {
        // unwrap: a plan speaks of the grants that it was given
        self.grants.iter_mut().find(|grant| grant.id == id).unwrap()
    }

    /// Stores the intent, sends, and stores the answer.
    fn send(&mut self, write: &Write) -> Result<Answer, Violation> {
        let DocumentKey::Inline(id) = write.key else {
            return Err(format!("{:?} on a user", write.key));
        };
        self.judge_write(id, write)?;
        let answer = self.answer(id, write);
        self.note_the_end(id, write, answer);
        self.say(format!("{id}, {answer:?}: {:?}", write.text));
        let (now, hash) = (self.now, fingerprint(write.text()));
        let is_known = !matches!(answer, Answer::Refused | Answer::RefusedAndDone);
        let sent = self.target.sent_mut(write.key);
        sent.sent_at = Some(now);
        if is_known {
            sent.written = Some(Written { hash, at: now });
        }
        if answer == Answer::None {
            sent.unclear_at = Some(now);
            self.excuse_all(now + TimeDelta::seconds(30));
        }
        for (id, until) in &write.sends {
            let marks = &mut self.grant(*id).marks;
            marks.sent_until = marks.sent_until.max(Some(*until));
            if answer == Answer::None {
                marks.unclear_at = Some(now);
            }
        }
        if answer == Answer::Done {
            for id in &write.restores {
                self.grant(*id).marks.restores += 1;
            }
        }
        let doc = self
            .docs
            .entry(id)
            .or_insert_with(|| Plane::new(at(-100_000), None));
        doc.write(
            &mut self.dice,
            now,
            answer,
            MARGINS.unanswered,
            write.text.clone(),
        );
        Ok(answer)
    }

    /// An end that AWS has taken leaves a trace, unless there is no room for one.
    fn note_the_end(&mut self, id: GrantId, write: &Write, answer: Answer) {
        let leaves_trace = self.used_beside(id) + size(ENDED) <= 2048;
        let is_end = write.sends.is_empty() && answer == Answer::Done && leaves_trace;
        let now = self.now;
        let approved = self.approval(id);
        approved.ended_at = approved.ended_at.or(Some(now)).filter(|_| is_end);
    }

    /// Characters of everything on the user but that policy.
    fn used_beside(&self, id: GrantId) -> usize {
        let others = self.docs.iter().filter(|(other, _)| **other != id);
        let others = others.filter_map(|(_, doc)| doc.current().text.as_deref());
        self.foreign + others.map(size).sum::<usize>()
    }

    /// AWS takes nothing that is too much for the user.
    fn answer(&mut self, id: GrantId, write: &Write) -> Answer {
        let all = self.used_beside(id) + size(write.text());
        if write.text.is_some() && all > 2048 {
            Answer::Refused
        } else if self.dice.chance(self.unanswered_percent) {
            Answer::None
        } else {
            Answer::Done
        }
    }

    fn judge_write(&self, id: GrantId, write: &Write) -> Result<(), Violation> {
        let doc = &self.docs[&id];
        if write.sends.is_empty() {
            let all = doc.versions.iter().chain(&doc.late);
            let had = all
                .filter_map(|it: &Version| it.text.as_deref())
                .map(size)
                .max();
            if size(write.text()) > had.unwrap_or_default() {
                return Err(format!(
                    "growth: a closing of {id} grows to {:?}",
                    write.text
                ));
            }
            return Ok(());
        }
        // unwrap: nothing is granted that was not approved
        let approved = self
            .approved
            .iter()
            .find(|approved| approved.id == id)
            .unwrap();
        let is_switch = matches!(approved.allows, Allows::Role { .. });
        if is_switch && !self.guarded {
            return Err(format!("list: {id} is put without a guard"));
        }
        let stands = doc.versions.iter().any(|version| version.text.is_some());
        if !is_switch && approved.was_open && !stands {
            return Err(format!("once: {id} is put back"));
        }
        if approved.is_lost {
            return Err(format!("trace: {id} has ended, and is put again"));
        }
        Ok(())
    }
}
