//! The AWS stand-in: IAM and STS over HTTP, for the official SDKs unchanged. It checks signatures
//! and enforces policies, so that tests and the demo can see by *using* credentials what AWS would
//! do. It knows nothing of the rest of the program: it is the oracle.

mod caller;
mod condition;
mod dials;
mod document;
pub mod evaluate;
mod iam;
mod knobs;
mod quota;
mod seed;
mod server;
mod sigv4;
mod state;
mod sts;
mod wire;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use knobs::{Call, Document, Fault, Hold, Knobs, LateWrite, When};
pub use seed::{Seed, SeedAccount, SeedRole, SeedUser};
pub use wire::Fault as Refusal;

use dials::Dials;
use state::State;

/// How the sandbox starts.
#[derive(Debug)]
pub struct Options {
    /// Where to listen; port 0 picks a free one.
    pub addr: SocketAddr,
    /// What there is at first.
    pub seed: Seed,
    /// Where the state is kept; a file that is there wins over the seed.
    pub state_file: Option<PathBuf>,
    /// Listen on an address that others can reach. Nobody should.
    pub allow_non_loopback: bool,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Anybody could reach it.
    #[error("the sandbox listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("the sandbox cannot listen on {address}")]
    Listen {
        /// Which one.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The seed is not what it should be.
    #[error("the seed is not right: {0}")]
    Seed(String),
    /// The state file cannot be read, or is not one of ours.
    #[error("cannot read the sandbox's state {}", .path.display())]
    StateFile {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The state could not be kept.
    #[error("cannot write the sandbox's state {}", .path.display())]
    KeepState {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A running sandbox.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    knobs: Knobs,
    server: JoinHandle<io::Result<()>>,
}

/// What all calls share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    dials: Mutex<Dials>,
    state_file: Option<PathBuf>,
    /// True from the moment it was stopped: nothing takes effect any more.
    stopped: watch::Sender<bool>,
}

impl Sandbox {
    /// Starts it.
    ///
    /// # Errors
    /// When the address is not loopback or taken, the seed is wrong, or the state file cannot be
    /// read or written.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if !options.addr.ip().is_loopback() && !options.allow_non_loopback {
            return Err(StartError::NotLoopback(options.addr));
        }
        let state = match &options.state_file {
            Some(path) if path.exists() => load(path).map_err(|source| StartError::StateFile {
                path: path.clone(),
                source,
            })?,
            _ => options.seed.into_state().map_err(StartError::Seed)?,
        };
        let listen = |source| StartError::Listen {
            address: options.addr,
            source,
        };
        let listener = TcpListener::bind(options.addr).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (stopped, mut stops) = watch::channel(false);
        if let Some(path) = &options.state_file {
            keep(path, &state).map_err(|source| StartError::KeepState {
                path: path.clone(),
                source,
            })?;
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            dials: Mutex::default(),
            state_file: options.state_file,
            stopped,
        });
        let router = Router::new()
            .fallback(server::handle)
            .with_state(Arc::clone(&shared));
        let server = axum::serve(listener, router).with_graceful_shutdown(async move {
            let _ = stops.wait_for(|it| *it).await;
        });
        let server = tokio::spawn(async move { server.await });
        Ok(Self {
            address,
            knobs: Knobs(shared),
            server,
        })
    }

    /// The endpoint for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What tests turn.
    #[must_use]
    pub const fn knobs(&self) -> &Knobs {
        &self.knobs
    }

    /// Stops it. Calls that are held are cut off, and take no effect any more.
    pub async fn stop(self) {
        self.knobs.0.stopped.send_replace(true);
        self.server.abort();
        let _ = self.server.await;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dials(&self) -> MutexGuard<'_, Dials> {
        self.dials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the state, if there is a file for it.
    fn save(&self, state: &State) -> Result<(), Refusal> {
        let Some(path) = &self.state_file else {
            return Ok(());
        };
        keep(path, state).map_err(|error| {
            tracing::error!(path = %path.display(), %error, "the sandbox cannot keep its state");
            Refusal::new(500, "ServiceFailure", "The state could not be kept")
        })
    }
}

fn load(path: &Path) -> io::Result<State> {
    serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
}

/// Written beside the file and renamed, so that it is never half there. It holds secrets: for its
/// owner only.
fn keep(path: &Path, state: &State) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(&serde_json::to_vec(state).map_err(io::Error::other)?)?;
    std::fs::rename(&beside, path)
}
