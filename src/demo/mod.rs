//! What only the demo and the tests may do; `serve` never reaches it.

pub mod database;
mod machines;
mod people;
pub mod postgres;
pub mod run;
pub mod seed;
mod sessions;
pub mod sign_in;
