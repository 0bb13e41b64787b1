//! Pure: what AWS documents should say, and the next step that brings AWS there. No I/O; time is a
//! parameter. docs/guard.md explains every branch.

pub mod assumable;
pub mod attach;
pub mod authority;
pub mod capacity;
mod carrier;
mod condition;
mod desired;
mod divergence;
mod diverging;
pub mod document;
mod due;
pub mod feasible;
mod gone;
pub mod guard;
pub mod guard_room;
pub mod inline;
mod lost;
mod management;
pub mod meaning;
mod model;
pub(crate) mod mutations;
mod names;
mod nothing;
pub mod others;
pub mod outlive;
pub mod pattern;
mod plain;
mod plan;
mod reverted;
pub mod rights;
pub mod session;
pub mod shown;
mod situation;
mod statements;
pub mod switchable;
pub mod trust;
mod unknown;
mod ways;

pub use divergence::Divergence;
pub use diverging::divergences;
pub use meaning::fingerprint;
pub use model::{
    Alarm, GuardRead, Identity, Input, Margins, Observed, ObservedRole, ObservedUser, Plan, Step,
    Write,
};
#[cfg(feature = "mutations")]
pub use mutations::{Clause, without};
pub use plain::{BrokeDown, or_plain};
pub use plan::plan;
#[cfg(feature = "mutations")]
pub use plan::plan_without;
pub use situation::LONGEST_SESSION;
