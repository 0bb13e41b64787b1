//! The AWS SDK and nothing else: what a role looks like, and the three writes that we make.

pub mod apply;
pub mod client;
mod credentials;
mod date;
pub mod error;
pub mod observe;
mod pace;
mod recent;

pub use client::Aws;
pub use error::AwsError;
pub use observe::{Check, check};
pub use pace::Purpose;

/// The inline policy that ends sessions (docs/guard.md §1).
pub const GUARD_NAME: &str = "CountersignGuard";

/// The name that IAM's API wants: the last segment of an ARN's path
/// (`arn:aws:iam::111122223333:role/team/admin` → `admin`). `None` when the ARN does not name a
/// resource of `kind` ("role", "user").
#[must_use]
pub fn name_of<'a>(arn: &'a str, kind: &str) -> Option<&'a str> {
    let resource = arn.splitn(6, ':').nth(5)?;
    let path = resource.strip_prefix(kind)?.strip_prefix('/')?;
    let name = path.rsplit('/').next()?;
    (!name.is_empty()).then_some(name)
}
