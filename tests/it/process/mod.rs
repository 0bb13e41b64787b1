//! `countersign serve` as a process of its own: what holds when it is killed.

mod catalog;
mod children;
mod commands;
mod deadline;
mod demo;
mod described;
mod doctor;
mod identity;
mod kill;
mod ours;
mod reconcile;
mod refusals;
mod replicas;
mod restored;
mod resume;
mod secrets;
mod setup;
mod signals;
mod silent;
mod throttle;
mod tried;
mod uncut;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::wait;

/// A running `countersign serve`; killed when dropped.
pub struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts it on a free port and waits until it says where it listens.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("standard output is a pipe");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("serve says where it listens");
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let url = url
            .unwrap_or_else(|| panic!("serve did not start: {line:?}"))
            .to_owned();
        Self { child, url }
    }

    /// Starts what may end by itself: [`Self::ended`].
    pub fn spawn(mut command: Command) -> Self {
        Self {
            child: command.spawn().expect("the binary starts"),
            url: String::new(),
        }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log, where the command was told to pipe it.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("standard error is a pipe")
    }

    /// How it ended.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait::until("it has ended", || {
            status = self.child.try_wait().expect("it can be waited for");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// SIGKILL: no handler runs.
    pub fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it can be waited for");
    }

    pub async fn post(&self, token: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}/api/v1{path}", self.url);
        let answer = reqwest::Client::new()
            .post(url)
            .bearer_auth(token)
            .json(body)
            .send()
            .await
            .expect("serve answers");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    pub async fn get(&self, token: &str, path: &str) -> Value {
        let url = format!("{}/api/v1{path}", self.url);
        let answer = reqwest::Client::new()
            .get(url)
            .bearer_auth(token)
            .send()
            .await;
        answer.expect("serve answers").json().await.expect("JSON")
    }

    /// Waits until the grant is in `state`; panics after 60 s.
    pub async fn reaches(&self, token: &str, grant: &str, state: &str) -> Value {
        let started = Instant::now();
        loop {
            let now = self.get(token, &format!("/grants/{grant}")).await;
            if now["state"] == state {
                return now;
            }
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "still {now}, not {state}"
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
