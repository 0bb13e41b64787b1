//! What everything is measured on: a throw-away Postgres, the AWS stand-in, `serve`, and a catalog
//! with people, their tokens and roles.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use countersign::demo::database::Database;
use countersign::demo::postgres::{Mode, Postgres};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;

use crate::catalog::{self, OURS, key};
use crate::process::Process;
use crate::{Outcome, Plan};

pub struct World {
    // In the order in which they are to end.
    pub serve: Process,
    pub sandbox: Process,
    pub main: Db,
    pub postgres: Postgres,
    folder: TempDir,
}

/// A database with its catalog.
#[derive(Debug, Clone)]
pub struct Db {
    /// As `serve` connects.
    pub app_url: String,
    /// As a superuser: for what only the driver may do, and for looks at the rows.
    pub admin: PgPool,
}

impl World {
    pub async fn start(plan: &Plan) -> Outcome<Self> {
        // On the disk of the build, not in memory: an fsync has to cost what it costs.
        let folder = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        // Postgres may have to run as another user.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let data = folder.path().join("data");
        let postgres =
            tokio::task::spawn_blocking(move || Postgres::start(&data, Mode::Durable)).await??;
        let seed = folder.path().join("seed.json");
        std::fs::write(&seed, serde_json::to_vec(&catalog::aws(plan))?)?;
        let environment = [(
            "RUST_LOG".to_owned(),
            "warn,countersign::sandbox=debug".to_owned(),
        )];
        let seed = seed.to_str().ok_or("the folder's name is not UTF-8")?;
        let sandbox = Process::start(
            &["sandbox", "--port", "0", "--seed", seed],
            &environment,
            &folder.path().join("sandbox.log"),
        )?;
        let toml = catalog::toml(plan);
        let main = database(&postgres, "countersign", &toml, folder.path()).await?;
        let log = folder.path().join("serve.log");
        let serve = Process::start(&["serve"], &settings(&main, &sandbox.url, FAST), &log)?;
        Ok(Self {
            serve,
            sandbox,
            main,
            postgres,
            folder,
        })
    }

    /// One more database beside the first, with the same catalog.
    pub async fn another(&self, name: &'static str, plan: &Plan) -> Outcome<Db> {
        self.place(name, &catalog::toml(plan)).await
    }

    /// One more database beside the first, with that catalog.
    pub async fn place(&self, name: &'static str, toml: &str) -> Outcome<Db> {
        database(&self.postgres, name, toml, self.folder.path()).await
    }

    /// One more `serve`. `calls` is how often it may call AWS in a second.
    pub fn serve_on(&self, db: &Db, calls: u32) -> Outcome<Process> {
        let log = self.folder.path().join("serve-beside.log");
        Process::start(&["serve"], &settings(db, &self.sandbox.url, calls), &log)
    }

    /// Ends `serve` and starts it anew.
    pub fn replace_serve(&mut self, calls: u32) -> Outcome<()> {
        let log = self.folder.path().join("serve.log");
        self.serve.stop();
        let settings = settings(&self.main, &self.sandbox.url, calls);
        self.serve = Process::start(&["serve"], &settings, &log)?;
        Ok(())
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn postgres_log(&self) -> PathBuf {
        self.folder.path().join("data/postgres.log")
    }

    pub fn postmaster(&self) -> Option<u32> {
        let file = self.folder.path().join("data/postgres/postmaster.pid");
        let text = std::fs::read_to_string(file).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// The ends of the logs, for whoever has to find out why a run failed.
    pub fn tell_logs(&self) {
        for name in [
            "serve.log",
            "serve-beside.log",
            "serve-accounts.log",
            "data/postgres.log",
        ] {
            let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(15)..];
            eprintln!("--- {name}\n{}", last.join("\n"));
        }
    }

    /// Ends everything in turn: Postgres has to be gone before its folder.
    pub async fn stop(self) -> Outcome<()> {
        let Self {
            serve,
            sandbox,
            main,
            postgres,
            folder,
        } = self;
        drop(serve);
        drop(sandbox);
        main.admin.close().await;
        postgres.stop().await?;
        Ok(folder.close()?)
    }
}

impl Db {
    /// Waits until the worker has nothing left to do, so that the next block does not pay for the
    /// last one.
    pub async fn settle(&self) -> Outcome<()> {
        self.idle(0).await
    }

    /// Waits until nothing is due now or in so many seconds.
    pub async fn idle(&self, ahead: i32) -> Outcome<()> {
        let started = Instant::now();
        loop {
            let busy = "SELECT count(*) FROM targets
                WHERE due_at <= clock_timestamp() + make_interval(secs => $1) OR lease_token IS NOT NULL";
            let busy = sqlx::query_scalar(busy).bind(f64::from(ahead));
            let busy: i64 = busy.fetch_one(&self.admin).await?;
            if busy == 0 {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(120) {
                return Err(format!("{busy} targets are still due after two minutes").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// More calls to AWS than the machine can make: its own pace would be all that is measured.
pub const FAST: u32 = 1_000_000;

/// What `serve` is told.
pub fn settings(db: &Db, aws: &str, calls: u32) -> Vec<(String, String)> {
    let many = "1000000";
    let calls = calls.to_string();
    let ours = [
        ("DATABASE__URL", db.app_url.as_str()),
        ("SERVER__LISTEN", "127.0.0.1:0"),
        // The stand-in has no lag, and the driver is one person with one address.
        ("AWS__PROPAGATION_MARGIN", "PT0S"),
        ("AWS__UNANSWERED_MARGIN", "PT0S"),
        ("AWS__CLOCK_MARGIN", "PT1S"),
        // What is counted is not to hold looks at roles of the part before.
        ("AWS__WATCH_INTERVAL", "PT1H"),
        ("AWS__CALLS_PER_SECOND", &calls),
        ("LIMITS__PERSON_PER_MINUTE", many),
        ("LIMITS__PEER_PER_MINUTE", many),
        ("LIMITS__ASKS_PER_HOUR", many),
        ("LIMITS__PENDING_PER_PERSON", many),
        ("LIMITS__PENDING_PER_ENTITLEMENT", many),
        ("ROLES__AUDITOR", "auditors"),
    ];
    let mut all: Vec<(String, String)> = ours
        .iter()
        .map(|(key, value)| (format!("COUNTERSIGN_{key}"), (*value).to_owned()))
        .collect();
    let (id, secret) = key(OURS);
    all.extend([
        ("RUST_LOG".to_owned(), "warn".to_owned()),
        ("AWS_ENDPOINT_URL".to_owned(), aws.to_owned()),
        ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID".to_owned(), id),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), secret),
    ]);
    all
}

async fn database(
    postgres: &Postgres,
    name: &'static str,
    toml: &str,
    folder: &Path,
) -> Outcome<Db> {
    let database = Database::prepare(postgres, name).await?;
    let file = folder.join("catalog.toml");
    std::fs::write(&file, toml)?;
    let applied = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["catalog", "apply"])
        .arg(&file)
        .env_clear()
        .env("COUNTERSIGN_DATABASE__URL", &database.catalog_url)
        .output()?;
    if !applied.status.success() {
        let said = String::from_utf8_lossy(&applied.stderr).into_owned();
        return Err(format!("the catalog was not taken: {said}").into());
    }
    let admin = PgPoolOptions::new()
        .max_connections(12)
        .connect(&postgres.url("postgres", name))
        .await?;
    catalog::sign_in(&admin).await?;
    Ok(Db {
        app_url: database.app_url,
        admin,
    })
}
