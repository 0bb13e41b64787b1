//! The loop, on the wire with the real SDK.

mod accounts;
mod across;
mod asks;
mod attach;
pub mod befalls;
mod carried;
mod carriers;
mod closed;
mod console_links;
mod crash;
mod demands;
mod elevated;
mod extensions;
mod federation;
mod fetch_faults;
mod fetches;
mod guard_room;
mod hands;
mod histories;
pub mod judge;
mod lag;
mod ledger;
mod lies;
mod life;
mod looks;
mod managed_fetches;
mod managers;
mod outlives;
mod passing;
mod path;
mod pinned;
mod queue;
mod refusals;
mod reverted;
mod revocations;
mod rights;
mod sequences;
mod skew;
mod switch;
mod trouble;
mod unreachable;
mod visitors;

use chrono::TimeDelta;

const fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}
