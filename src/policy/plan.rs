//! The function: the next step towards the desired state, one write at a time, the guard first,
//! closings before openings. Its order is that of docs/guard.md §3.

mod guard_step;
mod trust_step;

use guard_step::GuardStep;

use super::carrier;
use super::condition::by_trust_policy;
use super::gone::{ended_with_another_role, gone};
use super::guard::Guard;
use super::lost::Losses;
use super::mutations::{Clause, stands};
use super::nothing::nothing;
use super::reverted::Reverts;
use super::situation::{Known, Situation};
use super::{GuardRead, Input, Observed, Plan, Step};
use crate::domain::cause::Cause;
use crate::domain::grant::{GrantState, Marks};
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// [`plan`] with one clause taken away.
#[cfg(feature = "mutations")]
pub fn plan_without(input: &Input<'_>, clause: Option<Clause>) -> Plan {
    super::mutations::without(clause, || plan(input))
}

/// The next step, and what follows from the look. Pure; the same input gives the same plan.
pub fn plan(input: &Input<'_>) -> Plan {
    // Step 1.
    let role = match input.observed {
        Observed::Gone => return gone(input),
        Observed::User(user) => return carrier::plan(input, user),
        Observed::Role(role) => role,
    };
    // Steps 2 to 4. A plan that closes something stops there; the next one sees it as closing.
    let losses = Losses::of(input, role);
    if !losses.close.is_empty() {
        return Plan {
            close: losses.close,
            closed: losses.closed,
            due: Some(input.now),
            ..nothing(input, losses.condition)
        };
    }
    // Step 5.
    let mut situation = Situation::new(input, role, losses.condition);
    let condition = match losses.condition {
        Condition::Ok => by_trust_policy(&situation.document),
        other => other,
    };
    // Step 6.
    let reverts = Reverts::of(&situation, condition);
    if !reverts.close.is_empty() {
        let condition = match condition {
            Condition::Ok if reverts.contested => Condition::Contested,
            other => other,
        };
        return Plan {
            close: reverts.close,
            due: Some(input.now),
            ..nothing(input, condition)
        };
    }
    // Step 7.
    let may_open = condition == Condition::Ok && !input.closings_only;
    if may_open {
        situation.give_console_names();
    }
    situation.note_whom_the_guard_lists();
    // Steps 8 to 14.
    Planner {
        guard: situation.desired_guard(),
        situation,
        condition,
        may_open,
        lost: losses.closed,
    }
    .conclude()
}

/// What is wanted of a role on which nothing is lost or undone, and what there is.
pub(super) struct Planner<'a> {
    pub situation: Situation<'a>,
    /// The guard that should be there.
    pub guard: Guard,
    pub condition: Condition,
    /// Whether statements may be added at all.
    pub may_open: bool,
    /// Closing grants that ended with the role that they were on, whatever is to be written here.
    lost: Vec<GrantId>,
}

/// What is done next.
pub(super) enum Choice {
    /// This step, which may be to rest.
    Take(Step),
    /// These grants close first, for lack of room; the next plan sees them as closing.
    GiveUp(Vec<(GrantId, Cause)>),
}

impl Planner<'_> {
    fn conclude(self) -> Plan {
        let input = self.situation.input;
        let guard_step = self.guard_step();
        let is_sent = matches!(guard_step, GuardStep::Sent { .. });
        let mut answer = Plan {
            marks: self.changed_marks(),
            kept: self.guard.kept.clone(),
            waits: is_sent || input.guard_is_unclear() || input.trust_is_unclear(),
            ..nothing(input, self.condition)
        };
        let is_confirmed = matches!(guard_step, GuardStep::Confirmed);
        // What is wanted for one grant and cannot be written keeps no other one waiting.
        let is_known = is_confirmed || answer.guard_read == GuardRead::AsSent;
        if is_known && self.situation.role.guard.is_some() {
            answer.guard_read = GuardRead::Whole;
        }
        // "Ended" must not be said while the guard still lets the grant in (step 13).
        if is_confirmed {
            answer.opened = self.ids_of(Self::is_opened);
            answer.closed = self.ids_of(Self::is_closed);
            answer.guard_removed = self.ids_of(Self::is_forgotten);
        }
        answer.closed.extend(self.lost.iter().copied());
        let with_another_role = ended_with_another_role(input);
        answer.guard_removed.extend(with_another_role);
        match self.choose(guard_step) {
            Choice::GiveUp(close) => {
                answer.close = close;
                answer.due = Some(input.now);
            }
            Choice::Take(Step::Rest) => answer.due = self.situation.due(&answer),
            Choice::Take(step) => answer.step = step,
        }
        answer
    }

    /// The choice of the step (docs/guard.md §3, step 10).
    fn choose(&self, guard_step: GuardStep) -> Choice {
        if !stands(Clause::GuardFirst)
            && let Some(choice) = self.opening()
        {
            return choice;
        }
        let has_guard = self.situation.role.guard.is_some();
        match guard_step {
            GuardStep::Confirmed => match self.closing(true) {
                Some(step) => Choice::Take(step),
                None => self.opening().unwrap_or(Choice::Take(Step::Rest)),
            },
            // A guard that AWS refuses must not keep statements from being taken away (H2c). Where
            // there is no guard, no statement of ours stays, those of live grants among them.
            _ if self.situation.input.guard_refused => {
                Choice::Take(self.closing(has_guard).unwrap_or(Step::Rest))
            }
            GuardStep::Write(step) => match self.without_room_in_the_guard() {
                Some(id) => Choice::GiveUp(vec![(id, Cause::CouldNotOpen)]),
                None => Choice::Take(step),
            },
            GuardStep::Sent { again, settles } => {
                // A closing goes ahead where any guard is read. Where none is, the guard goes
                // first: somebody deleted it, or no read shows the first one yet.
                if has_guard && let Some(closing) = self.closing(true) {
                    return Choice::Take(closing);
                }
                let is_settled = settles <= self.situation.input.now;
                Choice::Take(if is_settled { again } else { Step::Rest })
            }
        }
    }

    fn changed_marks(&self) -> Vec<(GrantId, Marks)> {
        let mut changed = Vec::new();
        for known in &self.situation.grants {
            if known.marks != known.grant.marks {
                changed.push((known.grant.id, known.marks.clone()));
            }
        }
        changed
    }

    fn ids_of(&self, has_come: fn(&Self, &Known<'_>) -> bool) -> Vec<GrantId> {
        let mut ids = Vec::new();
        for known in &self.situation.grants {
            if has_come(self, known) {
                ids.push(known.grant.id);
            }
        }
        ids
    }

    /// Opening, and the guard is read back, with the statement where the grant needs one.
    fn is_opened(&self, known: &Known<'_>) -> bool {
        let is_listed = self.guard.until.contains_key(&known.grant.grant_name);
        let stands = if known.wants_statement() {
            known.stands_as_sent()
        } else {
            self.may_let_in()
        };
        known.live && known.is_opening() && stands && is_listed
    }

    /// Whether somebody may be let in by what no document of this role holds back: a role that
    /// waits for a person's judgement opens for nobody.
    fn may_let_in(&self) -> bool {
        !self.condition.needs_a_person() && !self.situation.input.closings_only
    }

    /// Closing, and nothing of it is left open: no statement, and no guard write that could list it
    /// again (docs/guard.md, H4).
    fn is_closed(&self, known: &Known<'_>) -> bool {
        let is_closing = matches!(known.grant.state, GrantState::Closing(_));
        // The guard that was read back does not list it: who is not let in by a statement is out.
        let needs_none = known.statement.is_none() && !known.wants_statement();
        let is_shut = known.absent || needs_none || !known.was_sent();
        is_closing && is_shut && !self.situation.input.guard_is_unclear()
    }

    /// Ended, and no session of it can be left.
    fn is_forgotten(&self, known: &Known<'_>) -> bool {
        if !known.grant.state.is_over() {
            return false;
        }
        if !known.was_sent() {
            return true;
        }
        // A guard that was written just now may still be read as it was. A guard from which nothing
        // is taken back goes on naming the grant.
        let is_needed = self.situation.is_past(known) || self.situation.tightens;
        !is_needed && self.situation.input.guard_has_settled()
    }
}
