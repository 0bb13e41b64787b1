//! What clients can write into the log.

use std::process::Stdio;

use super::collect;
use crate::process::Server;
use crate::support::wait;
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_no_terminal_has_no_colours_and_short_lines() {
    let world = World::new().await;
    let mut command = world.command(&["serve"]);
    command.env("RUST_LOG", "info").stderr(Stdio::piped());
    let mut serve = Server::start(command);
    let log = collect(serve.take_stderr());
    let client = reqwest::Client::new();
    for length in [7_000, 60_000] {
        let path = "a".repeat(length);
        for under in ["", "api/v1/"] {
            let url = format!("http://{}/{under}{path}", serve.address());
            let answer = client.get(url).send().await.unwrap();
            let expected = if length > 8192 { 414 } else { 404 };
            assert_eq!(answer.status(), expected, "{under}{length}");
        }
    }
    wait::until("each refusal is told", || {
        log.lock().unwrap().matches("refused").count() == 4
    });
    let text = log.lock().unwrap().clone();
    assert!(text.contains("(60008 bytes)"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    for line in text.lines() {
        assert!(line.len() < 600, "{} bytes: {line}", line.len());
    }
}
