//! The signals that end the program.

use futures_util::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from now on for Ctrl-C, SIGTERM and SIGHUP; the future ends when one of them comes. The
/// next one after that ends the process.
///
/// # Errors
/// When the operating system does not let us listen.
pub fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = vec![
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    ];
    if !ignores_hangup() {
        signals.push(signal(SignalKind::hangup())?);
    }
    Ok(async move {
        any(&mut signals).await;
        tokio::spawn(async move {
            any(&mut signals).await;
            // 128 and the number of SIGINT, as shells count it.
            std::process::exit(130);
        });
    })
}

async fn any(signals: &mut [Signal]) {
    select_all(signals.iter_mut().map(|it| Box::pin(it.recv()))).await;
}

/// `nohup` starts a program like this, and listening would undo it.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}
