//! What the tests share.

mod cluster;
pub mod wait;

pub use cluster::{TestDb, cluster};
