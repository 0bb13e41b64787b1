//! The one loop: claim a target, look at AWS, plan, write, read back, put the outcome on record
//! (docs/guard.md §3, *Around it*). `run` takes targets, `pass` works on one, and `ledger` is each
//! of its transactions.

mod barred;
mod bypass;
mod claim;
mod elsewhere;
mod failure;
mod foresee;
mod handed_out;
mod homes;
mod hub;
mod ledger;
mod limit;
mod look;
mod pass;
mod record;
mod run;
mod watch;
mod working;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::aws::Clouds;
use crate::clock::Clock;
use crate::config::Config;
use crate::policy::Margins;

pub use foresee::{Foreseen, Unforeseen};

/// How the worker works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often it looks for due targets without being woken.
    pub poll: Duration,
    /// How long a target belongs to one worker; longer than an AWS call may take.
    pub lease: Duration,
    /// How many targets one process works on at a time.
    pub concurrency: usize,
    /// Failures in a row after which an opening is given up. A closing never is.
    pub open_attempts: i32,
    /// P, L and δ.
    pub margins: Margins,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let (aws, worker) = (&config.aws, &config.worker);
        Self {
            poll: worker.poll,
            lease: worker.lease,
            concurrency: usize::try_from(worker.concurrency.get()).unwrap_or(usize::MAX),
            open_attempts: i32::try_from(worker.open_attempts.get()).unwrap_or(i32::MAX),
            margins: Margins {
                propagation: delta(aws.propagation_margin),
                unanswered: delta(aws.unanswered_margin),
                clock: delta(aws.clock_margin),
                watch: delta(aws.watch_interval),
            },
        }
    }
}

/// One of any number of equal workers on one Postgres. Cheap to clone; nothing lives in it that the
/// database does not know.
#[derive(Debug, Clone)]
pub struct Worker {
    pool: PgPool,
    clock: Clock,
    clouds: Clouds,
    settings: Settings,
    wake: Arc<Notify>,
    stopping: Arc<AtomicBool>,
}

impl Worker {
    /// A worker that has not begun. `wake` is told (`notify_one`) after a commit that made a target
    /// due, so that nobody waits for the next poll.
    #[must_use]
    pub fn new(
        pool: PgPool,
        clock: Clock,
        clouds: Clouds,
        settings: Settings,
        wake: Arc<Notify>,
    ) -> Self {
        Self {
            pool,
            clock,
            clouds,
            settings,
            wake,
            stopping: Arc::default(),
        }
    }

    fn lease(&self) -> TimeDelta {
        delta(self.settings.lease)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A setting in the database's terms; one too long for it is as good as for ever.
fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
