//! Credentials are neither stored nor logged.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use std::fs::File;

use sqlx::AssertSqlSafe;

use super::Server;
use crate::sandbox;
use crate::support::world::World;

/// Nobody has it, and it has the form of one.
const FORGED: &str = "csn_00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[tokio::test(flavor = "multi_thread")]
async fn no_table_and_no_log_line_holds_a_token_or_an_aws_secret() {
    let world = World::new().await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = world.command(&["serve"]);
    command.env("RUST_LOG", "trace");
    command.stderr(File::create(log.path()).unwrap());
    let serve = Server::start(command);
    let request = world.submit(&serve, "PT1H").await;
    let grant = world.approve(&serve, &request).await;
    serve.reaches(&world.alice, &grant, "active").await;
    let forged = serve.get(FORGED, "/requests").await;
    assert_eq!(forged["code"], "unauthenticated");
    world.end(&serve, &grant).await;
    serve.reaches(&world.alice, &grant, "ended").await;
    serve.kill();

    let (_, aws_secret) = sandbox::key("admin");
    let (_, alice_secret) = sandbox::key("alice");
    let secrets = [
        &world.alice,
        &world.bob,
        &world.otto,
        &aws_secret,
        &alice_secret,
    ];
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(log.contains("grant changed"), "the log is that of the walk");
    let stored = everything_stored(&world).await;
    assert!(
        stored.contains(&grant) || stored.contains("grant_"),
        "the rows are those of the walk"
    );
    for secret in secrets.into_iter().map(String::as_str).chain([FORGED]) {
        assert!(
            !log.contains(secret),
            "in the log: {}",
            line_with(&log, secret)
        );
        assert!(
            !stored.contains(secret),
            "in the database: {}",
            line_with(&stored, secret)
        );
    }
}

/// Every row of every table, one a line.
async fn everything_stored(world: &World) -> String {
    let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace";
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(&world.db.pool)
        .await
        .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    let mut all = String::new();
    for table in tables {
        let rows = format!("SELECT t::text FROM {table} t");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows))
            .fetch_all(&world.db.pool)
            .await
            .unwrap();
        for row in rows {
            all += &row;
            all.push('\n');
        }
    }
    all
}

fn line_with<'a>(text: &'a str, part: &str) -> &'a str {
    text.lines()
        .find(|line| line.contains(part))
        .unwrap_or_default()
}
