//! Who calls, and what they may.

use super::About;
use crate::domain::rules::{DecideVia, Via};
use crate::domain::scope::Scope;

/// What somebody may not do, or may not know of.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// No token, or one that is forged, expired or revoked.
    #[error("not signed in")]
    Unauthenticated,
    /// They may see it, but not do it.
    #[error("not allowed")]
    Forbidden,
    /// One's own request, or one that one's own machine has made.
    #[error("own request")]
    SelfApproval,
    /// The token lacks the scope that this asks for.
    #[error("insufficient scope")]
    InsufficientScope(&'static [Scope]),
    /// Its entitlement is decided in other ways.
    #[error("channel not allowed")]
    ChannelNotAllowed(DecideVia),
    /// A machine tries what people do.
    #[error("for people")]
    ForPeople,
    /// A person asks on behalf of somebody.
    #[error("on behalf of somebody")]
    OnBehalf,
    /// A cookie's request that no page of ours sent.
    #[error("cross-site request")]
    CrossSite,
    /// It is not there, or they may not see it.
    #[error("not found")]
    NotFound,
}

impl CallerError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Unauthenticated => About::new(
                "unauthenticated",
                401,
                "You are not signed in",
                "Send a valid token as `Authorization: Bearer …`, or sign in.",
            ),
            Self::Forbidden => About::new(
                "forbidden",
                403,
                "You may not do this",
                "This is for others to do.",
            ),
            Self::SelfApproval => About::new(
                "self_approval",
                403,
                "Nobody decides on their own request",
                "Somebody else has to decide on it: you have asked for it, a machine of yours has, or it lets \
                 in an AWS identity of yours.",
            ),
            Self::InsufficientScope(needed) => About::new(
                "insufficient_scope",
                403,
                "The token is not for this",
                format!(
                    "It needs the scope {}. Make a token with it in the portal, at /me/tokens.",
                    words(needed)
                ),
            ),
            Self::ChannelNotAllowed(ways) => channel_not_allowed(ways),
            Self::ForPeople => About::new(
                "forbidden",
                403,
                "You may not do this",
                "A machine asks on behalf of a person, and sees what it has asked for. This is for people to do.",
            ),
            Self::OnBehalf => About::new(
                "forbidden",
                403,
                "You may not do this",
                "Leave `on_behalf_of` out: people ask for themselves, and only machines on behalf of somebody.",
            ),
            Self::CrossSite => About::new(
                "cross_site",
                403,
                "This did not come from a page of Countersign",
                "Go back to Countersign, reload the page and try again.",
            ),
            // One text for both: a stranger must not learn which of them it is.
            Self::NotFound => About::new(
                "not_found",
                404,
                "There is nothing here",
                "It does not exist, or you may not see it. Check the address.",
            ),
        }
    }
}

fn channel_not_allowed(ways: &DecideVia) -> About {
    let ways: Vec<&str> = ways.iter().map(Via::as_str).collect();
    let ways = ways.join(" or ");
    About::new(
        "channel_not_allowed",
        403,
        "This is decided in another way",
        format!("Its entitlement lets it be decided through {ways} alone. Open it in the portal."),
    )
}

fn words(scopes: &[Scope]) -> String {
    let words: Vec<&str> = scopes.iter().map(|it| it.as_str()).collect();
    words.join(" or ")
}
