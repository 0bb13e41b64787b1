use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use clap::CommandFactory;
use countersign::cli::Cli;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::cluster;

fn countersign(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

fn refused(output: &Output, code: i32) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "one line: {said}");
    said
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn config_prints_what_applies_with_secrets_hidden() {
    let env = [
        ("DATABASE_URL", "postgres://u:hunter2@h/d"),
        ("COUNTERSIGN_WORKER__POLL", "PT3S"),
    ];
    let output = countersign(&["config"], &env);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(printed.contains("poll = \"PT3S\""), "{printed}");
    assert!(printed.contains("url = \"***\""), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_bad_configuration_is_one_line_and_exit_code_78() {
    let said = refused(
        &countersign(&["config"], &[("COUNTERSIGN_WORKER__POL", "1")]),
        78,
    );
    assert!(said.contains("worker.pol"), "{said}");
    let said = refused(
        &countersign(&["--config", "/nowhere.toml", "config"], &[]),
        78,
    );
    assert!(
        said.contains("/nowhere.toml") && said.contains("No such file"),
        "{said}"
    );
    let said = refused(&countersign(&["migrate"], &[]), 78);
    assert!(said.contains("database.url"), "{said}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    assert_eq!(countersign(&["frobnicate"], &[]).status.code(), Some(2));
    assert_eq!(countersign(&[], &[]).status.code(), Some(2));
}

#[test]
fn migrate_without_a_database_is_one_line_and_exit_code_1() {
    let url = "postgres://u@%2Fnowhere/d";
    let said = refused(&countersign(&["migrate"], &[("DATABASE_URL", url)]), 1);
    assert!(said.contains("cannot connect to the database"), "{said}");
}

#[tokio::test]
async fn migrate_makes_a_database_that_serve_can_use_and_may_be_repeated() {
    let postgres = cluster();
    let mut admin = PgConnection::connect(&postgres.url("postgres", "postgres"))
        .await
        .unwrap();
    let create = "CREATE DATABASE migrated_by_cli OWNER countersign_owner".to_owned();
    sqlx::raw_sql(AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    let url = postgres.url("countersign_owner", "migrated_by_cli");
    for _ in 0..2 {
        let output = countersign(&["migrate"], &[("DATABASE_URL", &url)]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(said, "the schema is up to date\n");
    }
    let serve = postgres.url("countersign_serve", "migrated_by_cli");
    countersign::db::pool::connect(&serve, 1, crate::support::timeouts())
        .await
        .unwrap();

    // As somebody who owns nothing: who that was is in the message.
    let create = "CREATE DATABASE migrated_by_serve".to_owned();
    sqlx::raw_sql(AssertSqlSafe(create))
        .execute(&mut admin)
        .await
        .unwrap();
    let theirs = postgres.url("countersign_serve", "migrated_by_serve");
    let said = refused(&countersign(&["migrate"], &[("DATABASE_URL", &theirs)]), 1);
    assert!(said.contains("as the role countersign_serve"), "{said}");

    // As an older program on what a newer one has made.
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, '', 0)";
    let mut owner = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(newer).execute(&mut owner).await.unwrap();
    let output = countersign(&["migrate"], &[("DATABASE_URL", &url)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("newer") && said.contains("9999"), "{said}");
}

const SEED: &str = "
[[accounts]]
id = '111122223333'
[[accounts.users]]
name = 'alice'
";

/// The sandbox in a process of its own, and its endpoint.
fn sandbox(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["sandbox", "--port", "0"])
        .args(arguments)
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line
        .trim()
        .strip_prefix("AWS_ENDPOINT_URL=")
        .unwrap_or_else(|| panic!("{line}"));
    (child, url.to_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn sandbox_serves_its_seed_until_it_is_told_to_end_and_keeps_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let (seed, state) = (
        folder.path().join("seed.toml"),
        folder.path().join("state.json"),
    );
    std::fs::write(&seed, SEED).unwrap();
    for arguments in [
        &["--seed", text(&seed), "--state", text(&state)][..],
        // The state is there now.
        &["--state", text(&state)][..],
    ] {
        let (mut child, url) = sandbox(arguments);
        let answer = reqwest::Client::new()
            .post(&url)
            .body("Action=ListUsers")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "nobody is let in without a signature");
        let kill = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success() && child.wait().unwrap().success());
        assert!(std::fs::read_to_string(&state).unwrap().contains("alice"));
    }
}

#[test]
fn sandbox_says_in_one_line_what_is_wrong_with_its_seed() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed.toml");
    let run = || countersign(&["sandbox", "--port", "0", "--seed", text(&seed)], &[]);
    assert!(refused(&run(), 1).contains("No such file"));
    std::fs::write(&seed, format!("{SEED}nickname = 'al'\n")).unwrap();
    let said = refused(&run(), 1);
    assert!(
        said.contains("nickname") && said.contains("line 6"),
        "{said}"
    );
    std::fs::write(folder.path().join("seed.json"), "{\"accounts\": 5}").unwrap();
    let json = folder.path().join("seed.json");
    let said = refused(&countersign(&["sandbox", "--seed", text(&json)], &[]), 1);
    assert!(said.contains("invalid type"), "{said}");
    let state = folder.path().join("none.json");
    let said = refused(&countersign(&["sandbox", "--state", text(&state)], &[]), 1);
    assert!(said.contains("--seed"), "{said}");
    assert_eq!(countersign(&["sandbox"], &[]).status.code(), Some(2));
}

#[test]
fn sandbox_says_in_one_line_that_the_port_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed.toml");
    std::fs::write(&seed, SEED).unwrap();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let said = refused(
        &countersign(&["sandbox", "--port", &port, "--seed", text(&seed)], &[]),
        1,
    );
    assert!(said.contains(&port) && said.contains("in use"), "{said}");
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_told_at_once_and_why() {
    let started = std::time::Instant::now();
    let nobody = "postgres://u@127.0.0.1:9/d";
    let said = refused(&countersign(&["serve"], &[("DATABASE_URL", nobody)]), 1);
    assert!(said.contains("Connection refused"), "{said}");
    let plain = cluster().url("countersign_serve", "postgres") + "?sslmode=require";
    for command in [&["serve"][..], &["migrate"]] {
        let said = refused(&countersign(command, &[("DATABASE_URL", &plain)]), 1);
        assert!(said.contains("server does not support TLS"), "{said}");
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(4));
}
