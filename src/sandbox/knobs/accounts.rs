//! Accounts of which one is slow, throttled or does not answer.

use std::time::Duration;

use super::{Knobs, LateWrite};
use crate::sandbox::dials::{Fault, Plan, Rate, When};

impl Knobs {
    /// Whether one account answers nothing: no call of its users and sessions, and no AssumeRole of
    /// a role of its own.
    pub fn silent(&self, account: &str, on: bool) {
        self.dials().line(account).silent = on;
    }

    /// Whether every call of one account fails with a fault of AWS's own, nothing done: as little
    /// is learnt as from one that is silent, and nobody waits for it. The SDKs do not repeat it.
    pub fn failing(&self, account: &str, on: bool) {
        self.dials().line(account).failing = on;
    }

    /// How long a trust policy of one account may be from now on (characters).
    pub fn trust_quota(&self, account: &str, most: usize) {
        self.edit(|state, _| {
            let account = state.accounts.get_mut(account)?;
            account.trust_quota = most;
            Some(())
        });
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

    /// The organization that an account is of from now on.
    pub fn join_organization(&self, account: &str, organization: &str) {
        self.edit(|state, _| {
            let account = state.accounts.get_mut(account)?;
            account.organization.replace(organization.to_owned())
        });
    }

    /// The `nth` call of `action` in one account from now (from 1; 0 for every one) fails. The
    /// account is the caller's, of AssumeRole the role's.
    pub fn fail_in(&self, account: &str, action: &str, nth: usize, when: When, fault: Fault) {
        // 0 counts as every call.
        self.fail(action, nth, when, fault);
        self.confine(account);
    }

    /// The `nth` call of `action` in one account from now (from 1) loses its answer at once and
    /// takes effect only when it is told to.
    #[must_use]
    pub fn land_late_in(&self, account: &str, action: &str, nth: usize) -> LateWrite {
        let late = self.land_late(action, nth);
        self.confine(account);
        late
    }

    /// Confines what was planned last to one account.
    fn confine(&self, account: &str) {
        if let Some(Plan { account: of, .. }) = self.dials().plans.last_mut() {
            *of = Some(account.to_owned());
        }
    }

    /// Every account answers at once again.
    pub fn clear_accounts(&self) {
        self.dials().lines.clear();
    }
}
