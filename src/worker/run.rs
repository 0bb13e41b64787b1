//! The process's side of the loop: when to look for work, how much at a time, and how to stop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Worker;
use super::reconcile::BREATH;
use super::watch::Watchdog;
use crate::db::lent::Lent;
use crate::db::targets::{self, Lease, LeaseError};

/// How long work in progress may take to reach a stop. What is cut off then is taken up by another
/// worker when its lease has expired.
const DRAIN: Duration = Duration::from_secs(10);

impl Worker {
    /// Works until `shutdown` resolves, then lets every target in hand come to a stop.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tasks = JoinSet::new();
        let watchdog = Watchdog::start(self.patience());
        while !self.is_stopping() {
            let mut turn = std::pin::pin!(self.turn(&mut tasks, &watchdog));
            tokio::select! {
                () = &mut shutdown => {
                    self.stopping.store(true, Ordering::Relaxed);
                    // A target that is just being taken is not left without a holder.
                    self.wake.notify_one();
                    turn.await;
                }
                () = &mut turn => {}
            }
        }
        drop(watchdog);
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(done) = tasks.join_next().await {
                report(done);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                targets = tasks.len(),
                "stopped in the middle of work; another worker takes it up"
            );
        }
    }

    /// How long the loop may stand still before the process is of no use: far more than any of its
    /// steps may take.
    fn patience(&self) -> Duration {
        let turn = self.settings.lease.saturating_add(self.settings.poll);
        turn.saturating_mul(4)
    }

    /// Takes what is due and waits for more.
    async fn turn(&self, tasks: &mut JoinSet<Result<(), LeaseError>>, watchdog: &Watchdog) {
        self.fill(tasks, watchdog).await;
        watchdog.turned();
        let pause = self.pause().await;
        watchdog.turned();
        tokio::select! {
            () = self.wake.notified() => {}
            Some(done) = tasks.join_next() => report(done),
            () = tokio::time::sleep(pause) => {}
        }
    }

    /// Takes due targets while there is room. The last quarter of the room is for closings alone,
    /// so that openings cannot keep them waiting.
    async fn fill(&self, tasks: &mut JoinSet<Result<(), LeaseError>>, watchdog: &Watchdog) {
        let most = self.settings.concurrency;
        let reserved = if most == 1 { 0 } else { most.div_ceil(4) };
        while tasks.len() < most && !self.is_stopping() {
            watchdog.turned();
            let closings_only = tasks.len() >= most - reserved;
            match self.in_time("claim", self.claim(closings_only)).await {
                Ok(Some(lease)) => drop(tasks.spawn(self.clone().work(lease))),
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "cannot look for work"
                    );
                    return;
                }
            }
        }
    }

    /// Works on a target. What the database has cut off is given back on another connection, so
    /// that nobody need wait for the lease's end.
    async fn work(self, lease: Lease) -> Result<(), LeaseError> {
        let done = self.reconcile(&lease).await;
        if matches!(done, Err(LeaseError::Database(_))) {
            let released = self.in_time("release", self.hand_back(&lease, BREATH));
            if let Err(error) = released.await {
                tracing::warn!(
                    target.id = %lease.target,
                    error = &error as &dyn std::error::Error,
                    "cannot give the target back; it is taken up again when its lease is over"
                );
            }
        }
        done
    }

    /// Until the next target is due, at most until the next poll.
    async fn pause(&self) -> Duration {
        let next = async {
            let mut conn = Lent::take(&self.pool).await?;
            let now = self.clock.now(&mut conn).await?;
            let due = targets::next_due(&mut conn, now).await?;
            conn.give_back();
            Ok::<_, sqlx::Error>(due.and_then(|due| (due - now).to_std().ok()))
        };
        let next = self.in_time("next due", next).await;
        let poll = self.settings.poll;
        next.ok().flatten().map_or(poll, |due| due.min(poll))
    }
}

fn report(done: Result<Result<(), LeaseError>, tokio::task::JoinError>) {
    match done {
        Ok(Ok(())) => {}
        Ok(Err(LeaseError::Lost)) => {
            tracing::warn!("a lease was lost; nothing was written after that")
        }
        Ok(Err(LeaseError::Database(error))) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "work was cut off by the database"
            );
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "work was cut off");
        }
    }
}
