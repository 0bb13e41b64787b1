//! What every page has: the frame around it, and the rows and errors that several of them show.

use chrono::{DateTime, Utc};

use super::show::{self, Badge};
use crate::domain::grant::{Grant, GrantState};
use crate::domain::request::Request;

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
    /// How many requests wait for their decision.
    pub waiting: i64,
    /// Whether the audit log is open to them.
    pub sees_audit: bool,
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
        self.grant.as_ref().is_some_and(|grant| match grant.state {
            GrantState::Scheduled
            | GrantState::Opening { .. }
            | GrantState::Active { .. }
            | GrantState::Closing(_) => true,
            GrantState::Ended { .. } | GrantState::Failed { .. } => false,
        })
    }
}

/// What is wrong with a form; with `field` empty, with the whole of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Name of the input.
    pub field: String,
    /// What is wrong, as the end of a sentence that begins with the field's label.
    pub detail: String,
}

impl FieldError {
    /// The field as its label calls it.
    #[must_use]
    pub fn label(&self) -> &str {
        match self.field.as_str() {
            "duration" => "Duration",
            "justification" => "Justification",
            "ticket" => "Ticket",
            "starts_at" => "Start",
            "comment" => "Comment",
            "choice" => "Decision",
            "reason" => "Reason",
            "action" => "Action",
            "actor" => "Actor",
            "subject" => "Subject",
            "from" => "From",
            "to" => "To",
            other => other,
        }
    }
}

/// What is wrong with the field of that name, as a sentence.
#[must_use]
pub fn error(errors: &[FieldError], field: &str) -> Option<String> {
    let error = errors.iter().find(|error| error.field == field)?;
    Some(format!("{} {}", error.label(), error.detail))
}
