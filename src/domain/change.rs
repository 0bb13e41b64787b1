//! A transition's result: the new value together with the audit event that tells of it.

use super::audit::Event;

/// What a transition returns. Storing it stores the value and its event in one transaction; there
/// is no way to store one alone.
#[must_use = "a transition that is not stored did not happen"]
#[derive(Debug)]
pub struct Change<T> {
    /// The value after the transition.
    pub value: T,
    /// Who did what, to be appended to the audit log with it.
    pub event: Event,
}

/// The verb does not go with the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {verb}: the {subject} is already {state}")]
pub struct WrongState {
    /// What was tried.
    pub verb: &'static str,
    /// request or grant.
    pub subject: &'static str,
    /// Where it stands.
    pub state: &'static str,
}
