//! What no write can mend: a role that is gone, another or AWS's own, principals that were deleted, documents that cannot be edited.

use super::capacity::is_protected;
use super::desired::Look;
use super::document::{Document, sid};
use super::{Input, Observed, ObservedRole, Plan, Step, trust};
use crate::domain::grant::{Cause, Grant, GrantState};
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// There is no role: nothing of any grant is left, and nothing can be opened.
pub(super) fn gone(input: &Input<'_>) -> Plan {
    let (mut close, mut closed, mut guard_removed) = (Vec::new(), Vec::new(), Vec::new());
    for grant in input.grants {
        match grant.state {
            GrantState::Opening { .. } | GrantState::Active { .. } => {
                close.push((grant.id, Cause::TargetGone))
            }
            GrantState::Closing(_) => closed.push(grant.id),
            GrantState::Ended { .. } | GrantState::Failed { .. } => guard_removed.push(grant.id),
            GrantState::Scheduled => {}
        }
    }
    let due = (!close.is_empty() || !closed.is_empty()).then_some(input.now);
    Plan {
        close,
        closed,
        guard_removed,
        due,
        ..nothing(input, Condition::Gone)
    }
}

/// Ended grants of a role that is not there any more: its guard and its sessions went with it.
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
    let other = move |g: &&Grant| g.role_id.is_some() && g.role_id.as_deref() != role;
    input.grants.iter().filter(over).filter(other).map(|g| g.id)
}

pub(super) fn nothing(input: &Input<'_>, condition: Condition) -> Plan {
    Plan {
        marks: Vec::new(),
        identified: identified(input),
        condition,
        close: Vec::new(),
        opened: Vec::new(),
        closed: Vec::new(),
        guard_removed: Vec::new(),
        step: Step::Rest,
        due: None,
        waits: false,
    }
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
            let role_id = g.role_id.clone().unwrap_or_else(|| role.role_id.clone());
            Some((g.id, g.principal_id.clone().or(read)?, role_id))
        })
        .collect()
}

/// What no write can mend: another role, a role that is AWS's own, principals that were deleted. With the grants that must close because of
/// it, and those closing ones that ended with the old role.
pub(super) fn lost(
    input: &Input<'_>,
    role: &ObservedRole,
) -> (Condition, Vec<(GrantId, Cause)>, Vec<GrantId>) {
    let open = || input.grants.iter().filter(|g| g.state.may_be_open());
    let replaced = |g: &&Grant| g.role_id.as_ref().is_some_and(|id| *id != role.role_id);
    if is_protected(&role.arn) {
        let close = open().map(|g| (g.id, Cause::CouldNotOpen)).collect();
        return (Condition::Protected, close, Vec::new());
    }
    let closing = input
        .grants
        .iter()
        .filter(|g| matches!(g.state, GrantState::Closing(_)));
    let closed: Vec<_> = closing.filter(replaced).map(|g| g.id).collect();
    if open().any(|g| replaced(&g)) {
        // Grants that were approved for the role that is there now stay; one that nobody could check then goes with the others.
        let other = open().filter(|g| g.role_id.as_ref() != Some(&role.role_id));
        let close = other.map(|g| (g.id, Cause::TargetReplaced)).collect();
        return (Condition::Replaced, close, closed);
    }
    if !closed.is_empty() {
        return (Condition::Replaced, Vec::new(), closed);
    }
    let gone = open().filter(|g| principal_is_gone(g, role));
    let close = gone.map(|g| (g.id, Cause::PrincipalGone)).collect();
    let guard = role.guard.as_deref();
    let read = guard.map(|guard| super::guard::read(guard, &role.role_id));
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

/// Whether the user of a grant was deleted, or another one has taken the name: by the look at the user, or by our own statement, which AWS
/// shows with the bare id of whom it named (GUARD C8).
fn principal_is_gone(grant: &Grant, role: &ObservedRole) -> bool {
    let other = match (
        role.principals.get(&grant.principal_arn),
        &grant.principal_id,
    ) {
        (Some(None), _) => true,
        (Some(Some(read)), Some(fixed)) => read != fixed,
        (Some(Some(_)) | None, _) => false,
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
