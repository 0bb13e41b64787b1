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
    /// As many grants of the entitlement are not over as may be: of one person, or of all.
    #[error("live limit reached: {most}")]
    Live {
        /// How many there may be.
        most: i16,
        /// How many there are.
        have: i64,
        /// Whether one person may have no more.
        of_person: bool,
    },
    /// Too many calls; after so many seconds there is room for one.
    #[error("rate limited")]
    TooFast(NonZeroU32),
}

/// One title for each code.
const TITLE: &str = "There are as many as there may be";

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
                TITLE,
                reached(*most, *of_entitlement),
            ),
            Self::Live {
                most,
                have,
                of_person,
            } => About::new("limit_reached", 409, TITLE, live(*most, *have, *of_person)),
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

fn live(most: i16, have: i64, of_person: bool) -> String {
    let (key, whose) = if of_person {
        ("live_per_person", "One person may have")
    } else {
        ("live", "There may be")
    };
    let grants = if most == 1 { "grant" } else { "grants" };
    let are = if have == 1 { "is" } else { "are" };
    format!(
        "{whose} {most} {grants} of this entitlement at a time (`{key}`), and there {are} {have}. Wait until one \
         has ended, or end one: one that is scheduled counts as well."
    )
}
