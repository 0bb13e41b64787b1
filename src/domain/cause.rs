//! Why a grant closes, ended or failed.

use serde::{Deserialize, Serialize};

/// Why a grant closes, ended or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its time was over.
    Deadline,
    /// Its requester ended it.
    Released,
    /// An approver or an admin ended it.
    Revoked,
    /// AWS did not let us open it.
    CouldNotOpen,
    /// Its requester may not ask for it any more.
    NotEligible,
    /// The AWS identity that was let in was deleted (docs/guard.md, C8).
    PrincipalGone,
    /// The role was deleted.
    TargetGone,
    /// Another role has taken the role's name (docs/guard.md, C8).
    TargetReplaced,
    /// Somebody in AWS undid it: more often than it is put back, or once where it is never.
    RevertedByOwner,
    /// Its requester was disabled: they have left.
    PersonDisabled,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 10] = [
        Self::Deadline,
        Self::Released,
        Self::Revoked,
        Self::CouldNotOpen,
        Self::NotEligible,
        Self::PrincipalGone,
        Self::TargetGone,
        Self::TargetReplaced,
        Self::RevertedByOwner,
        Self::PersonDisabled,
    ];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            // A CHECK lists these words: a new one needs a migration.
            Self::Deadline => "deadline",
            Self::Released => "released",
            Self::Revoked => "revoked",
            Self::CouldNotOpen => "could_not_open",
            Self::NotEligible => "not_eligible",
            Self::PrincipalGone => "principal_gone",
            Self::TargetGone => "target_gone",
            Self::TargetReplaced => "target_replaced",
            Self::RevertedByOwner => "reverted_by_owner",
            Self::PersonDisabled => "person_disabled",
        }
    }

    /// The cause of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }
}
