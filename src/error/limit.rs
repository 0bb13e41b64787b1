//! What is more than one person may fill.

use std::num::NonZeroU32;

use super::About;

/// A limit that the caller has reached.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// As many requests of the caller wait for a decision as may: of all, or of those for one
    /// entitlement.
    #[error("limit reached: {most}")]
    Reached {
        /// How many there may be.
        most: u32,
        /// Whether there may be no more of this entitlement alone.
        of_entitlement: bool,
    },
    /// Too many calls; after so many seconds there is room for one.
    #[error("rate limited")]
    TooFast(NonZeroU32),
}

impl LimitError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Reached {
                most,
                of_entitlement,
            } => About::new(
                // 409, not 429: waiting alone does not help, somebody has to decide or withdraw.
                "limit_reached",
                409,
                "Too many of your requests wait already",
                reached(*most, *of_entitlement),
            ),
            Self::TooFast(seconds) => About::new(
                "rate_limited",
                429,
                "This is too much at once",
                format!("There were too many calls. Nothing was done: try again in {seconds} s."),
            ),
        }
    }
}

fn reached(most: u32, of_entitlement: bool) -> String {
    let what = if of_entitlement {
        " for this entitlement"
    } else {
        ""
    };
    format!(
        "At most {most} of your requests{what} may wait for a decision at a time. Withdraw one, or \
         wait until one is decided."
    )
}
