//! How much is asked of Postgres and of AWS: for each verb alone, and for lifecycles one after the
//! other.

use std::collections::BTreeSet;

use crate::aws::Calls;
use crate::blocks::short;
use crate::catalog::OURS;
use crate::product::Product;
use crate::statements::{Asked, Log, log_all};
use crate::world::World;
use crate::{Outcome, oracle};

/// How often each is done.
const TIMES: usize = 20;

pub async fn run(world: &World) -> Outcome<()> {
    let product = Product::new(&world.serve.url, world.main.admin.clone());
    log_all(world, true).await?;
    let mut workers = BTreeSet::new();
    // Both sorts of connections are made and known, tokens are fresh.
    let warm = Log::from_now(world);
    for client in 0..4 {
        product.lifecycle(client).await?;
    }
    world.main.settle().await?;
    warm.read(&mut workers).await?;
    println!("\n## Statements and transactions, counted by Postgres\n");
    println!(
        "Each done {TIMES} times, one after the other; the figures are those of one. A statement outside a transaction is one by itself.\n"
    );
    println!(
        "| what | statements | of these the clock | transactions with a COMMIT | statements on their own |"
    );
    println!("|---|---|---|---|---|");
    verbs(world, &product, &mut workers).await?;
    lifecycle(world, &product, &mut workers).await?;
    log_all(world, false).await?;
    oracle::holds(world, &["role"]).await
}

/// Ask, approve and end of grants that begin tomorrow: nothing becomes due meanwhile but by the
/// end.
async fn verbs(world: &World, product: &Product, workers: &mut BTreeSet<String>) -> Outcome<()> {
    let tomorrow: String = sqlx::query_scalar(
        "SELECT to_char((now() + interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    )
    .fetch_one(&world.main.admin)
    .await?;
    let log = Log::from_now(world);
    let mut requests = Vec::new();
    for _ in 0..TIMES {
        requests.push(product.ask(0, Some(&tomorrow)).await?);
    }
    let asks = log.read(workers).await?;
    row("ask", &asks.verbs, TIMES);
    let log = Log::from_now(world);
    let mut grants = Vec::new();
    for request in &requests {
        grants.push(product.approve(0, request).await?.0);
    }
    let approvals = log.read(workers).await?;
    row("approve", &approvals.verbs, TIMES);
    let log = Log::from_now(world);
    for grant in &grants {
        product.end(0, grant).await?;
    }
    world.main.settle().await?;
    let both = log.read(workers).await?;
    row("end", &both.verbs, TIMES);
    row("the worker, woken by an ask", &asks.worker, TIMES);
    row(
        "the worker, woken by an approval for tomorrow",
        &approvals.worker,
        TIMES,
    );
    row(
        "the worker after an end before the start",
        &both.worker,
        TIMES,
    );
    Ok(())
}

async fn lifecycle(
    world: &World,
    product: &Product,
    workers: &mut BTreeSet<String>,
) -> Outcome<()> {
    let calls = Calls::from_now(&world.sandbox.log);
    let log = Log::from_now(world);
    for _ in 0..TIMES {
        product.lifecycle(0).await?;
    }
    world.main.settle().await?;
    let both = log.read(workers).await?;
    let calls = calls.of(OURS)?;
    row(
        "a lifecycle: verbs, and two looks at the grant",
        &both.verbs,
        TIMES,
    );
    row("a lifecycle: the worker", &both.worker, TIMES);
    row("one pass of the worker in it", &both.worker, both.passes);
    println!(
        "\nA lifecycle takes {} passes of the worker (targets worked on).",
        each(both.passes, TIMES)
    );
    println!("\n## AWS calls of a lifecycle alone\n");
    println!("| action | calls |\n|---|---|");
    for (action, count) in &calls {
        println!("| {action} | {} |", each(*count, TIMES));
    }
    println!("| together | {} |", each(calls.values().sum(), TIMES));
    for (part, asked) in [
        ("verbs and looks ask", &both.verbs),
        ("the worker asks", &both.worker),
    ] {
        println!("\nWhat {part} for most often in a lifecycle:\n");
        println!("| statement | times |\n|---|---|");
        let mut most: Vec<_> = asked.by_text.iter().collect();
        most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (text, count) in most.into_iter().take(12) {
            println!(
                "| `{}` | {} |",
                text.replace('|', "\\|"),
                each(*count, TIMES)
            );
        }
    }
    Ok(())
}

fn row(what: &str, asked: &Asked, times: usize) {
    println!(
        "| {what} | {} | {} | {} | {} |",
        each(asked.statements, times),
        each(asked.clock, times),
        each(asked.commits, times),
        each(asked.alone, times),
    );
}

fn each(count: usize, times: usize) -> String {
    short(count as f64 / times.max(1) as f64)
}
