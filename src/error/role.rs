//! Why a role cannot be opened.

use super::About;
use crate::domain::target::Condition;

/// What the role in AWS does not allow.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The role is not there in AWS.
    #[error("role not found")]
    NotFound,
    /// Only AWS can change the role.
    #[error("role protected")]
    Protected,
    /// The role is the one that we work as.
    #[error("role is ours")]
    Ours,
    /// A person has to look at the role before anything opens on it again.
    #[error("role suspended: {}", .0.as_str())]
    Suspended(Condition),
    /// One more statement does not fit.
    #[error("trust policy full")]
    TrustPolicyFull {
        /// Characters used, with every grant that may be open at the time.
        used: usize,
        /// Characters that there may be.
        quota: usize,
        /// Characters that this grant needs.
        needed: usize,
    },
    /// The trust policy cannot be edited as text, or a deleted principal in it blocks every change.
    #[error("trust policy unreadable")]
    TrustPolicyUnreadable,
    /// The trust policy does not let the person's account in.
    #[error("role does not admit the account")]
    NotAdmitted,
    /// The person may assume the role without us: by what.
    #[error("role is open already")]
    OpenAlready(String),
    /// Nobody lets us look at the person's user, by ARN, or it is ours.
    #[error("user closed to us")]
    UserClosed(String),
    /// One more inline policy does not fit on the person's user.
    #[error("user full")]
    UserFull {
        /// Characters used, with every grant that may be open at the time.
        used: usize,
        /// Characters that there may be.
        quota: usize,
        /// Characters that this grant needs.
        needed: usize,
    },
    /// The trust policy does not let us assume the role: the statements that would.
    #[error("role not assumable")]
    NotAssumable(String),
    /// The trust policy lets us assume the role without a grant's name, or in nobody's: the
    /// statements to put in the place of that one.
    #[error("role not pinned")]
    NotPinned(String),
}

impl RoleError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::NotFound => About::new(
                // Not 404, which would deny the entitlement that the caller sees.
                "role_not_found",
                409,
                "The role is not there",
                "AWS does not know the role of this entitlement. Tell the people who keep the \
                 catalog.",
            ),
            Self::Protected => About::new(
                "role_protected",
                409,
                "Only AWS can change this role",
                "It is service-linked or belongs to IAM Identity Center, so that its trust policy \
                 cannot be opened.",
            ),
            Self::Ours => About::new(
                "role_is_ours",
                409,
                "This role is Countersign's own",
                "Countersign never opens the role that it works with.",
            ),
            Self::Suspended(condition) => About::new(
                "role_suspended",
                409,
                "Nothing opens on this role for now",
                suspended(*condition),
            ),
            Self::TrustPolicyFull {
                used,
                quota,
                needed,
            } => About::new(
                "trust_policy_full",
                409,
                "The role's trust policy is full",
                full(*used, *quota, *needed),
            ),
            Self::TrustPolicyUnreadable => About::new(
                "trust_policy_unreadable",
                409,
                "The role's trust policy cannot be changed safely",
                "It is not a policy that can be edited without touching what others wrote, or it \
                 names a deleted user or role. Have its owner repair it.",
            ),
            Self::NotAdmitted => not_admitted(),
            Self::OpenAlready(by) => open_already(by),
            Self::UserClosed(arn) => user_closed(arn),
            Self::UserFull {
                used,
                quota,
                needed,
            } => user_full(*used, *quota, *needed),
            Self::NotAssumable(add) => not_assumable(add),
            Self::NotPinned(add) => not_pinned(add),
        }
    }
}

const fn suspended(condition: Condition) -> &'static str {
    if matches!(condition, Condition::Contested) {
        "Somebody keeps undoing what Countersign writes to it. Have its owner and the people who \
         run Countersign agree; `countersign target resume` takes it back."
    } else {
        "AWS may be of a later time than the database, which was restored from a backup, or \
         another Countersign writes to it. The people who run this one have to look first; \
         `countersign target resume` takes it back."
    }
}

fn not_admitted() -> About {
    About::new(
        "role_not_admitting",
        409,
        "The role does not let your account in",
        "A switch needs a role whose trust policy names the account of your AWS identity. Have \
         its owner add it, or the catalog offer the role as trust_policy.",
    )
}

fn open_already(by: &str) -> About {
    About::new(
        "role_open_already",
        409,
        "You can assume this role without Countersign",
        format!(
            "What Countersign would open and close is open anyway: {by} allows it. Tell the \
             people who keep the role; until then use it as it is."
        ),
    )
}

fn user_closed(arn: &str) -> About {
    About::new(
        "user_closed",
        409,
        "Countersign may not write to your IAM user",
        format!(
            "Its account does not let Countersign see {arn}, so that nothing could be put there \
             and nothing taken away. Have the account set up, or ask with another identity."
        ),
    )
}

fn user_full(used: usize, quota: usize, needed: usize) -> About {
    About::new(
        "user_full",
        409,
        "Your IAM user has no room for one more policy",
        format!(
            "All inline policies of a user have {quota} characters together, {used} are in use and \
             this grant needs {needed}. Wait until another grant of yours has ended, or have other \
             inline policies made managed ones."
        ),
    )
}

fn not_assumable(add: &str) -> About {
    About::new(
        "role_not_assumable",
        409,
        "The role does not let Countersign in",
        format!(
            "Countersign assumes this role for people, and its trust policy does not say that it \
             may. Have its owner add these statements: {add}"
        ),
    )
}

fn not_pinned(add: &str) -> About {
    About::new(
        "role_not_pinned",
        409,
        "The role lets Countersign in too freely",
        format!(
            "A statement of its trust policy lets Countersign, or its whole account, assume the \
             role under any session name. Have its owner put these in its place: {add}"
        ),
    )
}

fn full(used: usize, quota: usize, needed: usize) -> String {
    format!(
        "It has {quota} characters, {used} are in use and this grant needs {needed}. Wait until \
         another grant on the role has ended, or have the quota (ACLSizePerRole) raised."
    )
}
