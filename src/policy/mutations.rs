//! The clauses of the function that carry weight. Tests take one away at a time and see an
//! invariant fail (docs/guard.md §3, *Invariants*). Without the feature `mutations`, which builds
//! of tests and benches turn on, every clause stands and nothing can take one away.

#[cfg(feature = "mutations")]
use std::cell::Cell;

use chrono::{DateTime, Utc};

use crate::domain::grant::{Grant, GrantState};

/// A clause that a test may take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// A console name belongs to one principal at a time.
    ExclusiveConsoleName,
    /// An ended console name is denied altogether until its latest deadline has passed.
    DeniedToTheEnd,
    /// A console name is not given out again before its older sessions can be cut.
    WaitForCut,
    /// Grant names that are not listed are denied.
    List,
    /// The guard is read back before the trust policy opens.
    GuardFirst,
    /// Ended names are remembered for the longest session that STS gives out.
    LongestSession,
    /// Nothing is opened after a guard write that may still land.
    GuardAnswered,
    /// A statement, or an inline policy, does not count as absent while a write that holds it may
    /// still land, or a read may lag.
    AbsenceWaits,
    /// An inline policy is put only while the guard is known to list its grant.
    ListedFirst,
    /// A policy that is over leaves a text behind until nobody can put the policy back.
    EndedStands,
    /// The policy of an entitlement is put once, and never put back.
    AttachedOnce,
    /// A closing is tried again without an end.
    ClosingsGoOn,
}

/// Always.
#[cfg(not(feature = "mutations"))]
pub(crate) const fn stands(_: Clause) -> bool {
    true
}

/// Whether no test has taken the clause away.
#[cfg(feature = "mutations")]
pub(crate) fn stands(clause: Clause) -> bool {
    WITHOUT.get() != Some(clause)
}

#[cfg(feature = "mutations")]
thread_local! {
    static WITHOUT: Cell<Option<Clause>> = const { Cell::new(None) };
}

/// What `run` gives on this thread with one clause taken away.
#[cfg(feature = "mutations")]
pub fn without<T>(clause: Option<Clause>, run: impl FnOnce() -> T) -> T {
    /// Every clause stands again, also after a panic.
    struct Restored;
    impl Drop for Restored {
        fn drop(&mut self) {
            WITHOUT.set(None);
        }
    }
    let _restored = Restored;
    WITHOUT.set(clause);
    run()
}

/// When a grant was over: where a name is cut while [`Clause::DeniedToTheEnd`] is taken away.
pub(super) fn ended_at(grant: &Grant) -> DateTime<Utc> {
    match &grant.state {
        GrantState::Closing(closing) => closing.since,
        GrantState::Ended { requested_at, .. } | GrantState::Failed { requested_at, .. } => {
            *requested_at
        }
        GrantState::Scheduled | GrantState::Opening { .. } | GrantState::Active { .. } => {
            grant.deadline
        }
    }
}
