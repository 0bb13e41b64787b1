//! A connection that is lent out by a pool, and comes back only when nothing is under way on it.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Executor, PgConnection, PgPool, Postgres};

/// A connection of a pool. One that is dropped in the middle of something is closed, and the pool
/// may open another in its place at once: giving it back, the pool would wait for an answer that
/// may never come, and count it for as long.
#[derive(Debug)]
pub struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    /// Takes a connection.
    ///
    /// # Errors
    /// When none is free in time, or the database does not answer.
    pub async fn take(pool: &PgPool) -> sqlx::Result<Self> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    /// Takes a connection and begins a transaction on it.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn begin(pool: &PgPool) -> sqlx::Result<Self> {
        let mut lent = Self::take(pool).await?;
        (&mut *lent).execute("BEGIN").await?;
        Ok(lent)
    }

    /// Takes a connection for reads that have optional filters: until [`Self::commit`] each
    /// statement is planned for the values at hand, since only such a plan walks along the index
    /// that a filter needs. A plan for all values has to fit those that leave the filter out.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn begin_list(pool: &PgPool) -> sqlx::Result<Self> {
        let mut lent = Self::take(pool).await?;
        let begin = "BEGIN READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan";
        (&mut *lent).execute(begin).await?;
        Ok(lent)
    }

    /// Takes a connection for several reads of one moment, which writes nothing.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub async fn begin_snapshot(pool: &PgPool) -> sqlx::Result<Self> {
        let mut lent = Self::take(pool).await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        (&mut *lent).execute(begin).await?;
        Ok(lent)
    }

    /// Commits the transaction and gives the connection back.
    ///
    /// # Errors
    /// When the database does not answer; whether it was committed is not known then.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        // On failure the connection is dropped here, and closed: the server may still be at it.
        (&mut *self).execute("COMMIT").await?;
        self.give_back();
        Ok(())
    }

    /// Takes the transaction back and gives the connection back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rollback(mut self) -> sqlx::Result<()> {
        (&mut *self).execute("ROLLBACK").await?;
        self.give_back();
        Ok(())
    }

    /// Gives the connection back: nothing is under way on it.
    pub fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Detached, the pool asks the server nothing on its behalf.
            drop(connection.detach());
        }
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        // Only what consumes it empties it.
        self.0.as_ref().expect("lent")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        // As above.
        self.0.as_mut().expect("lent")
    }
}

/// Runs a piece of work on the database for `limit` at most. What is given up then has closed its
/// connection, and is a line of the log.
///
/// # Errors
/// What the work fails with, or a timeout.
pub async fn in_time<T, E: From<sqlx::Error>>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Ok(done) = tokio::time::timeout(limit, work).await else {
        tracing::error!(
            work = what,
            seconds = limit.as_secs_f64(),
            "the database did not answer in time; given up, on another connection next time"
        );
        let silent = std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} s: {what}", limit.as_secs_f64()),
        );
        return Err(sqlx::Error::Io(silent).into());
    };
    done
}
