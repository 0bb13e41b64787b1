//! Time limits of the worker's steps in the database: one that is silent keeps no target longer
//! than its lease.

use super::Worker;
use crate::db::lent;
use crate::db::timeouts::Timeouts;

impl Worker {
    /// Runs one step in the database, for a part of the lease at most.
    ///
    /// # Errors
    /// What the step fails with, or a timeout; its connection is closed then.
    pub(super) async fn in_time<T, E: From<sqlx::Error>>(
        &self,
        what: &'static str,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let limit = Timeouts::of_worker(self.settings.lease).step;
        // On the heap: with its target's rows and every statement a step is large.
        lent::in_time(what, limit, Box::pin(step)).await
    }
}
