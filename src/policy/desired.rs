//! What AWS should say: the desired state of docs/guard.md §3, step 8, from the stored facts and
//! one look at the role.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::document::{Document, Unreadable, sid};
use super::guard::{self, Guard, Times};
use super::mutations::{Clause, stands};
use super::trust::{self, Seen};
use super::{Input, Observed, ObservedRole};
use crate::domain::grant::{Grant, GrantState, Marks};
use crate::domain::target::Condition;

/// The longest session that STS gives out, whatever the role's current maximum (docs/guard.md, H3).
pub const LONGEST_SESSION: TimeDelta = TimeDelta::hours(12);
/// The longest duration that a grant may have.
const LONGEST_GRANT: TimeDelta = TimeDelta::hours(12);

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
    /// Not live, and its statement is not there, nor can a write without an answer bring it back.
    pub absent: bool,
}

/// One look at a role that is there, with everything known about its grants.
pub(super) struct Look<'a> {
    pub input: &'a Input<'a>,
    pub role: &'a ObservedRole,
    pub document: Result<Document<'a>, Unreadable>,
    /// The guard as read.
    pub read: guard::Read,
    /// Whether the trust policy says what we wrote last.
    pub as_written: bool,
    /// Whether the trust policy may be one from before our last write.
    pub stale: bool,
    /// Whether what it lacks is not there. What we wrote last may have stood there before as well,
    /// so that where the answer was lost, or a refusal was the last one, a lagging read of it tells
    /// nothing.
    pub certain: bool,
    /// Whether the guard may take in nothing that it does not hold already.
    pub restricted: bool,
    /// Whether nothing that the guard says may be taken back: in safe mode, and while the clocks
    /// differ (docs/guard.md, C13).
    pub tightens: bool,
    /// Whether AWS may know of a later time than the database.
    pub safe: bool,
    /// By id.
    pub grants: Vec<Known<'a>>,
    /// Names in the guard that nobody here knows, and when they were found.
    pub kept: Times,
}

impl<'a> Look<'a> {
    pub fn new(input: &'a Input<'a>, role: &'a ObservedRole, condition: Condition) -> Self {
        let safe = condition == Condition::SafeMode;
        let written = input.target.written_trust.as_ref();
        let settled = written.is_none_or(|w| input.now >= w.at + input.margins.propagation);
        let as_written = written.is_some_and(|w| w.hash == super::fingerprint(&role.trust));
        let stale = !settled && !as_written;
        let unanswered = input.target.trust_unclear_at;
        let answered = unanswered.is_none_or(|at| written.is_none_or(|w| at < w.at));
        let sent = input.target.trust_sent_at;
        let latest = sent.is_none_or(|at| written.is_some_and(|w| at <= w.at));
        let told = sent.is_none_or(|at| input.now >= at + input.margins.propagation);
        let mut look = Self {
            input,
            role,
            document: Document::parse(&role.trust),
            read: role
                .guard
                .as_deref()
                .map(|g| guard::read(g, &role.role_id).believed(input.target.revision))
                .unwrap_or_default(),
            as_written,
            stale,
            certain: told && settled || as_written && answered && latest,
            restricted: input.closings_only || safe,
            tightens: safe || input.clocks_differ,
            safe,
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
        // Somebody moved its date: it may admit for as long as it stands there (docs/guard.md, C2).
        if marks.sent_until.is_some_and(reaches)
            || marks.sent_until.is_none() && statement.is_some()
        {
            marks.sent_until = Some(now + LONGEST_SESSION);
        }
        let absent = !live && statement.is_none() && self.document.is_ok();
        let may_still_land = marks
            .unclear_at
            .is_some_and(|at| now < at + margins.unclear());
        let absent = absent && (self.certain && !may_still_land || !stands(Clause::AbsenceWaits));
        marks.guard_until = self
            .last_issue(&marks)
            .map(|last| last + self.longest_session() + margins.propagation);
        marks.principal_missing_since = match self.role.principals.get(&grant.principal_arn) {
            Some(None) => marks.principal_missing_since.or(Some(now)),
            Some(Some(_)) => None,
            None => marks.principal_missing_since,
        };
        Known {
            grant,
            marks,
            statement,
            live,
            absent,
        }
    }

    /// How long after a guard was written, or a name in it was found, a session that it denies may
    /// be left: the longest grant, whose statement somebody may put back until its deadline
    /// (docs/guard.md, C11), and then the longest session.
    pub fn outlived(&self) -> TimeDelta {
        let margins = self.input.margins;
        LONGEST_GRANT + LONGEST_SESSION + margins.propagation * 2 + margins.clock
    }

    /// Whether a trust write without an answer may still land.
    pub fn trust_is_unclear(&self) -> bool {
        let Input { now, margins, .. } = *self.input;
        let sent = self.input.target.trust_unclear_at;
        sent.is_some_and(|at| now < at + margins.unclear())
    }

    /// Whether a guard write without an answer may still land.
    pub fn guard_is_unclear(&self) -> bool {
        let Input { now, margins, .. } = *self.input;
        let sent = self.input.target.guard_unclear_at;
        sent.is_some_and(|at| now < at + margins.unclear())
    }

    fn longest_session(&self) -> TimeDelta {
        if stands(Clause::LongestSession) {
            LONGEST_SESSION
        } else {
            TimeDelta::hours(1)
        }
    }

    /// After this nobody can get a session of the grant: whole seconds, as tokens have. That its
    /// statement was taken away says nothing, since a stale save of the trust policy brings it back
    /// (docs/guard.md, C11). `None` where nothing was ever sent.
    pub fn last_issue(&self, marks: &Marks) -> Option<DateTime<Utc>> {
        let sent = marks.sent_until?;
        Some(ceil(sent + self.input.margins.clock))
    }

    /// Whether sessions of an ended grant may be left.
    pub fn past(&self, k: &Known<'_>) -> bool {
        !k.live
            && k.marks
                .guard_until
                .is_some_and(|until| self.input.now <= until)
    }

    /// The unique id of a grant's principal: fixed at approval, or as this look shows it.
    pub fn principal_id<'b>(&'b self, grant: &'b Grant) -> Option<&'b str> {
        let read = || self.role.principals.get(&grant.principal_arn)?.as_ref();
        let id = grant.principal_id.as_deref();
        id.or_else(|| read().map(|it| it.id.as_str()))
    }

    /// The guard that should be there; empty where none should.
    pub fn guard(&self) -> Guard {
        let mut guard = Guard {
            kept: self.kept.clone(),
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
        // A read that is older than what we wrote last does not tell what may not be taken back.
        if self.tightens && (self.safe || !self.guard_is_stale()) {
            self.tighten(&mut guard);
        }
        guard
    }

    /// Whether a guard should be there.
    pub fn needs_guard(&self) -> bool {
        self.grants_need_guard() || !self.is_of_others() && self.may_outlive_its_rows()
    }

    /// Whether any grant still needs the guard. That of another installation is overwritten only
    /// for what AWS has ever been told of ours.
    pub fn grants_need_guard(&self) -> bool {
        let others = self.is_of_others();
        let counts = |k: &&Known<'_>| !others || k.marks.sent_until.is_some();
        let mut grants = self.grants.iter().filter(counts);
        !others && !self.kept.is_empty() || grants.any(|k| k.live || self.past(k))
    }

    /// Whether the guard as read may deny sessions of a grant that is not at hand: its list names
    /// nobody whom it denies. One that was open to the world and is over by now accounts for it.
    fn may_outlive_its_rows(&self) -> bool {
        let accounts = |k: &Known<'_>| !k.live && k.marks.sent_until.is_some();
        let unaccounted = !self.grants.iter().any(accounts);
        self.is_of_another_time()
            || unaccounted && self.guard_ages().is_some_and(|end| self.input.now <= end)
    }

    /// When no session is left that the guard as we wrote it last may deny. `None` where there is
    /// no guard, or we have deleted it.
    pub fn guard_ages(&self) -> Option<DateTime<Utc>> {
        let written = self.input.target.written_guard.as_ref()?;
        let stands = self.role.guard.is_some() && written.hash != super::fingerprint("");
        stands.then(|| written.at + self.outlived())
    }

    /// Whether the guard is one that the stored facts do not know of: from a database that was
    /// ahead of this one (docs/guard.md, C9).
    pub fn is_of_another_time(&self) -> bool {
        let known = self.input.target.revision;
        let later = self.read.revision.is_some_and(|read| read > known);
        later || is_of_unknown_age(self.input)
    }

    /// Whether the guard was written by another installation.
    pub fn is_of_others(&self) -> bool {
        let own = &self.input.target.installation;
        self.read.installation.as_ref().is_some_and(|it| it != own)
    }

    /// A restricted guard lists only what the one in AWS lists. Where somebody deleted that, or the
    /// read is older than our last write, what is open already counts as listed: a closing must not
    /// end anybody else's grant.
    fn admits(&self, k: &Known<'_>, name: &str) -> bool {
        let listed = [name, &k.grant.grant_name]
            .iter()
            .all(|name| self.read.until.contains_key(*name));
        let untold = self.role.guard.is_none() || self.guard_is_stale();
        let open = matches!(k.grant.state, GrantState::Active { .. });
        !self.restricted || listed || !self.safe && untold && open
    }

    /// Whether the guard as read may be one from before our last write.
    pub fn guard_is_stale(&self) -> bool {
        let Input {
            now,
            margins,
            target,
            ..
        } = *self.input;
        let older = self.read.revision.is_none_or(|it| it < target.revision);
        let written = target.written_guard.as_ref();
        older && written.is_some_and(|w| now < w.at + margins.propagation)
    }

    pub fn console_name<'b>(&self, k: &Known<'b>) -> Option<&'b str> {
        k.marks.console_since.and(k.grant.console_name.as_deref())
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

/// The next whole second.
pub(super) fn ceil(at: DateTime<Utc>) -> DateTime<Utc> {
    let floor = at.trunc_subsecs(0);
    if floor == at { at } else { floor + SECOND }
}

/// Whether a guard of ours stands that has not been written since AWS was seen to be of another
/// time.
pub(super) fn is_of_unknown_age(input: &Input<'_>) -> bool {
    let Observed::Role(role) = input.observed else {
        return false;
    };
    let target = input.target;
    let text = role.guard.as_deref();
    let read = text.map(|text| guard::read(text, &role.role_id));
    let ours = read.is_some_and(|read| {
        let by = read.believed(target.revision).installation;
        by.is_none_or(|it| it == target.installation)
    });
    let written = target.written_guard.as_ref().map(|w| w.at);
    ours && target.safe_since.is_some_and(|at| written < Some(at))
}
