//! A user whose AWS answers at once and never lags, and a worker that takes each step until there
//! is none.

use countersign::domain::target::Written;
use countersign::policy::inline::PREFIX;
use countersign::policy::{
    Alarm, Input, Observed, ObservedUser, Plan, fingerprint, or_plain, plan,
};

use super::*;

#[derive(Clone)]
pub struct Run {
    pub now: DateTime<Utc>,
    pub target: Target,
    pub user: ObservedUser,
    pub grants: Vec<Grant>,
    pub allows: BTreeMap<GrantId, Allows>,
    /// Whom the guard is known to list.
    pub listed: BTreeSet<GrantId>,
    pub closings_only: bool,
    pub ended_refused: bool,
    /// When the last look said to look again.
    pub due: Option<DateTime<Utc>>,
    /// Everything that was told.
    pub told: Vec<Alarm>,
}

impl Run {
    /// Grants of alice's, each with what it allows; all are listed.
    pub fn new(grants: &[(Grant, Allows)]) -> Self {
        let ids = grants.iter().map(|(grant, _)| grant.id);
        Self {
            now: at(0),
            target: Target {
                arn: USER_ARN.to_owned(),
                carries: true,
                ..target()
            },
            user: ObservedUser {
                user_id: USER_ID.to_owned(),
                arn: USER_ARN.to_owned(),
                created_at: at(-1_000_000),
                policies: BTreeMap::new(),
                foreign: 0,
                quota: 2048,
                unvouched: None,
            },
            grants: grants.iter().map(|(grant, _)| grant.clone()).collect(),
            allows: grants
                .iter()
                .map(|(grant, it)| (grant.id, it.clone()))
                .collect(),
            listed: ids.collect(),
            closings_only: false,
            ended_refused: false,
            due: Some(at(0)),
            told: Vec::new(),
        }
    }

    /// One grant, for an hour.
    pub fn of(allows: Allows) -> Self {
        Self::new(&[(grant(1, ALICE, 0, 3600), allows)])
    }

    /// The same, open since the beginning of time.
    pub fn open(allows: Allows) -> Self {
        let mut run = Self::of(allows);
        let _ = run.settle();
        assert!(run.is_active(0));
        run
    }

    pub fn look(&self) -> Plan {
        self.look_at(&Observed::User(self.user.clone()))
    }

    pub fn look_at(&self, observed: &Observed) -> Plan {
        self.planned(observed, plan)
    }

    /// As it is planned by that function, or where that breaks down.
    pub fn look_by(&self, function: fn(&Input<'_>) -> Plan) -> Plan {
        let observed = Observed::User(self.user.clone());
        self.planned(&observed, |input| {
            or_plain(input, function).unwrap_or_else(|broken| broken.plan)
        })
    }

    fn planned(&self, observed: &Observed, function: impl FnOnce(&Input<'_>) -> Plan) -> Plan {
        let remembered = self
            .grants
            .iter()
            .filter(|g| g.marks.guard_gone_at.is_none());
        function(&Input {
            target: &self.target,
            grants: &remembered.cloned().collect::<Vec<_>>(),
            allows: &self.allows,
            listed: &self.listed,
            observed,
            now: self.now,
            margins: PRODUCTION,
            closings_only: self.closings_only,
            one_at_a_time: false,
            clocks_differ: false,
            guard_refused: false,
            ended_refused: self.ended_refused,
            refused: NOBODY,
        })
    }

    /// Looks and writes until there is nothing to write, and gives that last look and every write.
    pub fn settle(&mut self) -> (Plan, Vec<Step>) {
        let mut steps = Vec::new();
        for _ in 0..20 {
            let plan = self.look();
            self.store(&plan);
            if plan.step == Step::Rest && plan.close.is_empty() {
                self.due = plan.due;
                return (plan, steps);
            }
            if plan.step != Step::Rest {
                self.write(&plan.step);
                steps.push(plan.step);
            }
        }
        panic!("no rest after {steps:?}");
    }

    /// To a moment, as the worker comes by then, closing what is over first.
    pub fn settle_at(&mut self, seconds: i64) -> (Plan, Vec<Step>) {
        self.now = at(seconds);
        let now = self.now;
        for grant in &mut self.grants {
            if is_open(grant) && grant.deadline <= now {
                close(grant, now, Cause::Deadline);
            }
        }
        self.settle()
    }

    /// On to a moment, looking only when the last look said so.
    pub fn go_on(&mut self, seconds: i64) {
        while let Some(due) = self.due.filter(|due| *due <= at(seconds)) {
            let _ = self.settle_at((due.max(self.now) - at(0)).num_seconds());
        }
        self.now = at(seconds);
    }

    pub fn revoke(&mut self, index: usize) {
        close(&mut self.grants[index], self.now, Cause::Revoked);
        self.due = Some(self.now);
    }

    pub fn store(&mut self, plan: &Plan) {
        let now = self.now;
        self.target.condition = plan.condition;
        self.target.missing_since = plan.missing_since;
        self.told.extend(plan.alarms.clone());
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
        }
        for (id, cause) in &plan.close {
            close(self.grant(*id), now, *cause);
        }
        for id in &plan.closed {
            end(self.grant(*id), now);
        }
        for id in &plan.guard_removed {
            self.grant(*id).marks.guard_gone_at = Some(now);
        }
    }

    fn grant(&mut self, id: GrantId) -> &mut Grant {
        // unwrap: a plan speaks of the grants that it was given
        self.grants.iter_mut().find(|g| g.id == id).unwrap()
    }

    pub fn write(&mut self, step: &Step) {
        self.send(step);
        let Some(write) = step.write() else {
            return;
        };
        let DocumentKey::Inline(id) = write.key else {
            panic!("{:?} on a user", write.key);
        };
        let name = inline::name(&self.target.installation, id);
        match &write.text {
            Some(text) => drop(self.user.policies.insert(name, text.clone())),
            None => drop(self.user.policies.remove(&name)),
        }
        for id in &write.restores {
            self.grant(*id).marks.restores += 1;
        }
    }

    /// What is stored of a write, whether it takes effect or not.
    pub fn send(&mut self, step: &Step) {
        let Some(write) = step.write() else {
            return;
        };
        let now = self.now;
        let sent = self.target.sent_mut(write.key);
        sent.written = Some(Written {
            hash: fingerprint(write.text()),
            at: now,
        });
        sent.sent_at = Some(now);
        for (id, until) in &write.sends {
            let marks = &mut self.grant(*id).marks;
            marks.sent_until = marks.sent_until.max(Some(*until));
        }
    }

    /// The same, and nobody answers.
    pub fn send_unanswered(&mut self, step: &Step) {
        self.send(step);
        let now = self.now;
        let write = step.write().unwrap();
        self.target.sent_mut(write.key).unclear_at = Some(now);
        for (id, _) in &write.sends {
            self.grant(*id).marks.unclear_at = Some(now);
        }
    }

    pub fn policy(&self, nth: u128) -> Option<&str> {
        self.user.policies.get(&name(nth)).map(String::as_str)
    }

    /// Somebody writes or, without a text, deletes a policy of ours.
    pub fn by_hand(&mut self, nth: u128, text: Option<&str>) {
        match text {
            Some(text) => drop(self.user.policies.insert(name(nth), text.to_owned())),
            None => drop(self.user.policies.remove(&name(nth))),
        }
    }

    pub fn is_active(&self, index: usize) -> bool {
        matches!(self.grants[index].state, GrantState::Active { .. })
    }

    pub fn is_over(&self, index: usize) -> bool {
        self.grants[index].state.is_over()
    }

    pub fn is_closing(&self, index: usize) -> bool {
        self.grants[index].state.is_closing()
    }

    /// Whether anything on the user lets somebody in by that grant, under its own session name.
    pub fn lets_in(&self, nth: u128) -> bool {
        let own = grant_id(nth);
        self.lets_in_as(nth, &own.to_string())
    }

    pub fn lets_in_as(&self, nth: u128, session: &str) -> bool {
        let policies = self
            .user
            .policies
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX));
        let allows = &self.allows[&grant_id(nth)];
        let mut policies = policies.map(|(_, text)| Policy::parse(text));
        policies.any(|policy| lets_in(&policy, allows, session, self.now))
    }
}
