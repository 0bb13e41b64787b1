//! Pure: what AWS documents should say, and the next step that brings AWS there. No I/O; time is a
//! parameter. docs/guard.md explains every branch.

pub mod capacity;
mod desired;
pub mod document;
mod due;
pub mod guard;
mod lost;
pub mod meaning;
mod model;
mod mutations;
mod names;
mod plain;
mod plan;
mod reverted;
pub mod trust;

pub use desired::LONGEST_SESSION;
pub use meaning::fingerprint;
pub use model::{Identity, Input, Margins, Observed, ObservedRole, Plan, Step};
#[cfg(feature = "mutations")]
pub use mutations::{Clause, plan_without};
pub use plain::{BrokeDown, or_plain};
pub use plan::plan;
