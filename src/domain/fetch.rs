//! Credentials that are handed out for a grant: what is on record before STS is asked and after,
//! and what must stand before it is asked.

use chrono::{DateTime, TimeDelta, Utc};

use super::grant::{Grant, GrantState};
use super::target::Condition;
use crate::ids::{FetchId, GrantId};

/// How long after the intent STS may be asked at the latest, by a clock that does not jump.
pub const MOST_TO_BEGIN: TimeDelta = TimeDelta::seconds(10);
/// How long STS has to answer.
pub const MOST_TO_ANSWER: TimeDelta = TimeDelta::seconds(10);
/// With less time left than this nothing is handed out.
pub const LEAST_LEFT: TimeDelta = TimeDelta::seconds(60);
/// For how long a look at the guard counts at least: a role that is open is looked at each minute.
const FRESH: TimeDelta = TimeDelta::minutes(3);

/// The intent to ask STS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// Its id.
    pub id: FetchId,
    /// The grant.
    pub grant: GrantId,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

impl Fetch {
    /// Until when STS may issue a session of it: it may be asked late, and a call without an answer
    /// may be carried out until L (`unanswered`) is over.
    #[must_use]
    pub fn issues_until(&self, unanswered: TimeDelta) -> DateTime<Utc> {
        self.at + unanswered.max(MOST_TO_BEGIN + MOST_TO_ANSWER)
    }
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

/// What is known of the role that a grant's guard stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarding {
    /// What keeps new grants from it.
    pub condition: Condition,
    /// When the guard was last read as it should be, with every open grant in its list.
    pub equal_at: Option<DateTime<Utc>>,
    /// When a guard write was sent whose answer is not known.
    pub unclear_at: Option<DateTime<Utc>>,
    /// The unique id of the role that was looked at last.
    pub role_id: Option<String>,
    /// Whether the last look found that AWS has another time than the database.
    pub clocks_differ: bool,
}

impl Guarding {
    /// Whether AWS, as far as anybody knows, denies sessions of this grant once it ends: the guard
    /// names it, and no write is on its way that could take the guard away. This is asked whenever
    /// something is to let the person in, never remembered.
    #[must_use]
    pub fn holds(&self, grant: &Grant, now: DateTime<Utc>, unanswered: TimeDelta) -> bool {
        let opened_at = match grant.state {
            GrantState::Active { opened_at, .. } => opened_at,
            _ => return false,
        };
        let fresh = unanswered.max(FRESH);
        // The look that opened it, or a later one.
        let is_read = self
            .equal_at
            .is_some_and(|at| at >= opened_at && now <= at + fresh);
        // A deletion of the guard, or an older guard, may still land.
        let may_land = self.unclear_at.is_some_and(|at| now < at + unanswered);
        let is_same_role = self.role_id.is_some() && self.role_id == grant.role_id;
        is_read && !may_land && is_same_role && !self.clocks_differ
    }
}
