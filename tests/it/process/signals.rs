//! What ends it, and how soon.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use super::Server;
use super::demo::{folder, hearing};
use crate::support::wait;
use crate::support::world::World;

pub fn tell(pid: u32, signal: &str) {
    let told = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(told.expect("kill runs").success());
}

#[test]
fn a_demo_that_is_starting_ends_at_once() {
    let (_temporary, folder) = folder();
    let child = hearing("INT", &folder).stdout(Stdio::null()).spawn();
    let mut server = Server {
        child: child.expect("it starts"),
        url: String::new(),
    };
    wait::until("it is starting", || folder.join("postgres.lock").exists());
    tell(server.child.id(), "INT");
    let ended = server.ended();
    assert_eq!(ended.signal(), Some(2), "{ended}");
    assert!(!folder.join("demo.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_ends_what_takes_its_time() {
    let world = World::new().await;
    let mut serve = world.serve();
    let address = serve.url.trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address).expect("it listens");
    slow.write_all(b"GET / HTTP/1.1\r\n").expect("writable");
    // Answered, so that the slow one has been taken before it.
    serve.get(&world.alice, "/people/me").await;
    tell(serve.child.id(), "TERM");
    wait::until("it is stopping", || TcpStream::connect(&address).is_err());
    assert!(serve.child.try_wait().expect("a child").is_none());
    tell(serve.child.id(), "TERM");
    let ended = serve.ended();
    assert_eq!(ended.code(), Some(130), "{ended}");
}
