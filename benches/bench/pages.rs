//! Pages and lists with a long past behind them, against the same with a short one; how soon
//! `serve` is ready in both.

use std::time::{Duration, Instant};

use crate::blocks::{median, milliseconds, p50_p99, percentile, short};
use crate::catalog::{session, token};
use crate::process::Process;
use crate::product::local_http;
use crate::world::{Db, FAST, World};
use crate::{Outcome, Plan, history, machine};

/// A page or list, and who looks at it.
const PAGES: [(&str, &str); 9] = [
    ("/api/v1/requests", "requester-00"),
    ("/api/v1/requests", "approver-00"),
    ("/api/v1/requests", "auditor"),
    ("/api/v1/requests?mine=true&state=approved", "requester-00"),
    ("/api/v1/grants", "requester-00"),
    ("/api/v1/audit-events", "auditor"),
    ("/", "requester-00"),
    ("/waiting", "approver-00"),
    ("/audit", "auditor"),
];
const STARTS: usize = 5;
/// Short enough for a minute's run, long enough for a p99.
const BLOCKS: usize = 3;

/// One `serve` with what its pages took.
struct Side {
    serve: Process,
    db: Db,
    took: Vec<Vec<f64>>,
    starts: Vec<f64>,
}

impl Side {
    fn new(world: &World, db: Db) -> Outcome<Self> {
        Ok(Self {
            serve: world.serve_on(&db, FAST)?,
            db,
            took: vec![Vec::new(); PAGES.len()],
            starts: Vec::new(),
        })
    }
}

pub async fn run(plan: &Plan, world: &World) -> Outcome<()> {
    let started = Instant::now();
    let long = world.another("history", plan).await?;
    history::write(&long, plan.requests, plan.audit_events).await?;
    let short_past = world.another("beginning", plan).await?;
    history::write(&short_past, 1_000, 5_000).await?;
    let written = started.elapsed();
    let mut sides = [Side::new(world, short_past)?, Side::new(world, long)?];
    for nth in 0..BLOCKS {
        for turn in 0..2 {
            let side = &mut sides[(nth + turn) % 2];
            for (page, (path, who)) in PAGES.iter().enumerate() {
                let took = look(&side.serve.url, path, who, plan.looks).await?;
                side.took[page].extend(took);
            }
        }
    }
    for nth in 0..STARTS * 2 {
        let side = &mut sides[nth % 2];
        let ready = start(world, &side.db).await?;
        side.starts.push(milliseconds(ready));
    }
    tell(plan, &sides, written);
    Ok(())
}

/// So many looks one after the other, in milliseconds. The first few are not counted.
pub async fn look(url: &str, path: &str, who: &str, times: usize) -> Outcome<Vec<f64>> {
    let http = local_http();
    let mut took = Vec::with_capacity(times);
    for nth in 0..times + 3 {
        let call = http.get(format!("{url}{path}"));
        let call = if path.starts_with("/api/") {
            call.bearer_auth(token(who))
        } else {
            call.header("cookie", format!("countersign={}", session(who)))
        };
        let started = Instant::now();
        let answer = call.send().await?;
        let (status, landed) = (answer.status(), answer.url().path().to_owned());
        let size = answer.bytes().await?.len();
        if status != 200 || landed == "/sign-in" || size < 100 {
            return Err(format!("{path} for {who}: {status}, {size} bytes, at {landed}").into());
        }
        if nth >= 3 {
            took.push(milliseconds(started.elapsed()));
        }
    }
    Ok(took)
}

/// From the start of the process to the first answer that needs the database.
async fn start(world: &World, db: &Db) -> Outcome<Duration> {
    let serve = world.serve_on(db, FAST)?;
    let me = local_http().get(format!("{}/api/v1/people/me", serve.url));
    let answer = me.bearer_auth(token("auditor")).send().await?;
    answer.error_for_status()?;
    Ok(serve.started.elapsed())
}

fn tell(plan: &Plan, sides: &[Side; 2], written: Duration) {
    let [new, old] = sides;
    println!(
        "\n## Pages and lists with {} requests and {} audit events, against 1,000 and 5,000\n",
        plan.requests, plan.audit_events
    );
    println!(
        "One client, {} looks each; the past was written in {} s.\n",
        plan.looks * BLOCKS,
        written.as_secs()
    );
    println!(
        "| page | who | short past p50 / p99, ms | long past p50 / p99, ms | R6: p99 long ÷ short |"
    );
    println!("|---|---|---|---|---|");
    for (nth, (path, who)) in PAGES.iter().enumerate() {
        let ratio = percentile(&old.took[nth], 0.99) / percentile(&new.took[nth], 0.99);
        println!(
            "| `{path}` | {who} | {} | {} | {} |",
            p50_p99(&new.took[nth]),
            p50_p99(&old.took[nth]),
            short(ratio)
        );
    }
    println!("\n## Start to the first answer, ms\n");
    println!(
        "| short past | long past | R8 | resident memory after the looks, short / long |\n|---|---|---|---|"
    );
    println!(
        "| {} | {} | {} | {} / {} |",
        p50_p99(&new.starts),
        p50_p99(&old.starts),
        short(median(&old.starts) / median(&new.starts)),
        machine::resident(new.serve.pid()),
        machine::resident(old.serve.pid()),
    );
}
