//! What the function is given and what it answers: `Input`, `Plan` and their parts (docs/guard.md
//! §3).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::authority::Unvouched;
use super::document;
use crate::domain::cause::Cause;
use crate::domain::grant::{Grant, Marks};
use crate::domain::part::Allows;
use crate::domain::target::{Condition, DocumentKey, Target};
use crate::ids::GrantId;

/// The allowances of docs/guard.md §2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margins {
    /// P: how long the data plane may lag behind a confirmed write.
    pub propagation: TimeDelta,
    /// L: how long an unanswered write may still land.
    pub unanswered: TimeDelta,
    /// δ: whole-second token times and the skew between clocks.
    pub clock: TimeDelta,
    /// How often we look while a guard of ours stands and nothing is open: somebody may delete it
    /// (docs/guard.md, C12).
    pub watch: TimeDelta,
}

impl Margins {
    /// How long after a write without an answer a read may not yet show what it did: it may land at
    /// the end of L, and a read lags by up to P.
    #[must_use]
    pub fn unclear(&self) -> TimeDelta {
        self.unanswered + self.propagation
    }

    /// How long "it is not there" has to be read before it is believed: a lagging read says so of
    /// what was just created (docs/guard.md, C14).
    #[must_use]
    pub fn missing(&self) -> TimeDelta {
        self.propagation + self.clock
    }
}

/// Who has a name in IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its unique id (`AIDA…`, `AROA…`); as the identity of a grant, its `aws:userid`.
    pub id: String,
    /// `CreateDate`: who was created after a request is not whom it asked for.
    pub created_at: DateTime<Utc>,
    /// Of a role, why nobody vouches for the names of its sessions, if so: nobody is let in as one
    /// then.
    pub unvouched: Option<Unvouched>,
}

/// What one look at AWS showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// There is no role, or user, of that name.
    Gone,
    /// The role and its documents, read one after the other.
    Role(ObservedRole),
    /// A user, or a role that people come as, which carries inline policies of ours.
    User(ObservedUser),
}

/// An IAM user, or a role that people come as, as it was read. Policies are percent-decoded and
/// otherwise as AWS answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedUser {
    /// `UserId` (`AIDA…`), or `RoleId` (`AROA…`).
    pub user_id: String,
    /// ARN.
    pub arn: String,
    /// `CreateDate`.
    pub created_at: DateTime<Utc>,
    /// The inline policies whose names begin with [`PREFIX`](super::inline::PREFIX), by name; those
    /// of other installations are among them.
    pub policies: BTreeMap<String, String>,
    /// Characters of all other inline policies together, without white space.
    pub foreign: usize,
    /// How many characters all inline policies may have together
    /// ([`USER_INLINE_QUOTA`](super::capacity::USER_INLINE_QUOTA), or of a role
    /// [`INLINE_QUOTA`](super::capacity::INLINE_QUOTA)).
    pub quota: usize,
    /// Of a role, why nobody vouches for the names of its sessions, if so.
    pub unvouched: Option<Unvouched>,
}

/// A role as it was read. Documents are percent-decoded and otherwise as AWS answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedRole {
    /// `RoleId` (`AROA…`).
    pub role_id: String,
    /// `CreateDate`.
    pub created_at: DateTime<Utc>,
    /// ARN, for the protected paths.
    pub arn: String,
    /// The trust policy.
    pub trust: String,
    /// The inline policy `CountersignGuard`, if there is one.
    pub guard: Option<String>,
    /// `AssumeRolePolicySizeQuota` of the account, in characters.
    pub trust_quota: usize,
    /// The principals of the grants at hand, by ARN; `None` where AWS says that there is none.
    pub principals: BTreeMap<String, Option<Identity>>,
}

impl ObservedRole {
    /// What AWS says of the identity of a grant: `Some(None)` where it says that there is none,
    /// `None` where nobody looked, or the grant needs no identity.
    #[must_use]
    pub fn shows(&self, grant: &Grant) -> Option<Option<Identity>> {
        let who = grant.who()?;
        let shown = self.principals.get(who.arn)?.clone();
        Some(shown.map(|it| Identity {
            id: who.userid(&it.id),
            ..it
        }))
    }
}

/// Everything that the next step follows from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The row of the role or user.
    pub target: &'a Target,
    /// Every grant of it that is opening, active or closing, and every ended or failed one whose
    /// `guard_gone_at` is not set. On a user the scheduled ones as well, since a policy of theirs
    /// is nobody's else; and each with the marks of its inline policy.
    pub grants: &'a [Grant],
    /// What the inline policies of the grants allow; of a user alone.
    pub allows: &'a BTreeMap<GrantId, Allows>,
    /// The grants that the guard of their role is known to list, with the console name where they
    /// have one, asked in this transaction (docs/carrier.md, I2); of a user alone.
    pub listed: &'a BTreeSet<GrantId>,
    /// What AWS showed.
    pub observed: &'a Observed,
    /// The present time.
    pub now: DateTime<Utc>,
    /// P, L, δ and the watch interval.
    pub margins: Margins,
    /// After a refused write: plan the closings alone.
    pub closings_only: bool,
    /// AWS did not take a document with several openings in it: plan one at a time, so that only
    /// the guilty one is refused.
    pub one_at_a_time: bool,
    /// The clocks of AWS and of the database are known to differ: nothing is opened, and nothing
    /// that the guard says is taken back.
    pub clocks_differ: bool,
    /// AWS has just refused the guard: what statements are to go, go without it.
    pub guard_refused: bool,
    /// AWS has just refused the text that ends an inline policy: the policy is deleted instead.
    pub ended_refused: bool,
    /// The grants whose inline policies AWS has just refused to take away: everything else goes on.
    pub refused: &'a BTreeSet<GrantId>,
}

impl<'a> Input<'a> {
    /// Whether P has passed since a write, so that a read shows what became of it. Where nothing
    /// was written there is nothing to wait for.
    pub(super) fn has_settled(&self, written: Option<DateTime<Utc>>) -> bool {
        written.is_none_or(|at| self.now >= at + self.margins.propagation)
    }

    /// Whether P has passed since our last guard write.
    pub(super) fn guard_has_settled(&self) -> bool {
        self.has_settled(self.target.guard.written_at())
    }

    /// Whether a write that was sent then, and has had no answer, may still land.
    pub(super) fn may_land(&self, unclear: Option<DateTime<Utc>>) -> bool {
        unclear.is_some_and(|at| self.now < at + self.margins.unclear())
    }

    /// Whether a trust write without an answer may still land.
    pub(super) fn trust_is_unclear(&self) -> bool {
        self.may_land(self.target.trust.unclear_at)
    }

    /// Whether a guard write without an answer may still land.
    pub(super) fn guard_is_unclear(&self) -> bool {
        self.may_land(self.target.guard.unclear_at)
    }

    /// The grants that are opening or active, whatever the time is.
    pub(super) fn open_grants(&self) -> impl Iterator<Item = &'a Grant> + use<'a> {
        self.grants.iter().filter(|grant| grant.state.may_be_open())
    }

    /// Whether a Sid is that of a grant at hand.
    pub(super) fn has_grant_of(&self, sid: &str) -> bool {
        let mut grants = self.grants.iter();
        grants.any(|grant| document::sid(grant.id) == sid)
    }

    /// Whether a session name is the grant name of a grant at hand.
    pub(super) fn has_grant_name(&self, name: &str) -> bool {
        self.grants.iter().any(|grant| grant.grant_name == name)
    }
}

/// The next step, and what follows from the look. The worker stores everything else *before* it
/// takes the step, then reads back what it has written and plans again.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Marks that changed: to be stored before the step.
    pub marks: Vec<(GrantId, Marks)>,
    /// Ids of AWS that were not known at approval and are now: principal id, where the
    /// method needs an identity, and role id.
    pub identified: Vec<(GrantId, Option<String>, String)>,
    /// The role's condition as seen.
    pub condition: Condition,
    /// When AWS first said that the role is not there; `None` where this look showed it.
    pub missing_since: Option<DateTime<Utc>>,
    /// The revision that counts as known: in safe mode that which AWS shows, so that a person may
    /// lift it.
    pub revision: i64,
    /// When AWS was first seen to be of another time than the database, unless a person has judged
    /// it and the guard has been written since.
    pub safe_since: Option<DateTime<Utc>>,
    /// The names that nobody explains, from now on: to be stored, since a look that lags does not
    /// show them.
    pub kept: BTreeMap<String, DateTime<Utc>>,
    /// Grants that must close because of what was seen; plan again once they do.
    pub close: Vec<(GrantId, Cause)>,
    /// Opening grants whose guard and statement were read back.
    pub opened: Vec<GrantId>,
    /// Closing grants of which nothing is left open.
    pub closed: Vec<GrantId>,
    /// Ended grants that the guard need not name any more and does not.
    pub guard_removed: Vec<GrantId>,
    /// What was read of the guard, for whoever is let in only while it is known to stand.
    pub guard_read: GuardRead,
    /// The next AWS write, if there is one.
    pub step: Step,
    /// When to look again, if no write is to be made now.
    pub due: Option<DateTime<Utc>>,
    /// Whether a write is waited for: one without an answer, or one that reads do not show yet.
    pub waits: bool,
    /// What people should be told of, each with the plan that answers it, and not again.
    pub alarms: Vec<Alarm>,
}

/// Something on a user that is none of our doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// An inline policy of that name is this installation's, and no grant at hand accounts for it:
    /// it is deleted.
    Unaccounted(String),
    /// What stands there for a grant is of another time than the database: the grant ends. A
    /// restored database is a reason to read every target with a live or recent grant at once.
    OtherTimeline(GrantId),
    /// Somebody changed a live grant's policy: it is written anew once, or the grant ends. Until
    /// then it may have allowed more, or under other session names (docs/carrier.md, I8).
    Altered(GrantId),
    /// The policy of a grant that was over is back: a late write or a stale save (docs/carrier.md,
    /// T1, T2). It is ended again.
    CameBack(GrantId),
}

/// What a look showed of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardRead {
    /// It is as it should be, or what we sent last. Whom it lists is in the marks.
    Whole,
    /// It is what we sent last, or is gone where that was its deletion; whom it lists was not
    /// asked.
    AsSent,
    /// It is gone, somebody else changed it, or an older one was read.
    Other,
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing to write now.
    Rest,
    /// One write of one document.
    Write(Box<Write>),
}

/// One write of one whole document. What is sent is remembered in the target's
/// [`Sent`](crate::domain::target::Sent) by its [`fingerprint`](super::fingerprint) before the
/// call. A definite answer puts `unclear_at` back to what it was before, since an earlier
/// unanswered write may still land.
///
/// A refusal puts back what was remembered of the document: hash, time, revision and original text.
/// `sent_at` and the grants' `sent_until` stay, since the refusal may be wrong (docs/decisions.md,
/// 8). The revision is put back even so: a guard write that was refused although it landed leaves a
/// guard of a later revision than the target's, and the next look goes to safe mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which document.
    pub key: DocumentKey,
    /// The whole text; `None` deletes the document, and is remembered as the empty text.
    pub text: Option<String>,
    /// The guard's revision once it is written, stored as the target's before it is sent.
    pub revision: i64,
    /// The grants that the document lets in and the one as read does not: a refusal is answered
    /// without them.
    pub opens: Vec<GrantId>,
    /// Whether somebody deleted the guard under an active grant, so that this write puts it back:
    /// counted in the target's `guard_restores` once AWS has taken it.
    pub guard_back: bool,
    /// The grants whose statements somebody took away, and those whose changed statements it takes
    /// out, to be added anew; those whose inline policies it puts back or rewrites: counted in the
    /// grants' `restores` once AWS has taken it.
    pub restores: Vec<GrantId>,
    /// Every grant that it lets in, by a statement or a whole policy, with the deadline sent.
    /// Before the write, `sent_until` becomes the later of the two and `unclear_at` the present
    /// time; a definite answer puts `unclear_at` back to what it was.
    pub sends: Vec<(GrantId, DateTime<Utc>)>,
    /// The document that it replaces, as read; to be kept first where it is not what we sent last.
    /// Where [`document::has_grants`](super::document::has_grants) finds nothing of ours in a trust
    /// policy, it is the target's original from then on.
    pub replaces: Option<String>,
}

impl Write {
    /// The text that it sends; empty where it deletes.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }
}

impl Step {
    /// What is written, if anything.
    #[must_use]
    pub fn write(&self) -> Option<&Write> {
        match self {
            Self::Rest => None,
            Self::Write(write) => Some(write),
        }
    }
}

impl From<Write> for Step {
    fn from(write: Write) -> Self {
        Self::Write(Box::new(write))
    }
}
