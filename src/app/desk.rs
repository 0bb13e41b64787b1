//! The desk at which last uses are written down, one at a time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// How long nothing is tried after a failure: a database that takes no writes need not say so with
/// each call.
const QUIET: Duration = Duration::from_mins(1);

/// Lets one write through at a time, and none for a while after a failure.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) turn: Semaphore,
    quiet_until: Mutex<Option<Instant>>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            turn: Semaphore::new(1),
            quiet_until: Mutex::default(),
        }
    }
}

impl Desk {
    pub(super) fn is_open(&self) -> bool {
        let until = self.quiet_until.lock();
        let until = *until.unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= Instant::now())
    }

    pub(super) fn shut(&self) {
        let until = self.quiet_until.lock();
        *until.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + QUIET);
    }
}
