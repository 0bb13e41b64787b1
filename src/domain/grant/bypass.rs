//! That somebody could do without their grant.

use chrono::{DateTime, TimeDelta, Utc};

/// How often IAM is asked whether a person who has a grant of switch could do without it.
pub const ASKED_EACH: TimeDelta = TimeDelta::hours(1);

/// What lets a person into the role whether or not their grant does: ending it ends nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bypassed {
    /// When it was first seen.
    pub at: DateTime<Utc>,
    /// What lets them in, in words: a policy by its id, or the role's trust policy.
    pub by: String,
}
