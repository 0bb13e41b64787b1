//! Why AWS hands out no credentials.

use super::About;

/// What became of a call to STS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StsError {
    /// STS refuses us.
    #[error("STS refuses")]
    Refused,
    /// The console's sign-in refuses the session that STS gave.
    #[error("the console's sign-in refuses")]
    SignInRefused,
    /// STS did not answer, or asks us to slow down.
    #[error("STS is silent")]
    Silent,
}

impl StsError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Refused => About::new(
                "aws_refused",
                502,
                "AWS gives no credentials",
                "AWS does not let Countersign assume the role. Have the role's owner look at its \
                 trust policy; the grant itself is open.",
            ),
            Self::SignInRefused => About::new(
                "aws_refused",
                502,
                "AWS gives no credentials",
                "AWS takes the role's session, but makes no link to the console for it. Nothing \
                 was handed out; credentials for programs can be fetched as before.",
            ),
            Self::Silent => About::new(
                "aws_silent",
                503,
                "AWS does not answer",
                "AWS gave no clear answer in time. Nothing was handed out: try again in a moment.",
            ),
        }
    }
}
