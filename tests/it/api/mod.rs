//! The REST API over real HTTP.

mod answers;
mod audit;
mod authorization;
mod codes;
mod eligibility;
mod inputs;
pub mod setup;
