//! The settings behind the knobs: what time it is, which calls are held or fail, the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

use super::mode::Mode;
use super::quota;
use super::rules::Rules;
use super::wire::Params;

/// How many calls the log keeps.
const KEPT_CALLS: usize = 2_000;

/// Before or after the call took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing has happened yet.
    BeforeEffect,
    /// The effect is there, the answer is not.
    AfterEffect,
}

/// How a call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// With this answer.
    Error {
        /// HTTP status.
        status: u16,
        /// AWS's code.
        code: String,
        /// AWS's message.
        message: String,
    },
    /// The connection breaks without an answer.
    DropConnection,
    /// No answer ever comes.
    NeverAnswer,
    /// The answer comes with a date that nobody can read.
    Garbled,
}

/// One call that arrived with a good signature and was decided. One that a knob failed before its
/// effect is not among them; one that lands late is there once it landed.
#[derive(Debug, Clone)]
pub struct Call {
    /// The action.
    pub action: String,
    /// ARN of the caller.
    pub caller: String,
    /// The parameters, codes left out.
    pub params: BTreeMap<String, String>,
    /// The sandbox's time.
    pub at: DateTime<Utc>,
    /// HTTP status of the answer.
    pub status: u16,
    /// AWS's code, where it was refused.
    pub code: Option<String>,
}

/// A call whose signature was good.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) access_key: String,
    pub(super) service: String,
    pub(super) action: String,
    pub(super) params: Params,
}

/// What happens to the n-th call of an action.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) action: String,
    /// Calls of this account alone.
    pub(super) account: Option<String>,
    /// Calls still to come, this one included; 0 for every call.
    pub(super) countdown: usize,
    pub(super) when: When,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Hold {
        reached: watch::Sender<bool>,
        released: watch::Receiver<bool>,
    },
    Fail(Fault),
    /// The effect waits for `land`, the connection breaks at once.
    Late(Slot),
}

/// Where a call waits until it lands.
pub(super) type Slot = Arc<Mutex<Option<Incoming>>>;

/// What time it is in the sandbox.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Time {
    #[default]
    Real,
    /// Real time and this much.
    Ahead(TimeDelta),
    /// Stands still.
    Fixed(DateTime<Utc>),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Dials {
    pub(super) time: Time,
    pub(super) delay: TimeDelta,
    /// How far the `Date` of answers is ahead of real time; zero sends none of our own.
    pub(super) date_ahead: TimeDelta,
    pub(super) stale_reads: bool,
    pub(super) normalised_reads: bool,
    pub(super) collapsed_reads: bool,
    pub(super) bare_plus_reads: bool,
    /// Actions whose requests have no `aws:CurrentTime`.
    pub(super) timeless: Vec<String>,
    /// How many calls of IAM there may be; none is refused where this is empty.
    pub(super) rate: Option<Rate>,
    /// How single accounts answer.
    pub(super) lines: BTreeMap<String, Line>,
    /// The packed size, where it is not the usual one.
    pub(super) packed: Option<usize>,
    pub(super) rules: Rules,
    pub(super) plans: Vec<Plan>,
    pub(super) calls: Vec<Call>,
    /// How many calls were one too many.
    pub(super) throttled: usize,
}

/// How one account answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) silent: bool,
    pub(super) failing: bool,
    pub(super) rate: Option<Rate>,
    pub(super) throttled: usize,
    pub(super) latency: Duration,
}

/// A bucket of the calls of one second, which fills again with time.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            left: per_second.into(),
            at: Instant::now(),
        }
    }

    /// Whether there may be one more call.
    fn takes(&mut self) -> bool {
        let new = self.at.elapsed().as_secs_f64() * self.per_second;
        self.at = Instant::now();
        self.left = (self.left + new).min(self.per_second);
        let one = self.left >= 1.0;
        self.left -= f64::from(u8::from(one));
        one
    }
}

impl Dials {
    #[expect(
        clippy::disallowed_methods,
        reason = "the sandbox has a clock of its own"
    )]
    pub(super) fn now(&self) -> DateTime<Utc> {
        match self.time {
            Time::Real => Utc::now(),
            Time::Ahead(by) => Utc::now() + by,
            Time::Fixed(at) => at,
        }
    }

    /// How the next call is answered.
    pub(super) fn mode(&self) -> Mode {
        Mode {
            now: self.now(),
            delay: self.delay,
            stale: self.stale_reads,
            normalised: self.normalised_reads,
            collapsed: self.collapsed_reads,
            bare_plus: self.bare_plus_reads,
            packed: self.packed.unwrap_or(quota::PACKED),
            rules: self.rules,
        }
    }

    pub(super) fn line(&mut self, account: &str) -> &mut Line {
        self.lines.entry(account.to_owned()).or_default()
    }

    /// Whether every call of one of these accounts fails.
    pub(super) fn fails(&self, accounts: [&str; 2]) -> bool {
        let mut lines = accounts.iter().filter_map(|it| self.lines.get(*it));
        lines.any(|line| line.failing)
    }

    /// Whether any knob asks for the account of a call.
    pub(super) fn knows_accounts(&self) -> bool {
        !self.lines.is_empty() || self.plans.iter().any(|it| it.account.is_some())
    }

    /// Whether this call of an account is one too many.
    pub(super) fn throttles(&mut self, service: &str, account: &str) -> bool {
        if service != "iam" {
            return false;
        }
        let full = |rate: Option<&mut Rate>| rate.is_some_and(|rate| !rate.takes());
        let line = self.lines.get_mut(account);
        let throttles = line.is_some_and(|line| {
            let one = full(line.rate.as_mut());
            line.throttled += usize::from(one);
            one
        });
        let throttles = throttles || full(self.rate.as_mut());
        self.throttled += usize::from(throttles);
        throttles
    }

    pub(super) fn log(&mut self, call: Call) {
        if self.calls.len() >= KEPT_CALLS {
            self.calls.drain(..KEPT_CALLS / 2);
        }
        self.calls.push(call);
    }

    /// The plans that this call sets off.
    pub(super) fn arriving(&mut self, action: &str, account: &str) -> Vec<Plan> {
        let mut due = Vec::new();
        self.plans.retain_mut(|plan| {
            let elsewhere = plan.account.as_ref().is_some_and(|it| it != account);
            if plan.action != action || elsewhere {
                return true;
            }
            if plan.countdown == 0 {
                due.push(plan.clone());
                return true;
            }
            plan.countdown -= 1;
            if plan.countdown == 0 {
                due.push(plan.clone());
            }
            plan.countdown > 0
        });
        due
    }
}
