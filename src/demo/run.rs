//! `countersign demo`: everything on this machine, with nothing to install but Postgres.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::net::TcpListener;

use super::database::Database;
use super::postgres::{self, DESCRIPTION, Mode, Postgres};
use super::seed::{self, AllKeys};
use crate::app::{App, catalog, tokens};
use crate::authn;
use crate::aws::Aws;
use crate::cli::serve::{CannotListen, worker_pool};
use crate::cli::{DemoArguments, Failure, interrupted};
use crate::clock::Clock;
use crate::config::Config;
use crate::db;
use crate::sandbox::{Options, Sandbox};
use crate::serve::{self, Service};

/// How long the demo's tokens work.
const TOKEN_LIFE: TimeDelta = TimeDelta::days(90);
/// How long an AWS call may take.
const AWS_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
#[error("cannot use {}", .0.display())]
struct Unusable(PathBuf, #[source] std::io::Error);

/// New keys would not be those that the AWS stand-in knows.
#[derive(Debug, thiserror::Error)]
#[error("{} is gone, and {} knows its keys alone: put it back, or begin anew with --reset", .0.display(), .1.display())]
struct KeysGone(PathBuf, PathBuf);

/// Runs the demo until it is interrupted.
///
/// # Errors
/// When Postgres is missing, a port is taken, or the data folder is not ours.
pub async fn run(arguments: DemoArguments) -> Result<(), Failure> {
    let folder = &arguments.data_dir;
    // Ports first: what is taken is told before anything is removed or started.
    let listener = listen(arguments.port).await?;
    drop(listen(arguments.aws_port).await?);
    if arguments.reset {
        postgres::reset(folder)?;
    }
    let postgres = Postgres::start(folder, Mode::Durable)?;
    let described = folder.join(DESCRIPTION);
    let database = Database::prepare(&postgres, "countersign").await?;
    let (keys_file, aws_file) = (folder.join("keys.json"), folder.join("sandbox.json"));
    if aws_file.exists() && !keys_file.exists() {
        return Err(KeysGone(keys_file, aws_file).into());
    }
    let mut keys = seed::keys(&keys_file).map_err(|error| Unusable(keys_file.clone(), error))?;
    write_private(&keys_file, &keys)?;
    let sandbox = Sandbox::start(Options {
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.aws_port)),
        seed: seed::aws(&keys),
        state_file: Some(aws_file),
        allow_non_loopback: false,
    })
    .await?;

    let config = config(listener.local_addr()?);
    let pool = db::pool::connect(&database.app_url, config.database.max_connections.get()).await?;
    let worker_pool = worker_pool(&config, &database.app_url).await?;
    let ours = seed::ours(&keys).cloned();
    let (id, secret) = ours
        .map(|it| (it.access_key_id, it.secret_access_key))
        .unwrap_or_default();
    let aws = Aws::with(&sandbox.url(), &id, &secret, AWS_TIMEOUT).await;
    let app = App::new(pool, Clock::Database, aws, &config);
    catalog::apply(&app, &seed::catalog(), "demo").await?;
    give_tokens(&app, &mut keys).await?;
    write_private(&keys_file, &keys)?;

    let router = serve::router(
        &app,
        &config,
        Some(&sandbox.url()),
        Some(super::sign_in::people()),
    );
    // Only now: until here Ctrl-C ends the process at once, and Postgres with it.
    let end = interrupted()?;
    let mut service = Service::start(listener, &app, worker_pool, &config, router)?;
    let portal = config.public_url();
    write_private(&described, &description(&portal, &sandbox.url(), &keys))?;
    std::io::stdout().write_all(welcome(&portal, &sandbox.url(), folder).as_bytes())?;

    let broken = tokio::select! {
        () = end => None,
        broken = service.broken() => Some(broken),
    };
    let _ = std::fs::remove_file(&described);
    service.stop().await;
    app.pool().close().await;
    sandbox.stop().await;
    postgres.stop().await?;
    broken.map_or(Ok(()), |broken| Err(broken.into()))
}

async fn listen(port: u16) -> Result<TcpListener, CannotListen> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| CannotListen { address, source })
}

/// The sandbox has no lag and no lost writes, so that the demo need not wait for either.
fn config(listen: SocketAddr) -> Config {
    let mut config = Config::default();
    config.server.listen = listen;
    config.aws.operation_timeout = AWS_TIMEOUT;
    config.aws.propagation_margin = Duration::ZERO;
    config.aws.unanswered_margin = Duration::ZERO;
    config.aws.clock_margin = Duration::from_secs(1);
    config.worker.poll = Duration::from_secs(1);
    config.worker.lease = Duration::from_secs(5);
    config.sessions.idle = Duration::from_hours(12);
    config.roles.admin = vec!["security-admins".to_owned()];
    config.roles.auditor = vec!["auditors".to_owned()];
    config
}

/// Keeps the tokens of earlier starts that still work.
async fn give_tokens(app: &App, keys: &mut AllKeys) -> Result<(), Failure> {
    for (_, user, _) in seed::PEOPLE {
        let Some(own) = keys.get_mut(user) else {
            continue;
        };
        if authn::bearer(app, &own.api_token).await.is_err() {
            let email = format!("{user}@example.com");
            let (_, token) = tokens::create(app, "demo", &email, "demo", TOKEN_LIFE).await?;
            token.expose_secret().clone_into(&mut own.api_token);
        }
    }
    Ok(())
}

fn description(portal: &str, aws: &str, keys: &AllKeys) -> serde_json::Value {
    let people = seed::PEOPLE.iter().filter_map(|(name, user, group)| {
        let own = keys.get(*user)?;
        Some(json!({
            "email": format!("{user}@example.com"), "name": name, "groups": [group], "api_token": own.api_token,
            "aws": {
                "arn": format!("arn:aws:iam::{}:user/{user}", seed::ACCOUNT),
                "access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key,
            },
        }))
    });
    json!({
        "portal_url": portal,
        "aws_endpoint_url": aws,
        "people": people.collect::<Vec<_>>(),
        "entitlements": [{
            "name": "prod-admin", "role_arn": format!("arn:aws:iam::{}:role/prod-admin", seed::ACCOUNT), "method": "trust_policy",
        }],
    })
}

fn welcome(portal: &str, aws: &str, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "
Countersign's demo is ready.

  Portal   {portal}
  AWS      {aws}   (a stand-in that enforces policies)

  1. Open {portal}/sign-in, pick Alice and ask for prod-admin.
  2. In another browser, or a private window, sign in as Bob and approve it.
  3. Alice's page then shows what to type to use the access with her own AWS keys:
       her keys and API token are in {folder}/demo.json

Ctrl-C stops everything; the next start finds the data again; --reset begins anew.
"
    )
}

/// Written beside it and renamed, readable for its owner alone.
fn write_private(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    let cannot = |error| Unusable(path.to_owned(), error);
    let text = serde_json::to_vec_pretty(value)?;
    let _ = std::fs::remove_file(&beside);
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside);
    file.and_then(|mut file| file.write_all(&text))
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(cannot)?;
    Ok(())
}
