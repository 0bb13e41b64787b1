//! The AWS SDK and nothing else: what a role looks like, and the three writes that we make.

pub mod apply;
pub mod assume;
pub mod client;
pub mod clouds;
mod credentials;
mod date;
pub mod error;
pub mod observe;
mod pace;
mod recent;
mod role;

pub use assume::{Session, Wish};
pub use client::Aws;
pub use clouds::Clouds;
pub use error::AwsError;
pub use observe::{Check, check};
pub use pace::Purpose;

/// The inline policy that ends sessions (docs/guard.md §1).
pub const GUARD_NAME: &str = "CountersignGuard";
