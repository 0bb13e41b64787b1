//! R1: whole lifecycles over HTTP, against a driver that does the bare work on the same Postgres
//! and the same AWS stand-in.

use sqlx::PgPool;

use crate::bare::Bare;
use crate::blocks::{Block, block, p50_p99, short, spread};
use crate::machine::Cpu;
use crate::product::Product;
use crate::world::World;
use crate::{Outcome, Plan, oracle};

/// Both sides with so many clients.
struct Measured {
    clients: usize,
    ours: Block,
    bare: Block,
    ratios: Vec<f64>,
    /// Approval to active, end to ended: by the database's clock, in milliseconds.
    opening: Vec<f64>,
    closing: Vec<f64>,
}

pub async fn run(plan: &Plan, world: &World) -> Outcome<()> {
    let product = Product::new(&world.serve.url, world.main.admin.clone());
    let bare = Bare::new(world).await?;
    // Connections, plans and caches are there before anything counts.
    for client in 0..4 {
        product.lifecycle(client).await?;
        bare.lifecycle(client).await?;
    }
    let mut all = Vec::new();
    for clients in plan.clients.iter().copied() {
        all.push(measure(plan, world, &product, &bare, clients).await?);
        oracle::holds(world, &["role", "bare"]).await?;
    }
    tell(&all);
    Ok(())
}

async fn measure(
    plan: &Plan,
    world: &World,
    product: &Product,
    bare: &Bare,
    clients: usize,
) -> Outcome<Measured> {
    let mut it = Measured {
        clients,
        ours: Block::default(),
        bare: Block::default(),
        ratios: vec![],
        opening: vec![],
        closing: vec![],
    };
    for nth in 0..plan.blocks {
        // A B, B A, A B …: what drifts meets both sides alike.
        let mut rates = [0.0; 2];
        for turn in 0..2 {
            world.main.settle().await?;
            let before = Cpu::now(world);
            if (nth + turn) % 2 == 0 {
                let since = now(&world.main.admin).await?;
                let product = product.clone();
                let work = move |client| lifecycle(product.clone(), client);
                let mut done = block(clients, plan.block(), work).await?;
                done.cpu = Cpu::now(world) - before;
                rates[0] = done.rate();
                it.ours.add(done);
                let (opening, closing) = latencies(&world.main.admin, since).await?;
                it.opening.extend(opening);
                it.closing.extend(closing);
            } else {
                let bare = bare.clone();
                let work = move |client| bare_lifecycle(bare.clone(), client);
                let mut done = block(clients, plan.block(), work).await?;
                done.cpu = Cpu::now(world) - before;
                rates[1] = done.rate();
                it.bare.add(done);
            }
        }
        it.ratios.push(rates[0] / rates[1]);
    }
    Ok(it)
}

async fn lifecycle(product: Product, client: usize) -> Outcome<std::time::Duration> {
    product.lifecycle(client).await
}

async fn bare_lifecycle(bare: Bare, client: usize) -> Outcome<std::time::Duration> {
    bare.lifecycle(client).await
}

async fn now(admin: &PgPool) -> Outcome<chrono::DateTime<chrono::Utc>> {
    let now = sqlx::query_scalar("SELECT clock_timestamp()");
    Ok(now.fetch_one(admin).await?)
}

/// Of the grants that were approved since then.
async fn latencies(
    admin: &PgPool,
    since: chrono::DateTime<chrono::Utc>,
) -> Outcome<(Vec<f64>, Vec<f64>)> {
    let sql = "SELECT extract(epoch FROM opened_at - approved_at)::float8 * 1000, extract(epoch FROM ended_at - closing_at)::float8 * 1000
         FROM grants g JOIN targets t ON t.id = g.target
         WHERE approved_at >= $1 AND opened_at IS NOT NULL AND ended_at IS NOT NULL AND t.arn LIKE '%:role/role-%'";
    let rows: Vec<(f64, f64)> = sqlx::query_as(sql).bind(since).fetch_all(admin).await?;
    Ok(rows.into_iter().unzip())
}

fn tell(all: &[Measured]) {
    println!("\n## R1: lifecycles over HTTP ÷ the bare work\n");
    println!(
        "| clients | Countersign, a second | bare, a second | R1, median (least to most) | approve to active p50 / p99, ms | end to ended p50 / p99, ms |"
    );
    println!("|---|---|---|---|---|---|");
    for it in all {
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            it.clients,
            short(it.ours.rate()),
            short(it.bare.rate()),
            spread(&it.ratios),
            p50_p99(&it.opening),
            p50_p99(&it.closing),
        );
    }
    println!("\nProcessor time of one lifecycle, ms:\n");
    println!("| clients | side | serve | Postgres | sandbox | driver | together |");
    println!("|---|---|---|---|---|---|---|");
    for it in all {
        println!(
            "| {} | Countersign | {} |",
            it.clients,
            it.ours.cpu.each(it.ours.done)
        );
        println!(
            "| {} | bare | {} |",
            it.clients,
            it.bare.cpu.each(it.bare.done)
        );
    }
    for it in all {
        let ratios: Vec<String> = it.ratios.iter().map(|it| format!("{it:.3}")).collect();
        println!(
            "\nR1 of each pair with {} at a time: {}",
            it.clients,
            ratios.join(" ")
        );
    }
}

/// The same with the pace that the product keeps towards AWS unless it is told another.
pub async fn at_its_own_pace(plan: &Plan, world: &mut World) -> Outcome<()> {
    world.replace_serve(100)?;
    let product = Product::new(&world.serve.url, world.main.admin.clone());
    let work = move |client| lifecycle(product.clone(), client);
    let done = block(8, plan.block(), work).await?;
    println!(
        "\nWith `aws.calls_per_second` at its default of 100, 8 clients: {} lifecycles a second.",
        short(done.rate())
    );
    oracle::holds(world, &["role"]).await?;
    world.replace_serve(crate::world::FAST)
}
