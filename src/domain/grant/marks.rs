//! What of a grant is in AWS, as far as anybody knows.

use chrono::{DateTime, Utc};

use super::bypass::Bypassed;
use crate::domain::part::Part;

/// What was sent to AWS for a grant and what was seen there: the stored facts that docs/guard.md §3
/// plans from. Sent facts are stored before the write, seen ones after the read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The latest deadline ever sent.
    pub sent_until: Option<DateTime<Utc>>,
    /// Until when the guard as last read lists its names, at most until its deadline; `None` where
    /// it does not list all of them.
    pub listed_until: Option<DateTime<Utc>>,
    /// Since when the console name belongs to it.
    pub console_since: Option<DateTime<Utc>>,
    /// When a write that lets it in, of the trust policy or of its inline policy, was sent whose
    /// answer is not known.
    pub unclear_at: Option<DateTime<Utc>>,
    /// Since when nothing on the user lets it in: of an inline policy alone. While it is live,
    /// since when its policy is missing.
    pub absent_at: Option<DateTime<Utc>>,
    /// Until when the guard must name it; of an inline policy, until when it is looked for.
    pub guard_until: Option<DateTime<Utc>>,
    /// When the guard was seen without it after that; of an inline policy, when nothing of it was
    /// left to look for.
    pub guard_gone_at: Option<DateTime<Utc>>,
    /// How often its statement or inline policy was put back after somebody took it away or
    /// changed it.
    pub restores: i16,
    /// When AWS first said that the principal is not there, unless it has shown it since.
    pub principal_missing_since: Option<DateTime<Utc>>,
    /// Until when keys that were handed out may work, where nothing cuts them: when the last of
    /// them expires, and at the deadline at the latest. None where there are none.
    pub keys_until: Option<DateTime<Utc>>,
    /// When IAM was last asked whether the person could do without the grant; of switch alone.
    pub bypass_asked_at: Option<DateTime<Utc>>,
    /// That they could.
    pub bypassed: Option<Bypassed>,
}

/// What of a grant is in AWS, as far as anybody knows.
#[derive(Debug, Clone, Copy)]
pub enum Effect<'a> {
    /// What is written for it.
    Written(&'a [Part]),
    /// Nothing is written. Sessions that were handed out may work until then; none where there
    /// are none.
    HandedOut(Option<DateTime<Utc>>),
}

impl Marks {
    /// Whether the guard has to name it for so long at least; never where nothing of it was sent.
    #[must_use]
    pub fn is_guarded_until(&self, at: DateTime<Utc>) -> bool {
        self.guard_gone_at.is_none() && self.guard_until.is_some_and(|until| at <= until)
    }
}
