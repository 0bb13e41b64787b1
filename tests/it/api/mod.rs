//! The REST API over real HTTP.

mod answers;
mod authorization;
mod inputs;
mod setup;
