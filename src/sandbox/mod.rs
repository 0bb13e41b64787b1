//! The AWS stand-in: IAM and STS over HTTP, for the official SDKs unchanged. It checks signatures
//! and enforces policies, so that tests and the demo can see by *using* credentials what AWS would
//! do. It knows nothing of the rest of the program: it is the oracle.

mod admit;
mod arn;
mod caller;
mod condition;
mod console;
pub mod context;
mod dials;
mod doc;
mod document;
mod effect;
mod element;
pub mod evaluate;
mod iam;
mod knobs;
mod managed;
mod mode;
mod pattern;
pub mod question;
mod quota;
pub mod rules;
mod s3;
mod seed;
mod server;
mod shared;
mod signin;
mod sigv4;
mod state;
mod sts;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{any, get};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use dials::{Call, Fault, When};
pub use knobs::{Document, Hold, Knobs, LateWrite, SessionKeys};
pub use rules::Rule;
pub use seed::{Seed, SeedAccount, SeedRole, SeedUser};
pub use wire::Fault as Refusal;

use shared::{Shared, keep, load};

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
            .route("/federation", any(console::federation))
            .route("/console", get(console::page))
            .route("/console/keys", get(console::keys))
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
