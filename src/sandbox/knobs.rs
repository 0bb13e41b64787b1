//! What tests turn: the clock, calls held or failed before or after their effect, documents that
//! lag, the call log, edits by another hand, accounts that do not answer, rules that do not hold.

mod accounts;
mod documents;
mod sessions;

use std::sync::{Arc, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::dials::{Call, Dials, Fault, Plan, Rate, Slot, Time, What, When};
use super::effect::effect;
use super::mode::Mode;
use super::rules::{Rule, Rules};
use super::shared::Shared;
use super::state::State;

pub use documents::Document;
pub use sessions::SessionKeys;

/// A call that is held.
#[derive(Debug)]
pub struct Hold {
    reached: watch::Receiver<bool>,
    release: watch::Sender<bool>,
}

impl Hold {
    /// Waits until the call is there.
    pub async fn reached(&self) {
        let mut reached = self.reached.clone();
        let _ = reached.wait_for(|it| *it).await;
    }

    /// Whether the call is there.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        *self.reached.borrow()
    }

    /// Lets it go on.
    pub fn release(self) {
        let _ = self.release.send(true);
    }
}

/// A write whose answer was lost and that has not landed yet.
#[derive(Debug)]
pub struct LateWrite {
    shared: Arc<Shared>,
    slot: Slot,
}

impl LateWrite {
    /// Whether the call is there.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        let slot = self.slot.lock();
        slot.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Lets it land now, over whatever was written meanwhile; its policies are asked now as well.
    /// When this returns, it has landed. Nothing happens where no such call was made.
    pub fn land(self) {
        let call = self.slot.lock();
        let call = call.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(call) = call {
            let _ = effect(&self.shared, &call);
        }
    }
}

/// The handle to turn them; cheap to clone.
#[derive(Debug, Clone)]
pub struct Knobs(pub(super) Arc<Shared>);

impl Knobs {
    fn dials(&self) -> MutexGuard<'_, Dials> {
        self.0.dials()
    }

    /// Stops the clock at `at`.
    pub fn set_clock(&self, at: DateTime<Utc>) {
        self.dials().time = Time::Fixed(at);
    }

    /// Steps the clock; a running one runs on.
    pub fn advance(&self, by: TimeDelta) {
        let mut dials = self.dials();
        dials.time = match dials.time {
            Time::Real => Time::Ahead(by),
            Time::Ahead(before) => Time::Ahead(before + by),
            Time::Fixed(at) => Time::Fixed(at + by),
        };
    }

    /// Back to real time.
    pub fn real_clock(&self) {
        self.dials().time = Time::Real;
    }

    /// The sandbox's time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.dials().now()
    }

    /// The `nth` call of `action` from now (from 1) waits before or after its effect.
    #[must_use]
    pub fn hold(&self, action: &str, nth: usize, when: When) -> Hold {
        let (reached, is_reached) = watch::channel(false);
        let (release, released) = watch::channel(false);
        self.plan(action, nth, when, What::Hold { reached, released });
        Hold {
            reached: is_reached,
            release,
        }
    }

    /// The `nth` call of `action` from now (from 1) fails.
    pub fn fail(&self, action: &str, nth: usize, when: When, fault: Fault) {
        self.plan(action, nth, when, What::Fail(fault));
    }

    /// Every call of `action` fails until [`Self::clear`].
    pub fn fail_always(&self, action: &str, when: When, fault: Fault) {
        self.plan(action, 0, when, What::Fail(fault));
    }

    /// The `nth` call of `action` loses its answer at once and takes effect only when it is told
    /// to.
    #[must_use]
    pub fn land_late(&self, action: &str, nth: usize) -> LateWrite {
        let slot = Slot::default();
        let what = What::Late(Arc::clone(&slot));
        self.plan(action, nth, When::BeforeEffect, what);
        LateWrite {
            shared: Arc::clone(&self.0),
            slot,
        }
    }

    /// Forgets every hold and fault that has not happened.
    pub fn clear(&self) {
        self.dials().plans.clear();
    }

    fn plan(&self, action: &str, countdown: usize, when: When, what: What) {
        self.dials().plans.push(Plan {
            action: action.to_owned(),
            account: None,
            countdown,
            when,
            what,
        });
    }

    /// From now on this rule does not hold, so that a test can show that it would notice.
    pub fn without(&self, rule: Rule) {
        let mut dials = self.dials();
        dials.rules = dials.rules.without(rule);
    }

    /// Every rule holds again.
    pub fn with_every_rule(&self) {
        self.dials().rules = Rules::default();
    }

    /// How much the packed size of session policies and tags may be, instead of the usual 455.
    pub fn packed_quota(&self, most: usize) {
        self.dials().packed = Some(most);
    }

    /// How long the data plane goes on with an older version of every document.
    pub fn propagation_delay(&self, delay: TimeDelta) {
        self.dials().delay = delay;
    }

    /// How far the `Date` of answers is ahead of real time. Signatures are still judged by real
    /// time, with its usual tolerance.
    pub fn date_ahead(&self, by: TimeDelta) {
        self.dials().date_ahead = by;
    }

    /// Whether reads show the version before the last write.
    pub fn stale_reads(&self, on: bool) {
        self.dials().stale_reads = on;
    }

    /// Whether reads show documents without white space and with their keys in another order; AWS
    /// does not promise to give back what was written.
    pub fn normalised_reads(&self, on: bool) {
        self.dials().normalised_reads = on;
    }

    /// Whether reads show a list of one as its one entry.
    pub fn collapsed_reads(&self, on: bool) {
        self.dials().collapsed_reads = on;
    }

    /// Whether reads leave a plus sign as it is; RFC 3986 asks for neither.
    pub fn bare_plus_reads(&self, on: bool) {
        self.dials().bare_plus_reads = on;
    }

    /// From now on, requests of `action` have no `aws:CurrentTime`, as was reported of
    /// `rds-db:connect`.
    pub fn without_current_time(&self, action: &str) {
        self.dials().timeless.push(action.to_owned());
    }

    /// How many calls of IAM a second there may be, as many at once, in real time. One too many is
    /// refused and is not among the calls.
    pub fn calls_per_second(&self, most: u32) {
        self.dials().rate = Some(Rate::new(most));
    }

    /// How many calls were one too many.
    #[must_use]
    pub fn throttled(&self) -> usize {
        self.dials().throttled
    }

    /// Every call so far, oldest first; the last 1,000 at least.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.dials().calls.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    fn edit<T>(&self, change: impl FnOnce(&mut State, Mode) -> T) -> T {
        let mode = self.dials().mode();
        let mut state = self.state();
        let result = change(&mut state, mode);
        // What fails is logged.
        let _ = self.0.save(&state);
        result
    }
}
