//! Why something was not done, by kind; each kind tells of itself with one `about`, for the API's
//! problem details and the portal's pages alike.

mod aws;
mod caller;
mod identity;
mod input;
mod limit;
mod role;
mod sign_in;
mod state;
mod vote;
mod wire;

use std::borrow::Cow;
use std::error::Error as StdError;

use crate::domain::change::WrongState;
use crate::ids::InvalidId;

pub use aws::StsError;
pub use caller::CallerError;
pub use identity::{IdentityError, NobodysOwn};
pub use input::{FieldCode, FieldError, InputError};
pub use limit::LimitError;
pub use role::RoleError;
pub use sign_in::{Refusal, SignInError};
pub use state::{StateError, Unextendable, Unprobed};
pub use vote::VoteError;
pub use wire::{SlowBody, WireError};

/// What is told of an error. It never holds anything internal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The stable word for programs.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A few words for people.
    pub title: &'static str,
    /// What was wrong and what to do, in a sentence or two.
    pub detail: Cow<'static, str>,
}

impl About {
    fn new(
        code: &'static str,
        status: u16,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            code,
            status,
            title,
            detail: detail.into(),
        }
    }
}

/// Why a verb was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Who calls may not do it.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// It cannot be read.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// What was sent does not fit.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It does not go with where the request or grant stands.
    #[error(transparent)]
    State(#[from] StateError),
    /// The role cannot be opened.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// AWS hands out no credentials.
    #[error(transparent)]
    Sts(#[from] StsError),
    /// Somebody could not sign in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// An AWS identity is not somebody's own, or stays so.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The caller has reached a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The database does not answer in time, or takes nothing at the moment.
    #[error("busy")]
    Busy,
    /// A fault of ours; told to the log, not to the caller.
    #[error("internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

impl From<Unprobed> for Error {
    fn from(error: Unprobed) -> Self {
        StateError::from(error).into()
    }
}

impl From<VoteError> for Error {
    fn from(error: VoteError) -> Self {
        StateError::from(error).into()
    }
}

impl From<Unextendable> for Error {
    fn from(error: Unextendable) -> Self {
        StateError::from(error).into()
    }
}

impl Error {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::Caller(error) => error.about(),
            Self::Wire(error) => error.about(),
            Self::Input(error) => error.about(),
            Self::State(error) => error.about(),
            Self::Role(error) => error.about(),
            Self::Sts(error) => error.about(),
            Self::SignIn(error) => error.about(),
            Self::Identity(error) => error.about(),
            Self::Limit(error) => error.about(),
            Self::Busy => About::new(
                "busy",
                503,
                "Countersign is busy",
                "The database could not do it just now. Look whether it was done, and try again \
                 in a moment.",
            ),
            Self::Internal(_) => About::new(
                "internal",
                500,
                "Something went wrong",
                "It is in our log under the request's id (`x-request-id`). Look whether it was \
                 done before you try again.",
            ),
        }
    }

    /// The code told for programs: that of the one field that is wrong says more than
    /// `invalid_field`.
    #[must_use]
    pub fn told_code(&self) -> &'static str {
        match self.fields() {
            [field] => field.code.as_str(),
            _ => self.about().code,
        }
    }

    /// After how many seconds to try again, where that may go well.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Busy
            | Self::Sts(StsError::Silent)
            | Self::Identity(IdentityError::Silent)
            | Self::State(StateError::Unguarded) => Some(2),
            Self::Limit(LimitError::TooFast(seconds)) => Some(seconds.get()),
            // What a rule or a state refuses would be refused again.
            _ => None,
        }
    }

    /// The fields that are wrong.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        match self {
            Self::Input(InputError::Fields(fields)) => fields,
            _ => &[],
        }
    }

    /// Whether a signed-in caller was refused: that goes on record.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        // Not 401: there is nobody to name. 400, 413 and their like have reached no verb.
        matches!(self.about().status, 403 | 404 | 409 | 412 | 422)
    }

    /// One field that does not fit.
    #[must_use]
    pub fn field(field: &'static str, detail: impl Into<String>) -> Self {
        InputError::Fields(vec![FieldError::invalid(field, detail)]).into()
    }

    /// What a handler that broke down leaves behind.
    #[must_use]
    pub fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Internal(format!("a handler broke down: {}", said.unwrap_or("without a word")).into())
    }
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        WireError::from(error).into()
    }
}

impl From<WrongState> for Error {
    fn from(error: WrongState) -> Self {
        StateError::from(error).into()
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let is_busy = match &error {
            // `Io` is also what a step ends with that was given up (`db::lent`), and `PoolClosed`
            // what a process that stops says.
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
            // A trigger's word, should a verb ever forget to ask: the caller is told the same. So
            // is who comes to sign in, of whom nobody asks before.
            sqlx::Error::Database(refusal) if refusal.constraint() == Some("self_approval") => {
                return CallerError::SelfApproval.into();
            }
            sqlx::Error::Database(refusal) if refusal.constraint() == Some("person_disabled") => {
                return SignInError::Disabled.into();
            }
            // What somebody calls with was good when it was looked up, and has ended since.
            sqlx::Error::Database(refusal)
                if matches!(
                    refusal.constraint(),
                    Some("made_without_session" | "asked_by_machine")
                ) =>
            {
                return CallerError::Unauthenticated.into();
            }
            sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| is_busy(&code)),
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
