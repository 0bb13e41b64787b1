//! Why a voice on a request is not taken.

use super::About;

/// A voice that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoteError {
    /// They have decided already.
    #[error("already decided")]
    AlreadyDecided,
    /// A later stage may need them.
    #[error("stage not open")]
    StageNotOpen,
    /// Nothing that is missing can come from them.
    #[error("not needed")]
    NotNeeded,
    /// There is no approval that could be taken back.
    #[error("nothing to withdraw")]
    NothingToWithdraw,
}

impl VoteError {
    /// What is told of it.
    #[must_use]
    pub fn about(self) -> About {
        let (code, title, detail) = match self {
            Self::AlreadyDecided => (
                "already_decided",
                "You have decided already",
                "Your voice on this request counts once.",
            ),
            Self::StageNotOpen => (
                "stage_not_open",
                "It is not your turn yet",
                "Others decide first. The request waits for your group once they have approved.",
            ),
            Self::NotNeeded => (
                "not_needed",
                "Your voice is not needed",
                "Your groups have given all the approvals that this request asks of them. It waits for others.",
            ),
            Self::NothingToWithdraw => (
                "nothing_to_withdraw",
                "You have no approval to take back",
                "You have not approved this request, or have taken that back already.",
            ),
        };
        About::new(code, 409, title, detail)
    }
}
