//! `countersign serve`: portal, API and worker on one database.

use std::convert::Infallible;
use std::future::pending;
use std::io::Write;

use clap::Args;
use sqlx::PgPool;
use tokio::net::TcpListener;

use super::failure::Refused;
use super::{Failure, interrupted, stop};
use crate::app::{App, orphans, restored};
use crate::aws::Clouds;
use crate::clock::Clock;
use crate::config::Config;
use crate::db;
use crate::db::pool::ConnectError;
use crate::db::timeouts::Timeouts;
use crate::serve::{Service, router};

/// What may be typed after `serve`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The database was restored from a backup: put every role and user into safe mode first, so
    /// that nothing opens on it until `countersign target resume`; closings go on
    #[arg(long)]
    restored: bool,
}

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; {option} says where")]
pub struct CannotListen {
    /// Which one.
    pub address: std::net::SocketAddr,
    /// What chooses another one: an option of the configuration, or of the command line.
    pub option: &'static str,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// The worker's own connections: each of its tasks needs one for moments only.
///
/// # Errors
/// When no database is configured, or it cannot be used.
pub async fn worker_pool(config: &Config, url: &str) -> Result<PgPool, ConnectError> {
    let max = config.worker.concurrency.get().div_ceil(4) + 1;
    db::pool::connect(url, max, Timeouts::of_worker(config.worker.lease)).await
}

/// The application of a configuration, on its database and its AWS.
///
/// # Errors
/// When no database is configured, or it cannot be used.
pub async fn app(config: &Config) -> Result<App, Failure> {
    let pool = db::pool::connect(
        config.database_url()?,
        config.database.max_connections.get(),
        Timeouts::of_verbs(config.worker.lease),
    )
    .await?;
    let clouds = Clouds::from_env(&config.aws).await;
    Ok(App::new(pool, Clock::Database, clouds, config))
}

/// The same for a command that writes the catalog or tokens.
///
/// # Errors
/// As [`app`]; also when the database's role may not write them.
pub async fn catalog_app(config: &Config) -> Result<App, Failure> {
    let pool =
        db::pool::connect_for_catalog(config.database_url()?, Timeouts::of_commands()).await?;
    let clouds = Clouds::from_env(&config.aws).await;
    Ok(App::of_command(pool, Clock::Database, clouds, config))
}

/// The same for a command that looks at what `serve` works with, or why it could not.
///
/// # Errors
/// When no database is configured.
pub async fn doctor_app(config: &Config) -> Result<Result<App, ConnectError>, Failure> {
    let pool = db::pool::connect(config.database_url()?, 2, Timeouts::of_commands()).await;
    let pool = match pool {
        Ok(pool) => pool,
        Err(error) => return Ok(Err(error)),
    };
    let clouds = Clouds::from_env(&config.aws).await;
    Ok(Ok(App::of_command(pool, Clock::Database, clouds, config)))
}

/// Serves until the process is interrupted. Once it listens, it prints one line that says where.
///
/// # Errors
/// When the database cannot be used, the address cannot be had, or a part of the service breaks
/// down.
pub async fn run(mut config: Config, arguments: Arguments) -> Result<(), Failure> {
    let app = app(&config).await?;
    let worker_pool = worker_pool(&config, config.database_url()?).await?;
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| CannotListen {
            address,
            option: "server.listen",
            source,
        })?;
    if arguments.restored {
        // Before the worker has looked at anything.
        suspend_all(&config).await?;
    }
    // Where port 0 was asked for, links need the port that came of it.
    config.server.listen = listener.local_addr()?;
    // Only now: until here a signal ends the process at once, and the next start goes on from
    // there.
    let end = interrupted()?;
    let endpoint = std::env::var("AWS_ENDPOINT_URL").ok();
    let router = router(&app, &config, endpoint.as_deref(), None);
    let mut service = Service::start(listener, &app, worker_pool, &config, router)?;
    writeln!(
        std::io::stdout(),
        "Countersign is at {} (listening on http://{})",
        config.public_url(),
        service.address()
    )?;
    // To find out takes seconds where there are none, and nobody need wait for that.
    let warned = async {
        app.clouds().warn_without_credentials().await;
        if arguments.restored {
            tell_of_orphans(&app).await;
        }
        pending::<Infallible>().await
    };
    let broken = tokio::select! {
        () = end => None,
        never = warned => match never {},
        broken = service.broken() => Some(broken),
    };
    stop::within_limit();
    service.stop().await;
    // After the service: its last words go on record through these connections.
    app.close().await;
    // A failure, so that whoever started the process starts it again.
    broken.map_or(Ok(()), |broken| Err(broken.into()))
}

/// Puts everything into safe mode, with the time that a command has: there may be much.
async fn suspend_all(config: &Config) -> Result<(), Failure> {
    let app = doctor_app(config).await??;
    let suspended = restored::suspend_all(&app).await.map_err(Refused::told)?;
    app.close().await;
    eprintln!(
        "{suspended} roles and users are in safe mode: nothing opens on them until `countersign target resume`"
    );
    Ok(())
}

/// What the loop has nobody to look at for. Beside it: an account that is silent keeps nothing
/// waiting.
async fn tell_of_orphans(app: &App) {
    if let Err(error) = orphans::tell(app).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "cannot look for policies of grants that the database has forgotten"
        );
    }
}
