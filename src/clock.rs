//! The one source of time: the database's clock, or a fixed one for tests.
//!
//! A transaction, or a read of several statements, asks once and hands the time on. A read that is
//! one statement is not worth another one for the time: it is handed [`Clock::given`] and says
//! `coalesce($1, clock_timestamp())`, which is the only way in which SQL may ask for the time.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::{Executor as _, PgConnection, Row as _};

/// Where "now" comes from. All replicas share the database's clock.
#[derive(Debug, Clone)]
pub enum Clock {
    /// `clock_timestamp()` of the database.
    Database,
    /// A clock that stands still until it is set (tests).
    Fixed(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// A clock that stands at `at`.
    #[must_use]
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self::Fixed(Arc::new(Mutex::new(at)))
    }

    /// Sets a fixed clock; the database's clock cannot be set.
    pub fn set(&self, at: DateTime<Utc>) {
        if let Self::Fixed(time) = self {
            *time
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = at;
        }
    }

    /// The time of a fixed clock; none where the database is to be asked.
    #[must_use]
    pub fn given(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Database => None,
            Self::Fixed(time) => {
                let time = time
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                // Postgres keeps microseconds: a finer time would differ from itself once it is
                // stored.
                Some(time.trunc_subsecs(6))
            }
        }
    }

    /// The present time (UTC, microseconds), asked on the caller's connection.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self, conn: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
        if let Some(given) = self.given() {
            return Ok(given);
        }
        sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(conn)
            .await
    }

    /// Begins a transaction and tells its time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(&self, conn: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
        if let Some(given) = self.given() {
            conn.execute("BEGIN").await?;
            return Ok(given);
        }
        // In one message, so that the time costs no round trip of its own.
        let row = conn.fetch_one("BEGIN; SELECT clock_timestamp()").await?;
        row.try_get(0)
    }
}

/// What this machine takes for the time: for a signature of whoever types a command, which AWS
/// judges by its own clock. Nothing that is stored comes from it.
#[must_use]
pub fn of_this_machine() -> SystemTime {
    SystemTime::now()
}
