//! The role of `serve` is a member of `countersign_app` and nothing else; what is too much is told
//! with the SQL that mends it.

use countersign::db::pool::{ConnectError, connect, connect_for_catalog};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{TestDb, cluster, timeouts};

/// DDL; nothing of it comes from outside.
async fn run(url: &str, sql: &str) -> sqlx::Result<()> {
    let mut conn = PgConnection::connect(url).await?;
    let sql = AssertSqlSafe(sql.to_owned());
    conn.execute(sqlx::raw_sql(sql)).await?;
    conn.close().await
}

/// Name, what gives the role more than it needs (`{db}` is the database), and a word of what is
/// told.
const EXCESS: [(&str, &str, &str); 23] = [
    (
        "x_superuser",
        "ALTER ROLE x_superuser SUPERUSER",
        "SUPERUSER",
    ),
    (
        "x_createrole",
        "ALTER ROLE x_createrole CREATEROLE",
        "CREATEROLE",
    ),
    ("x_createdb", "ALTER ROLE x_createdb CREATEDB", "CREATEDB"),
    (
        "x_bypassrls",
        "ALTER ROLE x_bypassrls BYPASSRLS",
        "BYPASSRLS",
    ),
    (
        "x_replication",
        "ALTER ROLE x_replication REPLICATION",
        "REPLICATION",
    ),
    (
        "x_member",
        "GRANT countersign_catalog TO x_member",
        "countersign_catalog",
    ),
    (
        "x_admin",
        "GRANT countersign_app TO x_admin WITH ADMIN OPTION",
        "make others members",
    ),
    (
        "x_by_way",
        "CREATE ROLE x_way IN ROLE countersign_app; GRANT x_way TO x_by_way",
        "through x_way",
    ),
    (
        "x_database",
        "ALTER DATABASE {db} OWNER TO x_database",
        "owns database",
    ),
    (
        "x_schema",
        "ALTER SCHEMA public OWNER TO x_schema",
        "owns schema public",
    ),
    (
        "x_table",
        "ALTER TABLE requests OWNER TO x_table",
        "owns table requests",
    ),
    (
        "x_function",
        "ALTER FUNCTION refuse_change() OWNER TO x_function",
        "owns function",
    ),
    (
        "x_group_owns",
        "ALTER FUNCTION refuse_change() OWNER TO countersign_app",
        "group that owns function",
    ),
    (
        "x_trigger",
        "GRANT TRIGGER ON audit_events TO x_trigger",
        "TRIGGER",
    ),
    (
        "x_group_trigger",
        "GRANT TRIGGER ON audit_events TO countersign_app",
        "TRIGGER",
    ),
    (
        "x_everybody",
        "GRANT DELETE ON audit_events TO PUBLIC",
        "DELETE",
    ),
    (
        "x_column",
        "GRANT UPDATE (code) ON audit_events TO x_column",
        "UPDATE",
    ),
    (
        "x_truncate",
        "GRANT TRUNCATE ON grants TO countersign_app",
        "TRUNCATE",
    ),
    (
        "x_passing_on",
        "GRANT INSERT ON audit_events TO countersign_app WITH GRANT OPTION",
        "INSERT on audit_events",
    ),
    (
        "x_temporary",
        "GRANT TEMPORARY ON DATABASE {db} TO PUBLIC",
        "temporary",
    ),
    (
        "x_create",
        "GRANT CREATE ON SCHEMA public TO x_create",
        "schema public",
    ),
    (
        "x_parameter",
        "GRANT SET ON PARAMETER session_replication_role TO x_parameter",
        "switch triggers off",
    ),
    (
        "x_switched_off",
        "ALTER ROLE x_switched_off SET session_replication_role = replica",
        "triggers switched off",
    ),
];

#[tokio::test]
async fn whatever_the_role_is_beyond_its_group_is_refused_and_what_is_told_mends_it() {
    let db = TestDb::new().await;
    let admin = cluster().url("postgres", &db.name);
    for (role, too_much, word) in EXCESS {
        let make = format!("CREATE ROLE {role} LOGIN IN ROLE countersign_app");
        run(&admin, &make).await.unwrap();
        let url = cluster().url(role, &db.name);
        let before = connect(&url, 1, timeouts()).await;
        before.unwrap_or_else(|error| panic!("{role} before: {error}"));
        let sql = too_much.replace("{db}", &db.name);
        run(&admin, &sql).await.unwrap();
        let error = connect(&url, 1, timeouts()).await.unwrap_err();
        let told = error.to_string();
        let ConnectError::TooPowerful {
            role: named,
            excess,
        } = error
        else {
            panic!("{role}: {told}");
        };
        assert_eq!(named, role);
        assert!(told.contains(word), "{role}: {told}");
        for it in excess {
            assert!(told.contains(&it.remedy), "{told}");
            let mended = run(&admin, &it.remedy).await;
            mended.unwrap_or_else(|error| panic!("{role}: {}: {error}", it.remedy));
        }
        let after = connect(&url, 1, timeouts()).await;
        after.unwrap_or_else(|error| panic!("{role} after: {error}"));
    }
}

#[tokio::test]
async fn the_application_cannot_write_catalog_people_and_tokens() {
    let db = TestDb::new().await;
    for sql in [
        "INSERT INTO accounts (id, name) VALUES ('111122223333', 'x')",
        "UPDATE people SET groups = '{sre-leads}'",
        "DELETE FROM people",
        "UPDATE principals SET arn = 'x'",
        "UPDATE entitlements SET stages = stages",
        "INSERT INTO targets (id, account, kind, arn) VALUES (gen_random_uuid(), '111122223333', 'role', 'x')",
        "INSERT INTO api_tokens SELECT * FROM api_tokens",
        "UPDATE api_tokens SET expires_at = 'infinity'",
        "UPDATE api_tokens SET revoked_at = NULL",
        "INSERT INTO machines SELECT * FROM machines",
        "UPDATE machines SET entitlements = '{prod-root}'",
        "DELETE FROM machines",
        "UPDATE api_tokens SET scopes = '{admin}'",
        "UPDATE sessions SET person = gen_random_uuid()",
        "UPDATE decisions SET verdict = 'approve'",
        "DELETE FROM sessions",
    ] {
        let refused = run(&db.app_url, sql).await.unwrap_err();
        let code = refused.as_database_error().and_then(|it| it.code());
        assert_eq!(code.as_deref(), Some("42501"), "{sql}: {refused}");
    }
}

#[tokio::test]
async fn a_command_that_writes_the_catalog_names_the_role_that_it_needs() {
    let db = TestDb::new().await;
    let error = connect_for_catalog(&db.app_url, timeouts())
        .await
        .unwrap_err();
    let told = error.to_string();
    for word in ["countersign_serve", "IN ROLE countersign_catalog"] {
        assert!(told.contains(word), "{told}");
    }
    for url in [&db.catalog_url, &db.owner_url] {
        connect_for_catalog(url, timeouts()).await.unwrap();
    }
    let error = connect(&db.catalog_url, 1, timeouts()).await.unwrap_err();
    assert!(matches!(error, ConnectError::TooPowerful { .. }), "{error}");
}

#[tokio::test]
async fn a_temporary_table_does_not_stand_before_the_log() {
    let db = TestDb::new().await;
    let allow = format!(
        "GRANT TEMPORARY ON DATABASE {} TO countersign_serve",
        db.name
    );
    run(&cluster().url("postgres", &db.name), &allow)
        .await
        .unwrap();
    let mut conn = db.pool.acquire().await.unwrap();
    let shadow =
        "CREATE TEMPORARY TABLE audit_events (id uuid); CREATE TEMPORARY TABLE requests (id uuid)";
    conn.execute(sqlx::raw_sql(shadow)).await.unwrap();
    let is_real = sqlx::query_scalar!(
        r#"SELECT to_regclass('audit_events') = to_regclass('public.audit_events') AS "it!""#
    );
    assert!(is_real.fetch_one(&mut *conn).await.unwrap());
}
