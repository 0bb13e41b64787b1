//! A grant on one target: what of it is open in AWS, whatever people have decided meanwhile.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{GrantId, PartId, TargetId};

/// A grant on one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its id.
    pub id: PartId,
    /// The grant.
    pub grant: GrantId,
    /// The role or user that is written to for it.
    pub target: TargetId,
    /// What is written there.
    pub kind: PartKind,
    /// What an inline policy allows.
    pub allows: Option<Allows>,
    /// What AWS was seen to say.
    pub state: PartState,
}

/// What is written to a target for a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// A statement in the role's trust policy, with the guard beside it (trust_policy).
    Statement,
    /// The grant's name in the guard's list, and nothing else: what lets the person in is elsewhere
    /// (sts_credentials: Countersign assumes the role; switch: an inline policy of the user).
    Listed,
    /// An inline policy of its own on the requester's IAM user (switch, attach).
    Inline,
}

impl PartKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Statement, Self::Listed, Self::Inline];

    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Listed => "listed",
            Self::Inline => "inline",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What the inline policy of a grant allows, fixed at approval. The text of the policy is not: it
/// is rendered from this, the deadline and the console name, which is known at the opening alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allows {
    /// To assume that role, under the grant's session names (switch).
    Role {
        /// ARN of the role.
        arn: String,
    },
    /// These statements of an identity policy (attach): each the JSON text of one, without the
    /// deadline, which every one of them gets.
    Statements(Vec<String>),
}

/// What of a part was read back from AWS. What is wanted of it is the grant's state: a part of a
/// closing grant stays `Open` until it is read back as closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartState {
    /// It was never read back as open.
    Waiting,
    /// It was read back as open.
    Open {
        /// When.
        at: DateTime<Utc>,
    },
    /// Nothing of it is left open.
    Closed {
        /// When it was read back as open, if it ever was.
        opened_at: Option<DateTime<Utc>>,
        /// When nothing of it was left.
        at: DateTime<Utc>,
    },
}

impl PartState {
    /// The state that a row spells; `None` where it spells none.
    #[must_use]
    pub fn of(
        word: &str,
        opened_at: Option<DateTime<Utc>>,
        closed_at: Option<DateTime<Utc>>,
    ) -> Option<Self> {
        match (word, opened_at, closed_at) {
            ("waiting", None, None) => Some(Self::Waiting),
            ("open", Some(at), None) => Some(Self::Open { at }),
            ("closed", _, Some(at)) => Some(Self::Closed { opened_at, at }),
            _ => None,
        }
    }

    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open { .. } => "open",
            Self::Closed { .. } => "closed",
        }
    }

    /// When it was read back as open, if it ever was.
    #[must_use]
    pub const fn opened_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Waiting => None,
            Self::Open { at } => Some(at),
            Self::Closed { opened_at, .. } => opened_at,
        }
    }

    /// When nothing of it was left open.
    #[must_use]
    pub const fn closed_at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Waiting | Self::Open { .. } => None,
            Self::Closed { at, .. } => Some(at),
        }
    }
}

impl Part {
    /// It was read back as open.
    pub fn opened(&mut self, at: DateTime<Utc>) {
        // Read back again at each look, it keeps the time of the first one.
        if self.state == PartState::Waiting {
            self.state = PartState::Open { at };
        }
    }

    /// Nothing of it is left open.
    pub fn closed(&mut self, at: DateTime<Utc>) {
        if self.state.closed_at().is_none() {
            let opened_at = self.state.opened_at();
            self.state = PartState::Closed { opened_at, at };
        }
    }

    const fn is_open(&self) -> bool {
        matches!(self.state, PartState::Open { .. })
    }

    const fn is_closed(&self) -> bool {
        matches!(self.state, PartState::Closed { .. })
    }
}

/// Whether there are parts, and all of them are open.
#[must_use]
pub fn all_open(parts: &[Part]) -> bool {
    // All of no parts are open: such a grant would count as active with nothing in AWS.
    !parts.is_empty() && parts.iter().all(Part::is_open)
}

/// Whether nothing of any part is left open.
#[must_use]
pub fn all_closed(parts: &[Part]) -> bool {
    parts.iter().all(Part::is_closed)
}
