//! Grants of two methods in three accounts that end in the same second, against the bare drain; and
//! ends before their time, in calm and while all those wait.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::aws::GUARD_NAME;
use countersign::ids::GrantId;

use crate::blocks::{median, p50_p99, percentile, short};
use crate::catalog::{PEOPLE, requester};
use crate::drain::drain;
use crate::places::{ACCOUNTS, attaching, carrier};
use crate::product::Product;
use crate::seeded::next_second;
use crate::stage::{Seeded, Stage, now};
use crate::world::World;
use crate::{Outcome, Plan, oracle};

/// By then the worker has looked for what becomes due, and waits for it.
const SEEN: TimeDelta = TimeDelta::seconds(2);
/// Between two ends before their time.
const PAUSE: Duration = Duration::from_millis(50);

pub async fn run(plan: &Plan, world: &World, stage: &Stage) -> Outcome<()> {
    let product = Product::new(&stage.serve.url, stage.db.admin.clone());
    let early = open_early(stage).await?;
    let (calm, busy) = early.split_at(early.len() / 2);
    let in_calm = ends(stage, &product, calm, 0).await?;
    let starts_at = next_second(&stage.db.admin).await? + SEEN;
    let deadline = starts_at + TimeDelta::seconds(plan.open_seconds);
    stage.heard.take();
    let seeded = Seeded {
        label: "many",
        grants: grants(stage),
        starts_at,
        deadline,
    };
    let all = stage.seed(&seeded).await?;
    stage.all_are("many", "active", deadline).await?;
    let opened: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM max(g.opened_at) - min(g.starts_at))::float8 FROM grants g JOIN requests r ON r.id = g.request
         WHERE r.justification = 'seeded, many'",
    )
    .fetch_one(&stage.db.admin)
    .await?;
    let to_open = stage.heard.take();
    wait_until(deadline).await;
    let patience = deadline + TimeDelta::seconds(plan.open_seconds * 2 + 60);
    let (ended, in_burst) = tokio::join!(
        stage.all_are("many", "ended", patience),
        ends(stage, &product, busy, calm.len()),
    );
    ended?;
    let in_burst = in_burst?;
    // What is cut or deleted once no session can begin any more.
    stage.db.idle(5).await?;
    let to_close = stage.heard.take();
    nobody_is_left(stage, &all).await?;
    let lags = stage.lags("many").await?;
    let bare = Plan {
        grants: all.len(),
        ..plan.clone()
    };
    let mut rows = Vec::new();
    for _ in 0..3 {
        rows.push(drain(&bare, world, false).await?);
    }
    let (size, sum) = (
        stage.size,
        |calls: &std::collections::BTreeMap<String, usize>| {
            calls.values().sum::<usize>() as f64 / all.len() as f64
        },
    );
    println!(
        "\n## {} grants in {} accounts that end in the same second: {} of sts_credentials on {} roles, {} of attach on {} users\n",
        all.len(),
        ACCOUNTS.len(),
        size.roles * size.of_role,
        size.roles,
        size.users * size.of_user,
        size.users,
    );
    println!("| | |\n|---|---|");
    println!("| all open after | {} s |", short(opened));
    let lag = |part| short(percentile(&lags, part));
    println!(
        "| deadline to ended p50 / p99 / last | {} / {} / {} s |",
        short(median(&lags)),
        lag(0.99),
        lag(1.0)
    );
    println!("| bare drain, rows alone | {} s |", short(median(&rows)));
    println!(
        "| **last ended ÷ bare drain** | **{}** |",
        short(percentile(&lags, 1.0) / median(&rows))
    );
    println!(
        "| AWS calls to open, for one grant (naive: 3) | {} |",
        short(sum(&to_open))
    );
    println!(
        "| AWS calls to close, for one grant (naive: 3) | {} |",
        short(sum(&to_close))
    );
    println!("\n## An early end: from the click to the first write at AWS\n");
    println!("| | ends | p50 / p99, ms | longest |\n|---|---|---|---|");
    for (when, took) in [("in calm", &in_calm), ("in that burst", &in_burst)] {
        println!(
            "| {when} | {} | {} | {} |",
            took.len(),
            p50_p99(took),
            short(percentile(took, 1.0))
        );
    }
    Ok(())
}

/// Credentials on roles and policies on users.
fn grants(stage: &Stage) -> Vec<(String, String)> {
    let size = stage.size;
    let of_roles = (0..size.roles * size.of_role).map(|nth| {
        (
            format!("many-{:03}", nth % size.roles),
            requester(nth / size.roles),
        )
    });
    let of_users = (0..size.users * size.of_user).map(|nth| {
        let user = nth % size.users;
        (attaching(ACCOUNTS[user % 3]), carrier(user))
    });
    of_roles.chain(of_users).collect()
}

/// One grant on each of the roles whose grants are ended early, open for an hour.
async fn open_early(stage: &Stage) -> Outcome<Vec<GrantId>> {
    let starts_at = next_second(&stage.db.admin).await?;
    let grants = (0..stage.size.early)
        .map(|nth| (format!("early-{nth:03}"), requester(nth % PEOPLE)))
        .collect();
    let early = Seeded {
        label: "early",
        grants,
        starts_at,
        deadline: starts_at + TimeDelta::hours(1),
    };
    let ids = stage.seed(&early).await?;
    stage
        .all_are("early", "active", starts_at + TimeDelta::minutes(2))
        .await?;
    Ok(ids)
}

/// Ends them one after the other, and tells how long each took from the click to the first write.
async fn ends(
    stage: &Stage,
    product: &Product,
    grants: &[GrantId],
    first: usize,
) -> Outcome<Vec<f64>> {
    let mut clicks = Vec::new();
    for (nth, grant) in grants.iter().enumerate() {
        let nth = first + nth;
        clicks.push((format!("early-{nth:03}"), now()));
        product.end(nth % PEOPLE, &grant.to_string()).await?;
        tokio::time::sleep(PAUSE).await;
    }
    let patience = now() + TimeDelta::minutes(2);
    let mut took = Vec::new();
    for (role, clicked) in clicks {
        let written = loop {
            if let Some(at) = stage.heard.first_write(&role, clicked) {
                break at;
            }
            if now() > patience {
                return Err(format!("{role} was not written to after two minutes").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        took.push((written - clicked).num_microseconds().unwrap_or(i64::MAX) as f64 / 1000.0);
    }
    Ok(took)
}

/// Neither guard nor policy lets in anybody whose grant is over, and rows say what they may.
async fn nobody_is_left(stage: &Stage, all: &[GrantId]) -> Outcome<()> {
    let mut wrong = oracle::rows(&stage.db).await?;
    let targets: Vec<(String,)> =
        sqlx::query_as("SELECT arn FROM targets WHERE arn LIKE '%:role/many-%'")
            .fetch_all(&stage.db.admin)
            .await?;
    let knobs = stage.knobs();
    for (role,) in targets {
        let guard = knobs.role_policy(&role, GUARD_NAME).unwrap_or_default();
        let lists = all.iter().any(|grant| guard.contains(&grant.to_string()));
        if guard.is_empty() || lists {
            wrong.push(format!("the guard of {role} says {guard}"));
        }
    }
    let carried: Vec<(String, String)> = sqlx::query_as(
        "SELECT t.arn, 'Countersign-' || i.id || '-' || n.name FROM names n JOIN targets t ON t.id = n.target, installation i
         WHERE t.kind = 'user'",
    )
    .fetch_all(&stage.db.admin)
    .await?;
    for (user, policy) in carried {
        let text = knobs.user_policy(&user, &policy).unwrap_or_default();
        if text.contains("Allow") {
            wrong.push(format!("{user} carries {policy}"));
        }
    }
    let told = wrong.len().min(10);
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("the oracle says no: {}", wrong[..told].join("\n")).into()),
    }
}

async fn wait_until(at: DateTime<Utc>) {
    tokio::time::sleep((at - now()).to_std().unwrap_or_default()).await;
}
