//! How long each method takes from the approval until AWS was read back as open, in turn and in one
//! run.

use std::collections::BTreeMap;
use std::time::Instant;

use countersign::ids::GrantId;

use crate::blocks::{median, milliseconds, p50_p99, short};
use crate::catalog::{ACCOUNT, PEOPLE};
use crate::places::{LIFECYCLES, attaching};
use crate::product::Product;
use crate::stage::Stage;
use crate::{Outcome, Plan, oracle};

const METHODS: [&str; 4] = ["trust_policy", "switch", "attach", "sts_credentials"];

#[derive(Default)]
struct Measured {
    opening: Vec<f64>,
    closing: Vec<f64>,
    /// From the click on approve until credentials are there (sts_credentials).
    fetched: Vec<f64>,
    calls: BTreeMap<String, usize>,
}

pub async fn run(plan: &Plan, stage: &Stage) -> Outcome<()> {
    let product = Product::new(&stage.serve.url, stage.db.admin.clone());
    let rounds = if plan.quick { 2 } else { PEOPLE };
    // Connections, plans and caches are there before anything counts.
    for method in METHODS {
        lifecycle(stage, &product, method, 0, &mut Measured::default()).await?;
    }
    let mut all = METHODS.map(|_| Measured::default());
    for round in 1..=rounds {
        for turn in 0..METHODS.len() {
            // Each is the first as often as the others.
            let at = (turn + round) % METHODS.len();
            lifecycle(stage, &product, METHODS[at], round, &mut all[at]).await?;
        }
    }
    let wrong = oracle::rows(&stage.db).await?;
    if !wrong.is_empty() {
        return Err(format!("the oracle says no: {wrong:?}").into());
    }
    tell(rounds, &all);
    Ok(())
}

async fn lifecycle(
    stage: &Stage,
    product: &Product,
    method: &str,
    round: usize,
    measured: &mut Measured,
) -> Outcome<()> {
    let entitlement = match method {
        "trust_policy" => format!("trust-{:03}", round % LIFECYCLES),
        "switch" => format!("switch-{:03}", round % LIFECYCLES),
        "sts_credentials" => format!("sts-{:03}", round % LIFECYCLES),
        _ => attaching(ACCOUNT),
    };
    // What an ended policy leaves on its user takes room until the deadline.
    let client = round % PEOPLE;
    stage.heard.take();
    let request = product.ask_for(client, &entitlement, None).await?;
    let clicked = Instant::now();
    let (grant, _) = product.approve(client, &request).await?;
    product.reaches(client, &grant, "active").await?;
    if method == "sts_credentials" {
        product.fetch(client, &grant).await?;
        measured.fetched.push(milliseconds(clicked.elapsed()));
    }
    product.end(client, &grant).await?;
    product.reaches(client, &grant, "ended").await?;
    stage.db.settle().await?;
    for (action, count) in stage.heard.take() {
        *measured.calls.entry(action).or_default() += count;
    }
    let sql = "SELECT extract(epoch FROM opened_at - approved_at)::float8 * 1000, extract(epoch FROM ended_at - closing_at)::float8 * 1000
         FROM grants WHERE id = $1";
    let (opening, closing): (f64, f64) = sqlx::query_as(sql)
        .bind(grant.parse::<GrantId>()?.uuid())
        .fetch_one(&stage.db.admin)
        .await?;
    measured.opening.push(opening);
    measured.closing.push(closing);
    Ok(())
}

fn tell(rounds: usize, all: &[Measured]) {
    println!("\n## Each method, one client, {rounds} lifecycles of each in turn\n");
    println!(
        "| method | approve to active p50 / p99, ms | ÷ trust_policy's p50 | end to ended p50 / p99, ms | AWS calls of a lifecycle |"
    );
    println!("|---|---|---|---|---|");
    let first = median(&all[0].opening);
    for (method, it) in METHODS.iter().zip(all) {
        let calls: usize = it.calls.values().sum();
        println!(
            "| {method} | {} | **{}** | {} | {} |",
            p50_p99(&it.opening),
            short(median(&it.opening) / first),
            p50_p99(&it.closing),
            short(calls as f64 / rounds as f64),
        );
    }
    println!(
        "\nsts_credentials, from the click on approve until the credentials are there: {} ms.",
        p50_p99(&all[3].fetched)
    );
}
