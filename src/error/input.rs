//! What was sent and does not fit.

use super::About;
use crate::domain::request::Verdict;

/// Why one field does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldCode {
    /// It is not what it should be.
    Invalid,
    /// Shorter or longer than the entitlement allows.
    DurationOutOfRange,
    /// The caller has several AWS identities in the account, and named none.
    PrincipalAmbiguous,
    /// Nobody, or nobody alone, is named by it.
    PersonUnknown,
}

impl FieldCode {
    /// The stable word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_field",
            Self::DurationOutOfRange => "duration_out_of_range",
            Self::PrincipalAmbiguous => "principal_ambiguous",
            Self::PersonUnknown => "person_unknown",
        }
    }
}

/// One field that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Its name in the API and in the form.
    pub field: &'static str,
    /// Why.
    pub code: FieldCode,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl FieldError {
    /// A field that is not what it should be.
    #[must_use]
    pub fn invalid(field: &'static str, detail: impl Into<String>) -> Self {
        Self {
            field,
            code: FieldCode::Invalid,
            detail: detail.into(),
        }
    }
}

/// Input that was read and does not fit.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Fields that do not fit.
    #[error("invalid fields")]
    Fields(Vec<FieldError>),
    /// A denial says why; so does an approval where the entitlement asks for it.
    #[error("comment required")]
    CommentRequired(Verdict),
}

impl InputError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Fields(fields) => About::new(
                FieldCode::Invalid.as_str(),
                422,
                "Something does not fit",
                sentences(fields),
            ),
            Self::CommentRequired(verdict) => About::new(
                "comment_required",
                422,
                "This needs a comment",
                match verdict {
                    Verdict::Approve => {
                        "Say in `comment` why you approve it: the entitlement asks for that."
                    }
                    Verdict::Deny | Verdict::Withdraw => {
                        "Say in `comment` why, so that the requester knows what to change."
                    }
                },
            ),
        }
    }
}

fn sentences(fields: &[FieldError]) -> String {
    let each = |error: &FieldError| format!("{} {}.", error.field, error.detail);
    let all: Vec<String> = fields.iter().map(each).collect();
    all.join(" ")
}
