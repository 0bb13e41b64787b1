//! `countersign serve`: portal, API and worker on one database.

use std::io::Write;

use tokio::net::TcpListener;

use super::{Failure, interrupted};
use crate::app::App;
use crate::aws::Aws;
use crate::clock::Clock;
use crate::config::Config;
use crate::db;
use crate::serve::{Service, router};

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct CannotListen {
    /// Which one.
    pub address: std::net::SocketAddr,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// The application of a configuration, on its database and its AWS.
///
/// # Errors
/// When no database is configured, or it cannot be used.
pub async fn app(config: &Config) -> Result<App, Failure> {
    let pool = db::pool::connect(
        config.database_url()?,
        config.database.max_connections.get(),
    )
    .await?;
    Ok(App::new(
        pool,
        Clock::Database,
        Aws::from_env(&config.aws).await,
        config,
    ))
}

/// Serves until the process is interrupted. Once it listens, it prints one line that says where.
///
/// # Errors
/// When the database cannot be used, or the address cannot be had.
pub async fn run(mut config: Config) -> Result<(), Failure> {
    let app = app(&config).await?;
    let address = config.server.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| CannotListen { address, source })?;
    config.server.listen = listener.local_addr()?;
    let end = interrupted()?;
    let endpoint = std::env::var("AWS_ENDPOINT_URL").ok();
    let router = router(&app, &config, endpoint.as_deref(), None);
    let service = Service::start(listener, &app, &config, router)?;
    writeln!(
        std::io::stdout(),
        "Countersign is at {} (listening on http://{})",
        config.public_url(),
        service.address()
    )?;
    end.await;
    service.stop().await;
    app.pool().close().await;
    Ok(())
}
