//! What a process has started.

use std::process::{Child, Command};

/// Every process: id, parent, state.
fn processes() -> Vec<(u32, u32, String)> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,stat="])
        .output();
    let listed = String::from_utf8(output.expect("ps runs").stdout).expect("UTF-8");
    let process = |line: &str| {
        let mut words = line.split_whitespace();
        let number = |word: Option<&str>| word.and_then(|it| it.parse().ok()).expect("a number");
        let (pid, parent) = (number(words.next()), number(words.next()));
        (pid, parent, words.next().expect("a state").to_owned())
    };
    listed.lines().map(process).collect()
}

/// The processes below it; Postgres must be among them.
pub fn below(child: &Child) -> Vec<u32> {
    let all = processes();
    let mut found = vec![child.id()];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|it| it.1 == parent).map(|it| it.0));
        next += 1;
    }
    assert!(
        found.len() > 5,
        "a shell, Postgres and its helpers: {found:?}"
    );
    found.split_off(1)
}

/// Whether one of them still runs.
pub fn is_left(pids: &[u32]) -> bool {
    let all = processes();
    all.iter()
        .any(|(pid, _, state)| pids.contains(pid) && !state.starts_with('Z'))
}
