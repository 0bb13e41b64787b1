//! What a plan says, in the rows: what the look showed, the outcomes, and the intent of a write.

use std::time::Instant;

use chrono::{DateTime, Utc};

use super::ledger::Ledger;
use crate::aws::GUARD_NAME;
use crate::domain::audit::Action;
use crate::domain::cause::Cause;
use crate::domain::grant::GrantState;
use crate::domain::part::Part;
use crate::domain::target::{Condition, DocumentKey, Sent, Written};
use crate::ids::GrantId;
use crate::policy::document::has_grants;
use crate::policy::{Alarm, GuardRead, Observed, Plan, Write, fingerprint, inline};

/// A write whose intent is stored, with what has to be put back once AWS answers.
pub(super) struct Sending {
    pub write: Write,
    /// Name of the policy that is written; a trust policy has none.
    pub policy: Option<String>,
    /// When the lease was renewed for it.
    pub held_at: Instant,
    /// When its intent was stored.
    at: DateTime<Utc>,
    /// What was known of the document before.
    before: Sent,
    /// The target's revision before.
    revision: i64,
    /// `unclear_at` of the grants in it, as it was.
    unclear: Vec<(GrantId, Option<DateTime<Utc>>)>,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// AWS has taken it.
    Done,
    /// AWS has not.
    Refused,
    /// It was given up before it was sent.
    NotSent,
}

impl Ledger {
    /// Records what a plan says but for its write. True when a grant has begun to close, so that
    /// another plan is needed.
    pub fn record(&mut self, plan: &Plan, observed: &Observed) -> bool {
        self.seen(plan);
        self.target.missing_since = plan.missing_since;
        self.target.safe_since = plan.safe_since;
        self.target.kept.clone_from(&plan.kept);
        self.target.revision = plan.revision;
        match observed {
            Observed::Role(role) => self.unique_id = Some(role.role_id.clone()),
            Observed::User(user) => self.unique_id = Some(user.user_id.clone()),
            Observed::Gone => {}
        }
        match plan.guard_read {
            GuardRead::Whole => {
                let before = self.target.guard_equal_at.replace(self.now());
                self.guard_is_whole(before);
            }
            // Nothing new.
            GuardRead::AsSent => {}
            GuardRead::Other => self.target.guard_equal_at = None,
        }
        if self.target.condition != plan.condition {
            let (from, to) = (self.target.condition, plan.condition);
            self.rewound |= to == Condition::SafeMode;
            let event = self
                .tx
                .by
                .did(self.target.id, Action::TargetChanged { from, to });
            self.tell(event);
            self.target.condition = plan.condition;
        }
        for alarm in &plan.alarms {
            self.rewound |= matches!(alarm, Alarm::OtherTimeline(_));
            self.alarm(alarm);
        }
        let closing = self.outcomes(plan);
        if !self.grants.iter().any(|grant| grant.state.may_be_open()) {
            self.target.guard_restores = 0;
        }
        closing
    }

    /// Tells of what is none of our doing.
    fn alarm(&mut self, alarm: &Alarm) {
        let (word, of) = match alarm {
            Alarm::Unaccounted(policy) => ("unaccounted", policy.clone()),
            Alarm::OtherTimeline(grant) => ("other_timeline", grant.to_string()),
            Alarm::Altered(grant) => ("altered", grant.to_string()),
            Alarm::CameBack(grant) => ("came_back", grant.to_string()),
        };
        tracing::warn!(target.id = %self.target.id, alarm = word, of, "a policy on the user is not as we left it");
        let alarm = Action::TargetAlarm {
            alarm: word.to_owned(),
            of,
        };
        let event = self.tx.by.did(self.target.id, alarm);
        self.tell(event);
    }

    /// Ids and marks that the look brought.
    fn seen(&mut self, plan: &Plan) {
        for (id, principal_id, role_id) in &plan.identified {
            self.amend(*id, |grant| {
                // Fixed at the first look: another id later is another user or role (docs/guard.md,
                // C8).
                if grant.principal_id.is_none() {
                    grant.principal_id.clone_from(principal_id);
                }
                grant.role_id.get_or_insert_with(|| role_id.clone());
            });
        }
        for (id, marks) in &plan.marks {
            self.outlasted(*id, marks.sent_until);
            self.listed_anew(*id, marks.listed_until);
            self.mark(*id, |known| known.clone_from(marks));
        }
    }

    /// The transitions that follow from the look.
    fn outcomes(&mut self, plan: &Plan) -> bool {
        for id in &plan.opened {
            self.read_back(*id, Part::opened);
        }
        for id in &plan.closed {
            self.read_back(*id, Part::closed);
        }
        for id in &plan.guard_removed {
            self.forget(*id);
        }
        let mut closing = false;
        for (id, cause) in &plan.close {
            closing |= self.change(*id, |grant, by| grant.close(*cause, by));
        }
        closing
    }

    /// The guard need not name the grant any more, and does not.
    fn forget(&mut self, id: GrantId) {
        let at = self.now();
        let Some(grant) = self.grants.iter().find(|grant| grant.id == id) else {
            return;
        };
        // Nobody has heard of a guard that never named the grant, and a user has none.
        let is_on_role = grant.method.opens_role() && grant.target == self.target.id;
        if grant.marks.sent_until.is_some() && is_on_role {
            let request = grant.request;
            let event = self.tx.by.did(id, Action::GuardRemoved { request });
            self.tell(event);
        }
        self.mark(id, |marks| marks.guard_gone_at = Some(at));
    }

    /// Records what is about to be sent, and keeps what it replaces.
    pub fn intend(&mut self, write: Write, held_at: Instant) -> Sending {
        let now = self.now();
        let hash = fingerprint(write.text());
        let before = self.target.sent(write.key).clone();
        if let Some(replaced) = &write.replaces {
            // A trust policy is its owner's, whatever it means, and is kept word for word; a guard
            // only where it is not what we sent last.
            if write.key == DocumentKey::Trust || !before.is(&fingerprint(replaced)) {
                self.keep(write.key, replaced.clone());
            }
            if write.key == DocumentKey::Trust && !has_grants(replaced) {
                self.target.trust.original = Some(replaced.clone());
            }
        }
        let sent = self.target.sent_mut(write.key);
        sent.written = Some(Written { hash, at: now });
        // Before the call: a worker that dies in it leaves a write that is waited for.
        sent.unclear_at = Some(now);
        sent.sent_at = Some(now);
        let revision = self.target.revision;
        self.target.revision = write.revision;
        let unclear = self.sends(&write.sends);
        let policy = match write.key {
            DocumentKey::Trust => None,
            DocumentKey::Guard => Some(GUARD_NAME.to_owned()),
            DocumentKey::Inline(grant) => Some(inline::name(&self.target.installation, grant)),
        };
        Sending {
            write,
            policy,
            held_at,
            at: now,
            before,
            revision,
            unclear,
        }
    }

    fn sends(
        &mut self,
        sends: &[(GrantId, DateTime<Utc>)],
    ) -> Vec<(GrantId, Option<DateTime<Utc>>)> {
        let now = self.now();
        let mut unclear = Vec::with_capacity(sends.len());
        for (id, until) in sends {
            self.outlasted(*id, Some(*until));
            self.mark(*id, |marks| {
                unclear.push((*id, marks.unclear_at));
                marks.unclear_at = Some(now);
                // Never back, not even after a refusal: a stale save may bring the statement in
                // until the latest date (docs/guard.md, C11).
                marks.sent_until = marks.sent_until.max(Some(*until));
            });
        }
        unclear
    }

    /// A clear answer, or the write was not sent at all: nothing of it can land any more. What was
    /// not done never happened, but for the time of the call; an earlier unanswered write may still
    /// land.
    pub fn answered(&mut self, sending: &Sending, answer: Answer) {
        // A commit without an answer may have put it on record already; what was undone counts
        // once.
        if self.target.sent(sending.write.key).unclear_at != Some(sending.at) {
            return;
        }
        for (id, unclear_at) in &sending.unclear {
            self.mark(*id, |marks| marks.unclear_at = *unclear_at);
        }
        let sent = self.target.sent_mut(sending.write.key);
        match answer {
            // An earlier write without an answer may still land over this one (docs/guard.md, H4).
            Answer::Done => sent.unclear_at = sending.before.unclear_at,
            Answer::Refused => {
                // The refusal may be wrong: for P a read may lag behind what it did after all.
                let sent_at = sent.sent_at;
                sent.clone_from(&sending.before);
                sent.sent_at = sent_at;
            }
            Answer::NotSent => sent.clone_from(&sending.before),
        }
        if answer == Answer::Done {
            self.restored(&sending.write);
        } else {
            self.target.revision = sending.revision;
        }
    }

    /// Tells and counts what somebody had undone and is there again.
    fn restored(&mut self, write: &Write) {
        if write.guard_back {
            let target = &mut self.target;
            target.guard_restores = target.guard_restores.saturating_add(1);
            tracing::warn!(target.id = %target.id, "somebody deleted the guard; it is there again");
            let event = self.tx.by.did(target.id, Action::GuardRestored {});
            self.tell(event);
        }
        for id in &write.restores {
            let Some(grant) = self.grants.iter().find(|grant| grant.id == *id) else {
                continue;
            };
            tracing::warn!(
                grant.id = %id,
                "somebody took the grant's statement away; it is there again"
            );
            let request = grant.request;
            let event = self.tx.by.did(id, Action::GrantRestored { request });
            self.tell(event);
            self.mark(*id, |marks| {
                marks.restores = marks.restores.saturating_add(1)
            });
        }
    }

    /// Closes the newest of the grants that AWS refused: it is the one that there was no room for.
    pub fn close_newest(&mut self, refused: &[GrantId]) {
        let open = self
            .grants
            .iter()
            .filter(|grant| refused.contains(&grant.id));
        let newest = open.rev().find_map(|grant| match grant.state {
            GrantState::Opening { .. } => Some((grant.id, Cause::CouldNotOpen)),
            // It was open, so that it had room: somebody has filled that since.
            GrantState::Active { .. } => Some((grant.id, Cause::RevertedByOwner)),
            GrantState::Scheduled
            | GrantState::Closing(_)
            | GrantState::Ended { .. }
            | GrantState::Failed { .. } => None,
        });
        if let Some((id, cause)) = newest {
            self.change(id, |grant, by| grant.close(cause, by));
        }
    }
}
