//! Waiting for a level ("it is so"), never for a time.

use std::time::{Duration, Instant};

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
