//! The small commands on a database.

use std::io::Write as _;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::world::World;

fn refused(output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "one line: {said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_catalog_is_told_with_what_does_not_fit() {
    let world = World::new().await;
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let catalog = r#"
        people = [{ issuer = "x", subject = "mallory", name = "Mallory", email = "mallory@example.com", principals = ["arn:aws:iam::111122223333:user/alice"] }]
    "#;
    file.write_all(catalog.as_bytes()).expect("writable");
    let path = file.path().to_str().expect("UTF-8");
    let output = world.command(&["catalog", "apply", path]).output();
    let said = refused(&output.expect("the binary starts"));
    for word in ["principals", "user/alice", "alice@example.com"] {
        assert!(said.contains(word), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_asks_nothing_of_the_machine_that_it_runs_on() {
    let world = World::new().await;
    let metadata = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let metadata = metadata.expect("a free port");
    let url = format!("http://{}", metadata.local_addr().expect("an address"));
    let asked = Arc::new(AtomicBool::new(false));
    tokio::spawn({
        let asked = Arc::clone(&asked);
        async move {
            while metadata.accept().await.is_ok() {
                asked.store(true, Ordering::Relaxed);
            }
        }
    });
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = world.command(&["token", "create", "--name", "x"]);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    let output = command
        .args(["--person", "alice@example.com"])
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        .output();
    assert!(output.expect("the binary starts").status.success());
    assert!(!asked.load(Ordering::Relaxed), "no region from IMDS");
}
