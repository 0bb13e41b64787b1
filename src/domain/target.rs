//! The role or user whose policies we write, as the reconciler knows it.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{GrantId, TargetId};

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
            // A CHECK lists these words: a new one needs a migration.
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

/// A role whose trust policy and guard we write, or a user whose inline policies of ours we write.
/// What was written last is remembered, since a read may lag behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: TargetId,
    /// The 12-digit account.
    pub account: String,
    /// ARN of the role or user.
    pub arn: String,
    /// Whether people come as it: it carries inline policies of grants, and is never opened.
    pub carries: bool,
    /// Number of the last guard that was sent.
    pub revision: i64,
    /// What keeps new grants from it.
    pub condition: Condition,
    /// What was sent of its trust policy.
    pub trust: Sent,
    /// What was sent of the guard.
    pub guard: Sent,
    /// What was sent of each grant's inline policy.
    pub inline: BTreeMap<GrantId, Sent>,
    /// When AWS first said that the role is not there, unless it has shown it since.
    pub missing_since: Option<DateTime<Utc>>,
    /// When AWS was first seen to be of another time than the database, unless a person has judged
    /// it and the guard has been written since.
    pub safe_since: Option<DateTime<Utc>>,
    /// Session names that the guard denies although no grant explains them, and when each was
    /// found.
    pub kept: BTreeMap<String, DateTime<Utc>>,
    /// How often the guard was put back after somebody deleted it under an active grant; 0 again
    /// once no grant is opening or active, or a person has resumed the role.
    pub guard_restores: i16,
    /// When the guard was last read as it should be, or as it was sent last; `None` where a look
    /// has found something else since.
    pub guard_equal_at: Option<DateTime<Utc>>,
    /// Whether the last look that AWS answered found that it has another time than the database.
    pub clocks_differ: bool,
    /// Whether the last look that could tell found that the role does not let us in pinned, of a
    /// role whose credentials are handed out.
    pub unpinned: bool,
    /// Whether the guard denies everybody who has no grant, so that it always stands; of a role
    /// alone.
    pub closed: bool,
    /// Id of this installation, which its guards carry: 8 characters of base32.
    pub installation: String,
}

impl Target {
    /// What was sent of a document.
    #[must_use]
    pub fn sent(&self, key: DocumentKey) -> &Sent {
        match key {
            DocumentKey::Trust => &self.trust,
            DocumentKey::Guard => &self.guard,
            DocumentKey::Inline(grant) => self.inline.get(&grant).unwrap_or(&NEVER_SENT),
        }
    }

    /// The same, to be changed.
    pub fn sent_mut(&mut self, key: DocumentKey) -> &mut Sent {
        match key {
            DocumentKey::Trust => &mut self.trust,
            DocumentKey::Guard => &mut self.guard,
            DocumentKey::Inline(grant) => self.inline.entry(grant).or_default(),
        }
    }

    /// Every document that may be known of it, with what was sent of it.
    pub fn documents(&self) -> impl Iterator<Item = (DocumentKey, &Sent)> {
        let of_a_role = [
            (DocumentKey::Trust, &self.trust),
            (DocumentKey::Guard, &self.guard),
        ];
        let inline = self.inline.iter();
        let of_a_user = inline.map(|(grant, sent)| (DocumentKey::Inline(*grant), sent));
        of_a_role.into_iter().chain(of_a_user)
    }
}

/// What is known of a document that was never sent.
static NEVER_SENT: Sent = Sent {
    written: None,
    unclear_at: None,
    sent_at: None,
    original: None,
};

/// Which document of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentKey {
    /// The trust policy (`AssumeRolePolicyDocument`).
    Trust,
    /// The inline policy `CountersignGuard`.
    Guard,
    /// The inline policy of one grant, on a user.
    Inline(GrantId),
}

/// What the stored word of an inline policy begins with; the grant's id follows.
const INLINE: &str = "inline:";

impl DocumentKey {
    /// The document of that stored word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "trust" => Some(Self::Trust),
            "guard" => Some(Self::Guard),
            _ => text.strip_prefix(INLINE)?.parse().ok().map(Self::Inline),
        }
    }
}

/// The word that the database stores: `trust`, `guard`, `inline:grant_…`.
impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trust => f.write_str("trust"),
            Self::Guard => f.write_str("guard"),
            Self::Inline(grant) => write!(f, "{INLINE}{grant}"),
        }
    }
}

/// What AWS was sent of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// The text that was sent last, unless AWS refused it.
    pub written: Option<Written>,
    /// When a write was sent whose answer is not known.
    pub unclear_at: Option<DateTime<Utc>>,
    /// When a write was last sent, whatever the answer was.
    pub sent_at: Option<DateTime<Utc>>,
    /// The text before our first statement went in; of the trust policy alone.
    pub original: Option<String>,
}

impl Sent {
    /// When it was written last, unless AWS refused it.
    #[must_use]
    pub fn written_at(&self) -> Option<DateTime<Utc>> {
        self.written.as_ref().map(|written| written.at)
    }

    /// Whether the text of that fingerprint is the one that was sent last.
    #[must_use]
    pub fn is(&self, hash: &[u8; 32]) -> bool {
        let written = self.written.as_ref();
        written.is_some_and(|written| written.hash == *hash)
    }
}

/// The text that was sent last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of what the text means: AWS may answer with other white space or order.
    pub hash: [u8; 32],
    /// When it was sent.
    pub at: DateTime<Utc>,
}
