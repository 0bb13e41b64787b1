//! Puts the parts together: portal, API, worker and sweep on one address.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api;
use crate::app::{App, expire};
use crate::config::Config;
use crate::worker::{Settings, Worker};

/// How often requests that nobody decided are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// How long open connections may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// A running Countersign.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
    worker: JoinHandle<()>,
    sweep: JoinHandle<()>,
}

impl Service {
    /// Serves `router` on `listener` and starts the worker.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(
        listener: TcpListener,
        app: &App,
        config: &Config,
        router: Router,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let told = move || {
            let mut stopped = stopped.clone();
            async move {
                let _ = stopped.wait_for(|it| *it).await;
            }
        };
        let worker = Worker::new(
            app.pool().clone(),
            app.clock().clone(),
            app.aws().clone(),
            Settings::from(config),
            app.wake(),
        );
        let server = axum::serve(listener, router).with_graceful_shutdown(told());
        Ok(Self {
            address,
            server: tokio::spawn(async move { server.await }),
            worker: tokio::spawn(worker.run(told())),
            sweep: tokio::spawn(sweep(app.clone(), told())),
            stop,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more calls, and lets the worker come to a stop.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let server = self.server.abort_handle();
        if tokio::time::timeout(DRAIN, self.server).await.is_err() {
            server.abort();
        }
        let _ = self.worker.await;
        let _ = self.sweep.await;
    }
}

/// The API under `/api/v1`.
pub fn router(app: &App) -> Router {
    Router::new().nest("/api/v1", api::router(app.clone()))
}

async fn sweep(app: App, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        if let Err(error) = expire::expire_due(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot look for requests that have lapsed"
            );
        }
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
}
