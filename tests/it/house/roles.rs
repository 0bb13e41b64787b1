use countersign::db::migrate::migrate;
use countersign::db::pool::{ConnectError, connect};
use countersign::demo::postgres::{Mode, Postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{TestDb, cluster, open_folder, timeouts};

const EVENT: &str = "INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome)
    VALUES ('01890000-0000-7000-8000-000000000000', '2026-01-01Z', 'request.submitted', 'system', 'test', 'test', 'test', 'system', 'success')";

const REWRITES: [&str; 3] = [
    "UPDATE audit_events SET actor_name = 'nobody'",
    "DELETE FROM audit_events",
    "TRUNCATE audit_events",
];

/// DDL and plain statements; nothing of it comes from outside.
async fn run(url: &str, sql: &str) -> sqlx::Result<()> {
    let mut conn = PgConnection::connect(url).await?;
    conn.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await?;
    conn.close().await
}

fn message(result: sqlx::Result<()>) -> String {
    let error = result.unwrap_err();
    error.as_database_error().unwrap().message().to_owned()
}

fn admin_url(database: &str) -> String {
    cluster().url("postgres", database)
}

#[tokio::test]
async fn the_application_adds_audit_events_and_can_never_change_them() {
    let db = TestDb::new().await;
    db.pool.execute(EVENT).await.unwrap();
    for rewrite in REWRITES {
        let said = message(run(&db.app_url, rewrite).await);
        assert!(said.starts_with("permission denied"), "{rewrite}: {said}");
    }
}

#[tokio::test]
async fn the_owner_and_a_superuser_are_stopped_by_the_triggers() {
    let db = TestDb::new().await;
    run(&db.app_url, EVENT).await.unwrap();
    for url in [&db.owner_url, &admin_url(&db.name)] {
        for rewrite in REWRITES {
            let said = message(run(url, rewrite).await);
            assert!(said.contains("never changed"), "{rewrite}: {said}");
        }
    }
}

#[tokio::test]
async fn the_application_owns_nothing_and_cannot_touch_the_schema() {
    let db = TestDb::new().await;
    for sql in [
        "CREATE TABLE mine ()",
        "DROP TRIGGER audit_events_immutable ON audit_events",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "DELETE FROM _sqlx_migrations",
        "TRUNCATE requests CASCADE",
        "CREATE TEMP TABLE audit_events ()",
    ] {
        let said = message(run(&db.app_url, sql).await);
        assert!(
            said.contains("permission denied") || said.contains("must be owner"),
            "{sql}: {said}"
        );
    }
}

#[tokio::test]
async fn connect_refuses_a_role_that_could_change_audit_events() {
    let db = TestDb::new().await;
    let name = &db.name;
    let roles = [
        (
            "by_column",
            "GRANT UPDATE (code) ON audit_events TO by_column",
        ),
        ("by_delete", "GRANT DELETE ON audit_events TO by_delete"),
        (
            "by_truncate",
            "GRANT TRUNCATE ON audit_events TO by_truncate",
        ),
        (
            "by_switching",
            "ALTER ROLE by_switching NOINHERIT; GRANT countersign_owner TO by_switching",
        ),
        ("by_predefined", "GRANT pg_write_all_data TO by_predefined"),
    ];
    for (role, right) in roles {
        let make = format!("CREATE ROLE {role} LOGIN IN ROLE countersign_app");
        run(&admin_url(name), &make).await.unwrap();
        let url = cluster().url(role, name);
        connect(&url, 1, timeouts())
            .await
            .unwrap_or_else(|error| panic!("{role} before: {error}"));
        run(&admin_url(name), right).await.unwrap();
        let error = connect(&url, 1, timeouts()).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::TooPowerful { role: it, .. } if it == role),
            "{role}: {error}"
        );
    }
    for url in [&db.owner_url, &admin_url(name)] {
        let error = connect(url, 1, timeouts()).await.unwrap_err();
        assert!(matches!(error, ConnectError::TooPowerful { .. }), "{error}");
        assert!(error.to_string().contains("countersign_app"), "{error}");
    }
}

#[tokio::test]
async fn connect_refuses_a_role_that_may_not_write() {
    let db = TestDb::new().await;
    run(&admin_url(&db.name), "CREATE ROLE stranger LOGIN")
        .await
        .unwrap();
    let error = connect(&cluster().url("stranger", &db.name), 1, timeouts())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("GRANT countersign_app TO stranger"),
        "{error}"
    );
}

#[tokio::test]
async fn connect_refuses_a_schema_that_is_behind_or_different() {
    let db = TestDb::new().await;
    let admin = admin_url(&db.name);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, '', 0)";
    run(&admin, newer).await.unwrap();
    connect(&db.app_url, 1, timeouts()).await.unwrap();

    run(
        &admin,
        "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1",
    )
    .await
    .unwrap();
    let error = connect(&db.app_url, 1, timeouts()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Different(1)), "{error}");

    run(&admin, "DELETE FROM _sqlx_migrations WHERE version = 1")
        .await
        .unwrap();
    let error = connect(&db.app_url, 1, timeouts()).await.unwrap_err();
    assert!(error.to_string().contains("countersign migrate"), "{error}");

    run(&admin, "CREATE DATABASE never_migrated").await.unwrap();
    let empty = cluster().url("countersign_serve", "never_migrated");
    let error = connect(&empty, 1, timeouts()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Behind(1)), "{error}");
}

#[tokio::test]
async fn several_databases_of_a_new_cluster_migrate_at_once() {
    let folder = open_folder();
    let postgres = Postgres::start(&folder.path().join("data"), Mode::Fast).unwrap();
    let admin = postgres.url("postgres", "postgres");
    let names = ["a", "b", "c", "d"];
    for name in names {
        run(&admin, &format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
    }
    for _ in 0..4 {
        // Each database twice: two replicas of one.
        let runs: Vec<_> = names
            .iter()
            .chain(&names)
            .map(|name| postgres.url("postgres", name))
            .map(|url| tokio::spawn(async move { migrate(&url).await }))
            .collect();
        for run in runs {
            run.await.unwrap().unwrap();
        }
        // As new, but for the tables: only the role's making is left to race for.
        for name in names {
            let url = postgres.url("postgres", name);
            let drop = "DROP OWNED BY countersign_app, countersign_catalog";
            run(&url, drop).await.unwrap();
        }
        let drop = "DROP ROLE countersign_app, countersign_catalog";
        run(&admin, drop).await.unwrap();
    }
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_role_that_another_database_makes_at_the_same_instant_is_taken_as_it_is() {
    let folder = open_folder();
    let postgres = Postgres::start(&folder.path().join("data"), Mode::Fast).unwrap();
    let url = postgres.url("postgres", "postgres");
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut made = other.begin().await.unwrap();
    made.execute("CREATE ROLE countersign_app").await.unwrap();
    // Not committed, so that the migration does not see it, tries for itself, and waits for the
    // answer.
    let migration = tokio::spawn({
        let url = url.clone();
        async move { migrate(&url).await }
    });
    let mut admin = PgConnection::connect(&url).await.unwrap();
    while waiting_migrations(&mut admin).await == 0 {
        assert!(
            !migration.is_finished(),
            "the migration did not have to wait"
        );
        tokio::task::yield_now().await;
    }
    made.commit().await.unwrap();
    migration.await.unwrap().unwrap();
    postgres.stop().await.unwrap();
}

async fn waiting_migrations(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "it!" FROM pg_stat_activity
           WHERE application_name = 'countersign migrate' AND wait_event_type = 'Lock'"#
    )
    .fetch_one(conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn an_owner_who_may_not_create_roles_is_told_what_to_do() {
    let folder = open_folder();
    let postgres = Postgres::start(&folder.path().join("data"), Mode::Fast).unwrap();
    let admin = postgres.url("postgres", "postgres");
    run(&admin, "CREATE ROLE plain LOGIN").await.unwrap();
    run(&admin, "CREATE DATABASE theirs OWNER plain")
        .await
        .unwrap();
    let url = postgres.url("plain", "theirs");
    let error = migrate(&url).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("CREATE ROLE countersign_app NOLOGIN"),
        "{error}"
    );
    let roles = "CREATE ROLE countersign_app NOLOGIN; CREATE ROLE countersign_catalog NOLOGIN";
    assert!(error.to_string().contains(roles), "{error}");
    run(&admin, roles).await.unwrap();
    migrate(&url).await.unwrap();
    postgres.stop().await.unwrap();
}
