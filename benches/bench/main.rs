//! What Countersign costs, as ratios from one run: `script/bench` builds and starts this. It starts
//! its own Postgres (with fsync), the AWS stand-in and `countersign serve`, each in a process of
//! its own, puts the same work on them in turn with a driver that does the bare minimum, and prints
//! tables. After each load an oracle looks at rows and AWS: a fast run that breaks an invariant is
//! a failure.

#![expect(
    clippy::disallowed_methods,
    reason = "the driver's own SQL is not in the offline data of the query macros"
)]

mod aws;
mod bare;
mod blocks;
mod catalog;
mod company;
mod counts;
mod deadline;
mod decisions;
mod drain;
mod history;
mod lifecycles;
mod machine;
mod many;
mod methods;
mod oracle;
mod pages;
mod places;
mod process;
mod product;
mod provider;
mod seeded;
mod silence;
mod stage;
mod statements;
mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use stage::Stage;
use world::World;

/// Whatever goes wrong ends the run.
type Fault = Box<dyn std::error::Error + Send + Sync>;
type Outcome<T> = Result<T, Fault>;

/// Measures Countersign against the bare work, and prints tables.
#[derive(Debug, Clone, Parser)]
struct Plan {
    /// A minute for CI: everything once and small, for the oracle and the form; its times say
    /// nothing
    #[arg(long)]
    quick: bool,
    /// How many clients there are at a time
    #[arg(long, value_delimiter = ',', default_value = "1,8,32", value_parser = at_a_time)]
    clients: Vec<usize>,
    /// How many blocks each side has
    #[arg(long, default_value_t = 6)]
    blocks: usize,
    /// How long a block is, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How many grants end in the same second
    #[arg(long, default_value = "10000", value_parser = at_least_one)]
    grants: usize,
    /// On how many roles
    #[arg(long, default_value = "500", value_parser = at_least_one)]
    roles: usize,
    /// How long all these grants may take to open, in seconds
    #[arg(long, default_value_t = 240)]
    open_seconds: i64,
    /// How many requests the long history has
    #[arg(long, default_value_t = 100_000)]
    requests: i64,
    /// How many audit events
    #[arg(long, default_value_t = 10_000_000)]
    audit_events: i64,
    /// How often each page is asked for in a block
    #[arg(long, default_value_t = 200)]
    looks: usize,
    /// Only these parts: lifecycles, decisions, counts, burst, deadline, methods, many,
    /// silence, pages, company
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

impl Plan {
    fn sized(mut self) -> Self {
        if self.quick {
            self.clients = vec![1, 8];
            (self.blocks, self.seconds, self.looks) = (1, 2, 20);
            (self.grants, self.roles, self.open_seconds) = (50, 5, 6);
            (self.requests, self.audit_events) = (2_000, 10_000);
        }
        self
    }

    fn has(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|it| it == part)
    }

    fn block(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let plan = Plan::parse().sized();
    let started = Instant::now();
    let mut interrupted = std::pin::pin!(interrupted());
    // Whatever has been started by then is stopped when it is dropped.
    let world = tokio::select! {
        world = World::start(&plan) => world,
        () = &mut interrupted => Err("interrupted".into()),
    };
    let done = match world {
        Ok(mut world) => {
            let done = tokio::select! {
                done = measure(&plan, &mut world) => done,
                () = &mut interrupted => Err("interrupted".into()),
            };
            if done.is_err() {
                world.tell_logs();
            }
            world.stop().await.and(done)
        }
        Err(fault) => Err(fault),
    };
    match done {
        Ok(()) => {
            println!("\nAll held; {} s.", started.elapsed().as_secs());
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("script/bench: {fault}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(plan: &Plan, world: &mut World) -> Outcome<()> {
    machine::describe(plan, world).await?;
    let idle = machine::resident(world.serve.pid());
    if plan.has("counts") {
        counts::run(world).await?;
    }
    if plan.has("lifecycles") {
        lifecycles::run(plan, world).await?;
    }
    if plan.has("decisions") {
        decisions::run(plan, world).await?;
    }
    if plan.has("burst") {
        deadline::burst(world).await?;
    }
    let loaded = machine::resident(world.serve.pid());
    if plan.has("deadline") {
        deadline::run(plan, world).await?;
    }
    if ["methods", "many", "silence"].iter().any(|it| plan.has(it)) {
        accounts(plan, world).await?;
    }
    println!("\n## Resident memory of `serve`\n");
    println!("| idle | after the lifecycles | after the grants that end together |\n|---|---|---|");
    let ended = machine::resident(world.serve.pid());
    println!("| {idle} | {loaded} | {ended} |");
    if plan.has("lifecycles") && !plan.quick {
        lifecycles::at_its_own_pace(plan, world).await?;
    }
    if plan.has("pages") {
        pages::run(plan, world).await?;
    }
    if plan.has("company") {
        company::run(plan, world).await?;
    }
    Ok(())
}

/// What is measured in three accounts, with a `serve` of its own.
async fn accounts(plan: &Plan, world: &World) -> Outcome<()> {
    let stage = Stage::start(plan, world).await?;
    if plan.has("methods") {
        methods::run(plan, &stage).await?;
    }
    if plan.has("many") {
        many::run(plan, world, &stage).await?;
    }
    if plan.has("silence") {
        silence::run(plan, &stage).await?;
    }
    stage.stop().await;
    Ok(())
}

/// As many as there are people in the catalog.
fn at_a_time(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(clients @ 1..=32) => Ok(clients),
        _ => Err("from 1 to 32".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("at least 1".to_owned()),
    }
}

/// Ctrl-C or SIGTERM: what was started is stopped then as well.
async fn interrupted() {
    let (Ok(mut ctrl_c), Ok(mut term)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = ctrl_c.recv() => {}
        _ = term.recv() => {}
    }
}
