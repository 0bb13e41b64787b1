//! The process's side of the loop: when to look for work, how much at a time, and how to stop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;

use super::Worker;
use super::watch::Watchdog;
use super::working::{AT_WORK, Worked, Working};
use crate::db::targets::{LeaseError, Taken};
use crate::domain::arn::Arn;

/// How long work in progress may take to reach a stop. What is cut off then is taken up by another
/// worker when its lease has expired.
const DRAIN: Duration = Duration::from_secs(10);

impl Worker {
    /// Works until `shutdown` resolves, then lets every target in hand come to a stop.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut working = Working::new(self.settings.concurrency);
        let watchdog = Watchdog::start(self.patience());
        while !self.is_stopping() {
            let mut turn = std::pin::pin!(self.turn(&mut working, &watchdog));
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
            while let Some(done) = working.next().await {
                let _ = report(done);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(
                targets = working.len(),
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

    /// Takes what is due, and waits until there may be more to take.
    async fn turn(&self, working: &mut Working, watchdog: &Watchdog) {
        let Filled {
            mut next,
            mut has_more,
        } = self.fill(working, watchdog).await;
        loop {
            watchdog.turned();
            tokio::select! {
                () = self.wake.notified() => return,
                () = tokio::time::sleep_until(next) => return,
                Some(done) = working.next() => {
                    // What was given back tells itself when it is due again.
                    match report(done) {
                        Ok(due) => next = next.min(due.map_or(next, later)),
                        Err(Unknown) => has_more = true,
                    }
                    if has_more {
                        return;
                    }
                }
            }
        }
    }

    /// Takes due targets while there is room. The last quarter of the room is for closings alone,
    /// so that openings cannot keep them waiting, and no account has all of it where there are
    /// several.
    async fn fill(&self, working: &mut Working, watchdog: &Watchdog) -> Filled {
        let poll = tokio::time::Instant::now() + self.settings.poll;
        let mut filled = Filled {
            next: poll,
            has_more: false,
        };
        watchdog.turned();
        match self.in_time("handed out", self.hand_out()).await {
            Ok(moved) => filled.next = moved.due.map_or(poll, |due| poll.min(later(due))),
            // Targets are taken all the same; the next turn asks again.
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "cannot do what is due for grants that nothing is written for"
            ),
        }
        let most = self.settings.concurrency;
        // With room for one, a reserve would leave none to openings.
        let reserved = if most == 1 { 0 } else { most.div_ceil(4) };
        for (most, closings_only) in [(most - reserved, false), (most, true)] {
            loop {
                let (full, each) = working.shares();
                let room = working.room(most).min(each);
                if room == 0 || self.is_stopping() {
                    filled.has_more = true;
                    break;
                }
                watchdog.turned();
                let claim = self.claim(room, closings_only, &full);
                let claimed = match self.in_time("claim", claim).await {
                    Ok(claimed) => claimed,
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "cannot look for work"
                        );
                        // What runs goes on; the next poll asks again.
                        return filled;
                    }
                };
                let due = claimed.next_due.map(|due| later(due - claimed.now));
                filled.next = filled.next.min(due.unwrap_or(poll));
                // One claim that has filled its room may have left something, whatever the next
                // says; so has an account that has its share.
                let is_full = claimed.taken.len() == room;
                filled.has_more |= is_full || !full.is_empty();
                for taken in claimed.taken {
                    self.begin(working, taken);
                }
                if !is_full {
                    return filled.in_time();
                }
            }
        }
        filled.in_time()
    }

    fn begin(&self, working: &mut Working, taken: Taken) {
        let worker = self.clone();
        let account = Arn::read(&taken.arn).map_or("", |arn| arn.account);
        working.spawn(
            account.to_owned(),
            async move { worker.reconcile(&taken).await },
        );
    }

    /// Does what is due for grants that nothing is written for, claims one target and works on it
    /// until it rests. False when nothing was due.
    ///
    /// # Errors
    /// When the database fails or the lease is lost; another worker takes over when the lease has
    /// expired.
    pub async fn step(&self) -> Result<bool, LeaseError> {
        let moved = self.hand_out().await?;
        let claimed = self.claim(1, false, &[]).await?;
        for taken in &claimed.taken {
            self.reconcile(taken).await?;
        }
        Ok(moved.any || !claimed.taken.is_empty())
    }

    /// Works until no target is due.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn run_until_idle(&self) -> Result<(), LeaseError> {
        while self.step().await? {}
        Ok(())
    }
}

/// What there is to do after targets were taken.
struct Filled {
    /// When to look for more at the latest.
    next: tokio::time::Instant,
    /// Whether targets may be due that there was no room for.
    has_more: bool,
}

impl Filled {
    /// Where there may be more, passes that wait for AWS give room without a word.
    fn in_time(self) -> Self {
        let soon = tokio::time::Instant::now() + AT_WORK;
        let next = if self.has_more {
            self.next.min(soon)
        } else {
            self.next
        };
        Self { next, ..self }
    }
}

fn later(by: TimeDelta) -> tokio::time::Instant {
    // What is due already is due now.
    tokio::time::Instant::now() + by.to_std().unwrap_or_default()
}

/// When the target is due again is not known.
struct Unknown;

fn report(done: Result<Worked, tokio::task::JoinError>) -> Result<Option<TimeDelta>, Unknown> {
    match done {
        Ok(Ok(due)) => return Ok(due),
        Ok(Err(LeaseError::Lost)) => {
            tracing::warn!("a lease was lost; nothing was written after that");
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
    Err(Unknown)
}
