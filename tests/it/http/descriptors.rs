//! Files that the process may have open: what clients leave to database, worker and AWS.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use countersign::config::Config;
use countersign::serve::descriptors::{for_clients, raise};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::collect;
use crate::process::Server;
use crate::support::wait;
use crate::support::world::World;

/// `serve` under the limits of a shell's `ulimit`.
fn limited(world: &World, ulimit: &str) -> Command {
    let serve = world.command(&["serve"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit {ulimit} && exec \"$0\" serve")])
        .arg(serve.get_program())
        .stdin(Stdio::null());
    let set = serve.get_envs();
    command.envs(set.filter_map(|(name, value)| Some((name, value?))));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_keep_neither_calls_nor_a_closing_waiting() {
    let world = World::new().await;
    let serve = Server::start(limited(&world, "-n 200"));
    let address = serve.address().to_owned();
    let story = async {
        let mut held = Vec::new();
        // Before the first call of AWS, so that its connections come after these.
        for _ in 0..300 {
            held.push(half_sent(&address).await);
        }
        let request = world.submit(&serve, "PT1H").await;
        let grant = world.approve(&serve, &request).await;
        serve.reaches(&world.alice, &grant, "active").await;
        for _ in 0..300 {
            held.push(half_sent(&address).await);
        }
        world.end(&serve, &grant).await;
        serve.reaches(&world.alice, &grant, "ended").await;
        assert_eq!(world.our_statements(), 0);
        drop(held);
    };
    let told = tokio::time::timeout(Duration::from_secs(180), story).await;
    told.expect("calls are answered");
}

async fn half_sent(address: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nX").await.ok()?;
    Some(stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_soft_limit_is_raised_to_the_hard_one() {
    let world = World::new().await;
    let serve = Server::start(limited(&world, "-S -n 64"));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serve.pid())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<_> = files.unwrap().split_whitespace().collect();
    assert_eq!(words[3], words[4], "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_files_are_told_at_the_start() {
    let world = World::new().await;
    let mut command = limited(&world, "-n 100");
    command.stderr(Stdio::piped());
    let mut serve = Server::spawn(command);
    let ended = serve.ended();
    let mut told = String::new();
    let read = serve.take_stderr().read_to_string(&mut told);
    read.unwrap();
    assert_eq!(ended.code(), Some(1), "{told}");
    for word in ["100 files", "125", "ulimit -n"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_a_file_left_waits_and_goes_on() {
    let world = World::new().await;
    let mut command = world.command(&["serve"]);
    command.env("RUST_LOG", "warn").stderr(Stdio::piped());
    let mut serve = Server::start(command);
    let log = collect(serve.take_stderr());
    let pid = Pid::from_raw(i32::try_from(serve.pid()).unwrap());
    let limit = |soft| {
        let wanted = Rlimit {
            current: Some(soft),
            maximum: Some(4096),
        };
        prlimit(pid, Resource::Nofile, wanted).unwrap();
    };
    limit(3);
    let _waits = half_sent(serve.address()).await;
    wait::until("it is told", || {
        let log = log.lock().unwrap();
        log.contains("no connection can be accepted")
    });
    limit(1024);
    let me = serve.get(&world.alice, "/people/me").await;
    assert_eq!(me["email"], "alice@example.com");
}

#[test]
fn clients_never_get_what_database_worker_and_aws_need() {
    let config = Config::default();
    // 64 of its own, 10 and 3 connections to the database, 8 times 4 to AWS.
    assert_eq!(for_clients(125, &config, 3).unwrap(), 8);
    assert!(for_clients(124, &config, 3).is_err());
    assert!(for_clients(0, &config, 3).is_err());
    assert_eq!(for_clients(1024, &config, 3).unwrap(), 457);
    assert_eq!(for_clients(u64::MAX, &config, 3).unwrap(), 4096);
    assert!(raise() > 0);
}
