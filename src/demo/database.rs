//! A database of the private Postgres: owned by one role, served by another, as it should be in
//! earnest.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::postgres::Postgres;
use crate::db::migrate::{APP_ROLE, CATALOG_ROLE, MigrationError, migrate};

const OWNER: &str = "countersign_owner";
const SERVE: &str = "countersign_serve";
const ADMIN: &str = "countersign_admin";

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Database {
    /// As its owner: for `migrate`.
    pub owner_url: String,
    /// As a member of `countersign_app`: for `serve`.
    pub app_url: String,
    /// As a member of `countersign_catalog`: for the catalog and tokens.
    pub catalog_url: String,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// Postgres refused.
    #[error("cannot prepare the database")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrationError),
}

impl Database {
    /// The URLs of database `name`, whether or not it exists.
    #[must_use]
    pub fn named(postgres: &Postgres, name: &str) -> Self {
        Self {
            owner_url: postgres.url(OWNER, name),
            app_url: postgres.url(SERVE, name),
            catalog_url: postgres.url(ADMIN, name),
        }
    }

    /// Makes database `name` and its roles where they are missing, and migrates it. `name` is a
    /// constant of the program.
    ///
    /// # Errors
    /// When Postgres refuses, or a migration fails.
    pub async fn prepare(postgres: &Postgres, name: &'static str) -> Result<Self, DatabaseError> {
        let mut admin = PgConnection::connect(&postgres.url("postgres", "postgres")).await?;
        let has_owner = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS "it!""#,
            OWNER
        );
        if !has_owner.fetch_one(&mut admin).await? {
            run(&mut admin, format!("CREATE ROLE {OWNER} LOGIN CREATEROLE")).await?;
        }
        let exists = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1) AS "it!""#,
            name
        );
        if !exists.fetch_one(&mut admin).await? {
            run(&mut admin, format!("CREATE DATABASE {name} OWNER {OWNER}")).await?;
        }
        let database = Self::named(postgres, name);
        migrate(&database.owner_url).await?;
        // After `migrate`, which makes the groups.
        for (role, group) in [(SERVE, APP_ROLE), (ADMIN, CATALOG_ROLE)] {
            let has_role = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS "it!""#,
                role
            );
            if !has_role.fetch_one(&mut admin).await? {
                let sql = format!("CREATE ROLE {role} LOGIN IN ROLE {group}");
                run(&mut admin, sql).await?;
            }
        }
        admin.close().await?;
        Ok(database)
    }
}

/// Role and database names cannot be parameters; these are constants of the program.
async fn run(admin: &mut PgConnection, ddl: String) -> sqlx::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(ddl)).execute(admin).await?;
    Ok(())
}
