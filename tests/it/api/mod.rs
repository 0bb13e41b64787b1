//! The REST API over real HTTP.

mod answers;
mod authorization;
mod eligibility;
mod inputs;
mod setup;
