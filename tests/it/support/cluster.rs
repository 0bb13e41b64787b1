//! One Postgres for all tests of the process, and a migrated database of its own for each test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign::config::Config;
use countersign::db::pool;
use countersign::db::timeouts::Timeouts;
use countersign::demo::database::Database;
use countersign::demo::postgres::{Mode, Postgres};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

const TEMPLATE: &str = "template_countersign";

/// A test's database takes 8 MB, and none is dropped before the process ends.
const ROOM_KB: u64 = 3 << 20;

/// Holds a process and paths, never a pool: each test has a runtime of its own. It ends with the
/// test process.
static CLUSTER: LazyLock<Postgres> = LazyLock::new(|| {
    // A thread of its own: the caller may be inside a runtime.
    std::thread::spawn(|| {
        let folder = tempfile::Builder::new()
            .prefix("countersign-tests-")
            .tempdir_in(roomy_folder())
            .unwrap()
            .keep();
        let postgres =
            Postgres::start(&folder, Mode::Fast).unwrap_or_else(|error| panic!("{error}"));
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(Database::prepare(&postgres, TEMPLATE))
            .unwrap();
        postgres
    })
    .join()
    .unwrap()
});

/// The tests' Postgres.
pub fn cluster() -> &'static Postgres {
    &CLUSTER
}

/// Memory where there is enough of it.
fn roomy_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let free = Command::new("df").arg("-Pk").arg(memory).output();
    let free = free.map(|df| String::from_utf8_lossy(&df.stdout).into_owned());
    let kilobytes = free.ok().and_then(|text| {
        let columns = text.lines().nth(1)?.split_whitespace();
        columns.into_iter().nth(3)?.parse::<u64>().ok()
    });
    if kilobytes.is_some_and(|free| free >= ROOM_KB) {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// A migrated database that no other test sees.
#[derive(Debug, Clone)]
pub struct TestDb {
    /// The database's name.
    pub name: String,
    /// As a member of `countersign_app`, as `serve` connects.
    pub pool: PgPool,
    /// The database's owner, who migrates it.
    pub owner_url: String,
    /// The URL of `pool`.
    pub app_url: String,
    /// A member of `countersign_catalog`, as the commands connect.
    pub catalog_url: String,
}

impl TestDb {
    /// A new database.
    pub async fn new() -> Self {
        Self::of_template(TEMPLATE).await
    }

    /// A new database without a schema. Nothing connects to it before it is migrated.
    pub async fn unmigrated() -> Self {
        Self::of_template("template0").await
    }

    /// A database of an earlier release, whose last migration was `last`: `rows` is what it had, as
    /// a restore of a backup writes it. What rows refuse of each other they have passed.
    pub async fn of_release(last: i64, rows: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir("migrations").unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_owned();
            let number: i64 = name.to_str().unwrap()[..4].parse().unwrap();
            if number <= last {
                std::fs::copy(&path, folder.path().join(name)).unwrap();
            }
        }
        let db = Self::unmigrated().await;
        let mut owner = PgConnection::connect(&db.owner_url).await.unwrap();
        let migrator = Migrator::new(folder.path()).await.unwrap();
        migrator.run(&mut owner).await.unwrap();
        let as_restored = "SET session_replication_role = replica; DELETE FROM installation;";
        db.as_superuser(&format!("{as_restored} {rows}")).await;
        db
    }

    async fn of_template(template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let postgres = cluster();
        let mut admin = PgConnection::connect(&postgres.url("postgres", "postgres"))
            .await
            .unwrap();
        // Rights on a database are not copied with it.
        for sql in [
            format!(
                "CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY OWNER countersign_owner"
            ),
            format!("REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC"),
        ] {
            let done = sqlx::raw_sql(AssertSqlSafe(sql));
            done.execute(&mut admin).await.unwrap();
        }
        let Database {
            owner_url,
            app_url,
            catalog_url,
        } = Database::named(postgres, &name);
        Self {
            pool: if template == TEMPLATE {
                pool::connect(&app_url, 8, timeouts()).await.unwrap()
            } else {
                PgPool::connect_lazy(&app_url).unwrap()
            },
            name,
            owner_url,
            app_url,
            catalog_url,
        }
    }

    /// Connections with which the catalog and tokens are written.
    pub async fn catalog(&self) -> PgPool {
        pool::connect_for_catalog(&self.catalog_url, timeouts())
            .await
            .unwrap()
    }

    /// Nobody of the product.
    pub async fn superuser(&self) -> PgConnection {
        let url = cluster().url("postgres", &self.name);
        PgConnection::connect(&url).await.unwrap()
    }

    /// Runs SQL as nobody of the product may.
    pub async fn as_superuser(&self, sql: &str) {
        let mut admin = self.superuser().await;
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        sql.execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
    }

    /// Runs SQL as the database's owner.
    pub async fn as_owner(&self, sql: &str) {
        let mut owner = PgConnection::connect(&self.owner_url).await.unwrap();
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        sql.execute(&mut owner).await.unwrap();
        owner.close().await.unwrap();
    }
}

/// As `serve` waits for the database, with the lease that it has by default.
pub fn timeouts() -> Timeouts {
    Timeouts::of_verbs(Config::default().worker.lease)
}
