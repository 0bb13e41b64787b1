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
    /// A question waits for its answer already.
    #[error("question open")]
    QuestionOpen,
    /// No question waits for an answer.
    #[error("no question")]
    NoQuestion,
    /// What they judged is not what the request is now.
    #[error("changed")]
    Changed {
        /// The revision that they judged.
        seen: i32,
        /// The present one.
        now: i32,
    },
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
            Self::QuestionOpen => (
                "question_open",
                "A question waits already",
                "One question waits at a time. It has to be answered before another one can be asked.",
            ),
            Self::NoQuestion => (
                "no_question",
                "There is no question to answer",
                "Nobody has asked anything of this request, or it was answered already.",
            ),
            Self::Changed { seen, now } => return changed(seen, now),
        };
        About::new(code, 409, title, detail)
    }
}

fn changed(seen: i32, now: i32) -> About {
    let detail = format!(
        "Its duration is another one than you saw, or something was asked or answered. Nothing was decided. \
         Look at it as it is now (revision {now}, and yours was {seen}), and decide then."
    );
    About::new("changed", 412, "The request has changed", detail)
}
