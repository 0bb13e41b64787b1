//! Console names: one principal at a time has one, never before older sessions are cut off, and it
//! is denied until nobody can get a session of it any more (docs/guard.md §3, steps 7 and 8).

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::desired::{Known, Look, ceil};
use super::document::{Document, names_itself};
use super::guard::{Guard, Times};
use super::meaning::Node;
use super::mutations::{Clause, stands};
use super::{Input, trust};
use crate::domain::grant::{Grant, GrantState};

const SECOND: TimeDelta = TimeDelta::seconds(1);

/// A session name that a statement of nobody's grant pins.
struct Stray {
    name: String,
    /// Until when the statement admits; `None` where somebody took its date away.
    until: Option<DateTime<Utc>>,
    /// Whom it admits.
    principals: Vec<String>,
}

impl<'a> Look<'a> {
    /// Names that the guard holds for a grant that nobody here knows: from a database that has gone
    /// back in time, another installation, or a hand (docs/guard.md, C9). They stay denied until
    /// their last session is dead.
    pub(super) fn unknown_names(&self) -> Times {
        let now = self.input.now;
        let outlived = self.outlived();
        let stored = &self.input.target.kept;
        let is_grant = |name: &str| self.input.grants.iter().any(|g| g.grant_name == name);
        let found = self.read.names.iter();
        let unexplained = found.filter(|name| !is_grant(name) && !self.is_explained(name));
        let found_at = |name: &str| {
            // A time that has not come yet is a hand's: the name counts as found now.
            let read = self.read.kept.get(name).filter(|found| **found <= now);
            let found = stored.get(name).or(read);
            found.map_or(now.trunc_subsecs(0), |it| (*it).min(now))
        };
        // The difference: a sum with what stands in AWS could be out of range.
        let is_outlived = |found: DateTime<Utc>| now - found > outlived;
        let known = stored.keys().chain(unexplained);
        let known = known.map(|name| (name.clone(), found_at(name)));
        let mut names: Times = known.filter(|(_, found)| !is_outlived(*found)).collect();
        let strays = self.strays().into_iter();
        let strays = strays.filter(|s| !is_grant(&s.name) && !self.is_harmless(s));
        for Stray { name, .. } in strays {
            // However long ago it was found: it may have let somebody in just now.
            let now = now.trunc_subsecs(0);
            let found = Some(found_at(&name)).filter(|found| !is_outlived(*found));
            names.insert(name, found.unwrap_or(now));
        }
        names
    }

    /// The session names in statements of ours that no grant on this role accounts for: a stale
    /// save or a late write brought them back to a role whose guard does not know them. They are
    /// denied before the statement goes, since whoever has come in by then stays for twelve hours.
    fn strays(&self) -> Vec<Stray> {
        let known = |sid: &str| {
            self.grants_here()
                .any(|g| super::document::sid(g.id) == sid)
        };
        let statements = self.document.iter().flat_map(Document::ours);
        let nobodys = statements.filter(|(sid, s)| !known(sid) && names_itself(sid, s.text));
        let stray = |node: &Node| {
            let (until, principals) = (trust::date(node), trust::principals(node));
            let stray = |name| Stray {
                name,
                until,
                principals: principals.clone(),
            };
            trust::names(node).into_iter().map(stray).collect()
        };
        nobodys
            .flat_map(|(_, s)| -> Vec<Stray> { stray(&s.node()) })
            .collect()
    }

    /// Whether the guard accounts for every session of a stray statement without more ado: its
    /// principal has the name now, or a grant that had it is denied, and later cut, until after the
    /// last of them.
    fn is_harmless(&self, stray: &Stray) -> bool {
        let Input { now, margins, .. } = *self.input;
        let had = |g: &&Grant| {
            g.marks.console_since.is_some() && g.console_name.as_deref() == Some(&stray.name)
        };
        let is_open = |g: &Grant| g.state.may_be_open() && now < g.deadline;
        // A part of AWS may admit by it for P after it was taken away.
        let gone = now + margins.propagation + margins.clock;
        let last = stray.until.map_or(gone, |until| until.min(gone));
        let outlasts = |g: &Grant| self.last_issue(&g.marks).is_some_and(|at| last <= at);
        let is_own = |g: &Grant| stray.principals == [g.principal_arn.as_str()];
        let holders: Vec<&Grant> = self.grants_here().filter(had).collect();
        let mut open = holders.iter().filter(|g| is_open(g)).peekable();
        if open.peek().is_some() {
            open.any(|g| is_own(g))
        } else {
            holders.iter().any(|g| outlasts(g))
        }
    }

    /// The grants of the very role that is there.
    fn grants_here(&self) -> impl Iterator<Item = &'a Grant> {
        let role = &self.role.role_id;
        let grants = self.input.grants.iter();
        grants.filter(move |g| g.role_id.as_ref().is_none_or(|id| id == role))
    }

    /// Whether the grants at hand account for a console name in the guard: one of them has had it,
    /// and, where the read cannot lag and nobody holds the name now, until the very time that
    /// stands there. Where the guard lists grants that nobody knows, one that was never open to the
    /// world accounts for nothing: the name may have been theirs.
    fn is_explained(&self, name: &str) -> bool {
        let had =
            |g: &&Grant| g.marks.console_since.is_some() && g.console_name.as_deref() == Some(name);
        let is_lost = |listed: &String| self.input.grants.iter().all(|g| g.grant_name != *listed);
        let rows_lost = self.read.listed.iter().any(is_lost);
        let counts = |g: &&Grant| !rows_lost || g.marks.sent_until.is_some();
        let grants = self.grants_here();
        let holders: Vec<&Grant> = grants.filter(had).filter(counts).collect();
        let Input {
            target, margins, ..
        } = *self.input;
        let fresh = |at| self.input.now >= at + margins.propagation;
        let latest = self
            .read
            .revision
            .is_none_or(|read| read >= target.revision)
            || target.written_guard.as_ref().is_none_or(|w| fresh(w.at));
        let until = self.read.until.get(name).filter(|_| latest);
        let open = |g: &&Grant| g.state.may_be_open() && self.input.now < g.deadline;
        let until_then = |g: &Grant, at| g.deadline == at || g.marks.sent_until == Some(at);
        !self.read.kept.contains_key(name)
            && !holders.is_empty()
            && (holders.iter().any(open)
                || until.is_none_or(|at| holders.iter().any(|g| until_then(g, *at))))
    }

    /// Gives console names to live grants that have none: one principal at a time, and never before
    /// older sessions are cut off.
    pub(super) fn give_console_names(&mut self) {
        let Input { now, margins, .. } = *self.input;
        for index in 0..self.grants.len() {
            let k = &self.grants[index];
            let time_left = now + margins.propagation + margins.clock < k.grant.deadline;
            if k.live && k.marks.console_since.is_none() && time_left {
                self.grants[index].marks.console_since = self.console_since(k);
            }
        }
    }

    fn console_since(&self, k: &Known<'_>) -> Option<DateTime<Utc>> {
        let Input { now, margins, .. } = *self.input;
        let name = k.grant.console_name.as_deref()?;
        let principal = self.principal_id(k.grant)?;
        if self.kept.contains_key(name) {
            return None;
        }
        let holders: Vec<_> = self
            .holders(name)
            .filter(|h| h.live || self.past(h))
            .collect();
        let others = holders
            .iter()
            .any(|h| self.principal_id(h.grant) != Some(principal));
        if others && stands(Clause::ExclusiveConsoleName) {
            return None;
        }
        let overlapping = holders
            .iter()
            .filter(|h| h.live)
            .filter_map(|h| h.marks.console_since)
            .min();
        let over = |h: &&Known<'_>| {
            self.last_issue(&h.marks)
                .is_none_or(|last| now.trunc_subsecs(0) > last)
        };
        // While sessions of an older grant may still begin, the name is the new grant's from δ on:
        // by then no token time can be taken for an earlier one, and all earlier ones are cut.
        let clear = holders.iter().all(over) || !stands(Clause::WaitForCut);
        let since = if clear {
            now
        } else {
            ceil(now) + margins.clock
        };
        overlapping.or(Some(since))
    }

    fn holders<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b Known<'a>> {
        let has_it = move |k: &&Known<'_>| {
            k.marks.console_since.is_some() && k.grant.console_name.as_deref() == Some(name)
        };
        self.grants.iter().filter(has_it)
    }

    /// Up to when sessions of a live console name are older than its present holder's approval.
    pub(super) fn cut(&self, name: &str) -> Option<DateTime<Utc>> {
        let since = self
            .holders(name)
            .filter(|h| h.live)
            .filter_map(|h| h.marks.console_since)
            .min()?;
        // Who had the name in one chain with its present holder needs no cut: none of these
        // sessions began outside an approval.
        let earlier = |h: &&Known<'_>| self.past(h) && h.marks.console_since < Some(since);
        let older = self.holders(name).filter(earlier);
        older
            .filter_map(|h| self.last_issue(&h.marks))
            .filter(|last| stands(Clause::WaitForCut) || *last < since)
            .map(|last| last.min(since.trunc_subsecs(0) - SECOND))
            .max()
    }

    /// Denies a console name that no grant may use now: altogether until the latest deadline that
    /// was ever sent for it has passed, since until then somebody may put a statement of ours back
    /// (docs/guard.md, C11); then the sessions there are.
    pub(super) fn close_name(&self, guard: &mut Guard, name: &str) {
        let now = self.input.now;
        let sent: Vec<_> = self
            .holders(name)
            .filter(|h| h.marks.sent_until.is_some())
            .collect();
        let last = sent
            .iter()
            .filter(|h| self.past(h))
            .filter_map(|h| self.last_issue(&h.marks))
            .max();
        let may_begin = sent.iter().any(|h| h.live)
            || last
                .is_some_and(|at| now <= at || self.restricted && self.read.denied.contains(name));
        if may_begin && stands(Clause::DeniedToTheEnd) {
            guard.denied.insert(name.to_owned());
        } else if let Some(at) = last {
            let ended = sent
                .iter()
                .filter(|h| self.past(h))
                .map(|h| ended_at(h.grant))
                .max();
            let at = if may_begin { ended.unwrap_or(at) } else { at };
            guard.cut.insert(name.to_owned(), at);
        }
    }

    /// Takes back nothing that the guard as read says. In safe mode the database is of another time
    /// than AWS, so that what it knows of a name explains nothing: whatever name the guard cuts or
    /// denies is kept as one that nobody knows (docs/guard.md, C13).
    pub(super) fn tighten(&self, guard: &mut Guard) {
        let read = &self.read;
        for (name, until) in &mut guard.until {
            let earliest = read.until.get(name).copied().unwrap_or(*until);
            *until = earliest.min(*until);
        }
        for (name, at) in &read.cut {
            let denied = guard.denied.contains(name) || guard.kept.contains_key(name);
            if !denied {
                let cut = guard.cut.entry(name.clone()).or_insert(*at);
                *cut = (*at).max(*cut);
            }
        }
        guard.denied.extend(read.denied.iter().cloned());
        let now = self.input.now.trunc_subsecs(0);
        for (name, found) in &read.kept {
            // A time that has not come yet is a hand's.
            guard.kept.entry(name.clone()).or_insert(now.min(*found));
        }
        if self.safe {
            let over = |name: &String| !guard.until.contains_key(name);
            let cut = guard.cut.keys().filter(|name| over(name));
            let names: Vec<String> = cut.chain(&guard.denied).cloned().collect();
            for name in names {
                guard.kept.entry(name).or_insert(now);
            }
        }
        for name in guard.kept.keys() {
            guard.denied.remove(name);
            guard.cut.remove(name);
        }
        for name in guard.kept.keys().chain(&guard.denied) {
            guard.until.remove(name);
        }
    }

    /// One statement for the names that nobody holds now: with the latest cut, which is a stricter
    /// one for the others. Where nothing may be opened, and one of them must be denied altogether,
    /// they all are: a statement more would make a closing grow.
    pub(super) fn join_ended(&self, guard: &mut Guard) {
        let is_over = |name: &&String| !guard.until.contains_key(*name);
        let ended: Vec<String> = guard.cut.keys().filter(is_over).cloned().collect();
        let latest = ended.iter().map(|name| guard.cut[name]).max();
        for (name, at) in ended.into_iter().zip(latest.into_iter().cycle()) {
            if self.restricted && !guard.denied.is_empty() {
                guard.cut.remove(&name);
                guard.denied.insert(name);
            } else {
                guard.cut.insert(name, at);
            }
        }
    }
}

fn ended_at(grant: &Grant) -> DateTime<Utc> {
    match &grant.state {
        GrantState::Closing(closing) => closing.since,
        GrantState::Ended { requested_at, .. } | GrantState::Failed { requested_at, .. } => {
            *requested_at
        }
        GrantState::Scheduled | GrantState::Opening { .. } | GrantState::Active { .. } => {
            grant.deadline
        }
    }
}
