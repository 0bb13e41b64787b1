//! What does not go with where a request or grant stands.

use super::About;
use crate::domain::change::WrongState;

/// A verb that comes too late, or for people who have changed since.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The verb does not go with the state.
    #[error(transparent)]
    Wrong(#[from] WrongState),
    /// They have decided already.
    #[error("already decided")]
    AlreadyDecided,
    /// Who asked may not ask for it any more.
    #[error("not eligible")]
    NotEligible,
}

impl StateError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Wrong(WrongState {
                verb,
                subject,
                state,
            }) => About::new(
                "wrong_state",
                409,
                "It is too late for this",
                format!("You cannot {verb} it: this {subject} is {state}."),
            ),
            Self::AlreadyDecided => About::new(
                "stale",
                409,
                "You have decided already",
                "Your voice on this request counts once.",
            ),
            Self::NotEligible => About::new(
                "not_eligible",
                409,
                "The requester may not ask for this any more",
                "They have left the group that may ask.",
            ),
        }
    }
}
