//! How fast we call AWS. IAM counts the calls of an account, whoever makes them, and a call too
//! many is refused: what there is goes to closings first.
//!
//! One bucket for each account in a process, of tokens that come back with time. AWS does not tell
//! its own rate, so that ours begins high and is halved each time that AWS asks to slow down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_iam::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;

/// Calls a second whatever AWS says: a closing is never given up.
const SLOWEST: f64 = 4.0;
/// By how much the rate grows in a second (calls a second).
const REGAIN: f64 = 0.5;
/// What openings and looks leave to closings, as a part of what can be saved up.
const RESERVE: f64 = 0.5;
/// How long one answer to slow down counts for those that come with it.
const ECHO: Duration = Duration::from_secs(1);
/// The codes of AWS that ask to slow down.
// Without the closing tag: `ThrottlingException` begins like `Throttling`.
const SLOW_DOWN: [&str; 3] = [
    "<Code>Throttling",
    "<Code>RequestLimitExceeded",
    "<Code>TooManyRequests",
];

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Access has to end: never behind others.
    Closing,
    /// Access is to begin, or is kept as it should be.
    Opening,
    /// Somebody asks for access: told at once if it can be, else looked at when it opens.
    Looking,
    /// Who approves is told more of the role: it takes nothing of what looks need.
    Analysing,
    /// Nobody waits for it: what may have changed by itself is asked now and then.
    Auditing,
}

impl Purpose {
    /// The part of the rate that is the most for it.
    const fn share(self) -> f64 {
        match self {
            // The shares overlap on purpose: what looks leave is there for openings, and all of it
            // for closings.
            Self::Closing => 1.0,
            Self::Opening => 0.7,
            Self::Looking | Self::Analysing => 0.2,
            Self::Auditing => 0.1,
        }
    }
}

/// The bucket of an account in a process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pace(Arc<Mutex<Bucket>>);

#[derive(Debug)]
struct Bucket {
    /// Calls a second before AWS has said anything, and the most that can be saved up.
    fastest: f64,
    /// Calls a second.
    rate: f64,
    /// What all may take together.
    whole: f64,
    /// What is left of the shares of openings, of looks, of analyses and of what nobody waits for.
    opening: f64,
    looking: f64,
    analysing: f64,
    auditing: f64,
    at: Instant,
    slowed_at: Option<Instant>,
}

impl Pace {
    /// A bucket that is full, of the calls of one second.
    pub(super) fn new(calls_per_second: u32) -> Self {
        let fastest = f64::from(calls_per_second);
        Self(Arc::new(Mutex::new(Bucket {
            fastest,
            rate: fastest,
            whole: fastest,
            opening: fastest * Purpose::Opening.share(),
            looking: fastest * Purpose::Looking.share(),
            analysing: fastest * Purpose::Analysing.share(),
            auditing: fastest * Purpose::Auditing.share(),
            at: Instant::now(),
            slowed_at: None,
        })))
    }

    /// Waits until a call of that purpose may be made.
    pub(super) async fn pass(&self, purpose: Purpose) {
        loop {
            // Asked anew after each wait: others may have taken the token meanwhile.
            let wait = self.bucket().take(purpose, Instant::now());
            let Some(wait) = wait else { return };
            tokio::time::sleep(wait).await;
        }
    }

    /// Counts a call that cannot wait: others wait for it.
    pub(super) fn spend(&self) {
        let mut bucket = self.bucket();
        bucket.refill(Instant::now());
        // It may fall below zero: those that can wait make up for it.
        bucket.whole -= 1.0;
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// Takes a token, or says after how long there may be one.
    fn take(&mut self, purpose: Purpose, now: Instant) -> Option<Duration> {
        self.refill(now);
        // What is looked for by others does not come out of what closings may need.
        let keep = match purpose {
            Purpose::Closing => 0.0,
            Purpose::Opening | Purpose::Looking | Purpose::Analysing | Purpose::Auditing => {
                self.most(Purpose::Closing) * RESERVE
            }
        };
        let mut missing = keep + 1.0 - self.whole;
        if let Some(own) = self.own(purpose) {
            missing = missing.max((1.0 - *own) / purpose.share());
        }
        if missing > 0.0 {
            return Some(Duration::from_secs_f64(missing / self.rate));
        }
        self.whole -= 1.0;
        if let Some(own) = self.own(purpose) {
            *own -= 1.0;
        }
        None
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.rate = (self.rate + REGAIN * passed).min(self.fastest);
        let new = self.rate * passed;
        self.whole = (self.whole + new).min(self.most(Purpose::Closing));
        for purpose in [
            Purpose::Opening,
            Purpose::Looking,
            Purpose::Analysing,
            Purpose::Auditing,
        ] {
            let most = self.most(purpose);
            if let Some(own) = self.own(purpose) {
                *own = (*own + new * purpose.share()).min(most);
            }
        }
    }

    /// AWS asks to slow down: what was saved up is worth nothing.
    fn slow_down(&mut self, now: Instant) {
        self.refill(now);
        let slowed = self.slowed_at;
        // Calls that were under way together are refused together; that is one reason to halve the
        // rate.
        if slowed.is_some_and(|at| now.saturating_duration_since(at) < ECHO) {
            return;
        }
        self.slowed_at = Some(now);
        self.rate = (self.rate / 2.0).max(SLOWEST.min(self.fastest));
        self.whole = self.whole.min(0.0);
        self.opening = 0.0;
        self.looking = 0.0;
        self.analysing = 0.0;
        self.auditing = 0.0;
        tracing::warn!(calls_per_second = self.rate, "AWS asks us to slow down");
    }

    /// The most that can be saved up: the calls of a second, and never fewer than two of each
    /// purpose.
    fn most(&self, purpose: Purpose) -> f64 {
        (self.rate * purpose.share()).max(2.0)
    }

    fn own(&mut self, purpose: Purpose) -> Option<&mut f64> {
        match purpose {
            Purpose::Closing => None,
            Purpose::Opening => Some(&mut self.opening),
            Purpose::Looking => Some(&mut self.looking),
            Purpose::Analysing => Some(&mut self.analysing),
            Purpose::Auditing => Some(&mut self.auditing),
        }
    }
}

impl Intercept for Pace {
    fn name(&self) -> &'static str {
        "Pace"
    }

    /// Hears each answer, also those that the SDK answers itself with another try.
    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The raw answer: a read that the SDK repeats by itself never comes to its caller as
        // throttled.
        let refused = context.response().filter(|it| !it.status().is_success());
        let body = refused.and_then(|it| it.body().bytes());
        let text = String::from_utf8_lossy(body.unwrap_or_default());
        if SLOW_DOWN.iter().any(|code| text.contains(code)) {
            self.bucket().slow_down(Instant::now());
        }
        Ok(())
    }
}
