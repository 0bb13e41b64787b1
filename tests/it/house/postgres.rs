use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use countersign::demo::postgres::{Mode, Postgres, PostgresError, reset};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{open_folder, wait};

/// Names the folder in which another process of this test binary holds a server.
const HOLD: &str = "HOLD_POSTGRES_IN";

async fn run(postgres: &Postgres, sql: &str) {
    let mut conn = PgConnection::connect(&postgres.url("postgres", "postgres"))
        .await
        .unwrap();
    conn.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
        .await
        .unwrap();
    conn.close().await.unwrap();
}

fn pid_file(data: &Path) -> PathBuf {
    data.join("postgres/postmaster.pid")
}

fn is_ready(data: &Path) -> bool {
    fs::read_to_string(pid_file(data))
        .is_ok_and(|text| text.lines().nth(7).is_some_and(|it| it.trim() == "ready"))
}

fn pid_of(data: &Path) -> String {
    let text = fs::read_to_string(pid_file(data)).unwrap();
    text.lines().next().unwrap().to_owned()
}

fn socket_of(data: &Path) -> PathBuf {
    let text = fs::read_to_string(pid_file(data)).unwrap();
    PathBuf::from(text.lines().nth(4).unwrap())
}

fn is_alive(pid: &str) -> bool {
    let kill = Command::new("kill")
        .args(["-0", pid])
        .stderr(Stdio::null())
        .status();
    kill.unwrap().success()
}

/// This test again, in a process of its own.
fn other_process(data: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "house::postgres::a_durable_server_keeps_its_data",
            "--nocapture",
        ])
        .env(HOLD, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

fn hold_in_other_process(data: &Path) -> Child {
    let child = other_process(data).spawn().unwrap();
    wait::until("the other process has a server", || is_ready(data));
    child
}

/// Run by `other_process`, it starts a server and holds it until it is killed or its standard input
/// ends.
#[tokio::test]
async fn a_durable_server_keeps_its_data() {
    if let Some(data) = std::env::var_os(HOLD) {
        let _postgres = Postgres::start(Path::new(&data), Mode::Durable)
            .unwrap_or_else(|error| panic!("{error}"));
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let folder = open_folder();
    let data = folder.path().join("new/data");
    let postgres = Postgres::start(&data, Mode::Durable).unwrap();
    run(&postgres, "CREATE TABLE kept ()").await;
    let socket = socket_of(&data);
    postgres.stop().await.unwrap();
    assert!(!socket.exists());
    let postgres = Postgres::start(&data, Mode::Durable).unwrap();
    run(&postgres, "TABLE kept").await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_fast_server_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let postgres = Postgres::start(&data, Mode::Fast).unwrap();
    run(&postgres, "SELECT 1").await;
    let (pid, socket) = (pid_of(&data), socket_of(&data));
    assert!(is_alive(&pid) && socket.exists());
    postgres.stop().await.unwrap();
    assert!(!is_alive(&pid) && !socket.exists() && !data.exists());
}

#[tokio::test]
async fn sigkill_of_the_process_takes_the_server_along_and_the_data_serve_again() {
    let folder = open_folder();
    let data = folder.path().join("data");
    let mut other = hold_in_other_process(&data);
    let (pid, socket) = (pid_of(&data), socket_of(&data));
    let url = format!(
        "postgres://postgres@localhost/postgres?host={}",
        socket.display()
    );
    let mut conn = PgConnection::connect(&url).await.unwrap();
    conn.execute("CREATE TABLE kept ()").await.unwrap();

    other.kill().unwrap();
    other.wait().unwrap();
    // At once: it waits for the old server.
    let postgres = Postgres::start(&data, Mode::Durable).unwrap();
    assert!(!is_alive(&pid) && !socket.exists());
    run(&postgres, "TABLE kept").await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_process_leaves_no_server_when_nobody_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = hold_in_other_process(folder.path());
    let (pid, socket) = (pid_of(folder.path()), socket_of(folder.path()));
    other.kill().unwrap();
    other.wait().unwrap();
    wait::until("server and socket are gone", || {
        !is_alive(&pid) && !socket.exists()
    });
}

#[tokio::test]
async fn a_pid_file_that_names_another_program_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path(), Mode::Durable).unwrap();
    let stale = fs::read_to_string(pid_file(folder.path())).unwrap();
    let stale = stale.replacen(&pid_of(folder.path()), &std::process::id().to_string(), 1);
    postgres.stop().await.unwrap();
    fs::write(pid_file(folder.path()), stale).unwrap();
    let postgres = Postgres::start(folder.path(), Mode::Durable).unwrap();
    run(&postgres, "SELECT 1").await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn an_interrupted_initdb_is_made_good() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".countersign-data"), "").unwrap();
    fs::create_dir(folder.path().join("postgres.new")).unwrap();
    fs::write(folder.path().join("postgres.new/PG_VERSION"), "half").unwrap();
    let postgres = Postgres::start(folder.path(), Mode::Durable).unwrap();
    run(&postgres, "SELECT 1").await;
    postgres.stop().await.unwrap();
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "x").unwrap();
    for error in [
        Postgres::start(folder.path(), Mode::Fast).unwrap_err(),
        reset(folder.path()).unwrap_err(),
    ] {
        assert!(matches!(error, PostgresError::NotOurs(_)), "{error}");
        assert!(error.to_string().contains("--data-dir"), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path(), Mode::Durable).unwrap();
    let error = Postgres::start(folder.path(), Mode::Durable).unwrap_err();
    assert!(matches!(error, PostgresError::InUse(_)), "{error}");
    run(&postgres, "SELECT 1").await;
    postgres.stop().await.unwrap();
    reset(folder.path()).unwrap();
    assert!(!folder.path().exists());
    reset(folder.path()).unwrap();
}

#[test]
fn without_postgres_the_error_is_one_line_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = other_process(folder.path());
    let output = command
        .env("COUNTERSIGN_PG_BIN", "/nowhere")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("COUNTERSIGN_PG_BIN is /nowhere"), "{said}");
    let missing = PostgresError::Missing.to_string();
    assert!(
        missing.contains("`postgresql`") && !missing.contains('\n'),
        "{missing}"
    );
}
