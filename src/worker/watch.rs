//! Ends a process whose worker's loop does not turn any more, so that whoever started it starts it
//! again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often is looked.
const TICK: Duration = Duration::from_secs(1);

/// Watches the loop as long as it is held, from a thread that does not depend on what the loop runs
/// on.
#[derive(Debug)]
pub(super) struct Watchdog(Arc<AtomicU64>);

impl Watchdog {
    /// Ends the process with code 1 when nothing has turned for so long.
    pub fn start(limit: Duration) -> Self {
        let turns = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&turns);
        std::thread::spawn(move || watch(&watched, limit));
        Self(turns)
    }

    /// The loop goes on.
    pub fn turned(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts ticks of its own instead of asking a clock: a process that was stopped as a whole, and
/// goes on, is none that hangs.
fn watch(watched: &Weak<AtomicU64>, limit: Duration) {
    let (mut last, mut still) = (0, Duration::ZERO);
    while let Some(turns) = watched.upgrade() {
        let now = turns.load(Ordering::Relaxed);
        still = if now == last {
            still.saturating_add(TICK)
        } else {
            Duration::ZERO
        };
        if still >= limit {
            end(limit);
        }
        last = now;
        drop(turns);
        std::thread::sleep(TICK);
    }
}

fn end(limit: Duration) -> ! {
    // On a thread of its own: the log may be what everything waits for.
    std::thread::spawn(move || {
        let seconds = limit.as_secs();
        tracing::error!(
            seconds,
            "the worker's loop does not turn any more; ending the process"
        );
    });
    std::thread::sleep(TICK);
    std::process::exit(1)
}
