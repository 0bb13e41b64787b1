//! What a caller is told when something cannot be done: one enum for the API's problem details and
//! the portal's pages.

use std::num::NonZeroU32;

use axum::http::{StatusCode, Uri};

use crate::domain::change::WrongState;
use crate::domain::target::Condition;
use crate::ids::InvalidId;

/// The longest path and query that are looked at, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// One field that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Its name in the API and in the form.
    pub field: &'static str,
    /// `invalid_field`, `duration_out_of_range` or `principal_ambiguous`.
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// A body that did not come to its end in time; [`Error::of_body`] finds it in what a handler's
/// input failed with.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come to its end in time")]
pub struct SlowBody;

/// Why a verb was not done. What is shown never holds anything internal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No token, or one that is forged, expired or revoked.
    #[error("not signed in")]
    Unauthenticated,
    /// They may see it, but not do it.
    #[error("not allowed")]
    Forbidden,
    /// One's own request.
    #[error("own request")]
    SelfApproval,
    /// A cookie's request that no page of ours sent.
    #[error("cross-site request")]
    CrossSite,
    /// It is not there, or they may not see it.
    #[error("not found")]
    NotFound,
    /// The path exists with other methods.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// Not a TypeID of the right kind.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// The body or the query string cannot be read.
    #[error("invalid JSON: {0}")]
    InvalidJson(String),
    /// Fields that do not fit.
    #[error("invalid fields")]
    InvalidFields(Vec<FieldError>),
    /// A denial says why.
    #[error("comment required")]
    CommentRequired,
    /// The verb does not go with the state.
    #[error(transparent)]
    WrongState(#[from] WrongState),
    /// They have decided already.
    #[error("already decided")]
    AlreadyDecided,
    /// Who asked may not ask for it any more.
    #[error("not eligible")]
    NotEligible,
    /// The role is not there in AWS.
    #[error("role not found")]
    RoleNotFound,
    /// Only AWS can change the role.
    #[error("role protected")]
    RoleProtected,
    /// The role is the one that we work as.
    #[error("role is ours")]
    RoleIsOurs,
    /// A person has to look at the role before anything opens on it again.
    #[error("role suspended: {}", .0.as_str())]
    RoleSuspended(Condition),
    /// One more statement does not fit.
    #[error("trust policy full")]
    TrustPolicyFull {
        /// Characters used, with every grant that may be open at the time.
        used: usize,
        /// Characters that there may be.
        quota: usize,
        /// Characters that this grant needs.
        needed: usize,
    },
    /// The trust policy cannot be edited as text, or a deleted principal in it blocks every change.
    #[error("trust policy unreadable")]
    TrustPolicyUnreadable,
    /// As many requests of the caller wait for a decision as may: of all, or of those for one
    /// entitlement.
    #[error("limit reached: {most}")]
    LimitReached {
        /// How many there may be.
        most: u32,
        /// Whether there may be no more of this entitlement alone.
        of_entitlement: bool,
    },
    /// Too many calls; after so many seconds there is room for one.
    #[error("rate limited")]
    RateLimited(NonZeroU32),
    /// More than the API takes.
    #[error("payload too large")]
    PayloadTooLarge,
    /// The body did not come to its end in time.
    #[error("request timeout")]
    RequestTimeout,
    /// A longer address than any of ours.
    #[error("URI too long")]
    UriTooLong,
    /// Not JSON (API), not a form (portal).
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// The database does not answer in time, or takes nothing at the moment.
    #[error("busy")]
    Busy,
    /// A fault of ours; told to the log, not to the caller.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::SelfApproval => "self_approval",
            Self::CrossSite => "cross_site",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::InvalidId(_) => "invalid_id",
            Self::InvalidJson(_) => "invalid_json",
            Self::InvalidFields(_) => "invalid_field",
            Self::CommentRequired => "comment_required",
            Self::WrongState(_) => "wrong_state",
            Self::AlreadyDecided => "stale",
            Self::NotEligible => "not_eligible",
            Self::RoleNotFound => "role_not_found",
            Self::RoleProtected => "role_protected",
            Self::RoleIsOurs => "role_is_ours",
            Self::RoleSuspended(_) => "role_suspended",
            Self::TrustPolicyFull { .. } => "trust_policy_full",
            Self::TrustPolicyUnreadable => "trust_policy_unreadable",
            Self::LimitReached { .. } => "limit_reached",
            Self::RateLimited(_) => "rate_limited",
            Self::PayloadTooLarge => "payload_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::UriTooLong => "uri_too_long",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Busy => "busy",
            Self::Internal(_) => "internal",
        }
    }

    /// The code told for programs: that of the one field that is wrong says more than
    /// `invalid_field`.
    #[must_use]
    pub fn told_code(&self) -> &'static str {
        match self {
            Self::InvalidFields(fields) if fields.len() == 1 => fields[0].code,
            other => other.code(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::SelfApproval | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::InvalidId(_) | Self::InvalidJson(_) => StatusCode::BAD_REQUEST,
            Self::InvalidFields(_) | Self::CommentRequired => StatusCode::UNPROCESSABLE_ENTITY,
            Self::WrongState(_)
            | Self::AlreadyDecided
            | Self::NotEligible
            | Self::RoleNotFound
            | Self::RoleProtected
            | Self::RoleIsOurs
            | Self::RoleSuspended(_)
            | Self::TrustPolicyFull { .. }
            | Self::TrustPolicyUnreadable
            | Self::LimitReached { .. } => StatusCode::CONFLICT,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// A few words for people.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "You are not signed in",
            Self::Forbidden => "You may not do this",
            Self::SelfApproval => "Nobody decides on their own request",
            Self::CrossSite => "This did not come from a page of Countersign",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "This cannot be done here",
            Self::InvalidId(_) => "This is not a valid id",
            Self::InvalidJson(_) => "This cannot be read",
            Self::InvalidFields(_) => "Something does not fit",
            Self::CommentRequired => "A denial needs a comment",
            Self::WrongState(_) => "It is too late for this",
            Self::AlreadyDecided => "You have decided already",
            Self::NotEligible => "The requester may not ask for this any more",
            Self::RoleNotFound => "The role is not there",
            Self::RoleProtected => "Only AWS can change this role",
            Self::RoleIsOurs => "This role is Countersign's own",
            Self::RoleSuspended(_) => "Nothing opens on this role for now",
            Self::TrustPolicyFull { .. } => "The role's trust policy is full",
            Self::TrustPolicyUnreadable => "The role's trust policy cannot be changed safely",
            Self::LimitReached { .. } => "Too many of your requests wait already",
            Self::RateLimited(_) => "This is too much at once",
            Self::PayloadTooLarge => "This is too large",
            Self::RequestTimeout => "This took too long to arrive",
            Self::UriTooLong => "This address is too long",
            Self::UnsupportedMediaType => "This kind of content is not taken here",
            Self::Busy => "Countersign is busy",
            Self::Internal(_) => "Something went wrong",
        }
    }

    /// What was wrong and what to do, in a sentence or two.
    #[must_use]
    pub fn detail(&self) -> String {
        let fixed = match self {
            Self::InvalidId(error) => return format!("It is {error}."),
            Self::InvalidJson(what) => return what.clone(),
            Self::InvalidFields(fields) => {
                let all: Vec<_> = fields
                    .iter()
                    .map(|it| format!("{} {}.", it.field, it.detail))
                    .collect();
                return all.join(" ");
            }
            Self::WrongState(wrong) => {
                return format!(
                    "You cannot {} it: this {} is {}.",
                    wrong.verb, wrong.subject, wrong.state
                );
            }
            Self::TrustPolicyFull {
                used,
                quota,
                needed,
            } => {
                return format!(
                    "It has {quota} characters, {used} are in use and this grant needs {needed}. Wait until another grant on the role has ended, \
                     or have the quota (ACLSizePerRole) raised."
                );
            }
            Self::LimitReached {
                most,
                of_entitlement,
            } => {
                let what = if *of_entitlement {
                    " for this entitlement"
                } else {
                    ""
                };
                return format!(
                    "At most {most} of your requests{what} may wait for a decision at a time. Withdraw one, or wait until one is decided."
                );
            }
            Self::RateLimited(seconds) => {
                return format!(
                    "There were too many calls. Nothing was done: try again in {seconds} s."
                );
            }
            Self::Unauthenticated => "Send a valid token as `Authorization: Bearer …`, or sign in.",
            Self::Forbidden => "You can see it, but this is for others to do.",
            Self::SelfApproval => "Somebody else has to approve or deny what you have asked for.",
            Self::CrossSite => "Go back to Countersign, reload the page and try again.",
            Self::NotFound => "It does not exist, or you may not see it. Check the address.",
            Self::MethodNotAllowed => "The address exists, but not with this HTTP method.",
            Self::CommentRequired => {
                "Say in `comment` why, so that the requester knows what to change."
            }
            Self::AlreadyDecided => "Your voice on this request counts once.",
            Self::NotEligible => "They have left the group that may ask.",
            Self::RoleNotFound => {
                "AWS does not know the role of this entitlement. Tell the people who keep the catalog."
            }
            Self::RoleProtected => {
                "It is service-linked or belongs to IAM Identity Center, so that its trust policy cannot be opened."
            }
            Self::RoleIsOurs => "Countersign never opens the role that it works with.",
            Self::RoleSuspended(Condition::Contested) => {
                "Somebody keeps undoing what Countersign writes to it. Have its owner and the people who run Countersign agree; `countersign target resume` takes it back."
            }
            Self::RoleSuspended(_) => {
                "AWS shows a guard that this Countersign has not written. The people who run it have to look first; `countersign target resume` takes it back."
            }
            Self::TrustPolicyUnreadable => {
                "It is not a policy that can be edited without touching what others wrote, or it names a deleted user or role. Have its owner repair it."
            }
            Self::PayloadTooLarge => "At most 64 kB are taken.",
            Self::RequestTimeout => {
                "The rest of the body did not arrive in time. Nothing was done: try again."
            }
            Self::UriTooLong => "At most 8 kB are taken. Check the address.",
            Self::UnsupportedMediaType => "Send `Content-Type: application/json`.",
            Self::Busy => {
                "The database could not do it just now. Look whether it was done, and try again in a moment."
            }
            Self::Internal(_) => {
                "It is in our log under the request's id (`x-request-id`). Look whether it was done before you try again."
            }
        };
        fixed.to_owned()
    }

    /// After how many seconds to try again, where that may go well.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Busy => Some(2),
            Self::RateLimited(seconds) => Some(seconds.get()),
            _ => None,
        }
    }

    /// The fields that are wrong.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        match self {
            Self::InvalidFields(fields) => fields,
            _ => &[],
        }
    }

    /// Whether a signed-in caller was refused: that goes on record.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self.status().as_u16(), 403 | 404 | 409 | 422)
    }

    /// What a handler that broke down leaves behind.
    #[must_use]
    pub fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Internal(format!("a handler broke down: {}", said.unwrap_or("without a word")).into())
    }

    /// Refuses a request by what is known of it before anybody looks at it.
    ///
    /// # Errors
    /// When its address is longer than any of ours.
    pub fn of_uri(uri: &Uri) -> Result<(), Self> {
        let length = uri.path_and_query().map_or(0, |it| it.as_str().len());
        if length > LONGEST_URI {
            return Err(Self::UriTooLong);
        }
        Ok(())
    }

    /// What is known of a body that could not be read: nothing, but of one that was too slow or too
    /// large.
    #[must_use]
    pub fn of_body(
        status: StatusCode,
        rejection: &(dyn std::error::Error + 'static),
    ) -> Option<Self> {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return Some(Self::PayloadTooLarge);
        }
        let causes = std::iter::successors(Some(rejection), |it| it.source());
        let slow = causes.into_iter().any(|it| it.is::<SlowBody>());
        slow.then_some(Self::RequestTimeout)
    }

    /// One field that does not fit.
    #[must_use]
    pub fn field(field: &'static str, detail: impl Into<String>) -> Self {
        Self::InvalidFields(vec![FieldError {
            field,
            code: "invalid_field",
            detail: detail.into(),
        }])
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let is_busy = match &error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
            sqlx::Error::Database(refusal) if refusal.constraint() == Some("self_approval") => {
                return Self::SelfApproval;
            }
            sqlx::Error::Database(refusal) => refusal.code().is_some_and(|it| is_busy(&it)),
            _ => false,
        };
        if is_busy {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the database is busy"
            );
            return Self::Busy;
        }
        Self::Internal(Box::new(error))
    }
}

/// What Postgres says when another try may go well.
fn is_busy(sqlstate: &str) -> bool {
    // Class 08: the connection is broken.
    sqlstate.starts_with("08")
        || matches!(
            sqlstate,
            // Read-only for now: a standby that takes over.
            "25006"
            // A stopped client's transaction was ended.
            | "25P03"
            // Serialization failure, deadlock.
            | "40001" | "40P01"
            // Disk full, out of memory, too many connections.
            | "53100" | "53200" | "53300"
            // A lock or a statement took too long.
            | "55P03" | "57014"
            // Shutting down, crashed, starting up.
            | "57P01" | "57P02" | "57P03"
        )
}
