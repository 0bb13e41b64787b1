//! The people's path without HTTP.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

mod accounts;
mod arns;
mod attach;
mod catalog;
mod closed;
mod decisions;
mod delegations;
mod demands;
mod errors;
mod events;
mod given;
mod guarantees;
mod health;
mod humans;
mod inputs;
mod joined;
mod leavers;
mod leaving;
mod limits;
mod locks;
mod lost_votes;
mod machines;
mod matrix;
mod meanwhile;
mod one_human;
mod overdue;
mod principals;
mod questions;
mod recounts;
mod resume;
mod revocations;
mod roles;
mod rows;
mod schema;
mod scopes;
pub mod staged;
mod stored;
mod text;
mod token_functions;
mod tokens;
mod unwritten;
mod visibility;
mod wake;
