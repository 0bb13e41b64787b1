//! The pool of `serve`, which refuses a role that could rewrite history and a schema that is not up to date.

use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use super::migrate::{APP_ROLE, MIGRATIONS};

/// How long a caller waits for a free connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No connection, or no answer.
    #[error("cannot use the database")]
    Database(#[from] sqlx::Error),
    /// Nobody answers at all.
    #[error("the database does not answer within {} s", ACQUIRE.as_secs())]
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
    /// The role may not write.
    #[error(
        "the database role {0} may not write audit events: as an administrator run `GRANT {APP_ROLE} TO {0}`"
    )]
    NotAMember(String),
    /// The role could change or remove audit events.
    #[error(
        "the database role {0} could change or remove audit events: connect as a member of {APP_ROLE} that owns nothing \
         (`CREATE ROLE countersign_serve LOGIN PASSWORD '…' IN ROLE {APP_ROLE}`)"
    )]
    TooPowerful(String),
}

/// Connects as a member of [`APP_ROLE`], with `max` connections at most.
///
/// # Errors
/// When the database does not answer, the schema is behind, or the role has too few or too many rights.
pub async fn connect(url: &str, max: u32) -> Result<PgPool, ConnectError> {
    let options: PgConnectOptions = url.parse()?;
    let options = options
        .application_name("countersign")
        // Lists have optional filters: only a plan for the values at hand walks along the right index.
        .options([("plan_cache_mode", "force_custom_plan")]);
    // A pool tries again until its time is over, and says only that.
    let first = tokio::time::timeout(ACQUIRE, PgConnection::connect_with(&options));
    let mut conn = first.await.map_err(|_| ConnectError::Silent)??;
    check_role(&mut conn).await?;
    check_schema(&mut conn).await?;
    conn.close().await?;
    let pool = PgPoolOptions::new().max_connections(max);
    Ok(pool.acquire_timeout(ACQUIRE).connect_lazy_with(options))
}

/// Counts every role that the connected one may switch to, and the owner of the table, who may give himself anything.
async fn check_role(conn: &mut PgConnection) -> Result<(), ConnectError> {
    let rights = sqlx::query!(
        r#"SELECT current_user::text AS "role!",
                  has_table_privilege(events.oid, 'INSERT') AS "may_write!",
                  EXISTS (SELECT FROM pg_roles r
                          WHERE pg_has_role(r.oid, 'MEMBER')
                            AND (r.oid = events.relowner
                                 OR has_any_column_privilege(r.oid, events.oid, 'UPDATE')
                                 OR has_table_privilege(r.oid, events.oid, 'DELETE, TRUNCATE'))) AS "may_rewrite!"
           FROM pg_class events WHERE events.oid = to_regclass('audit_events')"#
    )
    .fetch_optional(conn)
    .await?;
    let Some(rights) = rights else {
        return Err(ConnectError::Behind(
            MIGRATIONS.iter().next().map_or(0, |first| first.version),
        ));
    };
    if rights.may_rewrite {
        return Err(ConnectError::TooPowerful(rights.role));
    }
    if !rights.may_write {
        return Err(ConnectError::NotAMember(rights.role));
    }
    Ok(())
}

/// A schema that is newer than this program is fine: replicas are replaced one by one.
async fn check_schema(conn: &mut PgConnection) -> Result<(), ConnectError> {
    let applied = conn.list_applied_migrations(&MIGRATIONS.table_name).await?;
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
