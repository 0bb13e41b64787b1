//! The role's condition, and what the guard as read says of the database: whether AWS is of another
//! time, and since when that is known (docs/guard.md §3, step 5).

use chrono::{DateTime, Utc};

use super::capacity::is_blocked;
use super::document::{Document, Unreadable};
use super::guard;
use super::{Input, Observed, ObservedRole};
use crate::domain::target::{Condition, Target};

/// What only a person can judge to be over stays, whatever has become of the role.
pub(super) fn unless_a_person_must(input: &Input<'_>, condition: Condition) -> Condition {
    if input.target.condition.needs_a_person() {
        input.target.condition
    } else {
        condition
    }
}

/// The guard as read, without a revision that cannot be ours (docs/guard.md, H10). `None` where
/// there is no guard.
pub(super) fn read_guard(target: &Target, role: &ObservedRole) -> Option<guard::Read> {
    let text = role.guard.as_deref()?;
    Some(guard::read(text, &role.role_id).believed(target.revision))
}

/// The same, where the role itself may be gone.
fn observed_guard(input: &Input<'_>) -> Option<guard::Read> {
    match input.observed {
        // A user has no guard.
        Observed::Gone | Observed::User(_) => None,
        Observed::Role(role) => read_guard(input.target, role),
    }
}

/// The revision of the guard as read; 0 where there is none.
pub(super) fn shown_revision(input: &Input<'_>) -> i64 {
    let revision = observed_guard(input).and_then(|read| read.revision);
    revision.unwrap_or_default()
}

/// Since when AWS is known to be of another time: in safe mode, and after it until the guard has
/// been written anew, since nobody knows how old that guard is and whose sessions it ends.
pub(super) fn safe_since(input: &Input<'_>, condition: Condition) -> Option<DateTime<Utc>> {
    if condition != Condition::SafeMode && !is_of_unknown_age(input) {
        return None;
    }
    // A later revision than the database knows begins safe mode anew: the database may have gone
    // back to a moment at which it was in safe mode already.
    if shown_revision(input) > input.target.revision {
        return Some(input.now);
    }
    Some(input.target.safe_since.unwrap_or(input.now))
}

/// Whether a guard of ours stands that has not been written since AWS was seen to be of another
/// time.
pub(super) fn is_of_unknown_age(input: &Input<'_>) -> bool {
    let target = input.target;
    let (Some(read), Some(noticed)) = (observed_guard(input), target.safe_since) else {
        return false;
    };
    !is_of_others(&read, target) && target.guard.written_at() < Some(noticed)
}

/// Whether the guard carries the id of another installation.
pub(super) fn is_of_others(read: &guard::Read, target: &Target) -> bool {
    let writer = read.installation.as_ref();
    writer.is_some_and(|writer| *writer != target.installation)
}

/// The condition that the guard as read and the stored condition make.
pub(super) fn by_guard(input: &Input<'_>, role: &ObservedRole) -> Condition {
    let target = input.target;
    let Some(read) = read_guard(target, role) else {
        return stored_for_a_person(target);
    };
    // A guard that this database has never sent: the database went back in time, or a second
    // installation writes to the role (docs/guard.md, C9).
    let is_later = read
        .revision
        .is_some_and(|revision| revision > target.revision);
    if is_later || is_of_others(&read, target) {
        return Condition::SafeMode;
    }
    stored_for_a_person(target)
}

/// Safe mode and `contested` stay until a person lifts them. Every other condition is seen anew
/// with each look.
pub(super) fn stored_for_a_person(target: &Target) -> Condition {
    if target.condition.needs_a_person() {
        target.condition
    } else {
        Condition::Ok
    }
}

/// What bars openings in the trust policy itself: a text that cannot be edited (docs/guard.md,
/// H2e), or a foreign statement with a deleted principal (H2b).
pub(super) fn by_trust_policy(document: &Result<Document<'_>, Unreadable>) -> Condition {
    match document {
        Err(_) => Condition::Unreadable,
        Ok(document) if is_blocked(document) => Condition::BlockedByForeignPrincipal,
        Ok(_) => Condition::Ok,
    }
}
