//! What every page has: the frame around it, and the rows and errors that several of them show.

use chrono::{DateTime, Utc};

use super::show::{self, Badge};
use crate::app::find::Listed;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::request::Request;
use crate::error::{Error, FieldError};

/// The navigation's entry that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// The start page.
    Home,
    /// The caller's requests.
    Requests,
    /// What waits for the caller.
    Waiting,
    /// The audit log.
    Audit,
    /// None of them.
    Elsewhere,
}

/// Who looks at the page.
#[derive(Debug, Clone)]
pub struct Me {
    /// Their name.
    pub name: String,
    /// How many requests wait for their decision, up to 100.
    pub waiting: i64,
}

/// What stands around every page.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Who looks at it; nobody before sign-in.
    pub me: Option<Me>,
    /// Where in the navigation it is.
    pub here: Here,
    /// When it was made.
    pub now: DateTime<Utc>,
}

impl Frame {
    /// Before sign-in: such a page shows no time.
    #[must_use]
    pub const fn nobody() -> Self {
        Self {
            me: None,
            here: Here::Elsewhere,
            now: DateTime::UNIX_EPOCH,
        }
    }
}

/// A request in a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// The request.
    pub request: Request,
    /// Its requester's name.
    pub requester: String,
    /// Its grant, once there is one.
    pub grant: Option<Grant>,
}

impl From<Listed> for Row {
    fn from(it: Listed) -> Self {
        Self {
            request: it.request,
            requester: it.requester,
            grant: it.grant,
        }
    }
}

impl Row {
    /// Where it stands.
    #[must_use]
    pub fn standing(&self) -> Badge {
        show::standing(
            &self.request.state,
            self.grant.as_ref().map(|grant| &grant.state),
        )
    }

    /// The deadline, while its grant is active.
    #[must_use]
    pub fn live_until(&self) -> Option<&DateTime<Utc>> {
        self.grant.as_ref().and_then(|grant| match grant.state {
            GrantState::Active { .. } => Some(&grant.deadline),
            GrantState::Scheduled
            | GrantState::Opening { .. }
            | GrantState::Closing(_)
            | GrantState::Ended { .. }
            | GrantState::Failed { .. } => None,
        })
    }

    /// Whether something happens to its grant by itself, so that the page is worth looking at again.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.grant
            .as_ref()
            .is_some_and(|grant| !grant.state.is_over())
    }
}

/// What to show of an error on the form that led to it: field by field, or as one sentence about the whole of it.
#[must_use]
pub fn errors(error: &Error) -> Vec<FieldError> {
    match error {
        Error::InvalidFields(fields) => fields.clone(),
        Error::CommentRequired => vec![invalid("comment", "is needed for a denial")],
        other => vec![invalid("", &other.detail())],
    }
}

/// Whether the page is shown once more with `error` on it; what the caller may not see or do has a page of its own.
#[must_use]
pub const fn mends(error: &Error) -> bool {
    matches!(error.status().as_u16(), 409 | 422)
}

/// A field that does not fit.
#[must_use]
pub fn invalid(field: &'static str, detail: &str) -> FieldError {
    FieldError {
        field,
        code: "invalid_field",
        detail: detail.to_owned(),
    }
}

/// A field as its label on the page calls it.
#[must_use]
pub fn label<'a>(error: &FieldError) -> &'a str {
    match error.field {
        "duration" => "Duration",
        "justification" => "Justification",
        "ticket" => "Ticket",
        "starts_at" => "Start",
        "principal" => "AWS identity",
        "comment" => "Comment",
        "choice" => "Decision",
        "reason" => "Reason",
        "from" => "From",
        "to" => "To",
        other => other,
    }
}

/// What is wrong with the field of that name, as a sentence.
#[must_use]
pub fn error(errors: &[FieldError], field: &str) -> Option<String> {
    let error = errors.iter().find(|error| error.field == field)?;
    Some(format!("{} {}", label(error), error.detail))
}
