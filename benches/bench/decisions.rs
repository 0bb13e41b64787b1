//! R1b and R5: what people decide, without AWS: ask, approve and an end before the start, against
//! the same three transactions in SQL.

use std::time::Duration;

use crate::bare::Bare;
use crate::blocks::{Block, block, p50_p99, percentile, short, spread};
use crate::product::Product;
use crate::world::World;
use crate::{Outcome, Plan, oracle};

struct Measured {
    clients: usize,
    ours: Block,
    bare: Block,
    ratios: Vec<f64>,
    /// p99 of approve ÷ p99 of its transaction, of each pair.
    tails: Vec<f64>,
}

pub async fn run(plan: &Plan, world: &World) -> Outcome<()> {
    let product = Product::new(&world.serve.url, world.main.admin.clone());
    let bare = Bare::new(world).await?;
    let tomorrow: String = sqlx::query_scalar(
        "SELECT to_char((now() + interval '1 day') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    )
    .fetch_one(&world.main.admin)
    .await?;
    for client in 0..4 {
        product.decisions(client, &tomorrow).await?;
        bare.decisions(client).await?;
    }
    let mut all = Vec::new();
    for clients in plan.clients.iter().copied() {
        let mut it = Measured {
            clients,
            ours: Block::default(),
            bare: Block::default(),
            ratios: vec![],
            tails: vec![],
        };
        for nth in 0..plan.blocks {
            let mut sides = [(0.0, 0.0); 2];
            for turn in 0..2 {
                world.main.settle().await?;
                // Shorter than a lifecycle's: there are many more of them.
                let time = plan.block() / 2;
                let is_ours = (nth + turn) % 2 == 0;
                let done = if is_ours {
                    let (product, tomorrow) = (product.clone(), tomorrow.clone());
                    let work = move |client| ours(product.clone(), tomorrow.clone(), client);
                    block(clients, time, work).await?
                } else {
                    let bare = bare.clone();
                    block(clients, time, move |client| theirs(bare.clone(), client)).await?
                };
                sides[usize::from(!is_ours)] = (done.rate(), percentile(&done.took, 0.99));
                let side = if is_ours { &mut it.ours } else { &mut it.bare };
                side.add(done);
            }
            it.ratios.push(sides[0].0 / sides[1].0);
            it.tails.push(sides[0].1 / sides[1].1);
        }
        all.push(it);
        oracle::holds(world, &["role"]).await?;
    }
    tell(&all);
    Ok(())
}

async fn ours(product: Product, tomorrow: String, client: usize) -> Outcome<Duration> {
    product.decisions(client, &tomorrow).await
}

async fn theirs(bare: Bare, client: usize) -> Outcome<Duration> {
    bare.decisions(client).await
}

fn tell(all: &[Measured]) {
    println!(
        "\n## R1b: ask, approve and an end before the start ÷ the same three transactions; R5: p99 of approve ÷ p99 of its transaction\n"
    );
    println!(
        "| clients | Countersign, a second | bare, a second | R1b, median (least to most) | approve p50 / p99, ms | its transaction p50 / p99, ms | R5, median (least to most) |"
    );
    println!("|---|---|---|---|---|---|---|");
    for it in all {
        println!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            it.clients,
            short(it.ours.rate()),
            short(it.bare.rate()),
            spread(&it.ratios),
            p50_p99(&it.ours.took),
            p50_p99(&it.bare.took),
            spread(&it.tails),
        );
    }
}
