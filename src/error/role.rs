//! Why a role cannot be opened.

use chrono::{DateTime, SecondsFormat, Utc};

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
    /// One more name does not fit into the guard, which shares its room with other inline policies.
    #[error("guard full")]
    GuardFull {
        /// Characters used, with every grant that may be listed at the time.
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
    /// Conditions of the trust policy cannot hold for the person.
    #[error("role asks for more")]
    AsksForMore,
    /// The person may assume the role without us: by what.
    #[error("role is open already")]
    OpenAlready(String),
    /// Nobody vouches for the names of the sessions of the role that the person comes as.
    #[error("session name unvouched")]
    Unvouched {
        /// ARN of the role.
        arn: String,
        /// Which statement of its trust policy lets whom choose.
        by: String,
    },
    /// AWS did not tell of the role, by ARN, that the person comes as.
    #[error("identity silent")]
    IdentitySilent(String),
    /// Nobody lets us look at the person's user, by ARN, or it is ours.
    #[error("user closed to us")]
    UserClosed(String),
    /// Nobody lets us look at the person's user, by ARN, who comes from another account.
    #[error("user unseen")]
    UserUnseen(String),
    /// The person's own account, by the ARN of their user, does not let them assume a role of
    /// another one.
    #[error("identity not allowed at home")]
    NotAllowedAtHome(String),
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
    /// A guard denies every session that it does not list, and there is to be none for this grant.
    #[error("role guarded")]
    Guarded,
    /// Keys may work on the role until then that a guard would cut.
    #[error("keys are out")]
    KeysOut(DateTime<Utc>),
    /// AWS has not shown the role, and nobody would look at it later.
    #[error("role unseen")]
    Unseen,
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
            Self::NotFound => not_found(),
            Self::Protected => About::new(
                "role_protected",
                409,
                "Only AWS can change this role",
                "It is service-linked or belongs to IAM Identity Center, so that its trust policy \
                 cannot be opened.",
            ),
            Self::Ours => ours(),
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
            Self::GuardFull {
                used,
                quota,
                needed,
            } => guard_full(*used, *quota, *needed),
            Self::TrustPolicyUnreadable => unreadable(),
            Self::NotAdmitted => not_admitted(),
            Self::AsksForMore => asks_for_more(),
            Self::OpenAlready(by) => open_already(by),
            Self::Unvouched { arn, by } => unvouched(arn, by),
            Self::IdentitySilent(arn) => identity_silent(arn),
            Self::UserClosed(arn) => user_closed(arn),
            Self::UserUnseen(arn) => user_unseen(arn),
            Self::NotAllowedAtHome(arn) => not_allowed_at_home(arn),
            Self::UserFull {
                used,
                quota,
                needed,
            } => user_full(*used, *quota, *needed),
            Self::Guarded => guarded(),
            Self::KeysOut(until) => keys_out(*until),
            Self::Unseen => unseen(),
            Self::NotAssumable(add) => not_assumable(add),
            Self::NotPinned(add) => not_pinned(add),
        }
    }
}

fn ours() -> About {
    About::new(
        "role_is_ours",
        409,
        "This role is Countersign's own",
        "Countersign never opens the role that it works with.",
    )
}

fn not_found() -> About {
    About::new(
        // Not 404, which would deny the entitlement that the caller sees.
        "role_not_found",
        409,
        "The role is not there",
        "AWS does not know the role of this entitlement. Tell the people who keep the catalog.",
    )
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

fn unreadable() -> About {
    About::new(
        "trust_policy_unreadable",
        409,
        "The role's trust policy cannot be changed safely",
        "It is not a policy that can be edited without touching what others wrote, or it \
         names a deleted user or role. Have its owner repair it.",
    )
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

fn asks_for_more() -> About {
    About::new(
        "role_asks_for_more",
        409,
        "The role asks for what you could not show",
        "A condition of its trust policy, on the session name, an external ID or MFA, keeps you \
         out. Tell the people who keep the catalog: an external ID that the role asks for \
         belongs there, and its owner has to let in the names of grants.",
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

fn unvouched(arn: &str, by: &str) -> About {
    About::new(
        "session_name_unvouched",
        409,
        "Nobody vouches for your session's name",
        format!(
            "You come as a session of {arn}, and {by}. So others could have a session of your name. Have its \
             owner let people in by SAML, or by sts:AssumeRole with \"StringEquals\": \
             {{\"sts:RoleSessionName\": \"${{aws:username}}\"}}, alone; or ask for what goes as sts_credentials."
        ),
    )
}

fn identity_silent(arn: &str) -> About {
    About::new(
        "identity_silent",
        409,
        "AWS does not answer for your identity",
        format!(
            "You come as a session of {arn}, and AWS has not told of that role just now. Without its \
             id nothing could tell your sessions from those of others. Ask again in a minute."
        ),
    )
}

fn user_closed(arn: &str) -> About {
    About::new(
        "user_closed",
        409,
        "Countersign may not write to your AWS identity",
        format!(
            "Its account does not let Countersign see {arn}, so that nothing could be put there \
             and nothing taken away. Have the account set up, or ask with another identity."
        ),
    )
}

fn user_unseen(arn: &str) -> About {
    About::new(
        "user_unseen",
        409,
        "Countersign may not look at your AWS identity",
        format!(
            "Its account does not let Countersign see {arn}, so that nobody could tell whether \
             that is still who is let in. Have the account set up, or ask with another \
             identity."
        ),
    )
}

fn not_allowed_at_home(arn: &str) -> About {
    About::new(
        "identity_not_allowed",
        409,
        "Your own account does not let you assume this role",
        format!(
            "The role is in another account, so that {arn} needs a policy of its own that allows \
             sts:AssumeRole on it. Have one added, or have the catalog offer the role as switch, \
             which brings that policy along for as long as a grant lasts."
        ),
    )
}

fn user_full(used: usize, quota: usize, needed: usize) -> About {
    About::new(
        "user_full",
        409,
        "Your AWS identity has no room for one more policy",
        format!(
            "All inline policies of a user or role have {quota} characters together, {used} are in use and \
             this grant needs {needed}. Wait until another grant of yours has ended, or have other \
             inline policies made managed ones."
        ),
    )
}

fn guarded() -> About {
    About::new(
        "role_guarded",
        409,
        "A guard on the role would deny these credentials",
        "This entitlement works without a guard, and the guard that stands on the role, or will by then, \
         denies every session that it does not list. Ask for an entitlement of the role that can be \
         ended early, or wait: a guard stays for half a day after the last grant that needed it.",
    )
}

fn keys_out(until: DateTime<Utc>) -> About {
    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    About::new(
        "keys_out",
        409,
        "Keys are out on this role that a guard would cut",
        format!(
            "Somebody has, or is to have, credentials of this role without a guard, until {until}. The guard \
             that this grant needs would deny them. Ask for a start from then on."
        ),
    )
}

fn unseen() -> About {
    About::new(
        "role_unseen",
        409,
        "AWS did not show the role",
        "Nothing of this grant could be cut early, so that the role is looked at before it is asked for, \
         and AWS did not answer in time or does not let Countersign look. Try again in a moment.",
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

fn guard_full(used: usize, quota: usize, needed: usize) -> About {
    About::new(
        "guard_full",
        409,
        "The role's guard is full",
        format!(
            "The role's inline policies, and the guard with every grant of that time, take {used} of {quota} \
             characters; this grant needs {needed}. Wait until some are over, or ask for the same end as \
             another grant, which takes less. An entitlement of `attach` needs no guard."
        ),
    )
}
