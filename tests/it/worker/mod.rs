//! The loop, on the wire with the real SDK.

mod accounts;
mod across;
mod asks;
mod attach;
mod back;
mod batches;
pub mod befalls;
mod bypass;
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
mod hub;
mod inventory;
pub mod judge;
mod lag;
mod lapses;
mod late_guard;
mod later;
mod leavers;
mod ledger;
mod lies;
mod life;
mod looks;
mod managed_fetches;
mod managers;
mod outlives;
mod overlaps;
mod passing;
mod path;
mod pinned;
mod principals;
mod probes;
mod queue;
mod refusals;
mod replaced;
mod replicas;
mod reverted;
mod revocations;
mod rights;
mod sequences;
mod shares;
mod skew;
mod switch;
mod trouble;
mod uncut;
mod uncut_beside;
mod undone;
mod unreachable;
mod visitors;
mod vouched;
mod ways_back;

use chrono::TimeDelta;

const fn minutes(count: i64) -> TimeDelta {
    TimeDelta::minutes(count)
}
