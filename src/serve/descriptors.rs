//! How many files the process may have open, and how many of them its clients may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// For the log, the listener, the runtime and what else is open for moments.
const KEPT: u64 = 64;
/// Each of the worker's tasks may have a read and a write of AWS under way, and a connection to
/// each that lies idle.
const TO_AWS: u64 = 4;
/// What every system takes where there is no hard limit (macOS refuses more).
const WITHOUT_LIMIT: u64 = 10_240;
/// With fewer connections the portal would be no help.
const FEWEST: u64 = 8;
/// More would be no help either: each costs memory, and the database has far fewer.
const MOST: u64 = 4096;

/// The clients would leave nothing to database, worker and AWS.
#[derive(Debug, thiserror::Error)]
#[error(
    "at most {open} files may be open, and Countersign needs {needed}: raise the limit (`ulimit -n`, LimitNOFILE=)"
)]
pub struct TooFew {
    open: u64,
    needed: u64,
}

/// Raises the soft limit of open files to the hard one, and says how many may be open.
#[must_use]
pub fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let soft = current.unwrap_or(u64::MAX);
    let hard = maximum.unwrap_or(WITHOUT_LIMIT);
    if soft >= hard {
        return soft;
    }
    let raised = Rlimit {
        current: Some(hard),
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => hard,
        // The soft limit is what there is; `for_clients` says whether it is enough.
        Err(error) => {
            tracing::warn!(%error, soft, hard, "the limit of open files cannot be raised");
            soft
        }
    }
}

/// How many connections clients may have of `open` files. What database and worker need is kept
/// from them, and of the rest a half: a call of the API may open a connection to AWS.
///
/// # Errors
/// When too few are left.
pub fn for_clients(open: u64, config: &Config, worker_pool: u32) -> Result<usize, TooFew> {
    let pools = u64::from(config.database.max_connections.get()) + u64::from(worker_pool);
    let kept = KEPT + pools + TO_AWS * u64::from(config.worker.concurrency.get());
    let clients = open.saturating_sub(kept) / 2;
    if clients < FEWEST {
        let needed = kept + 2 * FEWEST;
        return Err(TooFew { open, needed });
    }
    Ok(usize::try_from(clients.min(MOST)).unwrap_or(usize::MAX))
}
