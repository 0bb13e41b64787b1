//! AWS says that the role or user is not there, or another role has its name (docs/guard.md §3,
//! step 1).

use chrono::{DateTime, TimeDelta, Utc};

use super::condition::unless_a_person_must;
use super::nothing::nothing;
use super::situation::{LONGEST_SESSION, comes_by_name};
use super::{Input, Observed, Plan};
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, GrantState, Marks};
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// How soon to ask again, while something is to be opened or closed, whether the role is really not
/// there.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// AWS says that there is no role or user. One such answer may be wrong, so that nothing follows
/// from it until a later one says the same; and even then what was on the role is looked for until
/// no session of it can be left (docs/guard.md, C14).
pub(super) fn gone(input: &Input<'_>) -> Plan {
    let since = input.target.missing_since.unwrap_or(input.now);
    let believed = believed_at(input, since);
    if input.now < believed {
        return asked_again(input, since, believed);
    }
    let condition = unless_a_person_must(input, Condition::Gone);
    let cause = if input.target.carries {
        Cause::PrincipalGone
    } else {
        Cause::TargetGone
    };
    let mut answer = nothing(input, condition);
    for grant in input.grants {
        answer.marks.extend(nothing_of(input, grant));
        match grant.state {
            GrantState::Opening { .. } | GrantState::Active { .. } => {
                answer.close.push((grant.id, cause));
            }
            GrantState::Closing(_) => answer.closed.push(grant.id),
            GrantState::Ended { .. } | GrantState::Failed { .. } => {
                if is_outlived(input, grant) {
                    answer.guard_removed.push(grant.id);
                }
            }
            GrantState::Scheduled => {}
        }
    }
    // Nothing is left to look for once every grant is forgotten; but a closed role may be made
    // anew, open to everybody.
    let remembers = input.grants.len() > answer.guard_removed.len();
    if remembers || input.target.closed {
        // What is closed here may wait for another target, and is closed here again each time.
        let changes = !answer.close.is_empty();
        let again = input.now + input.margins.watch;
        answer.missing_since = Some(since);
        answer.due = Some(if changes { input.now } else { again });
    }
    answer
}

/// The marks of a grant on a user that is not there any more: nothing lets it in.
fn nothing_of(input: &Input<'_>, grant: &Grant) -> Option<(GrantId, Marks)> {
    let is_news = input.target.carries && grant.marks.absent_at.is_none();
    (is_news && !grant.state.is_open()).then(|| {
        let absent_at = Some(input.now);
        let marks = grant.marks.clone();
        (grant.id, Marks { absent_at, ..marks })
    })
}

/// From when "gone" is believed. What AWS answered before a grant was approved says nothing of that
/// grant: nobody may have looked since then.
fn believed_at(input: &Input<'_>, since: DateTime<Utc>) -> DateTime<Utc> {
    let approvals = input.grants.iter().map(|grant| grant.approved_at);
    approvals.max().unwrap_or(since).max(since) + input.margins.missing()
}

/// Nothing follows yet, but for the time of the next look.
fn asked_again(input: &Input<'_>, since: DateTime<Utc>, believed: DateTime<Utc>) -> Plan {
    // A closing does not wait for what one wrong answer says.
    let urgent = input.grants.iter().any(|grant| !grant.state.is_over());
    let soon = input.now + ASK_AGAIN;
    Plan {
        missing_since: Some(since),
        due: Some(if urgent { believed.min(soon) } else { believed }),
        ..nothing(input, input.target.condition)
    }
}

/// Whether no session of an ended grant can be left, on whatever role; and whether no inline policy
/// of it allows anything, on whatever user: who takes the name may get a policy by a late write or
/// a stale save.
fn is_outlived(input: &Input<'_>, grant: &Grant) -> bool {
    // An inline policy is judged at each request: with its date all that it allowed is over.
    let left = if input.target.carries {
        input.margins.clock
    } else {
        LONGEST_SESSION + input.margins.propagation + input.margins.clock
    };
    let sent = grant.marks.sent_until;
    sent.is_none_or(|sent| sent + left < input.now)
}

/// Ended grants of a role that is not there any more. Its guard and its sessions went with it; but
/// a late write or a stale save may bring their statements to the role that has its name now, so
/// that they are remembered as long as the others (docs/decisions.md, 9).
pub(super) fn ended_with_another_role(input: &Input<'_>) -> Vec<GrantId> {
    let Observed::Role(role) = input.observed else {
        return Vec::new();
    };
    let mut forgotten = Vec::new();
    for grant in input.grants {
        let there = grant.role_id.as_ref();
        let was_on_another = there.is_some_and(|id| *id != role.role_id);
        // What comes by the role's name is this role's to forget, with its guard.
        let is_left_here = comes_by_name(grant);
        let is_forgotten = was_on_another && !is_left_here && is_outlived(input, grant);
        if grant.state.is_over() && is_forgotten {
            forgotten.push(grant.id);
        }
    }
    forgotten
}
