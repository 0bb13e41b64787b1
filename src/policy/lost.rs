//! What no write can mend: another role, AWS's own role, principals that were deleted
//! (docs/guard.md §3, steps 2 to 5).

use super::capacity::is_protected;
use super::condition::{by_guard, unless_a_person_must};
use super::document::{Document, sid};
use super::{Input, Observed, ObservedRole, ObservedUser, trust};
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::part::PartKind;
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// What is lost, and the condition that the role is in.
pub(super) struct Losses {
    pub condition: Condition,
    /// Open grants that must close because of it.
    pub close: Vec<(GrantId, Cause)>,
    /// Closing grants that ended with the role that they were on.
    pub closed: Vec<GrantId>,
}

impl Losses {
    /// The cases in the order of docs/guard.md §3: AWS's own role, another role, gone principals.
    pub fn of(input: &Input<'_>, role: &ObservedRole) -> Self {
        // AWS refuses every write to a role of its own.
        if is_protected(&role.arn) {
            let open = input.open_grants();
            return Self {
                condition: unless_a_person_must(input, Condition::Protected),
                close: open.map(|grant| (grant.id, Cause::CouldNotOpen)).collect(),
                closed: Vec::new(),
            };
        }
        // Nobody approved anything for the role that has the name now (docs/guard.md, C8).
        let with_the_old_role = Self::with_the_old_role(input, role);
        if !with_the_old_role.close.is_empty() {
            return with_the_old_role;
        }
        let open = input.open_grants();
        let gone = open.filter(|grant| principal_is_gone(input, grant, role));
        Self {
            condition: by_guard(input, role),
            close: gone.map(|grant| (grant.id, Cause::PrincipalGone)).collect(),
            closed: with_the_old_role.closed,
        }
    }

    /// What was on a role that another one has replaced.
    fn with_the_old_role(input: &Input<'_>, role: &ObservedRole) -> Self {
        let replaced = input.open_grants().any(|grant| was_replaced(grant, role));
        let mut losses = Self {
            condition: unless_a_person_must(input, Condition::Replaced),
            close: Vec::new(),
            closed: Vec::new(),
        };
        for grant in input.grants {
            let is_closing = matches!(grant.state, GrantState::Closing(_));
            // Grants that were approved for the role that is there now stay; one that nobody could
            // check then goes with the others.
            let is_of_this_role = grant.role_id.as_ref() == Some(&role.role_id);
            if is_closing && was_replaced(grant, role) {
                losses.closed.push(grant.id);
            } else if replaced && grant.state.may_be_open() && !is_of_this_role {
                losses.close.push((grant.id, Cause::TargetReplaced));
            }
        }
        losses
    }
}

/// Whether a grant was meant for another role than the one that is there.
pub(super) fn was_replaced(grant: &Grant, role: &ObservedRole) -> bool {
    match &grant.role_id {
        Some(id) => *id != role.role_id,
        // AWS was silent when the grant was asked for: the role's age tells whether it is the one
        // that was meant.
        None => role.created_at > grant.requested_at,
    }
}

/// Whether the user of a grant was deleted, or another one has taken the name: by the look at the
/// user, or by our own statement (docs/guard.md, C8).
pub(super) fn principal_is_gone(input: &Input<'_>, grant: &Grant, role: &ObservedRole) -> bool {
    user_is_gone(input, grant, role) || statement_shows_bare_id(grant, role)
}

fn user_is_gone(input: &Input<'_>, grant: &Grant, role: &ObservedRole) -> bool {
    let shown = role.shows(grant);
    match (shown, &grant.principal_id) {
        // One answer that there is no such user may be wrong (docs/guard.md, C14).
        (Some(None), _) => {
            let missing = grant.marks.principal_missing_since;
            missing.is_some_and(|at| at + input.margins.missing() <= input.now)
        }
        (Some(Some(user)), Some(fixed)) => user.id != *fixed,
        // AWS was silent when the grant was asked for: whoever was created since then has only
        // taken the name.
        (Some(Some(user)), None) => user.created_at > grant.requested_at,
        // Nobody looked at the user.
        (None, _) => false,
    }
}

/// Whether AWS shows our own statement with the bare id of whom it named: the user is gone, and
/// every later write with that statement would fail (docs/guard.md, H2a).
fn statement_shows_bare_id(grant: &Grant, role: &ObservedRole) -> bool {
    let Ok(document) = Document::parse(&role.trust) else {
        return false;
    };
    let own = sid(grant.id);
    let mut ours = document.ours();
    ours.any(|(sid, statement)| sid == own && trust::names_deleted_principal(&statement.node()))
}

/// Ids of AWS that nobody knew at approval and that this look shows: principal id and role id.
pub(super) fn identified(input: &Input<'_>) -> Vec<(GrantId, Option<String>, String)> {
    let role = match input.observed {
        Observed::Role(role) => role,
        Observed::User(user) => return identified_as(input, user),
        Observed::Gone => return Vec::new(),
    };
    let mut found = Vec::new();
    for grant in input.open_grants() {
        // What else lets somebody in is on a target of its own, whose look tells.
        let needs_identity = grant.method.part() == PartKind::Statement;
        let knows_principal = grant.principal_id.is_some() || !needs_identity;
        if knows_principal && grant.role_id.is_some() {
            continue;
        }
        let principal_id = identified_principal(grant, role);
        if principal_id.is_some() || !needs_identity {
            let role_id = grant.role_id.as_ref().unwrap_or(&role.role_id);
            found.push((grant.id, principal_id, role_id.clone()));
        }
    }
    found
}

/// The user that was approved, where AWS was silent until now.
fn identified_as(input: &Input<'_>, user: &ObservedUser) -> Vec<(GrantId, Option<String>, String)> {
    let mut found = Vec::new();
    for grant in input.open_grants() {
        if grant.principal_id.is_none() && user.created_at <= grant.requested_at {
            found.push((grant.id, Some(user.user_id.clone()), user.user_id.clone()));
        }
    }
    found
}

/// The id of a grant's user: known at approval, or that of the user who had the name when the grant
/// was asked for.
fn identified_principal(grant: &Grant, role: &ObservedRole) -> Option<String> {
    if grant.principal_id.is_some() {
        return grant.principal_id.clone();
    }
    let user = role.shows(grant)??;
    (user.created_at <= grant.requested_at).then(|| user.id.clone())
}
