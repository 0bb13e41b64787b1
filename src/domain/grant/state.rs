//! Where a grant stands.

use chrono::{DateTime, Utc};

use crate::domain::cause::Cause;
use crate::domain::text::Words;
use crate::ids::PersonId;

/// Why and since when a grant is closing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// When the intent to open was recorded.
    pub opening_at: DateTime<Utc>,
    /// When it was read back as open, if it ever was.
    pub opened_at: Option<DateTime<Utc>>,
    /// When the end was asked for, or the deadline was noticed.
    pub since: DateTime<Utc>,
    /// Why.
    pub cause: Cause,
    /// Who ended it before the deadline.
    pub by: Option<PersonId>,
    /// In their words.
    pub reason: Option<Words>,
}

/// Where a grant stands; each state owns its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantState {
    /// Approved; its start has not come. Nothing was sent to AWS.
    Scheduled,
    /// The intent to open is on record; AWS is being asked.
    Opening {
        /// When the intent was recorded.
        at: DateTime<Utc>,
    },
    /// Read back as open.
    Active {
        /// When the intent was recorded.
        opening_at: DateTime<Utc>,
        /// When guard and statement were read back.
        opened_at: DateTime<Utc>,
    },
    /// The intent to close is on record; AWS is being asked until it agrees.
    Closing(Closing),
    /// AWS confirmed the end, or there was nothing to undo.
    Ended {
        /// When the intent to open was recorded, if it ever was.
        opening_at: Option<DateTime<Utc>>,
        /// When it was read back as open, if it ever was.
        opened_at: Option<DateTime<Utc>>,
        /// When the end was asked for.
        requested_at: DateTime<Utc>,
        /// Why.
        cause: Cause,
        /// Who.
        by: Option<PersonId>,
        /// In their words.
        reason: Option<Words>,
        /// When AWS confirmed it.
        at: DateTime<Utc>,
    },
    /// It could not be opened; nothing is left behind.
    Failed {
        /// When the intent to open was recorded, if it ever was.
        opening_at: Option<DateTime<Utc>>,
        /// When it was given up.
        requested_at: DateTime<Utc>,
        /// Why.
        cause: Cause,
        /// When AWS confirmed that nothing is left.
        at: DateTime<Utc>,
    },
}

impl GrantState {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Opening { .. } => "opening",
            Self::Active { .. } => "active",
            Self::Closing(_) => "closing",
            Self::Ended { .. } => "ended",
            Self::Failed { .. } => "failed",
        }
    }

    /// Whether it may be open in AWS and is meant to be.
    #[must_use]
    pub const fn may_be_open(&self) -> bool {
        matches!(self, Self::Opening { .. } | Self::Active { .. })
    }

    /// Whether the intent to open is on record, and AWS has not confirmed it yet.
    #[must_use]
    pub const fn is_opening(&self) -> bool {
        matches!(self, Self::Opening { .. })
    }

    /// Whether the intent to close is on record, and AWS has not confirmed it yet.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        matches!(self, Self::Closing(_))
    }

    /// Whether nothing of it is left to do: it ended, or failed.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Failed { .. })
    }

    /// The person who ended it before its deadline.
    #[must_use]
    pub const fn ended_by(&self) -> Option<PersonId> {
        match self {
            Self::Closing(Closing { by, .. }) | Self::Ended { by, .. } => *by,
            Self::Scheduled | Self::Opening { .. } | Self::Active { .. } | Self::Failed { .. } => {
                None
            }
        }
    }

    /// Whether it is to be opened, and AWS has not confirmed that it is.
    #[must_use]
    pub const fn is_to_open(&self) -> bool {
        matches!(self, Self::Scheduled | Self::Opening { .. })
    }

    /// Whether it can still be ended: it is open, or is to be opened.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match self {
            Self::Scheduled | Self::Opening { .. } | Self::Active { .. } => true,
            Self::Closing(_) | Self::Ended { .. } | Self::Failed { .. } => false,
        }
    }
}
