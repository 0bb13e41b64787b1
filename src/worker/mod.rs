//! The one loop: claim a target, look at AWS, plan, write, look again, put the outcome on record (DESIGN §4).

mod claim;
mod outcome;
mod reconcile;
mod record;
mod run;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use sqlx::PgPool;

use crate::app::App;
use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::Config;
use crate::policy::Margins;

/// One of any number of equal workers on one Postgres. Cheap to clone; nothing lives in it that the database does not know.
#[derive(Debug, Clone)]
pub struct Worker {
    app: App,
    settings: Settings,
    stopping: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    poll: Duration,
    lease: Duration,
    concurrency: usize,
    open_attempts: i32,
    margins: Margins,
}

impl Worker {
    /// A worker of this application. It begins with [`Self::run`], and looks at once whenever the application's `wake` is told.
    #[must_use]
    pub fn new(app: App, config: &Config) -> Self {
        let (aws, worker) = (&config.aws, &config.worker);
        let settings = Settings {
            poll: worker.poll,
            lease: worker.lease,
            concurrency: usize::try_from(worker.concurrency.get()).unwrap_or(usize::MAX),
            open_attempts: i32::try_from(worker.open_attempts.get()).unwrap_or(i32::MAX),
            margins: Margins {
                propagation: delta(aws.propagation_margin),
                unanswered: delta(aws.unanswered_margin),
                clock: delta(aws.clock_margin),
            },
        };
        Self {
            app,
            settings,
            stopping: Arc::default(),
        }
    }

    fn pool(&self) -> &PgPool {
        self.app.pool()
    }

    fn clock(&self) -> &Clock {
        self.app.clock()
    }

    fn aws(&self) -> &Aws {
        self.app.aws()
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
