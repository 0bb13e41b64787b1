//! Why an AWS identity is not somebody's own, or stays so.

use super::About;
use crate::domain::signed_call::Unfit;

/// What keeps a person from linking an AWS identity, or from giving one up.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// What was handed over is not sent to AWS.
    #[error("the signed call {0}")]
    Unfit(#[from] Unfit),
    /// The challenge is not one of theirs that still works.
    #[error("challenge")]
    Challenge,
    /// AWS does not take the signature, with its own code.
    #[error("AWS does not take the signature: {0}")]
    NotSigned(String),
    /// AWS names something that is nobody's own: what.
    #[error("nobody's own")]
    NobodysOwn(NobodysOwn),
    /// It is somebody else's.
    #[error("taken")]
    Taken,
    /// AWS did not say who it is.
    #[error("AWS is silent")]
    Silent,
    /// The catalog or the provider says that it is theirs.
    #[error("not linked")]
    NotLinked,
    /// Something hangs on it.
    #[error("in use")]
    InUse,
}

/// Who or what AWS names that is nobody's own identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NobodysOwn {
    /// The account itself, or a federated user.
    Other,
    /// It lives in an account that the catalog does not have.
    Account(String),
    /// A session of a grant: what was opened for somebody.
    Grant,
    /// A role that grants open.
    Opened,
    /// What Countersign works as.
    Ours,
    /// A role whose session names their callers choose: the statement of its trust policy.
    Unvouched(String),
    /// A role, by its name, that Countersign may not look at.
    Unseen(String),
    /// The role of which they have another session name.
    OtherSession,
    /// The role is not there any more, or another one has its name.
    Gone,
}

impl NobodysOwn {
    fn said(&self) -> String {
        let why = match self {
            Self::Other => {
                "is neither an IAM user nor a session of a role: the account itself and federated users are \
                 nobody's own. Sign with the keys of your own user, or of the role that you come as."
            }
            Self::Account(account) => {
                return format!(
                    "It is of account {account}, which the catalog does not have. Whoever keeps the catalog can add it."
                );
            }
            Self::Grant => {
                "is a session of a grant, which was opened for a while. Sign with the keys that you have without one."
            }
            Self::Opened => {
                "is a session of a role that people ask for here. Sign with the keys that you have without a grant."
            }
            Self::Ours => "is what Countersign itself works as.",
            Self::Unvouched(by) => {
                return format!(
                    "Nobody vouches for the names of that role's sessions: {by}. A name that its caller may choose \
                     does not say who it is. Roles of Identity Center fit, and those whose trust policy lets in by \
                     SAML, or users of its own account under their own names."
                );
            }
            Self::Unseen(role) => {
                return format!(
                    "Countersign may not look at the role {role}, so that it cannot tell who gives the names of its \
                     sessions. Whoever runs Countersign can allow it iam:GetRole of that role in its account."
                );
            }
            Self::OtherSession => {
                "is of a role that you have under another session name already. A person has one on a role: give \
                 the other one up first, or have whoever keeps the catalog change it."
            }
            Self::Gone => {
                "is a session of a role that is not there any more, or that was made anew since. Sign in to AWS \
                 again and sign with the new keys."
            }
        };
        format!("What you have signed with {why}")
    }
}

impl IdentityError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Unfit(unfit) => About::new(
                "signed_call_invalid",
                422,
                "This cannot be sent to AWS",
                format!(
                    "What was pasted {unfit}. Type the line of this page in your shell, and paste all that it prints."
                ),
            ),
            Self::Challenge => About::new(
                "challenge_invalid",
                422,
                "This challenge does not work",
                "It was shown to somebody else or more than five minutes ago, or it was used already. Type the line \
                 that this page shows now.",
            ),
            Self::NotSigned(code) => About::new(
                "signature_invalid",
                422,
                "AWS does not take the signature",
                format!(
                    "AWS says {code}. Look at your shell's keys and clock, and type the line of this page anew."
                ),
            ),
            Self::NobodysOwn(what) => About::new(
                "identity_not_own",
                422,
                "This is nobody's own AWS identity",
                what.said(),
            ),
            Self::Taken => About::new(
                "identity_taken",
                409,
                "This AWS identity is somebody else's",
                "One AWS identity is one person's, and who has it first keeps it. The admins have been told: if it is \
                 yours, ask them.",
            ),
            Self::Silent => About::new(
                "aws_silent",
                503,
                "AWS does not answer",
                "AWS gave no clear answer in time. Nothing was linked: type the line that this page shows now.",
            ),
            Self::NotLinked => About::new(
                "identity_not_linked",
                409,
                "You have not linked this yourself",
                "The catalog, or your sign-in provider, says that it is yours. Whoever keeps those can change it.",
            ),
            Self::InUse => About::new(
                "identity_in_use",
                409,
                "Something hangs on this AWS identity",
                "A request for it waits, or a grant lets it in. Withdraw the one, or end the other, first.",
            ),
        }
    }
}
