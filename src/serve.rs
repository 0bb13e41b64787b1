//! Puts the parts together: portal, API, worker and sweep on one address.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::MethodRouter;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api;
use crate::app::{App, expire};
use crate::config::Config;
use crate::web;
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

/// The API under `/api/v1`, and the portal for everything else. `aws_endpoint` is told to people where AWS is not AWS's own; `sign_in` serves the
/// portal's `/sign-in`; without it that page says that there is no way to sign in.
pub fn router(
    app: &App,
    config: &Config,
    aws_endpoint: Option<&str>,
    sign_in: Option<MethodRouter<web::Portal>>,
) -> Router {
    let settings = web::Settings {
        public_url: config.public_url(),
        aws: web::commands::Aws {
            endpoint_url: aws_endpoint.map(|url| url.trim_end_matches('/').to_owned()),
            region: config
                .aws
                .region
                .clone()
                .unwrap_or_else(|| "us-east-1".to_owned()),
        },
    };
    let portal = web::router(
        app.clone(),
        settings,
        sign_in.unwrap_or_else(web::sign_in::none),
    );
    Router::new()
        .nest("/api/v1", api::router(app.clone()))
        .fallback_service(portal)
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
