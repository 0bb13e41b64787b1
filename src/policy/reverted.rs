//! Somebody undoes what we wrote: a statement is put back twice and the guard once; then the role's
//! owner is right about what opens, and never about what closes (docs/guard.md §3, step 6).

use super::situation::{Known, Situation};
use crate::domain::cause::Cause;
use crate::domain::target::Condition;
use crate::ids::GrantId;

/// How often a grant's statement is put back.
const MOST_RESTORES: i16 = 2;
/// How often it is written anew after somebody changed it.
const MOST_REWRITES: i16 = 1;
/// How often the guard is put back under the same grants.
const MOST_GUARD_RESTORES: i16 = 1;

/// What somebody has undone for good.
pub(super) struct Reverts {
    /// The grants that are ended because of it.
    pub close: Vec<(GrantId, Cause)>,
    /// Whether somebody keeps undoing our writes, so that the role is contested.
    pub contested: bool,
}

impl Reverts {
    pub fn of(situation: &Situation<'_>, condition: Condition) -> Self {
        // Who deletes the guard again and again opens a gap each time.
        let restores = situation.input.target.guard_restores;
        if guard_was_deleted(situation) && restores >= MOST_GUARD_RESTORES {
            return Self {
                close: ended_by_owner(situation),
                contested: true,
            };
        }
        let mut reverts = Self {
            close: Vec::new(),
            contested: false,
        };
        for known in &situation.grants {
            if was_undone(situation, known) {
                let again = is_undone_again(known, condition);
                reverts.contested |= again;
                // With the list entry gone too this is no revert but another timeline
                // (docs/guard.md, C9). The cause is `reverted_by_owner` all the same: that is what
                // people are told, and in AWS somebody has taken both away.
                if again || is_unlisted(situation, known) {
                    reverts.close.push((known.grant.id, Cause::RevertedByOwner));
                }
            }
        }
        for known in &situation.grants {
            if let Some(cause) = of_a_lost_time(situation, known) {
                reverts.close.push((known.grant.id, cause));
            }
        }
        reverts
    }
}

/// Every open grant.
fn ended_by_owner(situation: &Situation<'_>) -> Vec<(GrantId, Cause)> {
    let mut close = Vec::new();
    for known in &situation.grants {
        if known.grant.state.may_be_open() {
            close.push((known.grant.id, Cause::RevertedByOwner));
        }
    }
    close
}

/// Whether the statement was put back, or written anew, as often as it may be. On a contested role
/// nothing is put back.
fn is_undone_again(known: &Known<'_>, condition: Condition) -> bool {
    let most = match known.statement {
        // Somebody changed it.
        Some(_) => MOST_REWRITES,
        // Somebody removed it.
        None => MOST_RESTORES,
    };
    known.marks.restores >= most || condition == Condition::Contested
}

/// Whether statement and list entry are both gone, and the guard's read cannot lag.
fn is_unlisted(situation: &Situation<'_>, known: &Known<'_>) -> bool {
    known.statement.is_none() && situation.input.guard_has_settled() && !situation.lists(known)
}

/// Why a grant closes whose end, or whose whole life, a restored database has forgotten: it says
/// that the grant is still to be opened, or is open without a statement that would tell, and the
/// guard, which is written before anything opens, does not list it (docs/guard.md, C13). Asked P
/// after that was noticed, when no read lags behind a lost write; and once more at the look after a
/// person has lifted safe mode, the last one that knows when it was noticed.
fn of_a_lost_time(situation: &Situation<'_>, known: &Known<'_>) -> Option<Cause> {
    let noticed = situation.input.target.safe_since?;
    let cause = if known.is_opening() {
        Cause::CouldNotOpen
    } else if known.is_active() && !known.wants_statement() {
        Cause::RevertedByOwner
    } else {
        return None;
    };
    // Grants that begin after safe mode was noticed are not touched (docs/decisions.md, 10).
    let is_lost = known.grant.starts_at <= noticed
        && situation.input.has_settled(Some(noticed))
        && situation.role.guard.is_some()
        && !situation.lists(known);
    is_lost.then_some(cause)
}

/// Whether somebody deleted the guard under an active grant. While a read may lag, or a write of
/// ours may still land, it may be ourselves (docs/guard.md, H11).
pub(super) fn guard_was_deleted(situation: &Situation<'_>) -> bool {
    let input = situation.input;
    let may_be_ours = !input.guard_has_settled() || input.guard_is_unclear();
    situation.role.guard.is_none() && !may_be_ours && situation.grants.iter().any(Known::is_active)
}

/// Whether somebody took the statement of an active grant away, or changed it. What we took away
/// ourselves reads as we wrote it; and while a write of ours may still land, it may be that one
/// (docs/guard.md, H11).
pub(super) fn was_undone(situation: &Situation<'_>, known: &Known<'_>) -> bool {
    let read = &situation.trust_read;
    let readable = situation.document.is_ok() && !read.stale && !read.as_written;
    let is_missing = known.wants_statement() && !known.stands_as_sent();
    known.is_active() && is_missing && readable && !situation.input.trust_is_unclear()
}
