//! Console names: one principal at a time has one, never before older sessions are cut off, and it
//! is denied until nobody can get a session of it any more (docs/guard.md §3, steps 7 and 8).

use chrono::{DateTime, SubsecRound, Utc};

use super::Input;
use super::mutations::{Clause, ended_at, stands};
use super::situation::{Known, SECOND, Situation, ceil};
use crate::domain::demands::Demands;

/// What the guard says of a console name that no grant may use now.
pub(super) enum Ending {
    /// No session of the name works.
    Denied,
    /// Sessions issued at that time or before are dead.
    Cut(DateTime<Utc>),
    /// No session of the name can be left, or nobody could ever begin one.
    NoSession,
}

impl<'a> Situation<'a> {
    /// Gives console names to live grants that have none: one principal at a time, and never before
    /// older sessions are cut off.
    pub(super) fn give_console_names(&mut self) {
        let Input { now, margins, .. } = *self.input;
        for index in 0..self.grants.len() {
            let known = &self.grants[index];
            let time_left = now + margins.propagation + margins.clock < known.grant.deadline;
            if known.live && known.marks.console_since.is_none() && time_left {
                // A name that is given now counts for the grants that follow.
                self.grants[index].marks.console_since = self.console_since(known);
            }
        }
    }

    /// Since when the grant's console name is to belong to it; `None` where it may not have it.
    fn console_since(&self, known: &Known<'_>) -> Option<DateTime<Utc>> {
        let Input { now, margins, .. } = *self.input;
        let name = known.grant.console_name.as_deref()?;
        let principal = self.principal_id(known.grant)?;
        // Nobody knows whose sessions of that name are left (docs/guard.md, C9).
        if self.kept.contains_key(name) {
            return None;
        }
        // Another principal's sessions of that name may be left (docs/guard.md, C7), or their grant
        // is not forgotten yet: the database takes no second one until then (`names`).
        if self.is_anothers(name, &principal) && stands(Clause::ExclusiveConsoleName) {
            return None;
        }
        // Its sessions may have begun without what this grant asks for, and would go on under it
        // (docs/guard.md, H7): it waits until they are over, and are cut.
        if self.is_held_for_other_demands(name, &known.grant.demands) {
            return None;
        }
        // A chain: the same person's grants overlap and share the earliest moment, so that none
        // cuts another.
        if let Some(since) = self.held_since(name) {
            return Some(since);
        }
        // While sessions of an older grant may still begin, the name is the new grant's from δ on:
        // by then no token time can be taken for an earlier one, and all earlier ones are cut.
        if self.older_sessions_may_begin(name) && stands(Clause::WaitForCut) {
            return Some(ceil(now) + margins.clock);
        }
        Some(now)
    }

    /// The grants that have, or have had, a console name.
    fn holders<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b Known<'a>> {
        let grants = self.grants.iter();
        grants.filter(move |known| known.console_name() == Some(name))
    }

    /// Since when the grants that are live now have the name.
    fn held_since(&self, name: &str) -> Option<DateTime<Utc>> {
        let live = self.holders(name).filter(|holder| holder.live);
        live.filter_map(|holder| holder.marks.console_since).min()
    }

    /// Whether a grant at hand has, or has had, the name for another principal.
    fn is_anothers(&self, name: &str, principal: &str) -> bool {
        self.holders(name)
            .any(|holder| self.principal_id(holder.grant).as_deref() != Some(principal))
    }

    /// Whether a live grant has the name, and lets its person in with something else than this one
    /// asks for: the role asked for something else when it was requested.
    fn is_held_for_other_demands(&self, name: &str, demands: &Demands) -> bool {
        let mut live = self.holders(name).filter(|holder| holder.live);
        live.any(|holder| holder.marks.console_since.is_some() && holder.grant.demands != *demands)
    }

    /// Whether somebody may still get a session of a grant that had the name before.
    fn older_sessions_may_begin(&self, name: &str) -> bool {
        let now = self.input.now.trunc_subsecs(0);
        self.holders(name).any(|holder| {
            let last = self.last_issue(&holder.marks);
            self.is_past(holder) && last.is_some_and(|last| now <= last)
        })
    }

    /// Up to when sessions of a live console name are older than its present holder's approval.
    pub(super) fn cut(&self, name: &str) -> Option<DateTime<Utc>> {
        let since = self.held_since(name)?;
        let mut latest = None;
        for holder in self.holders(name) {
            // Who had the name in one chain with its present holder needs no cut: none of these
            // sessions began outside an approval.
            let is_older = holder.marks.console_since < Some(since);
            if !self.is_past(holder) || !is_older {
                continue;
            }
            let last = self.last_issue(&holder.marks);
            let cut = last.map(|last| last.min(since.trunc_subsecs(0) - SECOND));
            if stands(Clause::WaitForCut) || last < Some(since) {
                latest = latest.max(cut);
            }
        }
        latest
    }

    /// How a console name ends that no grant may use now.
    pub(super) fn ending_of(&self, name: &str) -> Ending {
        let (mut is_held, mut last, mut ended) = (false, None, None);
        for holder in self.holders(name) {
            if !holder.was_sent() {
                continue;
            }
            is_held |= holder.live;
            if self.is_past(holder) {
                last = last.max(self.last_issue(&holder.marks));
                ended = ended.max(Some(ended_at(holder.grant)));
            }
        }
        let may_begin = self.may_begin(name, is_held, last);
        if may_begin && stands(Clause::DeniedToTheEnd) {
            return Ending::Denied;
        }
        // Only the test that takes the clause away comes here while a session may begin.
        let cut = if may_begin { ended } else { last };
        cut.map_or(Ending::NoSession, Ending::Cut)
    }

    /// Whether a session of a name that nobody may use can still begin. Until the latest deadline
    /// that was ever sent for the name somebody may put a statement of ours back (docs/guard.md,
    /// C1, C11).
    fn may_begin(&self, name: &str, is_held: bool, last: Option<DateTime<Utc>>) -> bool {
        // A restricted guard goes on denying what it denies: a closing must not grow (H2c), and one
        // statement more for the cut would make it.
        let stays_denied = self.restricted && self.shown.denied.contains(name);
        is_held || last.is_some_and(|last| self.input.now <= last || stays_denied)
    }
}
