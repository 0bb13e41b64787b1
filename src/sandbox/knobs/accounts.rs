//! Accounts of which one is slow, throttled or does not answer.

use std::time::Duration;

use super::Knobs;
use crate::sandbox::dials::Rate;

impl Knobs {
    /// Whether one account answers nothing: no call of its users and sessions, and no AssumeRole of
    /// a role of its own.
    pub fn silent(&self, account: &str, on: bool) {
        self.dials().line(account).silent = on;
    }

    /// How many calls of IAM a second one account may have, as many at once, in real time.
    pub fn calls_per_second_of(&self, account: &str, most: u32) {
        self.dials().line(account).rate = Some(Rate::new(most));
    }

    /// How many calls of one account were one too many.
    #[must_use]
    pub fn throttled_of(&self, account: &str) -> usize {
        self.dials().line(account).throttled
    }

    /// How long each call of one account takes, in real time.
    pub fn latency(&self, account: &str, each: Duration) {
        self.dials().line(account).latency = each;
    }

    /// Every account answers at once again.
    pub fn clear_accounts(&self) {
        self.dials().lines.clear();
    }
}
