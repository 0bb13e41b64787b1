//! Until when something of a grant can work at all, whatever AWS was seen to say.

use chrono::{DateTime, TimeDelta, Utc};

use super::Marks;
use crate::domain::entitlement::Method;

/// The longest session that STS gives out.
const LONGEST_SESSION: TimeDelta = TimeDelta::hours(12);

impl Marks {
    /// When the last session is over that anything of it could have begun, with δ (`clock`) and P
    /// (`propagation`): AWS itself holds the latest date that was ever sent. An attached policy is
    /// judged at each request, and leaves no session behind. `None` where nothing was sent.
    #[must_use]
    pub fn dead_at(
        &self,
        method: Method,
        clock: TimeDelta,
        propagation: TimeDelta,
    ) -> Option<DateTime<Utc>> {
        let last = self.sent_until? + clock;
        Some(match method {
            Method::Attach => last + propagation,
            Method::TrustPolicy | Method::Switch | Method::StsCredentials => {
                last + LONGEST_SESSION + propagation
            }
        })
    }
}
