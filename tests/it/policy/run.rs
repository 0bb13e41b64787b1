//! A role whose AWS answers at once and never lags, and a worker that takes each step until there
//! is none.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::domain::cause::Cause;
use countersign::domain::grant::{Grant, GrantState};
use countersign::domain::target::{DocumentKey, Target, Written};
use countersign::policy::{
    Input, Margins, Observed, ObservedRole, Plan, Step, document, fingerprint, plan,
};

use super::evaluate::{Policy, session_request};
use super::{NOBODY, NOTHING, PEOPLE, ROLE_ID, at, close, end, is_open, role, target};

#[derive(Debug, Clone)]
pub struct Run {
    pub now: DateTime<Utc>,
    pub margins: Margins,
    pub target: Target,
    pub role: ObservedRole,
    pub grants: Vec<Grant>,
    /// When the last look said to look again.
    pub due: Option<DateTime<Utc>>,
}

impl Run {
    pub fn new(trust: &str, margins: Margins, grants: Vec<Grant>) -> Self {
        Self {
            now: at(0),
            margins,
            target: target(),
            role: role(trust, None),
            grants,
            due: Some(at(0)),
        }
    }

    pub fn look(&self) -> Plan {
        self.look_with(false)
    }

    /// After a refusal of the guard.
    pub fn look_refused(&self) -> Plan {
        self.look_after(true, true)
    }

    pub fn look_with(&self, closings_only: bool) -> Plan {
        self.look_after(closings_only, false)
    }

    fn look_after(&self, closings_only: bool, guard_refused: bool) -> Plan {
        let role = Observed::Role(self.role.clone());
        self.look_at(&role, closings_only, guard_refused)
    }

    /// AWS says that the role is not there.
    pub fn look_gone(&self) -> Plan {
        self.look_at(&Observed::Gone, false, false)
    }

    fn look_at(&self, observed: &Observed, closings_only: bool, guard_refused: bool) -> Plan {
        let remembered = self
            .grants
            .iter()
            .filter(|g| g.marks.guard_gone_at.is_none());
        plan(&Input {
            target: &self.target,
            grants: &remembered.cloned().collect::<Vec<_>>(),
            observed,
            now: self.now,
            margins: self.margins,
            closings_only,
            one_at_a_time: false,
            clocks_differ: false,
            guard_refused,
            allows: NOTHING,
            listed: NOBODY,
            ended_refused: false,
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
            self.write(&plan.step);
            steps.push(plan.step);
        }
        panic!("no rest after {steps:?}");
    }

    /// On to a moment, looking only when the last look said so, or somebody called.
    pub fn go_on(&mut self, seconds: i64) {
        while let Some(due) = self.due.filter(|due| *due <= at(seconds)) {
            let _ = self.settle_at((due.max(self.now) - at(0)).num_seconds());
        }
        self.now = at(seconds);
    }

    /// Somebody else's grant, or the same person's next one, begins now.
    pub fn begin(&mut self, grant: Grant) {
        self.grants.push(grant);
        self.due = Some(self.now);
    }

    /// To a moment, as the worker comes by then, closing what is over first.
    pub fn settle_at(&mut self, seconds: i64) -> (Plan, Vec<Step>) {
        self.now = at(seconds);
        let now = self.now;
        let over = |g: &&mut Grant| is_open(g) && g.deadline <= now;
        self.grants
            .iter_mut()
            .filter(over)
            .for_each(|g| close(g, now, Cause::Deadline));
        self.settle()
    }

    pub fn revoke(&mut self, index: usize) {
        close(&mut self.grants[index], self.now, Cause::Revoked);
        self.due = Some(self.now);
    }

    pub fn store(&mut self, plan: &Plan) {
        let now = self.now;
        self.target.condition = plan.condition;
        self.target.revision = plan.revision;
        self.target.missing_since = plan.missing_since;
        self.target.safe_since = plan.safe_since;
        self.target.kept.clone_from(&plan.kept);
        for g in &mut self.grants {
            let marks = plan.marks.iter().find(|(id, _)| *id == g.id);
            if let Some((_, marks)) = marks {
                g.marks = marks.clone();
            }
            if let Some((_, principal, role)) = plan.identified.iter().find(|(id, ..)| *id == g.id)
            {
                g.principal_id.clone_from(principal);
                g.role_id = Some(role.clone());
            }
            if let (true, GrantState::Opening { at }) = (plan.opened.contains(&g.id), &g.state) {
                g.state = GrantState::Active {
                    opening_at: *at,
                    opened_at: now,
                };
            }
            if let Some((_, cause)) = plan.close.iter().find(|(id, _)| *id == g.id) {
                close(g, now, *cause);
            }
            if plan.closed.contains(&g.id) {
                end(g, now);
            }
            if plan.guard_removed.contains(&g.id) {
                g.marks.guard_gone_at = Some(now);
            }
        }
    }

    pub fn write(&mut self, step: &Step) {
        self.send(step);
        match step {
            Step::Rest => {}
            Step::Write(write) => match write.key {
                DocumentKey::Guard => self.role.guard.clone_from(&write.text),
                DocumentKey::Trust => write.text().clone_into(&mut self.role.trust),
                DocumentKey::Inline(id) => panic!("an inline policy of {id} on a role"),
            },
        }
    }

    /// What is stored of a write, whether it takes effect or not.
    pub fn send(&mut self, step: &Step) {
        let Step::Write(write) = step else {
            return;
        };
        let sent = self.target.sent_mut(write.key);
        sent.written = Some(Written {
            hash: fingerprint(write.text()),
            at: self.now,
        });
        sent.sent_at = Some(self.now);
        self.target.revision = write.revision;
        self.target.guard_restores += i16::from(write.guard_back);
        let replaces = write.replaces.as_deref().unwrap_or_default();
        if write.key == DocumentKey::Trust && !document::has_grants(replaces) {
            self.target.trust.original = Some(replaces.to_owned());
        }
        for g in &mut self.grants {
            g.marks.restores += i16::from(write.restores.contains(&g.id));
            for (_, until) in write.sends.iter().filter(|(id, _)| *id == g.id) {
                g.marks.sent_until = g.marks.sent_until.max(Some(*until));
            }
        }
    }

    /// Whether the trust policy lets a person assume the role under that name.
    pub fn admits(&self, person: usize, name: &str) -> bool {
        Policy::parse(&self.role.trust).admits(PEOPLE[person].0, name, self.now)
    }

    /// Whether a session works that was issued at that time.
    pub fn works(&self, name: &str, issued: i64) -> bool {
        self.works_on(ROLE_ID, name, issued)
    }

    /// Whether one works that was issued on the role of that id.
    pub fn works_on(&self, role_id: &str, name: &str, issued: i64) -> bool {
        let request = session_request(role_id, name, self.now, Some(at(issued)));
        let guard = self.role.guard.as_deref().map(Policy::parse);
        guard.is_none_or(|g| !g.denies(&request))
    }

    pub fn pass(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
    }
}
