use std::process::{Command, Output};

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
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let serve = postgres.url("countersign_serve", "migrated_by_cli");
    countersign::db::pool::connect(&serve, 1).await.unwrap();
}
