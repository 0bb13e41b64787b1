//! An outer limit for stopping.

use std::time::Duration;

/// How long everything together may take to stop: longer than each part's own time, shorter than
/// what systemd (90 s) and Kubernetes (30 s) wait before they kill; Docker waits 10 s unless told
/// otherwise, as docker-compose.yml does.
const LIMIT: Duration = Duration::from_secs(20);

/// Ends the process with code 1 should it not have ended by itself by then: a database or a client
/// that is silent keeps nobody from stopping it.
pub fn within_limit() {
    // A thread of its own: what hangs may be what tasks run on.
    std::thread::spawn(|| {
        std::thread::sleep(LIMIT);
        std::thread::spawn(|| {
            let seconds = LIMIT.as_secs();
            tracing::error!(seconds, "not stopped in time; ending the process");
        });
        // The log may be what hangs.
        std::thread::sleep(Duration::from_secs(1));
        std::process::exit(1)
    });
}
