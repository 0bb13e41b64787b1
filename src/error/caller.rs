//! Who calls, and what they may.

use super::About;

/// What somebody may not do, or may not know of.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// No token, or one that is forged, expired or revoked.
    #[error("not signed in")]
    Unauthenticated,
    /// They may see it, but not do it.
    #[error("not allowed")]
    Forbidden,
    /// One's own request.
    #[error("own request")]
    SelfApproval,
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
                "You can see it, but this is for others to do.",
            ),
            Self::SelfApproval => About::new(
                "self_approval",
                403,
                "Nobody decides on their own request",
                "Somebody else has to approve or deny what you have asked for.",
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
