//! The loop, on the wire with the real SDK.

mod accounts;
mod asks;
mod befalls;
mod carried;
mod crash;
mod elevated;
mod fetch_faults;
mod fetches;
mod hands;
mod histories;
mod judge;
mod lag;
mod ledger;
mod lies;
mod life;
mod looks;
mod passing;
mod path;
mod pinned;
mod queue;
mod refusals;
mod reverted;
mod sequences;
mod skew;
mod trouble;
mod unreachable;

use chrono::TimeDelta;

const fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}
