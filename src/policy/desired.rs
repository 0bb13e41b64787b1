//! What AWS should say: the desired state of GUARD §2, from the stored facts and one look at the role.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::document::{Document, Unreadable, sid};
use super::guard::{self, Guard, Times};
use super::trust::{self, Seen};
use super::{Clause, Input, ObservedRole};
use crate::domain::grant::{Grant, GrantState, Marks};

/// The longest session that STS gives out, whatever the role's current maximum (GUARD H3).
pub const LONGEST_SESSION: TimeDelta = TimeDelta::hours(12);

const SECOND: TimeDelta = TimeDelta::seconds(1);

/// A grant with what this look adds to its stored facts.
pub(super) struct Known<'a> {
    pub grant: &'a Grant,
    /// The stored marks, brought up to date.
    pub marks: Marks,
    /// Its statement in the trust policy.
    pub statement: Option<Seen>,
    /// Opening or active, and within its time.
    pub live: bool,
    /// Not live, and its statement is not there as far as this look can tell. What counts for the cut is `absent_at`: the same text may have stood there
    /// before its statement was added, so that a lagging read of it, after a removal that AWS never answered, proves nothing.
    pub absent: bool,
}

/// One look at a role that is there, with everything known about its grants.
pub(super) struct Look<'a> {
    pub input: &'a Input<'a>,
    pub role: &'a ObservedRole,
    pub without: Option<Clause>,
    pub document: Result<Document<'a>, Unreadable>,
    /// The guard as read.
    pub read: guard::Read,
    /// Whether the trust policy says what we wrote last.
    pub as_written: bool,
    /// Whether the trust policy may be one from before our last write.
    pub stale: bool,
    /// Whether it cannot be one from before our last write.
    pub settled: bool,
    /// Whether the guard may take in nothing that it does not hold already.
    pub restricted: bool,
    /// By id.
    pub grants: Vec<Known<'a>>,
    /// Names in the guard that nobody here knows, and when they were found.
    pub kept: Times,
}

impl<'a> Look<'a> {
    pub fn new(
        input: &'a Input<'a>,
        role: &'a ObservedRole,
        without: Option<Clause>,
        restricted: bool,
    ) -> Self {
        let written = input.target.written_trust.as_ref();
        let settled = written.is_none_or(|w| input.now >= w.at + input.margins.propagation);
        let as_written = written.is_some_and(|w| w.hash == super::fingerprint(&role.trust));
        let stale = !settled && !as_written;
        let mut look = Self {
            input,
            role,
            without,
            document: Document::parse(&role.trust),
            read: role
                .guard
                .as_deref()
                .map(|g| guard::read(g, &role.role_id))
                .unwrap_or_default(),
            as_written,
            stale,
            settled,
            restricted,
            grants: Vec::new(),
            kept: Times::new(),
        };
        look.kept = look.unknown_names();
        look.grants = input
            .grants
            .iter()
            .filter(|g| g.role_id.as_ref().is_none_or(|id| *id == role.role_id))
            .map(|g| look.know(g))
            .collect();
        look.grants.sort_by_key(|k| k.grant.id);
        look
    }

    pub fn has(&self, clause: Clause) -> bool {
        self.without != Some(clause)
    }

    /// The stored facts of a grant with what its statement, or the lack of it, says now.
    fn know(&self, grant: &'a Grant) -> Known<'a> {
        let Input { now, margins, .. } = *self.input;
        let mut marks = grant.marks.clone();
        let live = grant.state.may_be_open() && grant.starts_at <= now && now < grant.deadline;
        let sid = sid(grant.id);
        let statements = || {
            self.document
                .iter()
                .flat_map(Document::ours)
                .filter(|(s, _)| *s == sid)
        };
        let statement = statements()
            .next()
            .map(|(_, s)| trust::compare(s.text, grant, marks.console_since.is_some()));
        let reaches = |limit: DateTime<Utc>| {
            statements().any(|(_, s)| trust::date(&s.node()).is_none_or(|d| d > limit))
        };
        // Somebody moved its date: it may admit for as long as it stands there (GUARD C2b).
        if marks.sent_until.is_some_and(reaches)
            || marks.sent_until.is_none() && statement.is_some()
        {
            marks.sent_until = Some(now + LONGEST_SESSION);
        }
        let may_still_land = marks
            .unclear_at
            .is_some_and(|at| now < at + margins.unclear());
        let absent = !live && statement.is_none() && self.document.is_ok();
        let waits = self.has(Clause::AbsenceWaits);
        let absent = absent && (!self.stale && !may_still_land || !waits);
        if live || statement.is_some() {
            marks.absent_at = None;
        } else if absent && (self.settled || !waits) {
            marks.absent_at = marks.absent_at.or(Some(now));
        }
        marks.guard_until = self
            .last_issue(&marks)
            .map(|last| last + self.longest_session() + margins.propagation);
        Known {
            grant,
            marks,
            statement,
            live,
            absent,
        }
    }

    /// How long after a guard was written, or a name in it was found, a session that it denies may be left.
    pub fn outlived(&self) -> TimeDelta {
        let margins = self.input.margins;
        LONGEST_SESSION + margins.propagation * 2 + margins.clock
    }

    fn longest_session(&self) -> TimeDelta {
        if self.has(Clause::LongestSession) {
            LONGEST_SESSION
        } else {
            TimeDelta::hours(1)
        }
    }

    /// After this nobody can get a session of the grant: whole seconds, as tokens have. `None` where nothing was ever sent.
    pub fn last_issue(&self, marks: &Marks) -> Option<DateTime<Utc>> {
        let margins = self.input.margins;
        let allowance = if self.has(Clause::CutAllowance) {
            margins.propagation
        } else {
            TimeDelta::zero()
        };
        let gone = marks.absent_at.map(|at| at + allowance);
        let sent = marks.sent_until?;
        Some(ceil(
            gone.map_or(sent, |gone| sent.min(gone)) + margins.clock,
        ))
    }

    /// Whether sessions of an ended grant may be left.
    pub fn past(&self, k: &Known<'_>) -> bool {
        !k.live
            && k.marks
                .guard_until
                .is_some_and(|until| self.input.now <= until)
    }

    /// Names that the guard holds for a grant that nobody here knows: from a database that has gone back in time, another installation,
    /// or a hand (GUARD C9). They stay denied until their last session is dead.
    fn unknown_names(&self) -> Times {
        let now = self.input.now;
        let outlived = self.outlived();
        let is_grant = |name: &str| self.input.grants.iter().any(|g| g.grant_name == name);
        let names = self.read.names.iter();
        names
            .filter(|name| !is_grant(name) && !self.is_explained(name))
            .map(|name| {
                let found = self.read.kept.get(name).copied();
                (name.clone(), found.unwrap_or(now.trunc_subsecs(0)))
            })
            .filter(|(_, found)| now <= *found + outlived)
            .collect()
    }

    /// Whether the grants at hand account for a console name in the guard: one of them has had it, and, where the read cannot lag and nobody
    /// holds the name now, until the very time that stands there. Where the guard lists grants that nobody knows, one that was never open to the
    /// world accounts for nothing: the name may have been theirs.
    fn is_explained(&self, name: &str) -> bool {
        let had =
            |g: &&Grant| g.marks.console_since.is_some() && g.console_name.as_deref() == Some(name);
        let is_lost = |listed: &String| self.input.grants.iter().all(|g| g.grant_name != *listed);
        let rows_lost = self.read.listed.iter().any(is_lost);
        let counts = |g: &&Grant| !rows_lost || g.marks.sent_until.is_some();
        let grants = self.input.grants.iter();
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

    /// Gives console names to live grants that have none: one principal at a time, and never before older sessions are cut off.
    pub fn give_console_names(&mut self) {
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
        let now = self.input.now;
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
        if others && self.has(Clause::ExclusiveConsoleName) {
            return None;
        }
        let overlapping = holders
            .iter()
            .filter(|h| h.live)
            .filter_map(|h| h.marks.console_since)
            .min();
        let settled = |h: &&Known<'_>| {
            self.last_issue(&h.marks)
                .is_none_or(|last| now.trunc_subsecs(0) > last)
        };
        let wait = !holders.iter().all(settled) && self.has(Clause::WaitForCut);
        overlapping.or((!wait).then_some(now))
    }

    /// The unique id of a grant's principal: fixed at approval, or as this look shows it.
    pub fn principal_id<'b>(&'b self, grant: &'b Grant) -> Option<&'b str> {
        let read = || self.role.principals.get(&grant.principal_arn)?.as_deref();
        grant.principal_id.as_deref().or_else(read)
    }

    fn holders<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b Known<'a>> {
        let has_it = move |k: &&Known<'_>| {
            k.marks.console_since.is_some() && k.grant.console_name.as_deref() == Some(name)
        };
        self.grants.iter().filter(has_it)
    }

    /// The guard that should be there; empty where none should.
    pub fn guard(&self) -> Guard {
        let mut guard = Guard {
            kept: self.kept.clone(),
            lists: self.has(Clause::List),
            installation: self.input.target.installation.clone(),
            ..Guard::default()
        };
        let admitted = |k: &&Known<'_>| k.live && self.admits(k, &k.grant.grant_name);
        for k in self.grants.iter().filter(admitted) {
            guard
                .until
                .insert(k.grant.grant_name.clone(), k.grant.deadline);
            if let Some(name) = self.console_name(k).filter(|name| self.admits(k, name)) {
                let until = guard
                    .until
                    .entry(name.to_owned())
                    .or_insert(k.grant.deadline);
                *until = k.grant.deadline.max(*until);
            }
        }
        let names: BTreeSet<&str> = self
            .grants
            .iter()
            .filter_map(|k| self.console_name(k))
            .collect();
        for name in names {
            if guard.until.contains_key(name) {
                guard
                    .cut
                    .extend(self.cut(name).map(|at| (name.to_owned(), at)));
            } else {
                self.close_name(&mut guard, name);
            }
        }
        self.join_ended(&mut guard);
        guard
    }

    /// One statement for the names that nobody holds now: with the latest cut, which is a stricter one for the others. Where nothing may be opened,
    /// and one of them must be denied altogether, they all are: a statement more would make a closing grow.
    fn join_ended(&self, guard: &mut Guard) {
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

    /// Whether a guard should be there.
    pub fn needs_guard(&self) -> bool {
        self.grants_need_guard() || !self.is_of_others() && self.may_outlive_its_rows()
    }

    /// Whether any grant still needs the guard. That of another installation is overwritten only for what AWS has ever been told of ours.
    pub fn grants_need_guard(&self) -> bool {
        let others = self.is_of_others();
        let counts = |k: &&Known<'_>| !others || k.marks.sent_until.is_some();
        let mut grants = self.grants.iter().filter(counts);
        !others && !self.kept.is_empty() || grants.any(|k| k.live || self.past(k))
    }

    /// Whether the guard as read may deny sessions of a grant that is not at hand: its list names nobody whom it denies. One that was open to the
    /// world and is over by now accounts for it.
    fn may_outlive_its_rows(&self) -> bool {
        let accounts = |k: &Known<'_>| !k.live && k.marks.sent_until.is_some();
        let unaccounted = !self.grants.iter().any(accounts);
        self.is_of_another_time()
            || unaccounted && self.guard_ages().is_some_and(|end| self.input.now <= end)
    }

    /// When no session is left that the guard as we wrote it last may deny. `None` where there is no guard, or we have deleted it.
    pub fn guard_ages(&self) -> Option<DateTime<Utc>> {
        let written = self.input.target.written_guard.as_ref()?;
        let stands = self.role.guard.is_some() && written.hash != super::fingerprint("");
        stands.then(|| written.at + self.outlived())
    }

    /// Whether the guard is one that the stored facts do not know of: from a database that was ahead of this one (GUARD C9).
    pub fn is_of_another_time(&self) -> bool {
        let known = self.input.target.revision;
        self.read.revision.is_some_and(|read| read > known)
    }

    /// Whether the guard was written by another installation.
    pub fn is_of_others(&self) -> bool {
        let own = &self.input.target.installation;
        self.read.installation.as_ref().is_some_and(|it| it != own)
    }

    /// A restricted guard lists only what the one in AWS lists, or, where somebody deleted it, what is open already.
    fn admits(&self, k: &Known<'_>, name: &str) -> bool {
        let lost = self.role.guard.is_none() && matches!(k.grant.state, GrantState::Active { .. });
        !self.restricted || lost || self.read.until.contains_key(name)
    }

    pub fn console_name<'b>(&self, k: &Known<'b>) -> Option<&'b str> {
        k.marks.console_since.and(k.grant.console_name.as_deref())
    }

    /// Up to when sessions of a live console name are older than its present holder's approval.
    fn cut(&self, name: &str) -> Option<DateTime<Utc>> {
        let since = self
            .holders(name)
            .filter(|h| h.live)
            .filter_map(|h| h.marks.console_since)
            .min()?;
        let older = self
            .holders(name)
            .filter(|h| self.past(h) && h.marks.console_since < Some(since));
        older
            .filter_map(|h| self.last_issue(&h.marks))
            .filter(|last| self.has(Clause::WaitForCut) || *last < since)
            .map(|last| last.min(since.trunc_subsecs(0) - SECOND))
            .max()
    }

    /// Denies a console name that no grant may use now: altogether until nobody can get a session of it any more, then the sessions there are.
    fn close_name(&self, guard: &mut Guard, name: &str) {
        let now = self.input.now;
        let sent: Vec<_> = self
            .holders(name)
            .filter(|h| h.marks.sent_until.is_some())
            .collect();
        let settled = sent
            .iter()
            .filter(|h| self.past(h))
            .filter_map(|h| self.last_issue(&h.marks))
            .max();
        let unsettled = sent.iter().any(|h| h.live)
            || settled
                .is_some_and(|at| now <= at || self.restricted && self.read.denied.contains(name));
        if unsettled && self.has(Clause::DeniedUntilSettled) {
            guard.denied.insert(name.to_owned());
        } else if let Some(at) = settled {
            let ended = sent
                .iter()
                .filter(|h| self.past(h))
                .map(|h| ended_at(h.grant))
                .max();
            let at = if unsettled { ended.unwrap_or(at) } else { at };
            guard.cut.insert(name.to_owned(), at);
        }
    }

    /// The statements of ours that should be in the trust policy, by Sid.
    pub fn statements(&self) -> BTreeMap<String, (&Known<'a>, String)> {
        let live = self.grants.iter().filter(|k| k.live);
        live.map(|k| {
            let text = trust::of(k.grant, k.marks.console_since.is_some(), k.grant.deadline);
            (sid(k.grant.id), (k, text))
        })
        .collect()
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

fn ceil(at: DateTime<Utc>) -> DateTime<Utc> {
    let floor = at.trunc_subsecs(0);
    if floor == at { at } else { floor + SECOND }
}
