//! Session names that no grant at hand explains: they are kept denied until their last session is
//! dead (docs/guard.md, C9, C11).

use chrono::{DateTime, SubsecRound, Utc};

use super::document::{Document, names_itself};
use super::guard::Times;
use super::situation::Situation;
use super::{Input, trust};
use crate::domain::grant::Grant;

/// A session name that a statement of nobody's grant pins.
struct Stray {
    name: String,
    /// Until when the statement admits; `None` where somebody took its date away.
    until: Option<DateTime<Utc>>,
    /// Whom it admits.
    principals: Vec<String>,
    /// As which session of a role.
    userids: Vec<String>,
}

impl Situation<'_> {
    /// The names to keep, and when each was found. The guard holds them for a grant that nobody
    /// here knows: from a database that has gone back in time, another installation, or a hand
    /// (docs/guard.md, C9).
    pub(super) fn unknown_names(&self) -> Times {
        let mut names = Times::new();
        // A stored name stays although a look that lags does not show it.
        let stored = self.input.target.kept.keys();
        for name in stored.chain(self.unexplained_names()) {
            let found = self.found_at(name);
            if !self.is_outlived(found) {
                names.insert(name.clone(), found);
            }
        }
        for Stray { name, .. } in self.harmful_strays() {
            // However long ago it was found: it may have let somebody in just now.
            let found = self.found_at(&name);
            let is_outlived = self.is_outlived(found);
            names.insert(
                name,
                if is_outlived {
                    self.this_second()
                } else {
                    found
                },
            );
        }
        names
    }

    fn this_second(&self) -> DateTime<Utc> {
        self.input.now.trunc_subsecs(0)
    }

    /// The names in the guard as read that no grant at hand explains.
    fn unexplained_names(&self) -> impl Iterator<Item = &String> {
        let names = self.shown.names.iter();
        names.filter(|name| !self.input.has_grant_name(name) && !self.is_explained(name))
    }

    /// When a name was found: as stored, else as the guard says, else now.
    fn found_at(&self, name: &str) -> DateTime<Utc> {
        let now = self.input.now;
        if let Some(stored) = self.input.target.kept.get(name) {
            return now.min(*stored);
        }
        match self.shown.kept.get(name) {
            Some(found) if *found <= now => *found,
            // A time that has not come yet is a hand's: the name counts as found now.
            Some(_) | None => self.this_second(),
        }
    }

    /// Whether the last session of a name that was found then is dead. The difference of times: a
    /// sum with what stands in AWS could be out of range (docs/guard.md, H10).
    fn is_outlived(&self, found: DateTime<Utc>) -> bool {
        self.input.now - found > self.outlived()
    }

    /// The strays whose sessions the guard does not account for.
    fn harmful_strays(&self) -> Vec<Stray> {
        let mut strays = self.strays();
        strays.retain(|stray| !self.input.has_grant_name(&stray.name) && !self.is_harmless(stray));
        strays
    }

    /// The session names in statements of ours that no grant on this role accounts for: a stale
    /// save or a late write brought them back to a role whose guard does not know them. They are
    /// denied before the statement goes, since whoever has come in by then stays for twelve hours.
    fn strays(&self) -> Vec<Stray> {
        let mut strays = Vec::new();
        for (sid, statement) in self.document.iter().flat_map(Document::ours) {
            // A statement that does not pin the grant name of its Sid only looks like ours (H12).
            if self.has_grant_here(sid) || !names_itself(sid, statement.text) {
                continue;
            }
            let node = statement.node();
            for name in trust::names(&node) {
                strays.push(Stray {
                    name,
                    until: trust::date(&node),
                    principals: trust::principals(&node),
                    userids: trust::userids(&node),
                });
            }
        }
        strays
    }

    /// Whether a Sid is that of a grant on the very role that is there.
    fn has_grant_here(&self, sid: &str) -> bool {
        let mut here = self.grants_here();
        here.any(|grant| super::document::sid(grant.id) == sid)
    }

    /// Whether the guard accounts for every session of a stray statement without more ado.
    fn is_harmless(&self, stray: &Stray) -> bool {
        let holders = self.grants_with_console_name(&stray.name);
        let (open, over): (Vec<_>, Vec<_>) = holders.partition(|grant| self.is_open(grant));
        if open.is_empty() {
            // A grant that had the name is denied, and later cut, until after the last session.
            over.iter().any(|grant| self.outlasts(grant, stray))
        } else {
            // The principal of the statement has the name now.
            let mut open = open.iter();
            open.any(|grant| {
                let own = grant.principal_arn.as_deref();
                let pinned: Vec<&str> = grant.pinned_userid().into_iter().collect();
                own.is_some_and(|own| stray.principals == [own] && stray.userids == pinned)
            })
        }
    }

    /// Whether nobody can get a session by a stray statement after the last issue of a grant.
    fn outlasts(&self, grant: &Grant, stray: &Stray) -> bool {
        let Input { now, margins, .. } = *self.input;
        // The next write takes the statement away. A part of AWS may admit by it for P after that.
        let gone = now + margins.propagation + margins.clock;
        let last = stray.until.map_or(gone, |until| until.min(gone));
        self.last_issue(&grant.marks).is_some_and(|at| last <= at)
    }

    fn is_open(&self, grant: &Grant) -> bool {
        grant.state.may_be_open() && self.input.now < grant.deadline
    }

    /// The grants that have, or have had, a console name on this role.
    fn grants_with_console_name(&self, name: &str) -> impl Iterator<Item = &Grant> {
        let here = self.grants_named_here();
        here.filter(move |grant| grant.usable_console_name() == Some(name))
    }

    /// Whether the grants at hand account for a console name in the guard: one of them has had it,
    /// and the date that the guard gives it fits.
    fn is_explained(&self, name: &str) -> bool {
        // A name that was kept once stays so: whoever found it knew no grant for it.
        if self.shown.kept.contains_key(name) {
            return false;
        }
        let rows_lost = self.rows_are_lost();
        let holders = self.grants_with_console_name(name);
        // Where the guard lists grants that nobody knows, a grant that was never open to the world
        // accounts for nothing: the name may have been theirs.
        let counts = |grant: &&Grant| !rows_lost || grant.marks.sent_until.is_some();
        let holders: Vec<_> = holders.filter(counts).collect();
        if holders.is_empty() {
            return false;
        }
        if holders.iter().any(|grant| self.is_open(grant)) {
            return true;
        }
        match self.shown.until.get(name) {
            // Nobody holds the name now, so that it was denied from a deadline of one of them on.
            Some(from) if self.shows_last_write() => {
                holders.iter().any(|grant| ends_then(grant, *from))
            }
            Some(_) | None => true,
        }
    }

    /// Whether the guard lists a grant that is not at hand.
    fn rows_are_lost(&self) -> bool {
        let mut listed = self.shown.listed.iter();
        listed.any(|name| !self.input.has_grant_name(name))
    }

    /// Whether the guard's read does not lag behind our last guard write. A guard without a
    /// revision is not ours, and its date is judged at once.
    fn shows_last_write(&self) -> bool {
        let sent = self.input.target.revision;
        let shown = self.shown.revision;
        shown.is_none_or(|shown| shown >= sent) || self.input.guard_has_settled()
    }
}

/// Whether that moment is the deadline of a grant, or the latest one that was sent for it.
fn ends_then(grant: &Grant, moment: DateTime<Utc>) -> bool {
    grant.deadline == moment || grant.marks.sent_until == Some(moment)
}
