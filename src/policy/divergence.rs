//! What AWS shows and the database does not have so, in words.

use std::fmt;

use crate::domain::target::Condition;
use crate::ids::GrantId;

/// Something in AWS that is not as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Divergence {
    /// The role or user is not there, and grants on it are.
    Gone,
    /// The grant was approved for another role or user of that name.
    Replaced(GrantId),
    /// The user whom the grant's statement lets in was deleted, or another one has the name.
    PrincipalGone(GrantId),
    /// A statement or policy of ours, by its Sid or name, that no grant accounts for.
    Unaccounted(String),
    /// What let the grant in is there although it is over.
    CameBack(GrantId),
    /// What lets the grant in is not there.
    Missing(GrantId),
    /// What lets the grant in is not as it was written.
    Altered(GrantId),
    /// What stands there for the grant is of a time that the database does not know.
    OtherTimeline(GrantId),
    /// The guard is not there.
    GuardMissing,
    /// The guard is not as it was written.
    GuardAltered,
    /// The guard does not list the grant.
    Unlisted(GrantId),
    /// The guard is of a later revision than was sent.
    LaterRevision {
        /// That of the guard as read.
        shown: i64,
        /// That which was sent last.
        sent: i64,
    },
    /// The guard is another installation's.
    OtherInstallation,
    /// What bars openings as long as it is so.
    Barred(Condition),
}

impl Divergence {
    /// The word for its kind.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Replaced(_) => "replaced",
            Self::PrincipalGone(_) => "principal_gone",
            Self::Unaccounted(_) => "unaccounted",
            Self::CameBack(_) => "came_back",
            Self::Missing(_) => "missing",
            Self::Altered(_) => "altered",
            Self::OtherTimeline(_) => "other_timeline",
            Self::GuardMissing => "guard_missing",
            Self::GuardAltered => "guard_altered",
            Self::Unlisted(_) => "unlisted",
            Self::LaterRevision { .. } => "later_revision",
            Self::OtherInstallation => "other_installation",
            Self::Barred(condition) => condition.as_str(),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("AWS says that it is not there, and grants on it are"),
            Self::Replaced(id) => write!(f, "{id} was approved for another one of that name"),
            Self::PrincipalGone(id) => write!(f, "{id} is for a user who is not there any more"),
            Self::Unaccounted(name) => write!(f, "{name} belongs to no grant that is known"),
            Self::CameBack(id) => write!(f, "{id} is over, and what let it in stands there"),
            Self::Missing(id) => write!(f, "what lets {id} in was taken away"),
            Self::Altered(id) => write!(f, "what lets {id} in was changed"),
            Self::OtherTimeline(id) => {
                write!(
                    f,
                    "what stands there for {id} is of a time that the database does not know"
                )
            }
            Self::GuardMissing => f.write_str("the guard was deleted"),
            Self::GuardAltered => f.write_str("the guard was changed"),
            Self::Unlisted(id) => write!(f, "the guard does not list {id}, which is open"),
            Self::LaterRevision { shown, sent } => {
                write!(
                    f,
                    "the guard is of revision {shown}, and the database knows of {sent} alone"
                )
            }
            Self::OtherInstallation => f.write_str("the guard is another installation's"),
            Self::Barred(condition) => f.write_str(barred(*condition)),
        }
    }
}

const fn barred(condition: Condition) -> &'static str {
    match condition {
        Condition::Contested => {
            "somebody keeps undoing what is written: nothing opens until a person has looked"
        }
        Condition::Protected => "only AWS can change it: nothing opens",
        Condition::Unreadable => "the trust policy cannot be edited as text: nothing opens",
        Condition::BlockedByForeignPrincipal => {
            "a deleted principal in a foreign statement bars every write of the trust policy"
        }
        Condition::Ok | Condition::Gone | Condition::Replaced | Condition::SafeMode => {
            "nothing opens"
        }
    }
}
