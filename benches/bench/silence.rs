//! Lifecycles in one account, while grants of another one end: where that account answers, and where
//! it does not.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::blocks::{block, percentile, short, spread};
use crate::catalog::{PEOPLE, requester, role};
use crate::places::MUTE;
use crate::product::Product;
use crate::seeded::next_second;
use crate::stage::{Seeded, Stage, now};
use crate::{Outcome, Plan};

/// How long what ends there may take to open before.
const OPENS: TimeDelta = TimeDelta::seconds(4);
/// How many clients there are at a time.
const CLIENTS: usize = 2;

/// p99 of what one block saw, in milliseconds.
#[derive(Clone, Copy)]
struct Tails {
    opening: f64,
    closing: f64,
    done: usize,
}

pub async fn run(plan: &Plan, stage: &Stage) -> Outcome<()> {
    let product = Product::new(&stage.serve.url, stage.db.admin.clone());
    let mut pairs = Vec::new();
    for nth in 0..plan.blocks {
        let mut both = [None; 2];
        for turn in 0..2 {
            // A B, B A, A B …: what drifts meets both sides alike.
            let is_silent = (nth + turn) % 2 == 1;
            let label = format!("mute {nth} {turn}");
            let done = measure(plan, stage, &product, &label, is_silent).await?;
            both[usize::from(is_silent)] = Some(done);
        }
        if let [Some(calm), Some(silent)] = both {
            pairs.push((calm, silent));
        }
    }
    tell(plan, stage, &pairs);
    Ok(())
}

type Tail = fn(&Tails) -> f64;

/// Two clients in one account, from the moment on at which the grants of the other one end.
async fn measure(
    plan: &Plan,
    stage: &Stage,
    product: &Product,
    label: &str,
    is_silent: bool,
) -> Outcome<Tails> {
    stage.db.settle().await?;
    let starts_at = next_second(&stage.db.admin).await?;
    let deadline = starts_at + OPENS;
    let grants = (0..stage.size.mute).map(|nth| (role("mute", nth), requester(nth % PEOPLE)));
    let mute = Seeded {
        label,
        grants: grants.collect(),
        starts_at,
        deadline,
    };
    stage.seed(&mute).await?;
    stage.all_are(label, "active", deadline).await?;
    let early = deadline - now() - TimeDelta::milliseconds(200);
    tokio::time::sleep(early.to_std().unwrap_or_default()).await;
    stage.knobs().silent(MUTE, is_silent);
    let since = now();
    let work = product.clone();
    let done = block(CLIENTS, plan.block(), move |client| {
        lifecycle(work.clone(), client)
    });
    let done = done.await;
    stage.knobs().silent(MUTE, false);
    let done = done?.done;
    // Nobody is left behind.
    let patience = now() + TimeDelta::minutes(3);
    stage.all_are(label, "ended", patience).await?;
    let (opening, closing) = tails(stage, since).await?;
    Ok(Tails {
        opening,
        closing,
        done,
    })
}

async fn lifecycle(product: Product, client: usize) -> Outcome<Duration> {
    // A role of their own each: they wait for nobody's rows.
    let request = product.ask_for(client, &role("calm", client), None).await?;
    let (grant, took) = product.approve(client, &request).await?;
    product.reaches(client, &grant, "active").await?;
    product.end(client, &grant).await?;
    product.reaches(client, &grant, "ended").await?;
    Ok(took)
}

async fn tails(stage: &Stage, since: DateTime<Utc>) -> Outcome<(f64, f64)> {
    let sql = "SELECT extract(epoch FROM opened_at - approved_at)::float8 * 1000, extract(epoch FROM ended_at - closing_at)::float8 * 1000
         FROM grants g JOIN targets t ON t.id = g.target
         WHERE approved_at >= $1 AND opened_at IS NOT NULL AND ended_at IS NOT NULL AND t.arn LIKE '%:role/calm-%'";
    let rows: Vec<(f64, f64)> = sqlx::query_as(sql)
        .bind(since)
        .fetch_all(&stage.db.admin)
        .await?;
    if rows.is_empty() {
        return Err("no grant of the account that answers was opened and closed".into());
    }
    let (opening, closing): (Vec<f64>, Vec<f64>) = rows.into_iter().unzip();
    Ok((percentile(&opening, 0.99), percentile(&closing, 0.99)))
}

fn tell(plan: &Plan, stage: &Stage, pairs: &[(Tails, Tails)]) {
    println!(
        "\n## A silent account: {} grants of it end, while {CLIENTS} clients work in another one for {} s\n",
        stage.size.mute, plan.seconds
    );
    println!(
        "| | it answers: p99, ms, of each block | it is silent | ratio, median (least to most) |\n|---|---|---|---|"
    );
    let of: [(&str, Tail); 2] = [
        ("approve to active", |it| it.opening),
        ("end to ended", |it| it.closing),
    ];
    for (what, tail) in of {
        let list = |all: Vec<f64>| all.into_iter().map(short).collect::<Vec<_>>().join(", ");
        let ratios: Vec<f64> = pairs.iter().map(|(a, b)| tail(b) / tail(a)).collect();
        println!(
            "| {what} | {} | {} | {} |",
            list(pairs.iter().map(|it| tail(&it.0)).collect()),
            list(pairs.iter().map(|it| tail(&it.1)).collect()),
            spread(&ratios)
        );
    }
    let done = |all: Vec<usize>| all.iter().sum::<usize>();
    println!(
        "\nLifecycles: {} and {}. Every grant of the account that was silent has ended.",
        done(pairs.iter().map(|it| it.0.done).collect()),
        done(pairs.iter().map(|it| it.1.done).collect()),
    );
}
