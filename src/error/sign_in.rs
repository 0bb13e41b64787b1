//! Why somebody could not sign in.

use super::About;

/// What a provider answered instead of a code or a token (RFC 6749, 4.1.2.1 and 5.2; OpenID Connect
/// Core 1.0, 3.1.2.6). What it says itself is not repeated: anybody can write it into an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `access_denied`.
    Denied,
    /// `login_required`, `interaction_required` and their like.
    Interaction,
    /// `server_error`, `temporarily_unavailable`.
    Temporary,
    /// `invalid_client`, `unauthorized_client`, `invalid_scope` and their like: it is set up
    /// wrongly.
    SetUp,
    /// The code was not taken.
    Code,
    /// The answer is another provider's, or does not say whose it is.
    Issuer,
    /// Anything else.
    Other,
}

impl Refusal {
    /// By the provider's word.
    #[must_use]
    pub fn of(error: &str) -> Self {
        match error {
            "access_denied" => Self::Denied,
            "login_required"
            | "interaction_required"
            | "consent_required"
            | "account_selection_required" => Self::Interaction,
            "server_error" | "temporarily_unavailable" => Self::Temporary,
            "invalid_client"
            | "unauthorized_client"
            | "invalid_scope"
            | "invalid_request"
            | "unsupported_response_type"
            | "unsupported_grant_type" => Self::SetUp,
            "invalid_grant" => Self::Code,
            _ => Self::Other,
        }
    }

    const fn said(self) -> &'static str {
        match self {
            Self::Denied => {
                "The sign-in provider says that you may not use Countersign, or you have cancelled. Whoever \
                 runs the provider can say why."
            }
            Self::Interaction => {
                "The sign-in provider wants something more from you. Sign in there first, then try again here."
            }
            Self::Temporary => {
                "The sign-in provider has trouble of its own just now. Try again in a few minutes."
            }
            Self::SetUp => {
                "The sign-in provider does not know Countersign as it is configured. Tell whoever runs \
                 Countersign: the log has the provider's own words."
            }
            Self::Code => {
                "The sign-in provider does not take its own code any more: it was used before, or it took too \
                 long. Start again from the sign-in page."
            }
            Self::Issuer => {
                "The answer does not come from the sign-in provider that Countersign asked. Start again from the \
                 sign-in page; if it happens again, tell whoever runs Countersign."
            }
            Self::Other => {
                "The sign-in provider has refused, and has not said why in words that are known here. The log \
                 has what it said."
            }
        }
    }
}

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// There is no such attempt of this browser, or it is used or over.
    #[error("no attempt to sign in")]
    Expired,
    /// The provider gives no code or no token.
    #[error("the provider refuses")]
    Refused(Refusal),
    /// The provider does not answer, or not as a provider does.
    #[error("the provider cannot be reached")]
    Unreachable,
    /// What the provider sent does not hold; which check has failed.
    #[error("the token does not hold: {0}")]
    TokenInvalid(&'static str),
    /// The provider has not told in which groups the person is.
    #[error("groups unknown")]
    GroupsUnknown,
    /// The person is in none of the groups that may sign in.
    #[error("in no group that may sign in")]
    NotAllowed,
    /// The person is disabled.
    #[error("disabled")]
    Disabled,
}

impl SignInError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Expired => About::new(
                "sign_in_expired",
                400,
                "This sign-in is over",
                "It was begun in another browser or more than ten minutes ago, or it was used already. Start again \
                 from the sign-in page.",
            ),
            Self::Refused(refusal) => About::new(
                "sign_in_refused",
                400,
                "The sign-in provider has refused",
                refusal.said(),
            ),
            Self::Unreachable => About::new(
                "provider_unreachable",
                502,
                "The sign-in provider cannot be reached",
                "Countersign asked it and got no usable answer. Try again in a minute. Who is signed in already \
                 stays so, and what is open ends on time.",
            ),
            Self::TokenInvalid(_) => About::new(
                "token_invalid",
                403,
                "What the sign-in provider sent does not hold",
                "One of the checks has failed; the log says which. Start again from the sign-in page; if it happens \
                 again, tell whoever runs Countersign.",
            ),
            Self::GroupsUnknown => About::new(
                "groups_unknown",
                403,
                "The sign-in provider did not tell your groups",
                "Countersign decides by groups, and does not guess them. Ask whoever runs the provider to send \
                 them in the ID token, all of them: it may leave them out when there are too many.",
            ),
            Self::NotAllowed => About::new(
                "not_allowed",
                403,
                "You may not sign in here",
                "You are in none of the groups that may use Countersign. Ask whoever runs your directory.",
            ),
            Self::Disabled => About::new(
                "disabled",
                403,
                "This account is disabled",
                "It was disabled in Countersign, as that of somebody who has left. If they have not, ask an admin of \
                 Countersign to enable it; being back in a group does not.",
            ),
        }
    }

    /// The check that has failed, for the log and the audit log alone.
    #[must_use]
    pub const fn check(&self) -> Option<&'static str> {
        match self {
            Self::TokenInvalid(check) => Some(check),
            _ => None,
        }
    }
}
