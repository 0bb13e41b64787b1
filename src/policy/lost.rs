//! What no write can mend: a role that is gone, another or AWS's own, principals that were deleted,
//! documents that cannot be edited.

use chrono::{DateTime, TimeDelta, Utc};

use super::capacity::is_protected;
use super::desired::{LONGEST_SESSION, Look, is_of_unknown_age};
use super::document::{Document, sid};
use super::{Input, Observed, ObservedRole, Plan, Step, trust};
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// How soon to ask again, while something is to be opened or closed, whether the role is really not
/// there.
const ASK_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// AWS says that there is no role. One such answer may be wrong, so that nothing follows from it
/// until a later one says the same; and even then what was on the role is looked for until no
/// session of it can be left (docs/guard.md, C14).
pub(super) fn gone(input: &Input<'_>) -> Plan {
    let Input { now, margins, .. } = *input;
    let since = input.target.missing_since.unwrap_or(now);
    // What was answered before a grant was approved says nothing of it: nobody may have looked
    // since then.
    let last = input.grants.iter().map(|g| g.approved_at).max();
    let believed = last.map_or(since, |it| since.max(it)) + margins.missing();
    if now < believed {
        // A closing does not wait for what one wrong answer says.
        let urgent = input.grants.iter().any(|g| !g.state.is_over());
        let soon = now + ASK_AGAIN;
        return Plan {
            missing_since: Some(since),
            due: Some(if urgent { believed.min(soon) } else { believed }),
            ..nothing(input, input.target.condition)
        };
    }
    let (mut close, mut closed, mut guard_removed) = (Vec::new(), Vec::new(), Vec::new());
    for grant in input.grants {
        match grant.state {
            GrantState::Opening { .. } | GrantState::Active { .. } => {
                close.push((grant.id, Cause::TargetGone));
            }
            GrantState::Closing(_) => closed.push(grant.id),
            GrantState::Ended { .. } | GrantState::Failed { .. } => {
                guard_removed.extend(is_outlived(input, grant).then_some(grant.id));
            }
            GrantState::Scheduled => {}
        }
    }
    let changes = !close.is_empty() || !closed.is_empty();
    let left = input.grants.len() > guard_removed.len();
    let again = if changes { now } else { now + margins.watch };
    Plan {
        missing_since: left.then_some(since),
        close,
        closed,
        guard_removed,
        due: left.then_some(again),
        ..nothing(input, unless_a_person_must(input, Condition::Gone))
    }
}

/// Whether no session of an ended grant can be left, on whatever role.
fn is_outlived(input: &Input<'_>, grant: &Grant) -> bool {
    let left = LONGEST_SESSION + input.margins.propagation + input.margins.clock;
    grant
        .marks
        .sent_until
        .is_none_or(|sent| sent + left < input.now)
}

/// Ended grants of a role that is not there any more. Its guard and its sessions went with it; but
/// a late write or a stale save may bring their statements to the role that has its name now, so
/// that they are remembered as long as the others.
pub(super) fn ended_with_another_role(input: &Input<'_>) -> impl Iterator<Item = GrantId> {
    let over = |g: &&Grant| {
        matches!(
            g.state,
            GrantState::Ended { .. } | GrantState::Failed { .. }
        )
    };
    let role = match input.observed {
        Observed::Role(role) => Some(role.role_id.as_str()),
        Observed::Gone => None,
    };
    let other =
        move |g: &&Grant| g.role_id.is_some() && role.is_some() && g.role_id.as_deref() != role;
    let grants = input.grants.iter().filter(over).filter(other);
    grants.filter(|g| is_outlived(input, g)).map(|g| g.id)
}

pub(super) fn nothing(input: &Input<'_>, condition: Condition) -> Plan {
    Plan {
        marks: Vec::new(),
        identified: identified(input),
        condition,
        missing_since: None,
        revision: if condition == Condition::SafeMode {
            shown(input).max(input.target.revision)
        } else {
            input.target.revision
        },
        safe_since: safe_since(input, condition),
        kept: input.target.kept.clone(),
        close: Vec::new(),
        opened: Vec::new(),
        closed: Vec::new(),
        guard_removed: Vec::new(),
        step: Step::Rest,
        due: None,
        waits: false,
    }
}

/// What only a person can judge to be over stays, whatever has become of the role.
fn unless_a_person_must(input: &Input<'_>, condition: Condition) -> Condition {
    if input.target.condition.needs_a_person() {
        input.target.condition
    } else {
        condition
    }
}

/// The revision of the guard as read; 0 where there is none.
fn shown(input: &Input<'_>) -> i64 {
    let Observed::Role(role) = input.observed else {
        return 0;
    };
    let guard = role.guard.as_deref();
    let read = guard.map(|guard| super::guard::read(guard, &role.role_id));
    let believed = read.map(|read| read.believed(input.target.revision));
    believed.and_then(|read| read.revision).unwrap_or_default()
}

/// Since when AWS is known to be of another time: in safe mode, and after it until the guard has
/// been written anew, since nobody knows how old that is and whose sessions it ends. A later
/// revision than the database knows begins it anew: the database may have gone back to a moment at
/// which it was in safe mode already.
pub(super) fn safe_since(input: &Input<'_>, condition: Condition) -> Option<DateTime<Utc>> {
    let is_later = shown(input) > input.target.revision;
    let noticed = input.target.safe_since.filter(|_| !is_later);
    let stays = condition == Condition::SafeMode || is_of_unknown_age(input);
    stays.then(|| noticed.unwrap_or(input.now))
}

fn identified(input: &Input<'_>) -> Vec<(GrantId, String, String)> {
    let Observed::Role(role) = input.observed else {
        return Vec::new();
    };
    let unknown = input
        .grants
        .iter()
        .filter(|g| g.state.may_be_open() && (g.principal_id.is_none() || g.role_id.is_none()));
    unknown
        .filter_map(|g| {
            let read = role.principals.get(&g.principal_arn).cloned().flatten();
            let read = read.filter(|it| it.created_at <= g.requested_at);
            let role_id = g.role_id.clone().unwrap_or_else(|| role.role_id.clone());
            let principal_id = g.principal_id.clone().or(read.map(|it| it.id))?;
            Some((g.id, principal_id, role_id))
        })
        .collect()
}

/// What no write can mend: another role, a role that is AWS's own, principals that were deleted.
/// With the grants that must close because of it, and those closing ones that ended with the old
/// role.
pub(super) fn lost(
    input: &Input<'_>,
    role: &ObservedRole,
) -> (Condition, Vec<(GrantId, Cause)>, Vec<GrantId>) {
    let open = || input.grants.iter().filter(|g| g.state.may_be_open());
    // Where AWS was silent when it was asked for, the role's age tells whether it is the one that
    // was meant.
    let replaced = |g: &&Grant| match &g.role_id {
        Some(id) => *id != role.role_id,
        None => role.created_at > g.requested_at,
    };
    if is_protected(&role.arn) {
        let close = open().map(|g| (g.id, Cause::CouldNotOpen)).collect();
        let condition = unless_a_person_must(input, Condition::Protected);
        return (condition, close, Vec::new());
    }
    let closing = input
        .grants
        .iter()
        .filter(|g| matches!(g.state, GrantState::Closing(_)));
    let closed: Vec<_> = closing.filter(replaced).map(|g| g.id).collect();
    if open().any(|g| replaced(&g)) {
        // Grants that were approved for the role that is there now stay; one that nobody could
        // check then goes with the others.
        let other = open().filter(|g| g.role_id.as_ref() != Some(&role.role_id));
        let close = other.map(|g| (g.id, Cause::TargetReplaced)).collect();
        let condition = unless_a_person_must(input, Condition::Replaced);
        return (condition, close, closed);
    }
    if !closed.is_empty() {
        let condition = unless_a_person_must(input, Condition::Replaced);
        return (condition, Vec::new(), closed);
    }
    let gone = open().filter(|g| principal_is_gone(input, g, role));
    let close = gone.map(|g| (g.id, Cause::PrincipalGone)).collect();
    let guard = role.guard.as_deref();
    let known = input.target.revision;
    let read = guard.map(|guard| super::guard::read(guard, &role.role_id).believed(known));
    let later = read.is_some_and(|read| {
        let revision = read.revision;
        let of_others = read
            .installation
            .is_some_and(|it| it != input.target.installation);
        of_others || revision.is_some_and(|it| it > input.target.revision)
    });
    let condition = match input.target.condition {
        Condition::SafeMode => Condition::SafeMode,
        _ if later => Condition::SafeMode,
        Condition::Contested => Condition::Contested,
        _ => Condition::Ok,
    };
    (condition, close, Vec::new())
}

/// Whether the user of a grant was deleted, or another one has taken the name: by the look at the
/// user, or by our own statement, which AWS shows with the bare id of whom it named (docs/guard.md,
/// C8).
fn principal_is_gone(input: &Input<'_>, grant: &Grant, role: &ObservedRole) -> bool {
    let missing = grant.marks.principal_missing_since;
    let other = match (
        role.principals.get(&grant.principal_arn),
        &grant.principal_id,
    ) {
        // One answer that there is no such user may be wrong (docs/guard.md, C14).
        (Some(None), _) => missing.is_some_and(|at| at + input.margins.missing() <= input.now),
        (Some(Some(read)), Some(fixed)) => read.id != *fixed,
        // AWS was silent when it was asked for: whoever was created since then has only taken the
        // name.
        (Some(Some(read)), None) => read.created_at > grant.requested_at,
        (None, _) => false,
    };
    let sid = sid(grant.id);
    other
        || Document::parse(&role.trust).is_ok_and(|d| {
            d.ours()
                .any(|(s, text)| s == sid && trust::names_deleted_principal(&text.node()))
        })
}

pub(super) fn blocked(look: &Look<'_>) -> Condition {
    match &look.document {
        Err(_) => Condition::Unreadable,
        Ok(document)
            if document
                .foreign()
                .any(|s| trust::names_deleted_principal(&s.node())) =>
        {
            Condition::BlockedByForeignPrincipal
        }
        Ok(_) => Condition::Ok,
    }
}
