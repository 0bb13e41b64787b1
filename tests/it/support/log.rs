//! The log of the whole test process.

use std::io::Write;
use std::sync::{LazyLock, Mutex};

/// Its errors, with the spans of their requests, and what is told of calls to AWS.
pub static LOG: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(|| {
    let log = tracing_subscriber::fmt()
        .with_env_filter("error,countersign::telemetry=info,countersign::aws=warn")
        .with_writer(|| Log)
        .with_ansi(false);
    log.try_init().unwrap();
    Mutex::default()
});

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All of it.
pub fn text() -> String {
    String::from_utf8(LOG.lock().unwrap().clone()).unwrap()
}

/// Whether a line has all of these words.
pub fn has_line(words: &[&str]) -> bool {
    text()
        .lines()
        .any(|line| words.iter().all(|word| line.contains(word)))
}
