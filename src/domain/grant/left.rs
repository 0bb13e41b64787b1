//! Until when something of a grant can work at all, whatever AWS was seen to say.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Grant, Marks};
use crate::domain::entitlement::Method;

/// The longest session that STS gives out.
const LONGEST_SESSION: TimeDelta = TimeDelta::hours(12);

impl Marks {
    /// Until when the inline policy of a grant that is over may let in after all: somebody has put
    /// it back, and it was not taken away again.
    #[must_use]
    pub fn back_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_back = self.absent_at.is_none();
        self.sent_until.filter(|until| is_back && *until > now)
    }

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

impl Grant {
    /// From when AWS refuses it by itself: at its deadline, and what is attached at the latest date
    /// that has ever stood there, since no guard stands behind it.
    #[must_use]
    pub fn refused_at(&self) -> DateTime<Utc> {
        match self.method {
            Method::Attach => self.marks.sent_until.max(Some(self.deadline)),
            Method::TrustPolicy | Method::Switch | Method::StsCredentials => None,
        }
        .unwrap_or(self.deadline)
    }

    /// Until when what was attached may work although the grant is over, since somebody has put it
    /// back; `None` where that is not so. Of what a guard stands behind, nothing does.
    #[must_use]
    pub fn back_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let is_left = self.method == Method::Attach && self.state.is_over();
        self.marks.back_until(now).filter(|_| is_left)
    }
}
