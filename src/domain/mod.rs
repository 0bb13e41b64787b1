//! Pure: the states of requests and grants, and every transition with its audit event.

pub mod account;
pub mod arn;
pub mod audit;
pub mod cause;
pub mod change;
pub mod demands;
pub mod duration;
pub mod entitlement;
pub mod fetch;
pub mod grant;
pub mod identity;
pub mod machine;
pub mod outlive;
pub mod part;
pub mod person;
pub mod probe;
pub mod request;
pub mod revocation;
pub mod rules;
pub mod scope;
pub mod sign_in;
pub mod signed_call;
pub mod stages;
pub mod tally;
pub mod target;
pub mod text;

pub use change::Change;
