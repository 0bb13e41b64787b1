//! The one transaction of a verb, or of the worker: its connection, its time, who acts, and whether
//! it made something due.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;

use super::lent::Lent;
use super::{due, restored};
use crate::clock::Clock;
use crate::domain::audit::{Actor, By, Channel};
use crate::ids::{GrantId, TargetId};

/// A transaction that has begun. One that is dropped was not committed, and its connection is
/// closed.
#[derive(Debug)]
pub struct Tx {
    conn: Lent,
    /// Who acts, through what, and when: the one reading of the clock.
    pub by: By,
    wake: Arc<Notify>,
    made_due: bool,
}

impl Tx {
    /// Begins a transaction in which `actor` acts. `wake` is told when it has made a target due.
    ///
    /// # Errors
    /// When no connection is free in time, or the database does not answer.
    pub async fn begin(
        pool: &PgPool,
        clock: &Clock,
        wake: Arc<Notify>,
        actor: Actor,
        channel: Channel,
    ) -> sqlx::Result<Self> {
        let mut conn = Lent::take(pool).await?;
        let at = clock.begin(&mut conn).await?;
        let by = By { actor, channel, at };
        Ok(Self::of(conn, by, wake))
    }

    /// A transaction that has begun on `conn`, of somebody who asked for the time themselves: the
    /// worker does that once it has its locks.
    #[must_use]
    pub const fn of(conn: Lent, by: By, wake: Arc<Notify>) -> Self {
        Self {
            conn,
            by,
            wake,
            made_due: false,
        }
    }

    /// The connection, for the functions of `db`.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    /// When the transaction acts.
    #[must_use]
    pub const fn now(&self) -> DateTime<Utc> {
        self.by.at
    }

    /// Makes a target due at `at`, or leaves it due earlier. The worker hears of it once this is
    /// committed, so that it need not find it at its next poll.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn make_due(&mut self, target: TargetId, at: DateTime<Utc>) -> sqlx::Result<()> {
        due::make_due(&mut self.conn, target, at).await?;
        // Remembered until the COMMIT: a worker woken earlier would find nothing.
        self.made_due = true;
        Ok(())
    }

    /// Makes every target of locked grants due, and wakes the worker once this is committed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn make_due_for(
        &mut self,
        grants: &[GrantId],
        at: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        due::make_due_for(&mut self.conn, grants, at).await?;
        self.made_due = true;
        Ok(())
    }

    /// The same for grants that somebody ends before their time: before all else that is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn make_due_first(&mut self, grants: &[GrantId]) -> sqlx::Result<()> {
        self.make_due_for(grants, self.by.at - due::AHEAD).await
    }

    /// Makes every other target due of which something stands, and wakes the worker once this is
    /// committed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn make_others_due(
        &mut self,
        seen_on: TargetId,
        at: DateTime<Utc>,
    ) -> sqlx::Result<()> {
        restored::make_others_due(&mut self.conn, seen_on, at).await?;
        self.made_due = true;
        Ok(())
    }

    /// Commits, and wakes the worker where there is something for it to do.
    ///
    /// # Errors
    /// When the database does not answer; whether it was committed is not known then.
    pub async fn commit(self) -> sqlx::Result<()> {
        self.conn.commit().await?;
        // Before the COMMIT the worker would not see what was made due.
        if self.made_due {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes everything back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rollback(self) -> sqlx::Result<()> {
        self.conn.rollback().await
    }
}
