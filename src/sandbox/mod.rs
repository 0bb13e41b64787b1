//! The AWS stand-in: IAM and STS over HTTP, for the official SDKs unchanged. It checks signatures and enforces policies, so that tests and the demo
//! can see by *using* credentials what AWS would do. It knows nothing of the rest of the program: it is the oracle.

mod caller;
mod condition;
mod document;
pub mod evaluate;
mod iam;
mod knobs;
mod seed;
mod sigv4;
mod state;
mod sts;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shares};
use axum::http::request::Parts;
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use knobs::{Call, Document, Fault, Hold, Knobs, LateWrite, When};
pub use seed::{Seed, SeedAccount, SeedRole, SeedUser};
pub use wire::Fault as Refusal;

use knobs::{Dials, Rule, What};
use state::State;
use wire::{Params, Xml};

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
    /// The state file cannot be read.
    #[error("cannot read the sandbox's state {}", .path.display())]
    StateFile {
        /// Which one.
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
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

/// What all calls share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    dials: Mutex<Dials>,
    state_file: Option<PathBuf>,
}

impl Sandbox {
    /// Starts it.
    ///
    /// # Errors
    /// When the address is not loopback or taken, or the state file cannot be read.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        if !options.addr.ip().is_loopback() && !options.allow_non_loopback {
            return Err(StartError::NotLoopback(options.addr));
        }
        let state = match &options.state_file {
            Some(path) if path.exists() => load(path).map_err(|source| StartError::StateFile {
                path: path.clone(),
                source,
            })?,
            _ => options.seed.into_state(),
        };
        let listen = |source| StartError::Listen {
            address: options.addr,
            source,
        };
        let listener = TcpListener::bind(options.addr).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            dials: Mutex::default(),
            state_file: options.state_file,
        });
        shared.save(&shared.state.lock().unwrap_or_else(PoisonError::into_inner));
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared));
        let (stop, mut stopped) = watch::channel(false);
        let server = axum::serve(listener, router).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|it| *it).await;
        });
        let server = tokio::spawn(async move { server.await });
        Ok(Self {
            address,
            knobs: Knobs(shared),
            stop,
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

    /// Stops it. Calls that are held are cut off.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        self.server.abort();
        let _ = self.server.await;
    }
}

impl Shared {
    /// Keeps the state, if there is a file for it: written beside it and renamed, so that it is never half there.
    fn save(&self, state: &State) {
        let Some(path) = &self.state_file else { return };
        let beside = path.with_extension("new");
        let written = serde_json::to_vec(state)
            .map_err(io::Error::other)
            .and_then(|text| std::fs::write(&beside, text));
        if let Err(error) = written.and_then(|()| std::fs::rename(&beside, path)) {
            tracing::error!(path = %path.display(), %error, "the sandbox cannot keep its state");
        }
    }
}

fn load(path: &Path) -> io::Result<State> {
    serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
}

async fn handle(Shares(shared): Shares<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = uuid::Uuid::now_v7().to_string();
    let Ok(body) = axum::body::to_bytes(body, 1 << 20).await else {
        return wire::answer(
            "iam",
            "",
            &request_id,
            Err(Refusal::new(
                413,
                "RequestEntityTooLarge",
                "Request too large",
            )),
        );
    };
    let params = Params::parse(&body);
    let action = params.get("Action").unwrap_or_default().to_owned();
    match serve(&shared, &parts, &body, &params, &action).await {
        Some((service, result)) => wire::answer(&service, &action, &request_id, result),
        None => broken(),
    }
}

/// An answer that never becomes whole: the connection is cut.
fn broken() -> Response {
    let cut = async { Err::<&[u8], _>(io::Error::from(io::ErrorKind::ConnectionReset)) };
    Response::new(Body::from_stream(futures_util::stream::once(cut)))
}

/// The service and its answer; nothing where the connection is to break.
async fn serve(
    shared: &Arc<Shared>,
    parts: &Parts,
    body: &[u8],
    params: &Params,
    action: &str,
) -> Option<(String, Result<Xml, Refusal>)> {
    let (access_key, service) = match authenticate(shared, parts, body) {
        Ok(who) => who,
        Err(refusal) => return Some(("iam".to_owned(), Err(refusal))),
    };
    let rules = lock(&shared.dials).arriving(action);
    if let Some(late) = rules.iter().find_map(|it| match &it.what {
        What::Late(landed) => Some(landed.clone()),
        What::Hold { .. } | What::Fail(_) => None,
    }) {
        land_later(
            Arc::clone(shared),
            late,
            access_key,
            service,
            params.clone(),
            action.to_owned(),
        );
        return None;
    }
    for rule in rules.iter().filter(|it| it.when == When::BeforeEffect) {
        if let Some(end) = obey(rule).await {
            return end.map(|refusal| (service, Err(refusal)));
        }
    }
    let result = effect(shared, &access_key, &service, params, action);
    for rule in rules.iter().filter(|it| it.when == When::AfterEffect) {
        if let Some(end) = obey(rule).await {
            return end.map(|refusal| (service, Err(refusal)));
        }
    }
    Some((service, result))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signature's age is measured against real time, so that stepping the clock breaks no SDK"
)]
fn authenticate(shared: &Shared, parts: &Parts, body: &[u8]) -> Result<(String, String), Refusal> {
    let claim = sigv4::claim(parts, chrono::Utc::now())?;
    if claim.service != "iam" && claim.service != "sts" {
        return Err(Refusal::new(
            403,
            "SignatureDoesNotMatch",
            format!(
                "Credential should be scoped to correct service, not '{}'.",
                claim.service
            ),
        ));
    }
    let secret = caller::secret(
        &lock(&shared.state),
        &claim.access_key,
        claim.token.as_deref(),
    )?;
    sigv4::verify(&claim, &secret, parts, body)?;
    Ok((claim.access_key, claim.service))
}

/// Does what the rule says: `None` to go on, `Some(None)` to break the connection, `Some(Some(…))` to answer with a fault.
async fn obey(rule: &Rule) -> Option<Option<Refusal>> {
    match &rule.what {
        What::Hold { reached, released } => {
            let _ = reached.send(true);
            let _ = released.clone().wait_for(|it| *it).await;
            None
        }
        What::Fail(Fault::Error {
            status,
            code,
            message,
        }) => Some(Some(Refusal::new(*status, code, message.as_str()))),
        What::Fail(Fault::DropConnection) => Some(None),
        What::Fail(Fault::NeverAnswer) => std::future::pending().await,
        What::Late(_) => None,
    }
}

fn land_later(
    shared: Arc<Shared>,
    mut landed: watch::Receiver<bool>,
    access_key: String,
    service: String,
    params: Params,
    action: String,
) {
    tokio::spawn(async move {
        if landed.wait_for(|it| *it).await.is_ok() {
            let _ = effect(&shared, &access_key, &service, &params, &action);
        }
    });
}

/// Authorizes the call, does it, and writes it into the log.
fn effect(
    shared: &Shared,
    access_key: &str,
    service: &str,
    params: &Params,
    action: &str,
) -> Result<Xml, Refusal> {
    let (now, delay, stale) = {
        let dials = lock(&shared.dials);
        (dials.now(), dials.delay, dials.stale_reads)
    };
    let mut state = lock(&shared.state);
    let caller = caller::identify(&state, access_key, now, delay)?;
    let unknown = || {
        Refusal::new(
            400,
            "InvalidAction",
            format!("Could not find operation {action} for service {service}"),
        )
    };
    let result = match (service, action) {
        ("sts", "GetCallerIdentity") => Ok(sts::caller_identity(&caller)),
        ("sts", "AssumeRole") => sts::assume_role(&mut state, &caller, params, now, delay),
        ("sts", "GetSessionToken") => sts::session_token(&mut state, &caller, params, now),
        ("iam", _) if iam::is_write(action).is_some() => iam::call(
            &mut state,
            action,
            &iam::Call {
                caller: &caller,
                params,
                now,
                stale,
            },
        ),
        _ => Err(unknown()),
    };
    let changed = service == "sts" || iam::is_write(action) == Some(true);
    if changed && result.is_ok() {
        shared.save(&state);
    }
    drop(state);
    let (status, code) = result.as_ref().map_or_else(
        |refusal| (refusal.status, Some(refusal.code.clone())),
        |_| (200, None),
    );
    let call = Call {
        action: action.to_owned(),
        caller: caller.arn,
        params: params.shown(),
        at: now,
        status,
        code,
    };
    lock(&shared.dials).calls.push(call);
    result
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
