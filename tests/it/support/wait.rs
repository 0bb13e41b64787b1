//! Waiting for a level ("it is so"), never for a time.

use std::time::{Duration, Instant};

use sqlx::{Executor as _, PgConnection, Row as _};

/// Far beyond what anything takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Blocks until `check` is true.
///
/// # Panics
/// When that does not come about, naming `what`.
pub fn until(what: &str, mut check: impl FnMut() -> bool) {
    let started = Instant::now();
    while !check() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same for a check that has to be awaited.
///
/// # Panics
/// When that does not come about, naming `what`.
pub async fn until_async(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !check().await {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until somebody on the database of this connection waits for a lock. It is opened before
/// anybody does: a verb waits for a lock for a second and a half.
pub async fn somebody_waits(admin: &mut PgConnection) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until_async("somebody waits for a lock", async || {
        let row = admin.fetch_one(waiting).await.unwrap();
        row.get::<i64, _>(0) > 0
    })
    .await;
}
