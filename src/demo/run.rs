//! `countersign demo`: everything on this machine, in one process or, to kill one part and keep the
//! other, in two.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use super::database::Database;
use super::machines;
use super::people::{ACCOUNT, PEOPLE};
use super::postgres::{self, AWS_LOCK, DESCRIPTION, Mode, Postgres};
use super::seed::{self, AllKeys};
use super::sessions;
use crate::app::tokens::Wanted;
use crate::app::{App, catalog, tokens};
use crate::authn;
use crate::aws::Clouds;
use crate::cli::serve::{CannotListen, worker_pool};
use crate::cli::{DemoArguments, Failure, Part, interrupted, stop};
use crate::clock::Clock;
use crate::config::{Config, Limits, Oidc};
use crate::db;
use crate::db::timeouts::Timeouts;
use crate::domain::scope::Scopes;
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

/// There is nothing for `--only countersign` to work on.
#[derive(Debug, thiserror::Error)]
#[error("the AWS stand-in of {} is not at http://{address}: start `demo --only aws` first, in a terminal of its \
own", .folder.display())]
struct NoStandIn {
    folder: PathBuf,
    address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "--reset does not go with `--only countersign`: the AWS stand-in that is running has the keys; restart it \
     with --reset"
)]
struct ResetTooLate;

#[derive(Debug, thiserror::Error)]
#[error(
    "--oidc needs a provider: set oidc.issuer and oidc.client_id, in the file of --config or as COUNTERSIGN_OIDC__…"
)]
struct NoProvider;

/// The AWS stand-in, and the lock of its file.
struct StandIn {
    sandbox: Sandbox,
    _lock: File,
}

/// Runs the demo, or the part of it that is named, until it is interrupted.
///
/// # Errors
/// When Postgres is missing, a port is taken, or the data folder is not ours.
pub async fn run(arguments: DemoArguments, oidc: Oidc) -> Result<(), Failure> {
    if arguments.oidc && oidc.issuer.is_none() {
        return Err(NoProvider.into());
    }
    match arguments.only {
        None => with_aws(&arguments, oidc).await,
        Some(Part::Aws) => aws_alone(&arguments).await,
        Some(Part::Countersign) => without_aws(&arguments, oidc).await,
    }
}

async fn with_aws(arguments: &DemoArguments, oidc: Oidc) -> Result<(), Failure> {
    let folder = &arguments.data_dir;
    // Ports first: what is taken is told before anything is removed or started.
    let listener = listen(arguments.port, "--port").await?;
    drop(listen(arguments.aws_port, "--aws-port").await?);
    if arguments.reset {
        postgres::reset(folder)?;
    }
    let postgres = Postgres::start(folder, Mode::Durable)?;
    let (stand_in, keys) = start_aws(arguments).await?;
    let url = stand_in.sandbox.url();
    let ended = countersign((arguments, oidc), listener, postgres, keys, &url).await;
    // Last: until then the worker may be in the middle of a call.
    stand_in.sandbox.stop().await;
    ended
}

async fn aws_alone(arguments: &DemoArguments) -> Result<(), Failure> {
    drop(listen(arguments.aws_port, "--aws-port").await?);
    if arguments.reset {
        postgres::reset(&arguments.data_dir)?;
    }
    let (stand_in, _) = start_aws(arguments).await?;
    let end = interrupted()?;
    let url = stand_in.sandbox.url();
    writeln!(
        std::io::stdout(),
        "The demo's AWS is at {url} until Ctrl-C. Start the rest in another terminal: script/demo --only countersign"
    )?;
    end.await;
    stand_in.sandbox.stop().await;
    Ok(())
}

async fn without_aws(arguments: &DemoArguments, oidc: Oidc) -> Result<(), Failure> {
    let folder = &arguments.data_dir;
    let listener = listen(arguments.port, "--port").await?;
    if arguments.reset {
        return Err(ResetTooLate.into());
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.aws_port));
    let keys_file = keys_file(folder);
    if TcpStream::connect(address).await.is_err() || !keys_file.exists() {
        let folder = folder.clone();
        return Err(NoStandIn { folder, address }.into());
    }
    let postgres = Postgres::start(folder, Mode::Durable)?;
    let keys = seed::keys(&keys_file).map_err(|error| Unusable(keys_file, error))?;
    let url = format!("http://{address}");
    countersign((arguments, oidc), listener, postgres, keys, &url).await
}

fn keys_file(folder: &Path) -> PathBuf {
    folder.join("keys.json")
}

/// Starts the AWS stand-in with the keys of the last start, or with new ones.
async fn start_aws(arguments: &DemoArguments) -> Result<(StandIn, AllKeys), Failure> {
    let folder = &arguments.data_dir;
    postgres::claim(folder)?;
    let lock = postgres::lock(folder, AWS_LOCK)?;
    let (keys_file, aws_file) = (keys_file(folder), folder.join("sandbox.json"));
    if aws_file.exists() && !keys_file.exists() {
        return Err(KeysGone(keys_file, aws_file).into());
    }
    let mut keys = seed::keys(&keys_file).map_err(|error| Unusable(keys_file.clone(), error))?;
    // Before the stand-in knows them: a start that breaks off here leaves keys that still fit.
    write_private(&keys_file, &keys)?;
    let sandbox = Sandbox::start(Options {
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.aws_port)),
        seed: seed::aws(&keys),
        state_file: Some(aws_file),
        allow_non_loopback: false,
    })
    .await?;
    sessions::give(sandbox.knobs(), &mut keys)?;
    write_private(&keys_file, &keys)?;
    let stand_in = StandIn {
        sandbox,
        _lock: lock,
    };
    Ok((stand_in, keys))
}

/// Portal, API and worker, on the demo's database and the AWS at `aws_url`, until interrupted.
async fn countersign(
    (arguments, oidc): (&DemoArguments, Oidc),
    listener: TcpListener,
    postgres: Postgres,
    mut keys: AllKeys,
    aws_url: &str,
) -> Result<(), Failure> {
    let folder = &arguments.data_dir;
    let described = folder.join(DESCRIPTION);
    let database = Database::prepare(&postgres, "countersign").await?;
    let config = config(listener.local_addr()?, oidc);
    let timeouts = Timeouts::of_verbs(config.worker.lease);
    let max = config.database.max_connections.get();
    let pool = db::pool::connect(&database.app_url, max, timeouts).await?;
    let worker_pool = worker_pool(&config, &database.app_url).await?;
    let ours = seed::ours(&keys).cloned();
    let (id, secret) = ours
        .map(|it| (it.access_key_id, it.secret_access_key))
        .unwrap_or_default();
    let clouds = Clouds::with(aws_url, &id, &secret, AWS_TIMEOUT).await;
    // What `serve` may not do, with the rights of the commands that do it.
    let admin = db::pool::connect_for_catalog(&database.catalog_url, timeouts).await?;
    let admin = App::new(admin, Clock::Database, clouds.clone(), &config);
    catalog::apply(&admin, &seed::catalog(&config.oidc), "demo").await?;
    give_tokens(&admin, &mut keys).await?;
    admin.close().await;
    let app = App::new(pool, Clock::Database, clouds, &config);
    write_private(&keys_file(folder), &keys)?;
    let machine_file = folder.join("machine.json");
    let machine = machines::token(&app, machines::known(&machine_file), TOKEN_LIFE).await?;
    write_private(&machine_file, &machine)?;

    // With a provider the router brings its own way to sign in, and nobody can be picked.
    let picking = (!arguments.oidc).then_some(super::sign_in::PEOPLE);
    let router = serve::router(&app, &config, Some(aws_url), picking);
    // Only now: until here Ctrl-C ends the process at once, and Postgres with it.
    let end = interrupted()?;
    let mut service = Service::start(listener, &app, worker_pool, &config, router)?;
    let portal = config.public_url();
    let description = description(&portal, aws_url, &keys, machine.as_deref());
    write_private(&described, &description)?;
    std::io::stdout().write_all(welcome(&portal, aws_url, arguments).as_bytes())?;

    let broken = tokio::select! {
        () = end => None,
        broken = service.broken() => Some(broken),
    };
    // First, so that it never describes a demo that is not there.
    let _ = std::fs::remove_file(&described);
    stop::within_limit();
    service.stop().await;
    app.close().await;
    postgres.stop().await?;
    broken.map_or(Ok(()), |broken| Err(broken.into()))
}

async fn listen(port: u16, option: &'static str) -> Result<TcpListener, CannotListen> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| CannotListen {
        address,
        option,
        source,
    })
}

/// The sandbox has no lag and no lost writes, so that the demo need not wait for either.
fn config(listen: SocketAddr, oidc: Oidc) -> Config {
    let mut config = Config {
        oidc,
        ..Config::default()
    };
    config.server.listen = listen;
    config.aws.operation_timeout = AWS_TIMEOUT;
    config.aws.propagation_margin = Duration::ZERO;
    config.aws.unanswered_margin = Duration::ZERO;
    config.aws.clock_margin = Duration::from_secs(1);
    config.worker.poll = Duration::from_secs(1);
    config.worker.lease = Duration::from_secs(5);
    config.sessions.idle = Duration::from_hours(12);
    generous(&mut config.limits);
    config.roles.admin = vec!["security-admins".to_owned()];
    config.roles.auditor = vec!["auditors".to_owned()];
    config
}

/// Whoever tries the demo out does a lot in a short time, by hand and by scripts.
fn generous(limits: &mut Limits) {
    let ten = NonZeroU32::MIN.saturating_add(9);
    let most = [
        &mut limits.person_per_minute,
        &mut limits.asks_per_hour,
        &mut limits.pending_per_person,
        &mut limits.pending_per_entitlement,
    ];
    for most in most {
        *most = most.saturating_mul(ten);
    }
}

/// Keeps the tokens of earlier starts that still work.
async fn give_tokens(app: &App, keys: &mut AllKeys) -> Result<(), Failure> {
    for person in PEOPLE {
        let Some(own) = keys.get_mut(person.user) else {
            continue;
        };
        if authn::bearer(app, &own.api_token).await.is_err() {
            let email = person.email();
            let wanted = Wanted {
                name: "demo".to_owned(),
                expires_in: TOKEN_LIFE,
                scopes: Scopes::ALL,
                unread: Vec::new(),
            };
            let (_, token) = tokens::create(app, "demo", &email, wanted).await?;
            token.expose_secret().clone_into(&mut own.api_token);
        }
    }
    Ok(())
}

fn description(
    portal: &str,
    aws: &str,
    keys: &AllKeys,
    machine: Option<&str>,
) -> serde_json::Value {
    let people = PEOPLE.iter().filter_map(|person| {
        let own = keys.get(person.user)?;
        let mut aws = json!({
            "arn": person.arn(),
            "access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key,
        });
        if let Some(session) = &own.session {
            aws["session"] = json!(person.email());
            aws["session_token"] = json!(session.token);
            aws["expires_at"] = json!(session.expires_at);
        } else {
            aws["mfa_serial"] = json!(format!("arn:aws:iam::{}:mfa/{}", ACCOUNT, person.user));
            aws["mfa_code"] = json!(seed::MFA_CODE);
        }
        Some(json!({
            "email": person.email(), "name": person.name, "groups": [person.group], "api_token": own.api_token,
            "aws": aws,
        }))
    });
    json!({
        "portal_url": portal,
        "aws_endpoint_url": aws,
        "people": people.collect::<Vec<_>>(),
        "machines": machine.iter().map(|token| json!({ "name": machines::NAME, "token": token }))
            .collect::<Vec<_>>(),
        "unlinked": keys.get(seed::UNLINKED).map(|own| json!({
            "arn": seed::user_arn(seed::UNLINKED),
            "access_key_id": own.access_key_id, "secret_access_key": own.secret_access_key,
        })),
        "entitlements": seed::ENTITLEMENTS.iter().map(|it| json!({
            "name": it.name,
            "role_arn": it.account.map(|account| seed::role_arn(account, it.name)),
            "method": it.method.as_str(),
        })).collect::<Vec<_>>(),
    })
}

fn welcome(portal: &str, aws: &str, arguments: &DemoArguments) -> String {
    let folder = arguments.data_dir.display();
    let end = match arguments.only {
        None => {
            "Ctrl-C stops everything; the next start finds the data again; --reset begins anew."
                .to_owned()
        }
        Some(_) => format!(
            "Ctrl-C stops all but AWS. To kill it instead, and see AWS refuse at the deadline nevertheless: kill -9 {}",
            std::process::id()
        ),
    };
    format!(
        "
Countersign's demo is ready.

  Portal   {portal}
  AWS      {aws}   (a stand-in that enforces policies)

  1. Open {portal}/sign-in, pick Alice and ask for prod-admin.
  2. In another browser, or a private window, sign in as Bob and approve it.
  3. Alice's page then shows what to type to use the access with her own AWS keys:
       her keys, API token and MFA code are in {folder}/demo.json

  Frank and Grace have no IAM user: they come as sessions of roles, of Identity Center and of SAML.
  Their sessions' keys are in the same file.

{end}
"
    )
}

/// Written beside it and renamed, readable for its owner alone.
fn write_private(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let beside = path.with_extension("new");
    let cannot = |error| Unusable(path.to_owned(), error);
    let text = serde_json::to_vec_pretty(value)?;
    // A file that is there would keep its mode, and might be anybody's to read.
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
