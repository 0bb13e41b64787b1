//! Somebody undoes what we wrote: a statement is put back twice and the guard once; then the role's owner is right about what opens, and never about
//! what closes (GUARD §6).

use super::desired::{Known, Look};
use crate::domain::grant::{Cause, GrantState};
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// How often a grant's statement is put back.
const MOST_RESTORES: i16 = 2;
/// How often the guard is put back under the same grants.
const MOST_GUARD_RESTORES: i16 = 1;

/// The grants that are ended because somebody keeps undoing them, and whether the role is contested by that.
pub(super) fn reverted(look: &Look<'_>, condition: Condition) -> (Vec<(GrantId, Cause)>, bool) {
    let ended = |k: &Known<'_>| (k.grant.id, Cause::RevertedByOwner);
    let target = look.input.target;
    if guard_was_deleted(look) && target.guard_restores >= MOST_GUARD_RESTORES {
        let open = look.grants.iter().filter(|k| k.grant.state.may_be_open());
        return (open.map(ended).collect(), true);
    }
    let missing: Vec<_> = look
        .grants
        .iter()
        .filter(|k| was_taken_away(look, k))
        .collect();
    let again =
        |k: &&&Known<'_>| k.marks.restores >= MOST_RESTORES || condition == Condition::Contested;
    let contested = missing.iter().any(|k| again(&k));
    // With the guard's entry gone too it is not a revert but another timeline (GUARD C9).
    let unlisted = |k: &&&Known<'_>| {
        is_guard_fresh(look) && !look.read.until.contains_key(&k.grant.grant_name)
    };
    let over = missing.iter().filter(|k| again(k) || unlisted(k));
    (over.map(|k| ended(k)).collect(), contested)
}

/// Whether somebody deleted the guard while a grant was open.
pub(super) fn guard_was_deleted(look: &Look<'_>) -> bool {
    look.role.guard.is_none() && is_guard_fresh(look) && look.grants.iter().any(is_active)
}

/// Whether somebody took the statement of an open grant away. What we took away ourselves reads as we wrote it.
pub(super) fn was_taken_away(look: &Look<'_>, k: &Known<'_>) -> bool {
    let readable = look.document.is_ok() && !look.stale && !look.as_written;
    is_active(k) && k.statement.is_none() && readable
}

fn is_active(k: &Known<'_>) -> bool {
    k.live && matches!(k.grant.state, GrantState::Active { .. })
}

/// Whether the guard as read cannot be one from before our last write.
fn is_guard_fresh(look: &Look<'_>) -> bool {
    let written = look.input.target.written_guard.as_ref();
    written.is_none_or(|w| look.input.now >= w.at + look.input.margins.propagation)
}
