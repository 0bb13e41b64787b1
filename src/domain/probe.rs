//! Trying whether AWS denies the sessions of a grant that has ended: Countersign assumes its role
//! once more under the grant's own name, and asks for something that the guard denies.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::ids::{GrantId, PersonId, ProbeId};

/// The intent to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Its id.
    pub id: ProbeId,
    /// The grant.
    pub grant: GrantId,
    /// The admin.
    pub by: PersonId,
    /// When it was recorded.
    pub at: DateTime<Utc>,
}

/// What was seen of a session under the ended name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// AWS told of an explicit deny in an identity-based policy of the role, as the guard is one.
    Denied,
    /// AWS carried the call out, or refused it for want of an Allow alone.
    NotDenied,
    /// Nothing was learned: the code of why.
    NotAsked(&'static str),
}

impl Seen {
    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::NotDenied => "not_denied",
            Self::NotAsked(_) => "not_asked",
        }
    }

    /// Why nothing was learned.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::Denied | Self::NotDenied => None,
            Self::NotAsked(code) => Some(code),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was seen.
    pub seen: Seen,
    /// The id of the access key of the session that STS gave, which nobody has.
    pub access_key_id: Option<String>,
}

/// What is on record of the latest try that has an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Probed {
    /// denied, not_denied or not_asked.
    pub outcome: String,
    /// The code of why nothing was learned.
    pub error: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}
