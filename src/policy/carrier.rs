//! The plan for a carrier: a user, or a role that people come as, that has an inline policy of ours
//! for each grant. Each document stands for itself, so that no closing waits for anything
//! (docs/carrier.md, *The plan*).

mod diverging;
mod due;
mod known;
mod steps;

use known::Known;

use super::condition::{stored_for_a_person, unless_a_person_must};
use super::divergence::Divergence;
use super::nothing::nothing;
use super::{Alarm, Input, ObservedUser, Plan, Step, inline};
use crate::domain::cause::Cause;
use crate::domain::grant::GrantState;
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// One look at a user, with everything known of the grants on it.
struct Carrier<'a> {
    input: &'a Input<'a>,
    user: &'a ObservedUser,
    condition: Condition,
    /// By id.
    grants: Vec<Known<'a>>,
    /// The policies of ours that no grant at hand accounts for, by their grants.
    unaccounted: Vec<(GrantId, &'a str)>,
}

/// The next step on a user, and what follows from the look.
pub(super) fn plan(input: &Input<'_>, user: &ObservedUser) -> Plan {
    Carrier::new(input, user).conclude()
}

/// What on a user the rows do not account for.
pub(super) fn divergences(input: &Input<'_>, user: &ObservedUser) -> Vec<Divergence> {
    Carrier::new(input, user).divergences()
}

impl<'a> Carrier<'a> {
    fn new(input: &'a Input<'a>, user: &'a ObservedUser) -> Self {
        let grants = input.grants.iter();
        let mut grants: Vec<Known<'_>> = grants.map(|it| Known::new(input, user, it)).collect();
        grants.sort_by_key(|known| known.grant.id);
        let mut unaccounted = Vec::new();
        for (name, text) in &user.policies {
            let owner = inline::grant_of(name, &input.target.installation);
            let unknown = owner.filter(|id| !grants.iter().any(|known| known.grant.id == *id));
            unaccounted.extend(unknown.map(|id| (id, text.as_str())));
        }
        let open = grants.iter().filter(|known| known.grant.state.is_open());
        let condition = if open.clone().any(|known| !known.is_its_user) {
            unless_a_person_must(input, Condition::Replaced)
        } else {
            stored_for_a_person(input.target)
        };
        Self {
            input,
            user,
            condition,
            grants,
            unaccounted,
        }
    }

    fn conclude(&self) -> Plan {
        let mut answer = nothing(self.input, self.condition);
        for known in &self.grants {
            if known.marks != known.grant.marks {
                answer.marks.push((known.grant.id, known.marks.clone()));
            }
        }
        // A plan that closes something stops there; the next one sees it as closing.
        for known in &self.grants {
            if let Some((cause, alarm)) = self.reason_to_close(known) {
                answer.close.push((known.grant.id, cause));
                answer.alarms.extend(alarm);
            }
        }
        if !answer.close.is_empty() {
            answer.due = Some(self.input.now);
            return answer;
        }
        for known in &self.grants {
            if known.is_opened() {
                answer.opened.push(known.grant.id);
            }
            if known.is_closed() {
                answer.closed.push(known.grant.id);
            }
            if known.is_forgotten() {
                answer.guard_removed.push(known.grant.id);
            }
        }
        answer.waits = self
            .grants
            .iter()
            .any(|known| known.lags() || known.may_land());
        match self.closing().or_else(|| self.opening()) {
            Some((write, alarm)) => {
                answer.step = Step::from(write);
                answer.alarms.extend(alarm);
            }
            None => answer.due = self.due(&answer),
        }
        answer
    }

    /// Why a grant closes because of what was seen, if it does.
    fn reason_to_close(&self, known: &Known<'_>) -> Option<(Cause, Option<Alarm>)> {
        let id = known.grant.id;
        if !known.grant.state.is_open() {
            return None;
        }
        // Nobody approved anything for the user that has the name now (docs/guard.md, C8).
        if !known.is_its_user {
            return Some((Cause::PrincipalGone, None));
        }
        // A restored database: what ended there is not opened again (docs/carrier.md, T3).
        if known.is_of_another_timeline() {
            return Some((cause(known), Some(Alarm::OtherTimeline(id))));
        }
        if !known.live {
            return None;
        }
        if known.wanted.is_none() {
            return Some((Cause::CouldNotOpen, None));
        }
        let may_be_put = self.may_be_put(known);
        // An altered policy is not left standing: where it may not be written anew, the grant ends.
        if known.is_altered() && (known.marks.restores >= MOST_REWRITES || !may_be_put) {
            return Some((Cause::RevertedByOwner, Some(Alarm::Altered(id))));
        }
        if known.is_removed() && self.is_removed_for_good(known) {
            return Some((Cause::RevertedByOwner, None));
        }
        // What stands there with an earlier date stays as it is.
        let needs_room = self.is_to_be_put(known) && !known.stands_as_sent();
        (needs_room && may_be_put && !self.fits(known)).then(|| (cause(known), None))
    }

    /// Whether a policy that somebody took away stays away: that of an entitlement at once, which
    /// is put once (docs/carrier.md, T4), when a second look says so; that of a switch after it was
    /// put back twice.
    fn is_removed_for_good(&self, known: &Known<'_>) -> bool {
        if known.is_attached() {
            let first = known.grant.marks.absent_at;
            return first.is_some() && self.input.has_settled(first);
        }
        known.marks.restores >= MOST_RESTORES
    }
}

/// How often the policy of a switch is put back after somebody took it away.
const MOST_RESTORES: i16 = 2;
/// How often a policy is written anew after somebody changed it.
const MOST_REWRITES: i16 = 1;

/// Why a grant closes that cannot be, or go on being, open: it was open once, and AWS is not to
/// blame; or it never was.
fn cause(known: &Known<'_>) -> Cause {
    match known.grant.state {
        GrantState::Active { .. } => Cause::RevertedByOwner,
        GrantState::Scheduled
        | GrantState::Opening { .. }
        | GrantState::Closing(_)
        | GrantState::Ended { .. }
        | GrantState::Failed { .. } => Cause::CouldNotOpen,
    }
}
