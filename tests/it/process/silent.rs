//! A database, a replica or a log that is silent: nothing waits for them without an end.

use std::io::{PipeReader, Write as _};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::sandbox::When;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::Server;
use super::signals::tell;
use crate::sandbox::reached;
use crate::support::wait;
use crate::support::world::World;

/// A process that is stopped, and goes on when this is dropped.
struct Stopped(u32);

impl Stopped {
    fn now(pid: u32) -> Self {
        tell(pid, "STOP");
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let pid = self.0.to_string();
        // By itself, if it is gone.
        let _ = std::process::Command::new("kill")
            .args(["-s", "CONT", &pid])
            .stderr(Stdio::null())
            .status();
    }
}

async fn owner(world: &World) -> PgConnection {
    let owner = PgConnection::connect(&world.db.owner_url).await;
    owner.expect("the tests' Postgres")
}

/// The backends of `serve` that are in this state, and whose last statement is like that.
async fn backends(world: &World, state: &str, like: &str) -> Vec<u32> {
    let found = sqlx::query_scalar!(
        r#"SELECT pid AS "pid!" FROM pg_stat_activity
           WHERE datname = $1 AND application_name = 'countersign' AND query LIKE $3
             AND CASE $2 WHEN 'waiting' THEN wait_event_type = 'Lock' ELSE state = $2 END"#,
        world.db.name,
        state,
        like
    );
    // As somebody who sees the statements of others.
    let url = crate::support::cluster().url("postgres", &world.db.name);
    let mut admin = PgConnection::connect(&url)
        .await
        .expect("the tests' Postgres");
    let pids = found.fetch_all(&mut admin).await.expect("a list");
    pids.into_iter()
        .filter_map(|it| it.try_into().ok())
        .collect()
}

/// Stops a backend in the middle of a statement like this, which it could end at any time but for
/// that.
async fn stop_in(world: &World, table: &str, like: &str) -> Stopped {
    let mut owner = owner(world).await;
    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    let locked = owner.execute(sqlx::raw_sql(AssertSqlSafe(lock))).await;
    locked.expect("a lock");
    loop {
        let mut pids = Vec::new();
        wait::until_async("it waits for the lock", async || {
            pids = backends(world, "waiting", like).await;
            !pids.is_empty()
        })
        .await;
        let stopped = Stopped::now(pids[0]);
        // It may have given up in that very moment.
        if backends(world, "waiting", like).await.contains(&pids[0]) {
            owner.close().await.expect("closed");
            return stopped;
        }
    }
}

const CLAIM: &str = "%UPDATE targets SET lease_token%";

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_without_an_answer_keeps_no_closing_waiting_and_nobody_from_stopping() {
    let world = World::new().await;
    let log = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = world.command(&["serve"]);
    command.stderr(std::fs::File::create(log.path()).expect("writable"));
    let mut serve = Server::start(command);
    let request = world.submit(&serve, "PT1H").await;
    let grant = world.approve(&serve, &request).await;
    serve.reaches(&world.alice, &grant, "active").await;
    let silent = stop_in(&world, "targets", CLAIM).await;
    world.end(&serve, &grant).await;
    serve.reaches(&world.alice, &grant, "ended").await;
    let log = std::fs::read_to_string(log.path()).expect("readable");
    assert!(
        log.contains("did not answer in time") && log.contains("claim"),
        "{log}"
    );

    // It has got its lock on the table meanwhile, and would hold up the next one.
    drop(silent);
    let _silent_too = stop_in(&world, "targets", CLAIM).await;
    tell(serve.child.id(), "TERM");
    let ended = serve.ended();
    assert_eq!(ended.code(), Some(0), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_without_an_answer_is_busy() {
    let world = World::new().await;
    let serve = world.serve();
    let answers = Arc::new(Mutex::new(Vec::new()));
    // One after the other, so that one of them is under way when the database falls silent.
    let asking = tokio::spawn({
        let answers = Arc::clone(&answers);
        let url = format!("{}/api/v1/requests", serve.url);
        let token = world.alice.clone();
        async move {
            let client = reqwest::Client::new();
            loop {
                let answer = client.get(&url).bearer_auth(&token).send().await;
                let status = answer.expect("serve answers").status().as_u16();
                answers.lock().expect("whole").push(status);
            }
        }
    });
    let silent = stop_in(&world, "requests", "%FROM requests%UNION%").await;
    let before = answers.lock().expect("whole").len();
    wait::until("it is answered all the same", || {
        answers.lock().expect("whole").len() > before
    });
    assert_eq!(answers.lock().expect("whole")[before], 503);
    wait::until("the next one is answered as ever", || {
        answers.lock().expect("whole").last() == Some(&200)
    });
    asking.abort();
    drop(silent);
}

/// A replica that has locked the grants of the role in its planning transaction, and is stopped
/// there.
async fn stop_in_plan(world: &World, replica: &Server) -> Stopped {
    for _ in 0..5 {
        let request = world.submit(replica, "PT1H").await;
        let look = world.sandbox.knobs().hold("GetRole", 1, When::BeforeEffect);
        world.approve(replica, &request).await;
        reached(&look).await;
        // The plan waits for the target when it has the grants.
        let mut owner = owner(world).await;
        let sql = "BEGIN; SELECT FROM targets FOR UPDATE";
        owner.execute(sqlx::raw_sql(sql)).await.expect("a lock");
        look.release();
        // Its end is not shown: Postgres keeps the first 1,024 bytes of a statement.
        let plan = "WITH clock AS MATERIALIZED%t.guard_equal_at%";
        let mut pids = Vec::new();
        wait::until_async("the plan waits for the target", async || {
            pids = backends(world, "waiting", plan).await;
            !pids.is_empty()
        })
        .await;
        let stopped = Stopped::now(replica.child.id());
        owner.close().await.expect("closed");
        let mut is_idle = false;
        wait::until_async("the statement is over", async || {
            is_idle = !backends(world, "idle in transaction", plan)
                .await
                .is_empty();
            is_idle || backends(world, "waiting", plan).await.is_empty()
        })
        .await;
        if is_idle {
            return stopped;
        }
    }
    panic!("it gave up each time before it was stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_stopped_in_its_plan_keeps_no_end_and_no_closing_waiting() {
    let world = World::new().await;
    let replica = || {
        let mut command = world.command(&["serve"]);
        command
            .env("COUNTERSIGN_WORKER__LEASE", "PT20S")
            .env("COUNTERSIGN_AWS__OPERATION_TIMEOUT", "PT10S");
        Server::start(command)
    };
    let one = replica();
    let request = world.submit(&one, "PT1H").await;
    let grant = world.approve(&one, &request).await;
    one.reaches(&world.alice, &grant, "active").await;
    let _stopped = stop_in_plan(&world, &one).await;

    let two = replica();
    let path = format!("/grants/{grant}/end");
    wait::until_async("the end is taken", async || {
        let body = json!({});
        let answer = two.post(&world.alice, &path, &body);
        let answer = tokio::time::timeout(Duration::from_secs(30), answer).await;
        let (status, told) = answer.expect("it answers, if only that it is busy");
        assert!([202, 503].contains(&status), "{told}");
        status == 202
    })
    .await;
    two.reaches(&world.alice, &grant, "ended").await;
}

/// A log that nobody reads any more: whoever writes to it waits.
struct Unread {
    _reader: PipeReader,
    written: Arc<AtomicUsize>,
}

impl Unread {
    /// A log, and the end that a process writes to.
    fn new() -> (Self, std::io::PipeWriter) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let written = Arc::new(AtomicUsize::new(0));
        let unread = Self {
            _reader: reader,
            written,
        };
        (unread, writer)
    }

    /// Fills it up, and keeps it full.
    fn fill(&self, mut writer: std::io::PipeWriter) {
        let written = Arc::clone(&self.written);
        std::thread::spawn(move || {
            // Ends when the reader is gone.
            while writer.write_all(b".").is_ok() {
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut last = usize::MAX;
        wait::until("the pipe is full", || {
            let before = std::mem::replace(&mut last, self.written.load(Ordering::Relaxed));
            std::thread::sleep(Duration::from_millis(200));
            last > 0 && before == last
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_loop_does_not_turn_any_more_ends() {
    let world = World::new().await;
    let (unread, log) = Unread::new();
    let mut command = world.command(&["serve"]);
    command
        .env("TOKIO_WORKER_THREADS", "1")
        .env("RUST_LOG", "info")
        .env("COUNTERSIGN_WORKER__LEASE", "PT3S")
        .env("COUNTERSIGN_AWS__OPERATION_TIMEOUT", "PT1S")
        .stderr(log.try_clone().expect("a pipe"));
    let mut serve = Server::start(command);
    unread.fill(log);
    // Refused with a line of the log, which holds up the one thread that everything runs on.
    let url = format!("{}/api/v1/people/me", serve.url);
    let refused = reqwest::Client::new().get(url).bearer_auth("csn_forged");
    drop(tokio::spawn(refused.send()));
    let ended = serve.ended();
    assert_eq!(ended.code(), Some(1), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_while_stopping_is_ended() {
    let world = World::new().await;
    let (unread, log) = Unread::new();
    let mut command = world.command(&["serve"]);
    command
        .env("RUST_LOG", "warn")
        .env("COUNTERSIGN_AWS__OPERATION_TIMEOUT", "PT40S")
        .env("COUNTERSIGN_WORKER__LEASE", "PT80S")
        .stderr(log.try_clone().expect("a pipe"));
    let mut serve = Server::start(command);
    let request = world.submit(&serve, "PT1H").await;
    let look = world.sandbox.knobs().hold("GetRole", 1, When::BeforeEffect);
    world.approve(&serve, &request).await;
    reached(&look).await;
    unread.fill(log);
    // The worker has work in hand, and says so when it stops nevertheless.
    tell(serve.child.id(), "TERM");
    let ended = serve.ended();
    assert_eq!(ended.code(), Some(1), "{ended}");
    look.release();
}
