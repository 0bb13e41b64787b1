//! Somebody undoes what we wrote: a statement is put back twice and the guard once; then the role's
//! owner is right about what opens, and never about what closes (docs/guard.md §3, step 6).

use super::Input;
use super::desired::{Known, Look};
use super::trust::Seen;
use crate::domain::cause::Cause;
use crate::domain::grant::GrantState;
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// How often a grant's statement is put back.
const MOST_RESTORES: i16 = 2;
/// How often it is written anew after somebody changed it.
const MOST_REWRITES: i16 = 1;
/// How often the guard is put back under the same grants.
const MOST_GUARD_RESTORES: i16 = 1;

/// The grants that are ended because somebody keeps undoing them, and whether the role is contested
/// by that.
pub(super) fn reverted(look: &Look<'_>, condition: Condition) -> (Vec<(GrantId, Cause)>, bool) {
    let ended = |k: &Known<'_>| (k.grant.id, Cause::RevertedByOwner);
    let target = look.input.target;
    if guard_was_deleted(look) && target.guard_restores >= MOST_GUARD_RESTORES {
        let open = look.grants.iter().filter(|k| k.grant.state.may_be_open());
        return (open.map(ended).collect(), true);
    }
    let undone = look.grants.iter().filter(|k| was_undone(look, k));
    let undone: Vec<_> = undone.collect();
    let again = |k: &Known<'_>| {
        let most = if k.statement.is_some() {
            MOST_REWRITES
        } else {
            MOST_RESTORES
        };
        k.marks.restores >= most || condition == Condition::Contested
    };
    let contested = undone.iter().any(|k| again(k));
    // With the guard's entry gone too it is not a revert but another timeline (docs/guard.md, C9).
    let is_lost = |k: &Known<'_>| {
        k.statement.is_none()
            && is_guard_fresh(look)
            && !look.read.until.contains_key(&k.grant.grant_name)
    };
    let over = undone.iter().filter(|k| again(k) || is_lost(k));
    let over = over.map(|k| ended(k));
    let past = look.grants.iter().filter(|k| is_of_a_lost_time(look, k));
    let past = past.map(|k| (k.grant.id, Cause::CouldNotOpen));
    (over.chain(past).collect(), contested)
}

/// Whether a restored database says that a grant is still to be opened, and the guard, which is
/// written before anything opens, does not list it: in the time that the database has lost it may
/// have been opened and revoked (docs/guard.md, C13). Asked P after that was noticed, when no read
/// lags behind a lost write; and once more at the look after a person has lifted safe mode, the
/// last one that knows when it was noticed.
fn is_of_a_lost_time(look: &Look<'_>, k: &Known<'_>) -> bool {
    let Input {
        now,
        margins,
        target,
        ..
    } = *look.input;
    let Some(noticed) = target.safe_since else {
        return false;
    };
    let is_opening = matches!(k.grant.state, GrantState::Opening { .. });
    is_opening
        && k.grant.starts_at <= noticed
        && noticed + margins.propagation <= now
        && look.role.guard.is_some()
        && !look.read.until.contains_key(&k.grant.grant_name)
}

/// Whether somebody deleted the guard while a grant was open.
pub(super) fn guard_was_deleted(look: &Look<'_>) -> bool {
    let ours = !is_guard_fresh(look) || look.guard_is_unclear();
    look.role.guard.is_none() && !ours && look.grants.iter().any(is_active)
}

/// Whether somebody took the statement of an open grant away, or changed it. What we took away
/// ourselves reads as we wrote it; and while a write of ours may still land, it may be that one
/// (docs/guard.md, H11).
pub(super) fn was_undone(look: &Look<'_>, k: &Known<'_>) -> bool {
    let readable = look.document.is_ok() && !look.stale && !look.as_written;
    let stands = matches!(k.statement, Some(Seen::Current | Seen::Earlier));
    is_active(k) && !stands && readable && !look.trust_is_unclear()
}

fn is_active(k: &Known<'_>) -> bool {
    k.live && matches!(k.grant.state, GrantState::Active { .. })
}

/// Whether the guard as read cannot be one from before our last write.
fn is_guard_fresh(look: &Look<'_>) -> bool {
    let written = look.input.target.written_guard.as_ref();
    written.is_none_or(|w| look.input.now >= w.at + look.input.margins.propagation)
}
