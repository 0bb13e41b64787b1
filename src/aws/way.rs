//! The way into an account: as ourselves, or as a session of its manager role.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::OnceCell;

use super::refused::Refused;
use super::{Aws, AwsError};
use crate::domain::account::ManagerRole;

/// How long a session is used: five minutes less than the hour that it lasts. No work that begins
/// with it takes so long.
const USED: TimeDelta = TimeDelta::minutes(55);

/// A way, and the clients that came of it.
#[derive(Debug)]
pub(super) struct Way {
    manager: Option<ManagerRole>,
    /// Before STS was asked, by the clock of the database.
    begun_at: DateTime<Utc>,
    refused: Refused,
    /// Those who come while STS is asked wait for one answer, and share it.
    pub(super) aws: OnceCell<Result<Aws, AwsError>>,
}

impl Way {
    pub(super) fn new(manager: Option<&ManagerRole>, now: DateTime<Utc>) -> Self {
        Self {
            manager: manager.cloned(),
            begun_at: now,
            refused: Refused::default(),
            aws: OnceCell::new(),
        }
    }

    /// Whether it may be gone again, where `manager` is what the catalog says by now.
    pub(super) fn serves(&self, manager: Option<&ManagerRole>, now: DateTime<Utc>) -> bool {
        if self.manager.as_ref() != manager {
            return false;
        }
        // The SDK renews our own credentials.
        let Some(_) = manager else { return true };
        // A refusal may be the session's alone: it was revoked, it ended while the clocks differed,
        // or its role was made anew. The next work asks for another one, which costs a call.
        let has_failed = matches!(self.aws.get(), Some(Err(_)));
        now - self.begun_at < USED && !self.refused.once() && !has_failed
    }

    /// Before STS was asked.
    pub(super) const fn begun_at(&self) -> DateTime<Utc> {
        self.begun_at
    }

    pub(super) const fn manager(&self) -> Option<&ManagerRole> {
        self.manager.as_ref()
    }

    /// Hears refusals on the clients that it is given to.
    pub(super) const fn refused(&self) -> &Refused {
        &self.refused
    }
}
