//! The process's side of the loop: when to look for work, how much at a time, and how to stop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Worker;
use crate::db::targets::{self, Lease, LeaseError};

/// How long work in progress may take to reach a stop. What is cut off then is taken up by another worker when its lease has expired.
const DRAIN: Duration = Duration::from_secs(10);

impl Worker {
    /// Works until `shutdown` resolves, then lets every target in hand come to a stop.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut tasks = JoinSet::new();
        loop {
            self.fill(&mut tasks).await;
            let pause = self.pause().await;
            tokio::select! {
                () = &mut shutdown => break,
                () = self.wake.notified() => {}
                Some(done) = tasks.join_next() => report(done),
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.stopping.store(true, Ordering::Relaxed);
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

    /// Takes due targets while there is room. The last quarter of the room is for closings alone, so that openings cannot keep them waiting.
    async fn fill(&self, tasks: &mut JoinSet<Result<(), LeaseError>>) {
        let most = self.settings.concurrency;
        let reserved = if most == 1 { 0 } else { most.div_ceil(4) };
        while tasks.len() < most {
            let closings_only = tasks.len() >= most - reserved;
            match self.claim(closings_only).await {
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

    async fn work(self, lease: Lease) -> Result<(), LeaseError> {
        self.reconcile(&lease).await
    }

    /// Until the next target is due, at most until the next poll.
    async fn pause(&self) -> Duration {
        let next = async {
            let mut conn = self.pool.acquire().await?;
            let now = self.clock.now(&mut conn).await?;
            let due = targets::next_due(&mut conn, now).await?;
            Ok::<_, sqlx::Error>(due.and_then(|due| (due - now).to_std().ok()))
        };
        let poll = self.settings.poll;
        next.await.ok().flatten().map_or(poll, |due| due.min(poll))
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
