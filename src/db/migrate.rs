//! The schema's migrations, and the group roles that `serve` and the commands work as.

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

/// The group role whose members run `serve`: reads everything, writes requests, decisions, grants
/// and sessions, never changes an audit event, owns nothing.
pub const APP_ROLE: &str = "countersign_app";
/// The group role whose members write what `serve` only reads: the catalog, people and tokens; and
/// end what somebody has who leaves.
pub const CATALOG_ROLE: &str = "countersign_catalog";

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// Roles belong to the cluster, so that two databases of one cluster may race to create them.
fn create_role(role: &str) -> String {
    format!(
        "DO $$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                 CREATE ROLE {role} NOLOGIN;
             END IF;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN
             NULL;
         END $$"
    )
}

/// Said anew after every migration, so that a new table needs no statement of its own. Tables of
/// others (extensions) are left alone. Rights on the database can be taken by its owner alone;
/// where that is somebody else, `serve` says what is to be done.
// The advisory lock is for two `migrate` at once, whose GRANTs on one table would fail. REVOKE
// comes first, so that rights of an earlier release go. A table that is not named here is `serve`'s
// to change as it likes: name it where that is too much.
const GRANT_TO_ROLES: &str = "
DO $$
DECLARE
    item record;
    app text;
    catalog text;
BEGIN
    PERFORM pg_advisory_xact_lock(4817263950127364);
    IF (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()) THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, countersign_app, countersign_catalog', \
        current_database());
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO countersign_app, countersign_catalog', current_schema());
    FOR item IN
        SELECT c.oid::regclass AS name, c.relname, c.relkind
        FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace
          AND c.relkind IN ('r', 'p', 'S')
          AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        app := CASE
            WHEN item.relkind = 'S' THEN 'USAGE, SELECT'
            WHEN item.relname IN ('_sqlx_migrations', 'installation', 'accounts', 'people', 'principals', \
            'entitlements', 'machines') THEN 'SELECT'
            WHEN item.relname IN ('audit_events', 'decisions', 'foreign_documents') THEN 'SELECT, INSERT'
            WHEN item.relname = 'api_tokens' THEN 'SELECT, UPDATE (last_used_at)'
            WHEN item.relname = 'request_stages' THEN 'SELECT, UPDATE (opened_at, closed_at)'
            WHEN item.relname = 'approver_groups' THEN 'SELECT, UPDATE (wanted, due_at, escalated_at)'
            WHEN item.relname = 'request_counts' THEN 'SELECT, UPDATE (people, due, fillable)'
            WHEN item.relname = 'delegations' THEN 'SELECT, INSERT, UPDATE (ended_at)'
            WHEN item.relname = 'questions' THEN 'SELECT, INSERT, UPDATE (answer, answered_at)'
            WHEN item.relname = 'sessions' THEN 'SELECT, INSERT, UPDATE (last_seen_at, ended_at)'
            WHEN item.relname = 'targets' THEN 'SELECT, UPDATE'
            WHEN item.relname = 'challenges' THEN 'SELECT, INSERT, UPDATE (used_at), DELETE'
            WHEN item.relname IN ('logouts', 'drafts') THEN 'SELECT, INSERT, DELETE'
            WHEN item.relname = 'sign_in_attempts' THEN 'SELECT, INSERT, UPDATE (used_at), DELETE'
            WHEN item.relname IN ('requests', 'grants', 'parts', 'names', 'documents', \
            'fetches', 'probes', 'revocations') THEN 'SELECT, INSERT, UPDATE'
            ELSE 'SELECT, INSERT, UPDATE, DELETE'
        END;
        catalog := CASE
            WHEN item.relkind = 'S' THEN 'USAGE, SELECT'
            WHEN item.relname IN ('accounts', 'people', 'principals', 'entitlements') THEN 'SELECT, INSERT, \
            UPDATE, DELETE'
            WHEN item.relname IN ('targets', 'api_tokens') THEN 'SELECT, INSERT, UPDATE'
            -- What somebody has asked for and has ends when a command disables them.
            WHEN item.relname IN ('requests', 'grants', 'parts', 'names', 'request_stages', 'approver_groups', \
            'request_counts') THEN 'SELECT, UPDATE'
            WHEN item.relname = 'audit_events' THEN 'SELECT, INSERT'
            ELSE 'SELECT'
        END;
        EXECUTE format('REVOKE ALL ON %s FROM countersign_app, countersign_catalog', item.name);
        EXECUTE format('GRANT %s ON %s TO countersign_app', app, item.name);
        EXECUTE format('GRANT %s ON %s TO countersign_catalog', catalog, item.name);
    END LOOP;
    -- What serve must write where it may not: each of these functions checks what it is given.
    FOR item IN
        SELECT p.oid::regprocedure AS name, p.proname
        FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef AND pg_has_role(p.proowner, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, countersign_catalog', item.name);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO countersign_app', item.name);
        IF item.proname IN ('person_disabled', 'person_enabled') THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO countersign_catalog', item.name);
        END IF;
    END LOOP;
END $$";

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrated {
    /// The schema is this program's.
    UpToDate,
    /// The schema has everything that this program needs, and a migration of a newer one: nothing
    /// was done.
    Newer(i64),
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No connection.
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    /// A migration did not apply.
    #[error("cannot migrate the database as the role {role}")]
    Migrate {
        /// Who has connected.
        role: String,
        /// Why not.
        #[source]
        source: MigrateError,
    },
    /// The owner may not create roles.
    #[error(
        "the database's owner may not create the roles {APP_ROLE} and {CATALOG_ROLE}: as an administrator run \
         `CREATE ROLE {APP_ROLE} NOLOGIN; CREATE ROLE {CATALOG_ROLE} NOLOGIN`, then migrate again"
    )]
    RoleMissing,
    /// The privileges could not be given.
    #[error("cannot give the roles {APP_ROLE} and {CATALOG_ROLE} their privileges")]
    Privileges(#[source] sqlx::Error),
}

/// Brings the schema up to date as its owner and gives [`APP_ROLE`] and [`CATALOG_ROLE`] their
/// privileges. May be repeated, also by several processes at once. A schema that a newer program
/// has made is left as it is, so that going back to an older program stops nothing.
///
/// # Errors
/// When the database does not answer, a migration fails, or the owner may not create the roles.
pub async fn migrate(owner_url: &str) -> Result<Migrated, MigrationError> {
    let options: PgConnectOptions = owner_url.parse().map_err(MigrationError::Connect)?;
    // What is there already is no news.
    let options = options
        .application_name("countersign migrate")
        .options([("client_min_messages", "warning")]);
    let role = options.get_username().to_owned();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .map_err(MigrationError::Connect)?;
    let migrated = on(&pool, role).await;
    pool.close().await;
    migrated
}

async fn on(pool: &PgPool, role: String) -> Result<Migrated, MigrationError> {
    let mut conn = pool.acquire().await.map_err(MigrationError::Connect)?;
    // Before the migrations run: sqlx refuses a database with one that it does not know.
    let newer = newer(&mut conn).await;
    drop(conn);
    let done = match newer {
        Ok(Some(version)) => return Ok(Migrated::Newer(version)),
        Ok(None) => MIGRATIONS.run(pool).await,
        Err(error) => Err(error),
    };
    done.map_err(|source| MigrationError::Migrate { role, source })?;
    for role in [APP_ROLE, CATALOG_ROLE] {
        let create = sqlx::raw_sql(AssertSqlSafe(create_role(role)));
        create
            .execute(pool)
            .await
            .map_err(|error| match error.as_database_error() {
                // The owner may not create roles; an administrator need do it only once.
                Some(refusal) if refusal.code().as_deref() == Some("42501") => {
                    MigrationError::RoleMissing
                }
                _ => MigrationError::Privileges(error),
            })?;
    }
    sqlx::raw_sql(GRANT_TO_ROLES)
        .execute(pool)
        .await
        .map_err(MigrationError::Privileges)?;
    Ok(Migrated::UpToDate)
}

/// The last migration that this program does not know, where all of its own are applied as they are
/// here and none broke off.
async fn newer(conn: &mut PgConnection) -> Result<Option<i64>, MigrateError> {
    let table = &MIGRATIONS.table_name;
    let exists = sqlx::query_scalar!(
        r#"SELECT to_regclass($1) IS NOT NULL AS "it!""#,
        table.as_ref()
    );
    // A migration that broke off is told by the run that follows.
    if !exists.fetch_one(&mut *conn).await? || conn.dirty_version(table).await?.is_some() {
        return Ok(None);
    }
    let applied = conn.list_applied_migrations(table).await?;
    let is_applied = |version, checksum: &[u8]| {
        let mut all = applied.iter();
        all.any(|it| it.version == version && *it.checksum == *checksum)
    };
    if !MIGRATIONS
        .iter()
        .all(|ours| is_applied(ours.version, &ours.checksum))
    {
        return Ok(None);
    }
    let versions = applied.iter().map(|it| it.version);
    let unknown = versions.filter(|it| !MIGRATIONS.iter().any(|ours| ours.version == *it));
    Ok(unknown.max())
}
