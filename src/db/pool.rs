//! The pools. `serve` refuses a role that is more than a member of its group, and a schema that is
//! not up to date.

use std::fmt::Write as _;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use super::login::{self, Login};
use super::migrate::{APP_ROLE, CATALOG_ROLE, MIGRATIONS};
use super::timeouts::Timeouts;

pub use super::login::Excess;

/// How long the first connection and the look at the role may take.
const START: Duration = Duration::from_secs(10);
/// The connections of [`beside`].
const BESIDE: u32 = 3;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No connection, or no answer.
    #[error("cannot use the database")]
    Database(#[from] sqlx::Error),
    /// Nobody answers at all.
    #[error("the database does not answer within {} s", START.as_secs())]
    Silent,
    /// The list of applied migrations cannot be read.
    #[error("cannot read the state of the database's schema")]
    Schema(#[from] MigrateError),
    /// A migration is missing.
    #[error(
        "the database's schema is not up to date (migration {0} is missing): run `countersign migrate` as its owner"
    )]
    Behind(i64),
    /// A migration was changed after it had been applied.
    #[error(
        "migration {0} of the database differs from this program's: it was made by another version"
    )]
    Different(i64),
    /// A migration broke off.
    #[error(
        "migration {0} of the database is marked unsuccessful: what it \
         should have made may be there in part. Restore the database from a \
         backup; or finish or undo it by hand, `DELETE FROM _sqlx_migrations WHERE version = {0}`, \
         and run `countersign migrate` as the owner"
    )]
    Unfinished(i64),
    /// The role may not write.
    #[error(
        "the database role {0} may not write audit events: as an administrator run `GRANT {APP_ROLE} TO {0}`"
    )]
    NotAMember(String),
    /// The role could do more than `serve` needs.
    #[error(
        "the database role {role} must be a member of {APP_ROLE} and nothing else, but it {}. \
         Or connect as a role of its own: `CREATE ROLE countersign_serve LOGIN PASSWORD '…' \
         IN ROLE {APP_ROLE}`", told(.excess)
    )]
    TooPowerful {
        /// Which one.
        role: String,
        /// What is too much.
        excess: Vec<Excess>,
    },
    /// The command needs another role.
    #[error(
        "the database role {0} may not write the catalog and tokens: run this command as a member of {CATALOG_ROLE} \
         (`CREATE ROLE countersign_admin LOGIN PASSWORD '…' IN ROLE {CATALOG_ROLE}`), \
         which COUNTERSIGN_DATABASE__URL names for it"
    )]
    NotForCatalog(String),
}

/// What is wrong, each with the SQL that mends it.
fn told(excess: &[Excess]) -> String {
    let mut text = String::new();
    for (nth, it) in excess.iter().enumerate() {
        let joint = if nth == 0 { "" } else { "; it " };
        let _ = write!(text, "{joint}{} (mend: `{}`)", it.what, it.remedy);
    }
    text
}

/// Connects as a member of [`APP_ROLE`], with `max` connections at most.
///
/// # Errors
/// When the database does not answer, the schema is behind, or the role has too few or too many
/// rights.
pub async fn connect(url: &str, max: u32, timeouts: Timeouts) -> Result<PgPool, ConnectError> {
    open(url, max, timeouts, |login| {
        // First: a superuser or owner may write all that a member may.
        if !login.excess.is_empty() {
            return Err(ConnectError::TooPowerful {
                role: login.role,
                excess: login.excess,
            });
        }
        if !login.is_member {
            return Err(ConnectError::NotAMember(login.role));
        }
        Ok(())
    })
    .await
}

/// Connects for the commands that write the catalog and tokens: as a member of [`CATALOG_ROLE`], or
/// as the owner.
///
/// # Errors
/// When the database does not answer, the schema is behind, or the role may not write them.
pub async fn connect_for_catalog(url: &str, timeouts: Timeouts) -> Result<PgPool, ConnectError> {
    open(url, 2, timeouts, |login| {
        if login.may_write_catalog {
            Ok(())
        } else {
            Err(ConnectError::NotForCatalog(login.role))
        }
    })
    .await
}

/// A few connections of their own beside those of `pool`, to the same database as the same role.
#[must_use]
pub fn beside(pool: &PgPool) -> PgPool {
    let options = pool.options().clone().max_connections(BESIDE);
    options.connect_lazy_with((*pool.connect_options()).clone())
}

async fn open(
    url: &str,
    max: u32,
    timeouts: Timeouts,
    check: impl FnOnce(Login) -> Result<(), ConnectError>,
) -> Result<PgPool, ConnectError> {
    let options: PgConnectOptions = url.parse()?;
    let options = options
        .application_name("countersign")
        .options(timeouts.settings())
        // At the default, made for turning disks, small tables are read from end to end instead.
        .options([("random_page_cost", "1.1")]);
    // A pool tries again until its time is over, and says only that.
    let first = async {
        let mut conn = PgConnection::connect_with(&options).await?;
        let login = login::of(&mut conn).await?.ok_or_else(never_migrated)?;
        let schema = login.schema.clone();
        check(login)?;
        // After the role: one that is no member could not read the list of migrations.
        check_schema(&mut conn).await?;
        conn.close().await?;
        Ok::<_, ConnectError>(schema)
    };
    let first = tokio::time::timeout(START, first);
    let schema = first.await.map_err(|_| ConnectError::Silent)??;
    // A temporary table of the same name would come first otherwise.
    let options = options.options([("search_path", format!("{schema},pg_temp"))]);
    // No connection is made yet: the first one has shown that the database can be used.
    let pool = PgPoolOptions::new()
        .max_connections(max)
        .acquire_timeout(timeouts.acquire);
    Ok(pool.connect_lazy_with(options))
}

fn never_migrated() -> ConnectError {
    ConnectError::Behind(MIGRATIONS.iter().next().map_or(0, |first| first.version))
}

/// A schema that is newer than this program is fine: replicas are replaced one by one, unless the
/// changelog says that an older release has to be stopped first.
async fn check_schema(conn: &mut PgConnection) -> Result<(), ConnectError> {
    let table = &MIGRATIONS.table_name;
    if let Some(version) = conn.dirty_version(table).await? {
        return Err(ConnectError::Unfinished(version));
    }
    let applied = conn.list_applied_migrations(table).await?;
    for ours in MIGRATIONS.iter() {
        match applied.iter().find(|it| it.version == ours.version) {
            None => return Err(ConnectError::Behind(ours.version)),
            Some(it) if it.checksum != ours.checksum => {
                return Err(ConnectError::Different(ours.version));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
