//! The REST API over real HTTP.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

mod answers;
mod attach;
mod audit;
pub mod authorization;
mod busy;
mod codes;
mod demands;
mod described;
mod did;
mod eligibility;
mod inputs;
mod limits;
mod machines;
mod outlives;
mod people;
pub mod schema;
mod scopes;
mod stages;
mod stale;
mod statements;
mod workloads;
