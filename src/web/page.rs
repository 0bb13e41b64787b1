//! What every page has: the frame around it, and the rows and errors that several of them show.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::access::{self, Access};
use super::show::{self, Badge};
use crate::app::find::{Delay, Granted, Listed};
use crate::domain::grant::Grant;
use crate::domain::request::{Request, Verdict};
use crate::error::{Error, FieldError, InputError};
use crate::ids::PersonId;

/// The navigation's entry that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// The start page.
    Home,
    /// The caller's requests.
    Requests,
    /// What waits for the caller.
    Waiting,
    /// What the catalog offers.
    Entitlements,
    /// What admins have ended and hold.
    Revocations,
    /// Who there is.
    People,
    /// The audit log.
    Audit,
    /// None of them.
    Elsewhere,
}

/// Who looks at the page.
#[derive(Debug, Clone)]
pub struct Me {
    /// Their id.
    pub id: PersonId,
    /// Their name.
    pub name: String,
    /// How many requests wait for their decision, counted as [`show::counted`] tells.
    pub waiting: i64,
    /// Whether they see everything: auditors and admins.
    pub sees_all: bool,
    /// Whether they see who there is: admins.
    pub sees_people: bool,
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
    /// What keeps the grant waiting for AWS, where that is asked for.
    pub delay: Option<Delay>,
}

impl From<Listed> for Row {
    fn from(it: Listed) -> Self {
        Self {
            request: it.request,
            requester: it.requester,
            grant: it.grant,
            delay: None,
        }
    }
}

impl From<Granted> for Row {
    fn from(it: Granted) -> Self {
        Self {
            delay: it.delay,
            ..Self::from(it.listed)
        }
    }
}

impl Row {
    /// Where it stands.
    #[must_use]
    pub fn standing(&self, now: &DateTime<Utc>) -> Badge {
        show::standing(&self.request.state, self.grant.as_ref(), now)
    }

    /// What its person has of it, while its grant is not over.
    #[must_use]
    pub fn access(&self, now: &DateTime<Utc>) -> Option<Access> {
        self.grant.as_ref().and_then(|grant| Access::of(grant, now))
    }

    /// The deadline, while it is open.
    #[must_use]
    pub fn live_until(&self, now: &DateTime<Utc>) -> Option<&DateTime<Utc>> {
        let is_active = self.access(now) == Some(Access::Active);
        let grant = self.grant.as_ref().filter(|_| is_active)?;
        Some(&grant.deadline)
    }

    /// What another look is compared with.
    #[must_use]
    pub fn seen(&self, now: &DateTime<Utc>) -> String {
        let late = self
            .grant
            .as_ref()
            .and_then(|it| access::waits_since(it, now));
        let (id, version) = (self.request.id, self.request.version);
        let (word, delay) = (self.standing(now).word, self.delay.as_ref());
        format!(
            "{id} {version} {word} {} {}",
            late.is_some(),
            delay.is_some()
        )
    }
}

/// What another look at a list is compared with: how many wait, and what is told of each of its
/// rows.
#[must_use]
pub fn watch<'a>(frame: &Frame, rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut hash = Sha256::new();
    let waiting = frame.me.as_ref().map_or(0, |me| me.waiting);
    hash.update(waiting.to_string());
    for row in rows {
        // Words, no times: an open page would differ from itself with every second.
        hash.update(row.seen(&frame.now));
        hash.update("\n");
    }
    hex::encode(&hash.finalize()[..8])
}

/// What to show of an error on the form that led to it: field by field, or as one sentence about
/// the whole of it.
#[must_use]
pub fn errors(error: &Error) -> Vec<FieldError> {
    match error {
        Error::Input(InputError::Fields(fields)) => fields.clone(),
        Error::Input(InputError::CommentRequired(verdict)) => {
            let detail = match verdict {
                Verdict::Approve => "is needed for an approval",
                Verdict::Deny | Verdict::Withdraw => "is needed for a denial",
            };
            vec![FieldError::invalid("comment", detail)]
        }
        other => vec![FieldError::invalid("", other.about().detail)],
    }
}

/// Whether the page is shown once more with `error` on it; what the caller may not see or do has a
/// page of its own.
#[must_use]
pub fn mends(error: &Error) -> bool {
    matches!(error.about().status, 409 | 412 | 422)
}

/// What stands above the errors: what there is to put right, or that the whole of it was not done.
#[must_use]
pub fn heading(errors: &[FieldError]) -> String {
    let fields = errors
        .iter()
        .filter(|error| !error.field.is_empty())
        .count();
    match fields {
        0 => "This was not done".to_owned(),
        1 => "One thing to put right".to_owned(),
        more => format!("{more} things to put right"),
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
        "comment" | "back" => "Comment",
        "answer" => "Answer",
        "choice" => "Decision",
        "person" => "Person",
        "role" => "Role",
        "account" => "Account",
        "everything" => "Everything",
        "scope" => "What is to be ended:",
        "reason" => "Reason",
        "name" => "Name",
        "expires_in" => "Works for",
        "scopes" => "Scopes",
        "owner" => "Owner",
        "entitlements" => "Entitlements",
        "issuer" => "Issuer",
        "audience" => "Audience",
        "claims" => "Claims",
        "from" => "From",
        "to" => "To",
        "delegate" => "Delegate",
        "until" => "Until",
        other => other,
    }
}

/// What is wrong with the field of that name, as a sentence.
#[must_use]
pub fn error(errors: &[FieldError], field: &str) -> Option<String> {
    let error = errors.iter().find(|error| error.field == field)?;
    Some(format!("{} {}", label(error), error.detail))
}
