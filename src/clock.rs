//! The one source of time: the database's clock, or a fixed one for tests.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::PgConnection;

/// Where "now" comes from. All replicas share the database's clock; SQL itself never asks for the
/// time.
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

    /// The present time (UTC, microseconds), asked on the caller's connection.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self, conn: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
        match self {
            Self::Database => {
                sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
                    .fetch_one(conn)
                    .await
            }
            Self::Fixed(time) => Ok(*time
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)),
        }
        .map(|now| now.trunc_subsecs(6))
    }
}
