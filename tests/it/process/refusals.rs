//! A demo that cannot start says why in one line, and touches nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use super::Server;
use super::demo::{Demo, FREE, demo, folder};
use crate::support::{open_folder, wait};

/// The one line that it says, and that it ended with a failure.
pub fn refusal(mut command: Command) -> String {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    // Killed should it run on.
    let mut server = Server {
        child: child.expect("it starts"),
        url: String::new(),
    };
    let mut status = None;
    wait::until("it refuses to start", || {
        status = server.child.try_wait().expect("it can be waited for");
        status.is_some()
    });
    let (stdout, stderr) = (server.child.stdout.take(), server.child.stderr.take());
    let said = std::io::read_to_string(stderr.expect("a pipe")).expect("UTF-8");
    assert_eq!(status.and_then(|it| it.code()), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "one line: {said}");
    let printed = std::io::read_to_string(stdout.expect("a pipe"));
    assert_eq!(printed.expect("UTF-8"), "");
    said
}

#[test]
fn a_taken_port_is_named_and_nothing_is_lost_to_a_reset() {
    let (_temporary, folder) = folder();
    fs::create_dir_all(&folder).expect("a folder");
    for file in [".countersign-data", "keys.json"] {
        fs::write(folder.join(file), "{}").expect("writable");
    }
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = holder.local_addr().expect("an address").port().to_string();
    for ports in [
        ["--port", &port, "--aws-port", "0"],
        ["--port", "0", "--aws-port", &port],
    ] {
        let mut command = demo(&folder, &ports);
        command.arg("--reset");
        let said = refusal(command);
        let address = format!("127.0.0.1:{port}");
        assert!(said.contains(&address) && said.contains("in use"), "{said}");
        assert!(folder.join("keys.json").exists(), "{ports:?}");
        assert!(!folder.join("postgres").exists(), "told before it begins");
    }
}

#[test]
fn a_missing_postgres_is_named_and_nothing_is_lost_to_a_reset() {
    let (temporary, folder) = folder();
    let refused = |reset: &[&str]| {
        let mut command = demo(&folder, &FREE);
        command.args(reset);
        command.env("COUNTERSIGN_PG_BIN", temporary.path());
        refusal(command)
    };
    let said = refused(&[]);
    let nowhere = temporary.path().to_str().expect("UTF-8");
    assert!(
        said.contains("COUNTERSIGN_PG_BIN") && said.contains(nowhere),
        "{said}"
    );
    assert!(!folder.exists());
    fs::create_dir_all(&folder).expect("a folder");
    for file in [".countersign-data", "keys.json"] {
        fs::write(folder.join(file), "{}").expect("writable");
    }
    let said = refused(&["--reset"]);
    assert!(said.contains("COUNTERSIGN_PG_BIN"), "{said}");
    assert!(folder.join("keys.json").exists());
}

#[test]
fn an_old_postgres_is_named() {
    let (temporary, folder) = folder();
    for program in ["initdb", "postgres"] {
        let program = temporary.path().join(program);
        fs::write(&program, "#!/bin/sh\necho 'postgres (PostgreSQL) 14.19'\n").expect("writable");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let mut command = demo(&folder, &FREE);
    command.env("COUNTERSIGN_PG_BIN", temporary.path());
    let said = refusal(command);
    assert!(
        said.contains("14") && said.contains("15 or newer"),
        "{said}"
    );
}

#[test]
fn what_a_killed_demo_said_of_itself_is_gone_before_anything_is_started() {
    let (_temporary, folder) = folder();
    fs::create_dir_all(folder.join("postgres")).expect("a folder");
    for file in [".countersign-data", "demo.json"] {
        fs::write(folder.join(file), "{}").expect("writable");
    }
    let said = refusal(demo(&folder, &FREE));
    assert!(said.contains("postgres"), "{said}");
    assert!(!folder.join("demo.json").exists());
}

#[test]
fn keys_that_the_stand_in_does_not_know_are_not_made() {
    let (_temporary, folder) = folder();
    let keys = folder.join("keys.json");
    let demo = || demo(&folder, &FREE);
    drop(Demo::start(&folder));
    let kept = fs::read_to_string(&keys).expect("readable");
    fs::remove_file(&keys).expect("ours");
    let said = refusal(demo());
    assert!(
        said.contains("keys.json") && said.contains("--reset"),
        "{said}"
    );
    fs::write(&keys, kept.replace("\"bob\"", "\"bert\"")).expect("writable");
    let said = refusal(demo());
    assert!(said.contains("keys.json") && said.contains("bob"), "{said}");
    fs::write(&keys, kept).expect("writable");
    drop(Demo::start(&folder));
}

/// Without user namespaces, which a `unshare` that fails stands for here.
#[test]
fn a_folder_that_the_other_user_cannot_enter_is_named_with_what_names_another() {
    let temporary = open_folder();
    let closed = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).expect("ours");
    let forbidden = temporary.path().join("unshare");
    fs::write(&forbidden, "#!/bin/sh\nexit 1\n").expect("writable");
    fs::set_permissions(&forbidden, fs::Permissions::from_mode(0o755)).expect("ours");
    if fs::metadata(&forbidden).expect("it is there").uid() != 0 {
        return;
    }
    let path = std::env::var("PATH").expect("UTF-8");
    let path = format!("{}:{path}", temporary.path().display());
    let mut command = demo(&temporary.path().join("demo"), &FREE);
    command.env("PATH", &path).env("TMPDIR", closed.path());
    let said = refusal(command);
    assert!(
        said.contains("cannot enter") && said.contains("TMPDIR"),
        "{said}"
    );
    let mut command = demo(&closed.path().join("demo"), &FREE);
    command.env("PATH", &path);
    let said = refusal(command);
    assert!(
        said.contains("cannot enter") && said.contains("--data-dir"),
        "{said}"
    );
}

#[test]
fn a_folder_of_somebody_else_is_named_and_left_alone() {
    let theirs = tempfile::tempdir().expect("a temporary folder");
    fs::write(theirs.path().join("thesis.tex"), "x").expect("writable");
    let file = theirs.path().join("thesis.tex");
    for arguments in [&FREE[..], &["--reset", "--port", "0", "--aws-port", "0"]] {
        let said = refusal(demo(theirs.path(), arguments));
        let name = theirs.path().to_str().expect("UTF-8");
        assert!(said.contains(name) && said.contains("--data-dir"), "{said}");
        let said = refusal(demo(&file, arguments));
        assert!(said.contains(file.to_str().expect("UTF-8")), "{said}");
        let left: Vec<_> = fs::read_dir(theirs.path()).expect("readable").collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(fs::read(&file).expect("readable"), b"x");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_demo_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let (_temporary, folder) = folder();
    let first = Demo::start(&folder);
    for arguments in [&FREE[..], &["--reset", "--port", "0", "--aws-port", "0"]] {
        let said = refusal(demo(&folder, arguments));
        let name = folder.to_str().expect("UTF-8");
        assert!(said.contains(name) && said.contains("in use"), "{said}");
    }
    assert!(folder.join("demo.json").exists());
    first.approve(&first.submit().await).await;
}
