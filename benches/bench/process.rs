//! A program of ours in a process of its own.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Outcome;

/// Longer than `serve` takes to stop at most.
const PATIENCE: Duration = Duration::from_secs(25);

/// A running process; it is told to stop when this is dropped, and killed if it does not.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Held open, since the process may write to it.
    _stdout: BufReader<ChildStdout>,
    pub url: String,
    pub log: PathBuf,
    pub started: Instant,
}

impl Process {
    /// Starts the built program and waits for the line that tells its URL. Its log goes to `log`.
    pub fn start(
        arguments: &[&str],
        environment: &[(String, String)],
        log: &Path,
    ) -> Outcome<Self> {
        let file: File = OpenOptions::new().create(true).append(true).open(log)?;
        let started = Instant::now();
        // What is set around the run must not change what is measured.
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(arguments)
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("standard output is no pipe")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let url = line.find("http://").map(|at| &line[at..]);
        let url = url.and_then(|rest| rest.split_whitespace().next());
        let Some(url) = url.map(ToOwned::to_owned) else {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{arguments:?} does not start: {said}").into());
        };
        Ok(Self {
            child,
            _stdout: stdout,
            url,
            log: log.to_owned(),
            started,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let told = Instant::now();
        while told.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
