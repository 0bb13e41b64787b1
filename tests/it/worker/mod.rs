//! The loop, on the wire with the real SDK.

mod cloud;
mod crash;
mod elevated;
mod lag;
mod path;
mod queue;
mod refusals;
mod reverted;
mod rows;
mod sequences;
mod skew;
pub mod stage;
mod trouble;

use chrono::TimeDelta;

const fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}
