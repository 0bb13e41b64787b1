//! The machine that all of it ran on, and what processes take of it. Linux tells both in /proc;
//! elsewhere there is nothing to tell.

use std::ops::{Add, Sub};
use std::path::Path;
use std::process::Command;

use crate::world::World;
use crate::{Outcome, Plan};

/// Processor time, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    pub serve: f64,
    pub postgres: f64,
    pub sandbox: f64,
    pub driver: f64,
}

impl Cpu {
    /// All of it so far. A connection of Postgres that has ended is not in it any more; there are
    /// pools on both sides, so that few end.
    pub fn now(world: &World) -> Self {
        Self {
            serve: spent(world.serve.pid()),
            postgres: world.postmaster().map_or(0.0, family),
            sandbox: spent(world.sandbox.pid()),
            driver: spent(std::process::id()),
        }
    }

    /// As a row of a table: each process's part of one piece of work.
    pub fn each(self, done: usize) -> String {
        let each = |it: f64| format!("{:.1}", it / done.max(1) as f64);
        let all = self.serve + self.postgres + self.sandbox + self.driver;
        let parts = [self.serve, self.postgres, self.sandbox, self.driver, all];
        parts.map(each).join(" | ")
    }
}

impl Add for Cpu {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            serve: self.serve + other.serve,
            postgres: self.postgres + other.postgres,
            sandbox: self.sandbox + other.sandbox,
            driver: self.driver + other.driver,
        }
    }
}

impl Sub for Cpu {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            serve: (self.serve - other.serve).max(0.0),
            postgres: (self.postgres - other.postgres).max(0.0),
            sandbox: (self.sandbox - other.sandbox).max(0.0),
            driver: (self.driver - other.driver).max(0.0),
        }
    }
}

/// The fields of /proc/<pid>/stat from the state on; the name before it may hold anything.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(ToOwned::to_owned).collect())
}

/// In ticks of 10 ms, as every Linux has them.
fn spent(pid: u32) -> f64 {
    let ticks = |stat: &[String]| {
        let field = |nth: usize| stat.get(nth)?.parse::<f64>().ok();
        Some(field(11)? + field(12)?)
    };
    stat(pid).and_then(|it| ticks(&it)).unwrap_or(0.0) * 10.0
}

/// A process with its children.
fn family(parent: u32) -> f64 {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|it| it.file_name().to_str()?.parse::<u32>().ok());
    let children = pids.filter(|pid| {
        stat(*pid).is_some_and(|it| it.get(1).is_some_and(|it| *it == parent.to_string()))
    });
    spent(parent) + children.map(spent).sum::<f64>()
}

/// Resident memory as people read it.
pub fn resident(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|it| it.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or_else(
        || "unknown".to_owned(),
        |it| format!("{:.1} MB", it / 1024.0),
    )
}

/// Prints what the figures depend on.
pub async fn describe(plan: &Plan, world: &World) -> Outcome<()> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().find_map(|it| it.strip_prefix("MemTotal:"));
    let memory = memory.and_then(|it| it.split_whitespace().next()?.parse::<f64>().ok());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split_whitespace().take(3).collect();
    let postgres: String = sqlx::query_scalar("SHOW server_version")
        .fetch_one(&world.main.admin)
        .await?;
    let fsync: String = sqlx::query_scalar("SHOW fsync")
        .fetch_one(&world.main.admin)
        .await?;
    if fsync != "on" {
        return Err("Postgres runs without fsync: nothing would cost what it costs".into());
    }
    println!("## The machine\n");
    println!(
        "- {cores} cores, {:.0} GiB of memory, load at the start {}",
        memory.unwrap_or(0.0) / 1024.0 / 1024.0,
        load.join(" ")
    );
    println!("- Postgres {postgres}, fsync {fsync}");
    if !plan.quick {
        println!("- {}", disk(world.folder()));
    }
    println!("- commit {}", commit());
    Ok(())
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let hash = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    match changed {
        Some(changed) if !changed.is_empty() => format!("{hash}, with changes"),
        _ => hash,
    }
}

/// What an fsync of the disk costs, by Postgres's own program.
fn disk(folder: &Path) -> String {
    let bin = std::env::var("COUNTERSIGN_PG_BIN").unwrap_or_default();
    let output = Command::new(Path::new(&bin).join("pg_test_fsync"))
        .args(["-s", "1", "-f"])
        .arg(folder.join("fsync"))
        .output();
    let said = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let said = said.unwrap_or_default();
    let line = said.lines().find(|it| it.trim().starts_with("fdatasync"));
    line.map_or_else(
        || "the disk was not measured: there is no pg_test_fsync".to_owned(),
        |it| {
            format!(
                "one write of 8 kB with {}",
                it.split_whitespace().collect::<Vec<_>>().join(" ")
            )
        },
    )
}
