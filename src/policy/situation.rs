//! One look at a role: what the reads mean beside the stored facts (docs/guard.md §3, *A look*).

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::condition::{is_of_others, is_of_unknown_age, read_guard};
use super::document::{Document, Statement, Unreadable, sid};
use super::guard::{self, Times};
use super::mutations::{Clause, stands};
use super::trust::{self, Wording};
use super::{Input, ObservedRole, fingerprint};
use crate::domain::entitlement::Method;
use crate::domain::grant::{Grant, GrantState, Marks};
use crate::domain::part::PartKind;
use crate::domain::target::Condition;

/// The longest session that STS gives out, whatever the role's current maximum (docs/guard.md, H3).
pub const LONGEST_SESSION: TimeDelta = TimeDelta::hours(12);
/// The longest duration that a grant may have.
const LONGEST_GRANT: TimeDelta = TimeDelta::hours(12);

pub(super) const SECOND: TimeDelta = TimeDelta::seconds(1);

/// A grant with what this look adds to its stored facts.
pub(super) struct Known<'a> {
    pub grant: &'a Grant,
    /// The stored marks, brought up to date.
    pub marks: Marks,
    /// Its statement in the trust policy.
    pub statement: Option<Wording>,
    /// Opening or active, and within its time.
    pub live: bool,
    /// Not live, and its statement is not there, nor can a write without an answer bring it back.
    pub absent: bool,
}

impl<'a> Known<'a> {
    pub const fn is_opening(&self) -> bool {
        self.grant.state.is_opening()
    }

    /// Read back as open, and within its time.
    pub const fn is_active(&self) -> bool {
        self.live && matches!(self.grant.state, GrantState::Active { .. })
    }

    /// Whether a statement in the trust policy lets the person in; else what does is elsewhere.
    pub fn wants_statement(&self) -> bool {
        self.grant.method.part() == PartKind::Statement
    }

    /// Whether its statement reads as it was sent, now or before.
    pub const fn stands_as_sent(&self) -> bool {
        matches!(self.statement, Some(Wording::Current | Wording::Earlier))
    }

    /// Whether a statement of it was ever sent to AWS.
    pub const fn was_sent(&self) -> bool {
        self.marks.sent_until.is_some()
    }

    /// The console name, where the grant has it or has had it.
    pub fn console_name(&self) -> Option<&'a str> {
        let name = self.grant.console_name.as_deref();
        self.marks.console_since.and(name)
    }

    /// What its statement should say.
    pub fn desired_statement(&self) -> String {
        let with_console_name = self.marks.console_since.is_some();
        trust::of(self.grant, with_console_name, self.grant.deadline)
    }
}

/// How far the trust policy as read can be relied on.
pub(super) struct TrustRead {
    /// It says what we wrote last.
    pub as_written: bool,
    /// It may be one from before our last write; nothing is written from it (docs/guard.md, H1).
    pub stale: bool,
    /// What it lacks is not there.
    pub certain: bool,
}

impl TrustRead {
    fn of(input: &Input<'_>, role: &ObservedRole) -> Self {
        let target = input.target;
        let Some(written) = &target.trust.written else {
            // A refused write alone is remembered by its time.
            return Self {
                as_written: false,
                stale: false,
                certain: input.has_settled(target.trust.sent_at),
            };
        };
        let as_written = written.hash == fingerprint(&role.trust);
        let settled = input.has_settled(Some(written.at));
        // What we wrote last may have stood there before as well. Where the answer was lost, or a
        // refusal was the last one, a lagging read of it therefore tells nothing.
        let answered = target.trust.unclear_at.is_none_or(|at| at < written.at);
        let nothing_later = target.trust.sent_at.is_none_or(|at| at <= written.at);
        let all_settled = settled && input.has_settled(target.trust.sent_at);
        Self {
            as_written,
            stale: !settled && !as_written,
            certain: all_settled || as_written && answered && nothing_later,
        }
    }
}

/// One look at a role that is there, with everything known about its grants.
pub(super) struct Situation<'a> {
    pub input: &'a Input<'a>,
    pub role: &'a ObservedRole,
    pub document: Result<Document<'a>, Unreadable>,
    pub trust_read: TrustRead,
    /// What the guard as read says.
    pub shown: guard::Read,
    /// Whether the guard may take in nothing that it does not hold already.
    pub restricted: bool,
    /// Whether nothing that the guard says may be taken back: in safe mode, and while the clocks
    /// differ (docs/guard.md, C13).
    pub tightens: bool,
    /// Whether AWS may know of a later time than the database.
    pub safe: bool,
    /// By id.
    pub grants: Vec<Known<'a>>,
    /// Names that are denied although no grant at hand explains them, and when each was found:
    /// those stored with the target, those in the guard as read, and those of stray statements.
    pub kept: Times,
}

impl<'a> Situation<'a> {
    pub fn new(input: &'a Input<'a>, role: &'a ObservedRole, condition: Condition) -> Self {
        let safe = condition == Condition::SafeMode;
        let mut situation = Self {
            input,
            role,
            document: Document::parse(&role.trust),
            trust_read: TrustRead::of(input, role),
            shown: read_guard(input.target, role).unwrap_or_default(),
            restricted: input.closings_only || safe,
            tightens: safe || input.clocks_differ,
            safe,
            grants: Vec::new(),
            kept: Times::new(),
        };
        situation.kept = situation.unknown_names();
        let named = situation.grants_named_here();
        situation.grants = named.map(|grant| situation.know(grant)).collect();
        situation.grants.sort_by_key(|known| known.grant.id);
        situation
    }

    /// Whether a grant is on the very role that is there, as far as anybody knows.
    fn is_on_this_role(&self, grant: &Grant) -> bool {
        let id = grant.role_id.as_ref();
        id.is_none_or(|id| *id == self.role.role_id)
    }

    pub fn grants_here(&self) -> impl Iterator<Item = &'a Grant> {
        let grants = self.input.grants.iter();
        grants.filter(|grant| self.is_on_this_role(grant))
    }

    /// The grants whose sessions may be this role's: those on it, and those that are over of
    /// another role of its name, as far as what lets them in is on the user and names the role by
    /// its ARN (docs/carrier.md, I5).
    pub fn grants_named_here(&self) -> impl Iterator<Item = &'a Grant> {
        let grants = self.input.grants.iter();
        grants.filter(|grant| self.is_on_this_role(grant) || comes_by_name(grant))
    }

    /// The stored facts of a grant with what its statement, or the lack of it, says now.
    fn know(&self, grant: &'a Grant) -> Known<'a> {
        let Input { now, margins, .. } = *self.input;
        let mut marks = grant.marks.clone();
        let first = self.statements_of(grant).next();
        let with_console_name = marks.console_since.is_some();
        let statement = first.map(|s| trust::compare(s.text, grant, with_console_name));
        // A hand was there: the statement has a later date than was ever sent, or none, or it
        // stands although none was ever sent (docs/guard.md, C2). No fact says how long it admits.
        // Twelve hours are as far ahead as a date of ours can be, and each look that still shows
        // the statement moves the mark on.
        if self.admits_longer_than_sent(grant) {
            // Never back, also where the clock went back.
            marks.sent_until = marks.sent_until.max(Some(now + LONGEST_SESSION));
        }
        let last = self.last_issue(&marks);
        marks.guard_until = last.map(|at| at + longest_session() + margins.propagation);
        marks.principal_missing_since = self.principal_missing_since(grant);
        let live = grant.state.may_be_open() && grant.starts_at <= now && now < grant.deadline;
        Known {
            absent: !live && self.lacks_for_good(statement, &marks),
            grant,
            marks,
            statement,
            live,
        }
    }

    fn statements_of(&self, grant: &Grant) -> impl Iterator<Item = &Statement<'a>> {
        let own = sid(grant.id);
        let ours = self.document.iter().flat_map(Document::ours);
        ours.filter(move |(sid, _)| *sid == own)
            .map(|(_, statement)| statement)
    }

    /// Whether a statement of the grant, doubled ones among them, admits for longer than any that
    /// was sent.
    fn admits_longer_than_sent(&self, grant: &Grant) -> bool {
        let mut statements = self.statements_of(grant);
        match grant.marks.sent_until {
            None => statements.next().is_some(),
            Some(sent) => statements.any(|statement| {
                let date = trust::date(&statement.node());
                date.is_none_or(|date| date > sent)
            }),
        }
    }

    /// Whether a statement is not there, and no write of ours can bring it back.
    fn lacks_for_good(&self, statement: Option<Wording>, marks: &Marks) -> bool {
        let lacks = statement.is_none() && self.document.is_ok();
        let for_good = self.trust_read.certain && !self.input.may_land(marks.unclear_at);
        lacks && (for_good || !stands(Clause::AbsenceWaits))
    }

    /// Since when AWS says that there is no such user. Where nobody asked, what was known stays.
    fn principal_missing_since(&self, grant: &Grant) -> Option<DateTime<Utc>> {
        let since = grant.marks.principal_missing_since;
        match self.role.shows(grant) {
            Some(None) => since.or(Some(self.input.now)),
            Some(Some(_)) => None,
            None => since,
        }
    }

    /// How long after a guard was written, or a name in it was found, a session that it denies may
    /// be left: the longest grant, whose statement somebody may put back until its deadline
    /// (docs/guard.md, C11), and then the longest session.
    pub fn outlived(&self) -> TimeDelta {
        let margins = self.input.margins;
        LONGEST_GRANT + LONGEST_SESSION + margins.propagation * 2 + margins.clock
    }

    /// After this nobody can get a session of the grant: whole seconds, as tokens have. That its
    /// statement was taken away says nothing, since a stale save of the trust policy brings it back
    /// (docs/guard.md, C11). `None` where nothing was ever sent.
    pub fn last_issue(&self, marks: &Marks) -> Option<DateTime<Utc>> {
        let sent = marks.sent_until?;
        Some(ceil(sent + self.input.margins.clock))
    }

    /// Whether a grant is not live, and sessions of it may be left.
    pub fn is_past(&self, known: &Known<'_>) -> bool {
        let until = known.marks.guard_until;
        !known.live && until.is_some_and(|until| self.input.now <= until)
    }

    /// The `aws:userid` of a grant's principal: fixed at approval, or as this look shows it.
    pub fn principal_id(&self, grant: &Grant) -> Option<String> {
        let fixed = grant.principal_id.clone();
        fixed.or_else(|| Some(self.role.shows(grant)??.id))
    }

    /// Whether the guard as read names the grant.
    pub fn lists(&self, known: &Known<'_>) -> bool {
        self.shown.until.contains_key(&known.grant.grant_name)
    }

    /// Puts into the marks until when the guard as read lists each grant, with the console name
    /// that it has by now.
    pub fn note_whom_the_guard_lists(&mut self) {
        for index in 0..self.grants.len() {
            let listed_until = self.listed_until(&self.grants[index]);
            self.grants[index].marks.listed_until = listed_until;
        }
    }

    /// Never later than the deadline: what a hand has put there is not ours to store.
    fn listed_until(&self, known: &Known<'_>) -> Option<DateTime<Utc>> {
        let own = self.shown.until.get(&known.grant.grant_name)?;
        let until = match known.console_name() {
            Some(console) => own.min(self.shown.until.get(console)?),
            None => own,
        };
        Some(known.grant.deadline.min(*until))
    }

    /// Whether a guard should be there.
    pub fn needs_guard(&self) -> bool {
        self.grants_need_guard() || !self.is_of_others() && self.may_outlive_its_rows()
    }

    /// Whether any grant or kept name still needs the guard. That of another installation is
    /// overwritten only for what AWS has ever been told of ours.
    fn grants_need_guard(&self) -> bool {
        let others = self.is_of_others();
        // A closed role is open to nobody whom the guard does not list.
        if !others && (!self.kept.is_empty() || self.input.target.closed) {
            return true;
        }
        let mut grants = self.grants.iter();
        grants.any(|known| (known.live || self.is_past(known)) && (!others || known.was_sent()))
    }

    /// Whether the guard as read may deny sessions of a grant that is not at hand: its list names
    /// nobody whom it denies. A grant that was sent and is over by now accounts for it.
    fn may_outlive_its_rows(&self) -> bool {
        if self.is_of_another_time() {
            return true;
        }
        let mut grants = self.grants.iter();
        let accounted = grants.any(|known| !known.live && known.was_sent());
        let end = self.guard_ages();
        !accounted && end.is_some_and(|end| self.input.now <= end)
    }

    /// When no session is left that the guard as we wrote it last may deny. `None` where there is
    /// no guard, or we have deleted it.
    pub fn guard_ages(&self) -> Option<DateTime<Utc>> {
        let written = self.input.target.guard.written.as_ref()?;
        let stands = self.role.guard.is_some() && written.hash != fingerprint("");
        stands.then(|| written.at + self.outlived())
    }

    /// Whether the guard is one that the stored facts do not know of: from a database that was
    /// ahead of this one (docs/guard.md, C9).
    pub fn is_of_another_time(&self) -> bool {
        let sent = self.input.target.revision;
        let is_later = self.shown.revision.is_some_and(|shown| shown > sent);
        is_later || is_of_unknown_age(self.input)
    }

    /// Whether the guard was written by another installation.
    pub fn is_of_others(&self) -> bool {
        is_of_others(&self.shown, self.input.target)
    }

    /// Whether the guard as read may be one from before our last write.
    pub fn guard_is_stale(&self) -> bool {
        let sent = self.input.target.revision;
        let is_older = self.shown.revision.is_none_or(|shown| shown < sent);
        is_older && !self.input.guard_has_settled()
    }

    /// From when a read shows our last guard write.
    pub fn guard_settles(&self) -> DateTime<Utc> {
        let written = self.input.target.guard.written_at();
        written.map_or(self.input.now, |at| at + self.input.margins.propagation)
    }
}

fn longest_session() -> TimeDelta {
    if stands(Clause::LongestSession) {
        LONGEST_SESSION
    } else {
        TimeDelta::hours(1)
    }
}

/// The next whole second.
pub(super) fn ceil(at: DateTime<Utc>) -> DateTime<Utc> {
    let floor = at.trunc_subsecs(0);
    if floor == at { at } else { floor + SECOND }
}

/// Whether a grant that is over, or closes, may let its person into whatever role has the name.
pub(super) fn comes_by_name(grant: &Grant) -> bool {
    let was_sent = grant.marks.sent_until.is_some();
    let is_left = was_sent && !grant.state.may_be_open();
    grant.method == Method::Switch && is_left
}
