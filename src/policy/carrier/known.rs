//! A grant on a user with what a look adds to its stored facts.

use chrono::{DateTime, Utc};

use crate::domain::grant::{Grant, GrantState, Marks};
use crate::domain::part::Allows;
use crate::domain::target::{DocumentKey, Sent};
use crate::policy::inline::{self, ENDED, Reach, Wording};
use crate::policy::mutations::{Clause, stands};
use crate::policy::situation::{LONGEST_SESSION, ceil};
use crate::policy::{Input, ObservedUser, fingerprint};

/// A grant on a user or role with what a look adds to its stored facts.
pub(super) struct Known<'a> {
    input: &'a Input<'a>,
    pub grant: &'a Grant,
    allows: Option<&'a Allows>,
    /// What was sent of its policy.
    sent: &'a Sent,
    /// The stored marks, brought up to date.
    pub marks: Marks,
    /// Its policy as read.
    pub read: Option<&'a str>,
    /// Until when that allows anything.
    reach: Reach,
    /// What its policy should say while it is live; `None` where it cannot be rendered.
    pub wanted: Option<String>,
    /// How the policy as read compares with that.
    wording: Option<Wording>,
    /// Opening or active, and within its time.
    pub live: bool,
    /// Whether the user that is there is the one that was approved.
    pub is_its_user: bool,
}

impl<'a> Known<'a> {
    pub fn new(input: &'a Input<'a>, user: &'a ObservedUser, grant: &'a Grant) -> Self {
        let Input { target, now, .. } = *input;
        let name = inline::name(&target.installation, grant.id);
        let read = user.policies.get(&name).map(String::as_str);
        let allows = input.allows.get(&grant.id);
        let console = grant.marks.console_since.is_some();
        let wanted = allows.and_then(|it| inline::text(it, grant, console, grant.deadline));
        let compared = |text| match allows {
            Some(allows) => inline::compare(text, allows, grant, console),
            None => Wording::Altered,
        };
        let mut known = Self {
            input,
            grant,
            allows,
            sent: target.sent(DocumentKey::Inline(grant.id)),
            marks: grant.marks.clone(),
            read,
            reach: read.map_or(Reach::Nothing, inline::reach),
            wanted,
            wording: read.map(compared),
            live: grant.state.may_be_open() && grant.starts_at <= now && now < grant.deadline,
            is_its_user: is_its_user(grant, user),
        };
        known.marks = known.marks_of_this_look();
        known
    }

    fn marks_of_this_look(&self) -> Marks {
        let mut marks = self.marks.clone();
        marks.sent_until = self.sent_until();
        marks.guard_until = marks.sent_until.map(|until| self.last_moment(until));
        marks.absent_at = if self.grant.state.may_be_open() {
            self.missing_since()
        } else {
            self.absent_at()
        };
        marks
    }

    /// Until when the grant may be let in by what was sent, or by what stands there. A later date,
    /// or none, is a hand's. Twelve hours are as far ahead as a date of ours can be: a later one
    /// counts as that, and each look that still shows the policy moves the mark on.
    fn sent_until(&self) -> Option<DateTime<Utc>> {
        let stored = self.grant.marks.sent_until;
        if self.is_of_another_timeline() {
            // Nothing tells what that timeline has sent; no deadline was later than this one.
            return self.longer(stored.max(Some(self.grant.deadline)));
        }
        self.longer(stored)
    }

    fn longer(&self, stored: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let longest = self.input.now + LONGEST_SESSION;
        match self.reach {
            Reach::Nothing => stored,
            Reach::Until(date) => stored.max(Some(date.min(longest))),
            Reach::Longest => stored.max(Some(longest)),
        }
    }

    /// When a policy with that date allows nothing any more, by anybody's clock.
    fn last_moment(&self, until: DateTime<Utc>) -> DateTime<Utc> {
        ceil(until + self.input.margins.clock)
    }

    /// Whether a policy with the latest date that is known may still allow something.
    fn may_be_put_back(&self) -> bool {
        let until = self.marks.guard_until;
        until.is_some_and(|until| self.input.now <= until)
    }

    /// Since when the policy of an entitlement is missing that was put. A look that may lag says
    /// nothing.
    fn missing_since(&self) -> Option<DateTime<Utc>> {
        let is_missing = self.is_attached() && self.is_removed();
        is_missing.then(|| self.grant.marks.absent_at.unwrap_or(self.input.now))
    }

    /// Since when nothing lets the grant in that is over, and nothing of ours can bring it back.
    fn absent_at(&self) -> Option<DateTime<Utc>> {
        let stored = self.grant.marks.absent_at;
        if self.allows_something_beyond_doubt() {
            return None;
        }
        if !stands(Clause::AbsenceWaits) {
            return stored.or(Some(self.input.now));
        }
        if self.may_land() {
            return None;
        }
        if self.has_settled() {
            return stored.or(Some(self.input.now));
        }
        stored
    }

    /// The policy as read allows something, its date with the allowance for clocks.
    fn allows_something_beyond_doubt(&self) -> bool {
        match self.reach {
            Reach::Nothing => false,
            Reach::Until(date) => self.input.now <= self.last_moment(date),
            Reach::Longest => true,
        }
    }

    /// When something was sent last, whatever the answer was.
    fn last_sent(&self) -> Option<DateTime<Utc>> {
        self.sent.written_at().max(self.sent.sent_at)
    }

    /// Whether a read shows what became of the last write.
    fn has_settled(&self) -> bool {
        self.input.has_settled(self.last_sent())
    }

    /// Whether a write that lets the grant in may still land.
    pub fn may_land(&self) -> bool {
        self.input.may_land(self.marks.unclear_at)
    }

    /// When the moments come at which reads show the last write, and no write can land any more.
    pub fn moments_of_writes(&self) -> [Option<DateTime<Utc>>; 3] {
        let margins = self.input.margins;
        [
            self.last_sent().map(|at| at + margins.propagation),
            self.sent.unclear_at.map(|at| at + margins.unclear()),
            self.marks.unclear_at.map(|at| at + margins.unclear()),
        ]
    }

    /// Whether the policy as read may be one from before our last write.
    pub fn lags(&self) -> bool {
        let read = fingerprint(self.read.unwrap_or_default());
        let is_written = self.sent.written.is_some();
        is_written && !self.sent.is(&read) && !self.input.has_settled(self.sent.written_at())
    }

    /// Whether AWS has answered the last write, as far as it was not refused.
    fn is_answered(&self) -> bool {
        let written = self.sent.written_at();
        written.is_some() && self.sent.unclear_at.is_none_or(|at| Some(at) < written)
    }

    /// Whether exactly this was sent last, AWS has taken it, and a read may not show it yet.
    pub fn waits_for(&self, text: &str) -> bool {
        let is_taken = self.was_sent(text) && self.is_answered();
        is_taken && !self.input.has_settled(self.sent.written_at())
    }

    /// Whether that text was sent last.
    pub fn was_sent(&self, text: &str) -> bool {
        self.sent.is(&fingerprint(text))
    }

    /// Whether what was written last lets the grant in.
    fn last_write_allows(&self) -> bool {
        let closes = [ENDED, ""].map(fingerprint);
        let is_written = self.sent.written.is_some();
        is_written && !closes.iter().any(|closing| self.sent.is(closing))
    }

    /// Whether something that lets the grant in may stand there.
    pub fn may_allow(&self) -> bool {
        let shown = match self.reach {
            Reach::Nothing => false,
            // AWS itself holds the date.
            Reach::Until(date) => self.input.now < date,
            Reach::Longest => true,
        };
        shown || self.lags() && self.may_stand_unseen()
    }

    /// Whether something that lets the grant in may stand there although a lagging read does not
    /// show it: AWS has taken it; or has not answered what was to end it. What was put without an
    /// answer may never have come there, and a closing over nothing would grow.
    fn may_stand_unseen(&self) -> bool {
        if self.is_answered() {
            self.last_write_allows()
        } else {
            !self.last_write_allows()
        }
    }

    /// Whether the policy is that of an entitlement, which is put once and needs no guard.
    pub fn is_attached(&self) -> bool {
        matches!(self.allows, Some(Allows::Statements(_))) && stands(Clause::AttachedOnce)
    }

    /// Whether the guard of its role has to list it before it is let in.
    pub fn needs_list(&self) -> bool {
        !matches!(self.allows, Some(Allows::Statements(_)))
    }

    /// Whether its policy reads as it was sent, now or before.
    pub const fn stands_as_sent(&self) -> bool {
        matches!(self.wording, Some(Wording::Current | Wording::Earlier))
    }

    pub fn is_current(&self) -> bool {
        self.wording == Some(Wording::Current)
    }

    /// Whether somebody changed its policy.
    pub fn is_altered(&self) -> bool {
        self.wording == Some(Wording::Altered) && !self.lags()
    }

    /// Whether its policy was there: it was read back, or AWS has taken it.
    pub fn was_there(&self) -> bool {
        let is_active = matches!(self.grant.state, GrantState::Active { .. });
        is_active || self.is_answered() && self.last_write_allows()
    }

    /// Whether its policy was there, and is not any more, and no read can lag.
    pub fn is_removed(&self) -> bool {
        self.was_there() && self.read.is_none() && !self.lags()
    }

    /// Whether what stands there is from a time that the database does not know: the end of a grant
    /// that is still open by its row, or a policy that was never sent.
    pub fn is_of_another_timeline(&self) -> bool {
        if !self.grant.state.is_open() || !self.is_its_user {
            return false;
        }
        let never_sent = self.grant.marks.sent_until.is_none();
        self.wording == Some(Wording::Ended) || never_sent && self.read.is_some()
    }

    pub fn is_opened(&self) -> bool {
        self.live && self.grant.state.is_opening() && self.stands_as_sent()
    }

    /// Nothing of it is left open, and no write of ours can bring it back.
    pub fn is_closed(&self) -> bool {
        let was_sent = self.marks.sent_until.is_some();
        let may_come_back = self.may_land() && stands(Clause::AbsenceWaits);
        let is_absent = self.marks.absent_at.is_some() && !may_come_back;
        let is_shut = is_absent || !was_sent && self.read.is_none();
        self.grant.state.is_closing() && is_shut
    }

    /// What is to stand there of a grant that is over: nothing, or the text of its end for as long
    /// as somebody could put its policy back.
    pub fn wants_ended(&self) -> bool {
        self.is_its_user && self.may_be_put_back()
    }

    /// Ended, and nothing of it has to be looked for.
    pub fn is_forgotten(&self) -> bool {
        let may_land = self.may_land() || self.input.may_land(self.sent.unclear_at);
        let is_gone = self.read.is_none() && self.has_settled() && !may_land;
        // While the clocks differ nobody knows by which one a date is over.
        let is_needed = self.may_be_put_back() || self.input.clocks_differ;
        self.grant.state.is_over() && is_gone && !is_needed
    }
}

/// Whether the user that is there is the one that the grant was approved for. Where AWS was silent
/// when it was asked, the user's age tells.
fn is_its_user(grant: &Grant, user: &ObservedUser) -> bool {
    match &grant.principal_id {
        Some(id) => grant
            .who()
            .is_some_and(|who| *id == who.userid(&user.user_id)),
        None => user.created_at <= grant.requested_at,
    }
}
