//! The role whose policies we write, as the reconciler knows it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::TargetId;

/// What, if anything, keeps new grants from a target. Closings go on in every condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Nothing.
    Ok,
    /// The role is not there.
    Gone,
    /// Another role has taken its name (another `RoleId`).
    Replaced,
    /// Only AWS can change it (service-linked, `AWSReservedSSO_*`).
    Protected,
    /// Somebody keeps undoing what we write.
    Contested,
    /// AWS holds a later revision of the guard than we have sent, or the guard of another
    /// installation.
    SafeMode,
    /// The trust policy cannot be edited as text.
    Unreadable,
    /// A deleted principal in a foreign statement makes every trust write fail.
    BlockedByForeignPrincipal,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Gone,
        Self::Replaced,
        Self::Protected,
        Self::Contested,
        Self::SafeMode,
        Self::Unreadable,
        Self::BlockedByForeignPrincipal,
    ];

    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Gone => "gone",
            Self::Replaced => "replaced",
            Self::Protected => "protected",
            Self::Contested => "contested",
            Self::SafeMode => "safe_mode",
            Self::Unreadable => "unreadable",
            Self::BlockedByForeignPrincipal => "blocked_by_foreign_principal",
        }
    }

    /// Whether only a person can judge that it is over.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        matches!(self, Self::Contested | Self::SafeMode)
    }

    /// The condition of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }
}

/// A role whose trust policy and guard we write. What was written last is remembered, since a read
/// may lag behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: TargetId,
    /// The 12-digit account.
    pub account: String,
    /// ARN of the role.
    pub arn: String,
    /// Number of the last guard that was sent.
    pub revision: i64,
    /// What keeps new grants from it.
    pub condition: Condition,
    /// SHA-256 of the trust policy that was sent last, and when.
    pub written_trust: Option<Written>,
    /// SHA-256 of the guard that was sent last, and when.
    pub written_guard: Option<Written>,
    /// When a guard write was sent whose answer is not known.
    pub guard_unclear_at: Option<DateTime<Utc>>,
    /// When a trust write was sent whose answer is not known.
    pub trust_unclear_at: Option<DateTime<Utc>>,
    /// When a trust write was last sent, whatever the answer was.
    pub trust_sent_at: Option<DateTime<Utc>>,
    /// When AWS first said that the role is not there, unless it has shown it since.
    pub missing_since: Option<DateTime<Utc>>,
    /// When AWS was first seen to be of another time than the database, unless a person has judged
    /// it and the guard has been written since.
    pub safe_since: Option<DateTime<Utc>>,
    /// Session names that the guard denies although no grant explains them, and when each was
    /// found.
    pub kept: BTreeMap<String, DateTime<Utc>>,
    /// The trust policy before our first statement went in.
    pub original_trust: Option<String>,
    /// How often the guard was put back after somebody deleted it under an active grant; 0 again
    /// once no grant is opening or active, or a person has resumed the role.
    pub guard_restores: i16,
    /// Id of this installation, which its guards carry: 8 characters of base32.
    pub installation: String,
}

/// What was sent last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of what the text means: AWS may answer with other white space or order.
    pub hash: [u8; 32],
    /// When it was sent.
    pub at: DateTime<Utc>,
}
