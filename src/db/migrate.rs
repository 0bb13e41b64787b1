//! The schema's migrations, and the group role that `serve` works as.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// The group role whose members run `serve`: reads and writes rows, never changes an audit event, owns nothing.
pub const APP_ROLE: &str = "countersign_app";

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// Roles belong to the cluster, so that two databases of one cluster may race to create it.
const CREATE_APP_ROLE: &str = "
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'countersign_app') THEN
        CREATE ROLE countersign_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$";

/// Said anew after every migration, so that a new table needs no statement of its own. Tables of others (extensions) are left alone.
const GRANT_TO_APP_ROLE: &str = "
DO $$
DECLARE
    item record;
BEGIN
    PERFORM pg_advisory_xact_lock(4817263950127364);
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO countersign_app', current_schema());
    FOR item IN
        SELECT c.oid::regclass AS name, c.relname, c.relkind
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace
          AND c.relkind IN ('r', 'p', 'S')
          AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM countersign_app', item.name);
        EXECUTE format('GRANT %s ON %s TO countersign_app',
            CASE
                WHEN item.relkind = 'S' THEN 'USAGE, SELECT'
                WHEN item.relname = '_sqlx_migrations' THEN 'SELECT'
                WHEN item.relname = 'audit_events' THEN 'SELECT, INSERT'
                ELSE 'SELECT, INSERT, UPDATE, DELETE'
            END,
            item.name);
    END LOOP;
END $$";

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No connection.
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    /// A migration did not apply.
    #[error("cannot migrate the database")]
    Migrate(#[source] MigrateError),
    /// The owner may not create roles.
    #[error(
        "the database's owner may not create the role {APP_ROLE}: as an administrator run `CREATE ROLE {APP_ROLE} NOLOGIN`, then migrate again"
    )]
    RoleMissing,
    /// The privileges could not be given.
    #[error("cannot give the role {APP_ROLE} its privileges")]
    Privileges(#[source] sqlx::Error),
}

/// Brings the schema up to date as its owner and gives [`APP_ROLE`] its privileges. May be repeated, also by several processes at once.
///
/// # Errors
/// When the database does not answer, a migration fails, or the owner may not create the role.
pub async fn migrate(owner_url: &str) -> Result<(), MigrationError> {
    let options: PgConnectOptions = owner_url.parse().map_err(MigrationError::Connect)?;
    // What is there already is no news.
    let options = options
        .application_name("countersign migrate")
        .options([("client_min_messages", "warning")]);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .map_err(MigrationError::Connect)?;
    MIGRATIONS
        .run(&pool)
        .await
        .map_err(MigrationError::Migrate)?;
    sqlx::raw_sql(CREATE_APP_ROLE)
        .execute(&pool)
        .await
        .map_err(|error| match error.as_database_error() {
            Some(refusal) if refusal.code().as_deref() == Some("42501") => {
                MigrationError::RoleMissing
            }
            _ => MigrationError::Privileges(error),
        })?;
    sqlx::raw_sql(GRANT_TO_APP_ROLE)
        .execute(&pool)
        .await
        .map_err(MigrationError::Privileges)?;
    pool.close().await;
    Ok(())
}
