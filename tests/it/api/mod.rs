//! The REST API over real HTTP.

mod answers;
mod attach;
mod audit;
mod authorization;
mod busy;
mod codes;
mod demands;
mod described;
mod did;
mod eligibility;
mod inputs;
mod limits;
mod outlives;
pub mod schema;
mod statements;
