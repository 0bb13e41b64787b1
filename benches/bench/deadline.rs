//! Many grants at once: R4, a hundred on ten roles that open within a second, and R3, as many as
//! there may be that end in the same second. They are put into the database as approved; how they
//! came to be is measured elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;

use crate::aws::Calls;
use crate::blocks::{median, percentile, short};
use crate::catalog::{BURST_ROLES, OURS, PEOPLE};
use crate::drain::drain;
use crate::seeded::{Seeded, next_second, seed};
use crate::world::{Db, World};
use crate::{Outcome, Plan, oracle};

/// Get, put and get again for each of the four documents that a grant's opening and closing write.
const NAIVE: usize = 12;
/// By then the worker has looked for what becomes due, and waits for it.
const SEEN: TimeDelta = TimeDelta::seconds(6);

/// Soon after the end each guard is written once more, when no session of before is left to cut;
/// nothing else is due so soon.
const AFTER: i32 = 5;

/// R4.
pub async fn burst(world: &World) -> Outcome<()> {
    let db = &world.main;
    let starts_at = next_second(&db.admin).await? + SEEN;
    let seeded = Seeded {
        kind: "burst",
        grants: 100,
        roles: BURST_ROLES,
        starts_at,
        deadline: starts_at + TimeDelta::seconds(10),
        bare: false,
    };
    let calls = Calls::from_now(&world.sandbox.log);
    seed(db, &seeded).await?;
    all_are(db, "burst", "active", 100, seeded.deadline).await?;
    let opening = calls.of(OURS)?;
    oracle::holds(world, &["burst"]).await?;
    comes(&db.admin, seeded.deadline).await?;
    let calls = Calls::from_now(&world.sandbox.log);
    all_are(
        db,
        "burst",
        "ended",
        100,
        seeded.deadline + TimeDelta::minutes(2),
    )
    .await?;
    db.idle(AFTER).await?;
    let closing = calls.of(OURS)?;
    oracle::holds(world, &["burst"]).await?;
    let total = |calls: &BTreeMap<String, usize>| calls.values().sum::<usize>();
    let (opened, closed) = (total(&opening), total(&closing));
    println!(
        "\n## R4: AWS calls of 100 grants on 10 roles that start within one second, and end within another\n"
    );
    println!("| | calls | by action |\n|---|---|---|");
    println!("| opening | {opened} | {} |", by_action(&opening));
    println!("| closing | {closed} | {} |", by_action(&closing));
    println!(
        "| together, for one grant | {} | naive: {NAIVE} |",
        short((opened + closed) as f64 / 100.0)
    );
    println!(
        "\nR4: {:.3} of the naive calls.",
        (opened + closed) as f64 / (100 * NAIVE) as f64
    );
    Ok(())
}

/// R3.
pub async fn run(plan: &Plan, world: &World) -> Outcome<()> {
    let db = &world.main;
    let (grants, roles) = (plan.grants, plan.roles);
    if grants > roles * PEOPLE {
        return Err(format!("{roles} roles have room for {} grants", roles * PEOPLE).into());
    }
    let starts_at = next_second(&db.admin).await? + SEEN;
    let deadline = starts_at + TimeDelta::seconds(plan.open_seconds);
    let seeded = Seeded {
        kind: "deadline",
        grants,
        roles,
        starts_at,
        deadline,
        bare: false,
    };
    let calls = Calls::from_now(&world.sandbox.log);
    seed(db, &seeded).await?;
    all_are(db, "deadline", "active", grants, deadline).await?;
    let opening: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM max(opened_at) - min(starts_at))::float8 FROM grants g JOIN targets t ON t.id = g.target
         WHERE t.arn LIKE '%:role/deadline-%'",
    )
    .fetch_one(&db.admin)
    .await?;
    let opened = calls.of(OURS)?;
    oracle::holds(world, &["deadline"]).await?;
    comes(&db.admin, deadline).await?;
    let calls = Calls::from_now(&world.sandbox.log);
    let patience = deadline + TimeDelta::seconds(plan.open_seconds * 2 + 60);
    all_are(db, "deadline", "ended", grants, patience).await?;
    db.idle(AFTER).await?;
    let closed = calls.of(OURS)?;
    oracle::holds(world, &["deadline"]).await?;
    let lags: Vec<(f64,)> = sqlx::query_as(
        "SELECT extract(epoch FROM ended_at - deadline)::float8 FROM grants g JOIN targets t ON t.id = g.target WHERE t.arn LIKE '%:role/deadline-%'",
    )
    .fetch_all(&db.admin)
    .await?;
    let lags: Vec<f64> = lags.into_iter().map(|(lag,)| lag).collect();
    let (mut rows, mut calls) = (vec![], vec![]);
    for _ in 0..3 {
        rows.push(drain(plan, world, false).await?);
        calls.push(drain(plan, world, true).await?);
    }
    tell(plan, opening, (&opened, &closed), &lags, (&rows, &calls));
    Ok(())
}

fn tell(
    plan: &Plan,
    opening: f64,
    (opened, closed): (&BTreeMap<String, usize>, &BTreeMap<String, usize>),
    lags: &[f64],
    (rows, calls): (&[f64], &[f64]),
) {
    let last = percentile(lags, 1.0);
    println!(
        "\n## R3: {} grants on {} roles that end in the same second\n",
        plan.grants, plan.roles
    );
    println!("| | |\n|---|---|");
    println!("| all open after | {} s |", short(opening));
    println!(
        "| deadline to ended p50 / p99 / last | {} / {} / {} s |",
        short(median(lags)),
        short(percentile(lags, 0.99)),
        short(last)
    );
    let list = |all: &[f64]| {
        all.iter()
            .copied()
            .map(short)
            .collect::<Vec<_>>()
            .join(", ")
    };
    println!(
        "| bare drain, rows alone | {} s (each {}) |",
        short(median(rows)),
        list(rows)
    );
    println!(
        "| bare drain, rows and three calls for each role | {} s (each {}) |",
        short(median(calls)),
        list(calls)
    );
    println!(
        "| **R3**, rows alone | **{}** |",
        short(last / median(rows))
    );
    println!(
        "| **R3**, rows and calls | **{}** |",
        short(last / median(calls))
    );
    println!("| AWS calls to open | {} |", by_action(opened));
    println!("| AWS calls to close | {} |", by_action(closed));
}

fn by_action(calls: &BTreeMap<String, usize>) -> String {
    let all: Vec<String> = calls
        .iter()
        .map(|(action, count)| format!("{count} {action}"))
        .collect();
    all.join(", ")
}

/// Open roles are looked at each minute: that is not part of closing them.
async fn comes(admin: &PgPool, at: DateTime<Utc>) -> Outcome<()> {
    let left = "SELECT greatest(extract(epoch FROM $1 - clock_timestamp()), 0)::float8";
    let left: f64 = sqlx::query_scalar(left).bind(at).fetch_one(admin).await?;
    tokio::time::sleep(Duration::from_secs_f64(left)).await;
    Ok(())
}

async fn all_are(
    db: &Db,
    kind: &str,
    state: &str,
    grants: usize,
    until: DateTime<Utc>,
) -> Outcome<()> {
    loop {
        let (now, count): (DateTime<Utc>, i64) = sqlx::query_as(
            "SELECT clock_timestamp(), count(*) FROM grants g JOIN targets t ON t.id = g.target
             WHERE t.arn LIKE '%:role/' || $1 || '-%' AND g.state = $2",
        )
        .bind(kind)
        .bind(state)
        .fetch_one(&db.admin)
        .await?;
        if usize::try_from(count)? == grants {
            return Ok(());
        }
        if now >= until {
            return Err(
                format!("only {count} of {grants} grants of {kind} were {state} in time").into(),
            );
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}
