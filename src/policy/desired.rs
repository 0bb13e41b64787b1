//! The guard that should be there, by names (docs/guard.md §3, step 8).

use std::collections::BTreeSet;

use chrono::SubsecRound;

use super::guard::{Guard, is_grant_name};
use super::names::Ending;
use super::situation::{Known, Situation};
use crate::domain::grant::GrantState;

impl Situation<'_> {
    /// The guard that should be there; empty where none should.
    pub fn desired_guard(&self) -> Guard {
        let guard = self.with_endings(self.of_live_grants());
        let guard = self.with_ended_joined(guard);
        // A read that is older than what we wrote last does not tell what may not be taken back. In
        // safe mode such a read is waited out before anything is written.
        if self.tightens && (self.safe || !self.guard_is_stale()) {
            self.tightened(guard)
        } else {
            guard
        }
    }

    /// The names of live grants with their deadlines.
    fn of_live_grants(&self) -> Guard {
        let mut guard = Guard {
            kept: self.kept.clone(),
            closed: self.input.target.closed,
            installation: self.input.target.installation.clone(),
            ..Guard::default()
        };
        for known in self.grants.iter().filter(|known| known.live) {
            let (name, mut deadline) = (&known.grant.grant_name, known.grant.deadline);
            if !self.admits(known, name) {
                continue;
            }
            // A closing must not grow: an extension that has no room waits.
            if self.restricted && !self.guard_is_stale() {
                let shown = self.shown.until.get(name).copied();
                deadline = shown.map_or(deadline, |shown| shown.min(deadline));
            }
            guard.deny_from(name, deadline);
            if let Some(console) = known.console_name()
                && self.admits(known, console)
            {
                guard.deny_from(console, deadline);
            }
        }
        guard
    }

    /// Whether a name of a live grant may be listed. A restricted guard lists only what the one in
    /// AWS lists: a closing must not open (docs/guard.md, H2c).
    fn admits(&self, known: &Known<'_>, name: &str) -> bool {
        if !self.restricted || self.lists(known) && self.shown.until.contains_key(name) {
            return true;
        }
        // Untold: somebody deleted the guard, or the read is older than our last write. What is
        // active counts as listed: a closing must not end anybody else's grant (docs/guard.md,
        // H12).
        let untold = self.role.guard.is_none() || self.guard_is_stale();
        let is_active = matches!(known.grant.state, GrantState::Active { .. });
        !self.safe && untold && is_active
    }

    /// The same with a cut for each live console name, and with those that nobody may use now.
    fn with_endings(&self, mut guard: Guard) -> Guard {
        let names: BTreeSet<_> = self.grants.iter().filter_map(Known::console_name).collect();
        for name in names {
            if guard.until.contains_key(name) {
                // Sessions of an older grant must not pass for the present one's.
                let cut = self.cut(name).map(|at| (name.to_owned(), at));
                guard.cut.extend(cut);
                continue;
            }
            match self.ending_of(name) {
                Ending::Denied => guard.denied.extend([name.to_owned()]),
                Ending::Cut(at) => guard.cut.extend([(name.to_owned(), at)]),
                Ending::NoSession => {}
            }
        }
        guard
    }

    /// One statement for the names that nobody holds now: with the latest cut, which is a stricter
    /// one for the others. Where nothing may be opened, and one of them must be denied altogether,
    /// they all are: a statement more would make a closing grow (docs/guard.md, H2c).
    fn with_ended_joined(&self, mut guard: Guard) -> Guard {
        let mut ended = guard.cut.clone();
        ended.retain(|name, _| !guard.until.contains_key(name));
        let Some(latest) = ended.values().max().copied() else {
            return guard;
        };
        let denies_all = self.restricted && !guard.denied.is_empty();
        for name in ended.into_keys() {
            if denies_all {
                guard.cut.remove(&name);
                guard.denied.insert(name);
            } else {
                guard.cut.insert(name, latest);
            }
        }
        guard
    }

    /// The same without taking back anything that the guard as read says: deadlines stay the
    /// earlier ones, cuts the later ones, denied and kept names stay (docs/guard.md, C13).
    fn tightened(&self, mut guard: Guard) -> Guard {
        guard.closed |= self.shown.closed;
        for (name, until) in &mut guard.until {
            if let Some(earlier) = self.shown.until.get(name) {
                *until = (*earlier).min(*until);
            }
        }
        for (name, at) in &self.shown.cut {
            // A name that is denied altogether needs no cut.
            if !guard.denied.contains(name) && !guard.kept.contains_key(name) {
                let cut = guard.cut.entry(name.clone()).or_insert(*at);
                *cut = (*at).max(*cut);
            }
        }
        guard.denied.extend(self.shown.denied.iter().cloned());
        let now = self.input.now.trunc_subsecs(0);
        for (name, found) in &self.shown.kept {
            // A time that has not come yet is a hand's.
            let found = now.min(*found);
            guard.kept.entry(name.clone()).or_insert(found);
        }
        let guard = if self.safe {
            self.all_kept(guard)
        } else {
            guard
        };
        with_each_name_once(guard)
    }

    /// In safe mode the database is of another time than AWS, so that what it knows of a name
    /// explains nothing: whatever name the guard cuts or denies is kept as one that nobody knows.
    /// So is a name that AWS shows with a deadline and that nobody holds now: its row may be from
    /// before anything of it was sent.
    fn all_kept(&self, mut guard: Guard) -> Guard {
        let now = self.input.now.trunc_subsecs(0);
        let mut over: BTreeSet<String> = guard.cut.keys().cloned().collect();
        over.retain(|name| !guard.until.contains_key(name));
        over.extend(guard.denied.iter().cloned());
        // Grant names need no mention: whatever is not listed is denied.
        let ended = self.shown.until.keys();
        let ended = ended.filter(|name| !guard.until.contains_key(*name));
        over.extend(ended.filter(|name| !is_grant_name(name)).cloned());
        for name in over {
            guard.kept.entry(name).or_insert(now);
        }
        guard
    }
}

/// The strictest alone of what is said of a name: kept before denied, denied before live.
fn with_each_name_once(mut guard: Guard) -> Guard {
    for name in guard.kept.keys() {
        guard.denied.remove(name);
        guard.cut.remove(name);
    }
    for name in guard.kept.keys().chain(&guard.denied) {
        guard.until.remove(name);
    }
    guard
}
