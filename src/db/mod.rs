//! SQL and nothing else: plain functions on a connection, checked at compile time.

pub mod migrate;
pub mod pool;
