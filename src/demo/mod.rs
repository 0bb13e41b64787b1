//! What only the demo and the tests may do; `serve` never reaches it.

pub mod database;
pub mod postgres;
pub mod run;
pub mod seed;
pub mod sign_in;
