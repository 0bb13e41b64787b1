//! What all calls share, and the file that keeps it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::dials::Dials;
use super::state::State;
use super::wire::Fault as Refusal;

/// What all calls share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) dials: Mutex<Dials>,
    pub(super) state_file: Option<PathBuf>,
    /// True from the moment it was stopped: nothing takes effect any more.
    pub(super) stopped: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn dials(&self) -> MutexGuard<'_, Dials> {
        self.dials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the state, if there is a file for it.
    pub(super) fn save(&self, state: &State) -> Result<(), Refusal> {
        let Some(path) = &self.state_file else {
            return Ok(());
        };
        keep(path, state).map_err(|error| {
            tracing::error!(path = %path.display(), %error, "the sandbox cannot keep its state");
            Refusal::new(500, "ServiceFailure", "The state could not be kept")
        })
    }
}

/// The state in a file.
pub(super) fn load(path: &Path) -> io::Result<State> {
    serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
}

/// Written beside the file and renamed, so that it is never half there. It holds secrets: for its
/// owner only.
pub(super) fn keep(path: &Path, state: &State) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(&serde_json::to_vec(state).map_err(io::Error::other)?)?;
    std::fs::rename(&beside, path)
}
