//! Work by so many clients for so long, one side after the other, and what follows from it.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Outcome;
use crate::machine::Cpu;

/// What one side did in one block, or in all of its blocks together.
#[derive(Debug, Default)]
pub struct Block {
    pub done: usize,
    pub seconds: f64,
    /// What each piece of work told of itself, in milliseconds: how long its one step took that
    /// matters.
    pub took: Vec<f64>,
    pub cpu: Cpu,
}

impl Block {
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    pub fn add(&mut self, other: Self) {
        self.done += other.done;
        self.seconds += other.seconds;
        self.took.extend(other.took);
        self.cpu = self.cpu + other.cpu;
    }
}

/// Each client begins anew until the time is over; what was begun is ended and counts, with the
/// time that it took.
pub async fn block<W, F>(clients: usize, time: Duration, work: W) -> Outcome<Block>
where
    W: Fn(usize) -> F + Clone + Send + 'static,
    F: Future<Output = Outcome<Duration>> + Send + 'static,
{
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let work = work.clone();
        tasks.spawn(async move {
            let mut took = Vec::new();
            while started.elapsed() < time {
                took.push(milliseconds(work(client).await?));
            }
            Ok::<_, crate::Fault>(took)
        });
    }
    let mut block = Block::default();
    while let Some(done) = tasks.join_next().await {
        block.took.extend(done??);
    }
    block.done = block.took.len();
    block.seconds = started.elapsed().as_secs_f64();
    Ok(block)
}

pub fn milliseconds(it: Duration) -> f64 {
    it.as_secs_f64() * 1000.0
}

/// The value below which that part of all lies.
pub fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = (part * last as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// p50 and p99 as a cell of a table.
pub fn p50_p99(values: &[f64]) -> String {
    let (half, most) = (percentile(values, 0.5), percentile(values, 0.99));
    format!("{} / {}", short(half), short(most))
}

/// The median of ratios, with the least and the greatest.
pub fn spread(ratios: &[f64]) -> String {
    let (least, most) = (percentile(ratios, 0.0), percentile(ratios, 1.0));
    format!("**{:.3}** ({least:.3} to {most:.3})", median(ratios))
}

/// Three digits are more than anything here is exact to.
pub fn short(value: f64) -> String {
    match value {
        it if it >= 100.0 => format!("{it:.0}"),
        it if it >= 10.0 => format!("{it:.1}"),
        it => format!("{it:.2}"),
    }
}
