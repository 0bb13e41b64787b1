//! Credentials that are handed out for a grant: what is on record before STS is asked and after,
//! and what must stand before it is asked.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::target::Condition;
use crate::ids::{FetchId, GrantId};

/// How long after the intent STS may be asked at the latest, by a clock that does not jump.
pub const MOST_TO_BEGIN: TimeDelta = TimeDelta::seconds(10);
/// How long STS has to answer, and the endpoint that makes links to the console.
pub const MOST_TO_ANSWER: TimeDelta = TimeDelta::seconds(10);
/// With less time left than this nothing is handed out.
pub const LEAST_LEFT: TimeDelta = TimeDelta::seconds(60);
/// For how long a look at the guard counts at least: a role that is open is looked at each minute.
pub const FRESH: TimeDelta = TimeDelta::minutes(3);

/// How long a link to the console signs in, for whoever has it and as often as they like, so that a
/// session may begin after the one that STS gave (IAM User Guide, "Enable custom identity broker
/// access to the AWS console").
pub const LINK_LIFE: TimeDelta = TimeDelta::minutes(15);

/// The key of the tag that a session carries where the entitlement says so: the grant's id.
pub const GRANT_TAG: &str = "countersign:grant";

/// What is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An access key for programs.
    #[default]
    Keys,
    /// A link that signs in to the console.
    Console,
}

impl Kind {
    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Console => "console",
        }
    }
}

/// The intent to ask STS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Its id.
    pub id: FetchId,
    /// The grant.
    pub grant: GrantId,
    /// What for.
    pub kind: Kind,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

impl Fetch {
    /// Until when a session of it may begin: STS may be asked late, a call without an answer may be
    /// carried out until L (`unanswered`) is over, and a link to the console signs in for a while.
    #[must_use]
    pub fn issues_until(&self, unanswered: TimeDelta) -> DateTime<Utc> {
        match self.kind {
            Kind::Keys => begins_until(self.at, unanswered),
            // Two calls: AssumeRole, and the one that makes the link.
            Kind::Console => {
                let made = unanswered.max(MOST_TO_BEGIN + MOST_TO_ANSWER + MOST_TO_ANSWER);
                self.at + made + LINK_LIFE
            }
        }
    }
}

/// Until when a session may begin that STS is asked for once, from an intent `at` on.
#[must_use]
pub fn begins_until(at: DateTime<Utc>, unanswered: TimeDelta) -> DateTime<Utc> {
    at + unanswered.max(MOST_TO_BEGIN + MOST_TO_ANSWER)
}

/// What is on record of a session; never its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The access key's id (`ASIA…`).
    pub access_key_id: String,
    /// When it ends by itself, as STS says.
    pub expires_at: DateTime<Utc>,
    /// How much of what a session may carry its policies take, as STS says.
    pub packed_percent: Option<i16>,
}

/// What became of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The session was handed out.
    Issued(Issued),
    /// STS gave a session, and it was handed to nobody: the code of why.
    Discarded(Issued, &'static str),
    /// STS gave none, or was not asked: the code of why.
    Failed(&'static str),
    /// STS did not answer, so that a session may have been made which nobody has.
    Unanswered(&'static str),
}

impl Outcome {
    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Issued(_) => "issued",
            Self::Discarded(..) => "discarded",
            Self::Failed(_) => "failed",
            Self::Unanswered(_) => "unanswered",
        }
    }

    /// The session, if STS gave one.
    #[must_use]
    pub const fn issued(&self) -> Option<&Issued> {
        match self {
            Self::Issued(issued) | Self::Discarded(issued, _) => Some(issued),
            Self::Failed(_) | Self::Unanswered(_) => None,
        }
    }

    /// Why nothing was handed out.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Issued(_) => None,
            Self::Discarded(_, code) | Self::Failed(code) | Self::Unanswered(code) => Some(code),
        }
    }
}

/// What is known of the role whose guard is to list a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarding {
    /// What keeps new grants from it.
    pub condition: Condition,
    /// Since when the guard has all the names of the grant; `None` where it was never seen with
    /// them.
    pub listed_at: Option<DateTime<Utc>>,
    /// Until when the guard as last read lists all names of the grant; `None` where it does not.
    pub listed_until: Option<DateTime<Utc>>,
    /// When the guard was last read as it should be, or as it was sent last.
    pub equal_at: Option<DateTime<Utc>>,
    /// When a guard write was sent whose answer is not known.
    pub unclear_at: Option<DateTime<Utc>>,
    /// Whether the role that was looked at last is the one that was approved.
    pub is_its_role: bool,
    /// Whether the role lets us in under names of grants alone, as far as we assume it.
    pub is_pinned: bool,
    /// Whether the last look found that AWS has another time than the database.
    pub clocks_differ: bool,
    /// Whether a revocation holds the grant.
    pub is_held: bool,
}

/// What is known of the role of a grant that no guard stands behind, and of AWS altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unguarded {
    /// What keeps new grants from the role.
    pub condition: Condition,
    /// Whether a guard stands on it, or always does: it denies every session that it does not list.
    pub is_guarded: bool,
    /// Whether AWS was seen to be of a later time than the database, on any role or user, and no
    /// person has judged that yet: the grant may have been ended in the time that is lost.
    pub is_rewound: bool,
    /// Whether a revocation holds the grant.
    pub is_held: bool,
}

impl Guarding {
    /// Whether AWS, as far as anybody knows, denies sessions of the grant once it ends: the guard
    /// names it, was looked at within `fresh`, and no write is on its way that could take the guard
    /// away: for so long as `lands` one without an answer may land, and a read lag behind it. This
    /// is asked whenever something is to let the person in, never remembered.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>, fresh: TimeDelta, lands: TimeDelta) -> bool {
        // The look that found it listed, or a later one.
        let is_read = match (self.listed_at, self.equal_at) {
            (Some(listed), Some(equal)) => equal >= listed && now <= equal + fresh,
            _ => false,
        };
        let is_listed = self.listed_until.is_some_and(|until| now < until);
        // A deletion of the guard, or an older guard, may still land.
        let may_land = self.unclear_at.is_some_and(|at| now < at + lands);
        is_read
            && is_listed
            && !may_land
            && self.is_its_role
            && !self.clocks_differ
            && !self.is_held
    }
}
