//! Puts the parts together: portal, API, worker and sweep on one address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use ipnet::IpNet;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::api;
use crate::app::{App, expire, orphans, put_on_record, recount, revoke, sign_in};
use crate::authn::oidc::RelyingParty;
use crate::config::Config;
use crate::error::Error;
use crate::web;
use crate::worker::{Settings, Worker};

pub mod descriptors;
pub mod http;
mod line;
pub mod proxies;
pub mod reconcile;
mod stream;

use http::Limits;

/// How often requests that nobody decided are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// How long it may take at the end to put on record what was counted.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A running Countersign.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    /// Server, worker, sweep and inventory, each of which ends with its name.
    parts: JoinSet<&'static str>,
    worker_pool: PgPool,
    app: App,
}

/// A part of the service ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// By itself.
    #[error("the {0} has ended by itself")]
    Ended(&'static str),
    /// By a fault of the program.
    #[error("a part of the service broke down")]
    Panicked(#[from] JoinError),
}

impl Service {
    /// Serves `router` on `listener` and starts the worker, on connections of its own: pages that
    /// are slow cannot keep a closing waiting.
    ///
    /// # Errors
    /// When the listener has no address, or the process may have too few files open.
    pub fn start(
        listener: TcpListener,
        app: &App,
        worker_pool: PgPool,
        config: &Config,
        router: Router,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let for_workers = worker_pool.options().get_max_connections();
        let clients = descriptors::for_clients(descriptors::raise(), config, for_workers);
        // Before any part runs: with too few files the service does not begin.
        let limits = Limits::of(clients.map_err(std::io::Error::other)?);
        let (stop, stopped) = watch::channel(false);
        let told = move || {
            let mut stopped = stopped.clone();
            async move {
                let _ = stopped.wait_for(|it| *it).await;
            }
        };
        let worker = Worker::new(
            worker_pool.clone(),
            app.clock().clone(),
            app.clouds().clone(),
            Settings::from(config),
            app.wake(),
        );
        let server = http::serve(listener, router, limits, told());
        let (worker, sweep) = (worker.run(told()), sweep(app.clone(), told()));
        let mut parts = JoinSet::new();
        parts.spawn(async move {
            server.await;
            "HTTP server"
        });
        parts.spawn(async move {
            worker.await;
            "worker"
        });
        parts.spawn(async move {
            sweep.await;
            "sweep"
        });
        let inventory = inventory(app.clone(), told());
        parts.spawn(async move {
            inventory.await;
            "inventory"
        });
        Ok(Self {
            address,
            stop,
            parts,
            worker_pool,
            app: app.clone(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until a part ends, which none should before [`Self::stop`].
    pub async fn broken(&mut self) -> Broken {
        let broken = match self.parts.join_next().await {
            Some(Ok(name)) => Broken::Ended(name),
            Some(Err(error)) => Broken::Panicked(error),
            None => Broken::Ended("service"),
        };
        tracing::error!(error = &broken as &dyn std::error::Error, "stopping");
        broken
    }

    /// Takes no more calls, and lets the worker come to a stop.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.parts.join_next().await.is_some() {}
        // After all parts: nobody can be refused any more.
        let told = put_on_record::refusals(&self.app, true);
        match tokio::time::timeout(LAST_WORDS, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => not_on_record(&error),
            Err(_) => not_on_record(&Error::Busy),
        }
        self.worker_pool.close().await;
    }
}

/// The API under `/api/v1`, and the portal for everything else. `aws_endpoint` is told to people
/// where AWS is not AWS's own; `sign_in` is the way to sign in, where it is not the provider of the
/// configuration. Without either, the page says that there is none.
pub fn router(
    app: &App,
    config: &Config,
    aws_endpoint: Option<&str>,
    sign_in: Option<&[web::Route]>,
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
        provider: RelyingParty::new(config).map(Arc::new),
    };
    let way = match (sign_in, &settings.provider) {
        (Some(way), _) => way,
        (None, Some(_)) => web::BY_PROVIDER,
        (None, None) => web::NO_SIGN_IN,
    };
    let portal = web::router(app.clone(), settings, way);
    let trusted: Arc<[IpNet]> = config.server.trusted_proxies.as_slice().into();
    Router::new()
        .nest("/api/v1", api::router(app.clone()))
        .fallback_service(portal)
        .layer(from_fn_with_state(trusted, proxies::forwarded))
}

async fn sweep(app: App, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        // No reason to end: it is tried again, and what is overdue counts as expired without a row
        // that says so.
        if let Err(error) = expire::expire_due(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot look for requests that have lapsed"
            );
        }
        if let Err(error) = recount::recount_due(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot look for requests that are to be counted anew; the next sweep goes on"
            );
        }
        if let Err(error) = revoke::carry_on_all(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot look for revocations that hold; the next sweep goes on"
            );
        }
        if let Err(error) = put_on_record::refusals(&app, false).await {
            not_on_record(&error);
        }
        if let Err(error) = sign_in::tidy(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot forget attempts to sign in that are over"
            );
        }
        app.limits().tidy();
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
    }
}

/// Looks through one account at a time, each once a day. Apart from the sweep, which must not wait
/// for AWS; and not at once, when everything else begins.
async fn inventory(app: App, stopped: impl Future<Output = ()>) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        let looked = async {
            tokio::time::sleep(SWEEP).await;
            if let Err(error) = orphans::look_through_next(&app).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot look through an account; it is taken up again later"
                );
            }
        };
        tokio::select! {
            () = &mut stopped => return,
            () = looked => {}
        }
    }
}

fn not_on_record(error: &Error) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "cannot put on record how many refusals there were"
    );
}
