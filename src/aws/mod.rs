//! The AWS SDK and nothing else: what roles and users look like, and the few calls that we make.

pub mod apply;
pub mod assume;
mod caller_identity;
mod carrier;
pub mod client;
pub mod clouds;
mod credentials;
mod date;
pub mod error;
mod federation;
mod form;
pub mod inventory;
mod manager;
pub mod observe;
mod pace;
mod permissions;
mod principal;
mod probe;
mod read;
mod recent;
mod refusal;
mod refused;
mod role;
pub mod survey;
mod way;

pub use assume::{Session, Wish};
pub use caller_identity::{
    NotSigned, NotTold, RoleOfSession, Sts, role_of_session, sign_challenge,
};
pub use carrier::{Already, assumes_already, check_carrier};
pub use client::Aws;
pub use clouds::Clouds;
pub use error::AwsError;
pub use observe::{Check, check, is_guarded};
pub use pace::Purpose;
pub use permissions::{permissions, unread};
pub use principal::{check_principal, may_assume};
pub use refusal::Refusal;

/// The inline policy that ends sessions (docs/guard.md §1).
pub const GUARD_NAME: &str = "CountersignGuard";
