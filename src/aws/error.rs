//! What a failed call means for us.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_iam::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// Why AWS did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// The role (or user) is not there.
    #[error("AWS says that it is not there")]
    Gone,
    /// Only AWS itself may change this role.
    #[error("AWS does not let anybody change this role")]
    Protected,
    /// The document is larger than the quota.
    #[error("AWS says that the document is too large")]
    Full,
    /// Too many calls, or somebody else is changing it right now: later.
    #[error("AWS asks us to slow down")]
    Throttled,
    /// No answer, or one that does not tell whether it was done. A read simply failed; a write may
    /// have landed or may still land.
    #[error("AWS did not answer clearly")]
    Unclear,
    /// There was no connection: nothing was sent.
    #[error("AWS cannot be reached")]
    Unreachable,
    /// Our own rights or credentials are not enough.
    #[error("AWS refuses us")]
    Denied,
    /// Every manager role refuses us: it is our own identity that they do not know any more.
    #[error("every manager role refuses us")]
    HubRefused,
    /// The clocks of AWS and of the database differ, so that a deadline would not mean the same to
    /// both.
    #[error("AWS has another time than the database")]
    ClockSkew,
    /// Planning broke down on what AWS showed: a fault of ours. Closings go on by the plainest way.
    #[error("what AWS shows makes the planning break down")]
    Unplanned,
    /// Nobody vouches for the session names of the role that a person comes as.
    #[error("nobody vouches for the session names of the person's role")]
    Unvouched,
    /// AWS does not accept the document, for example because a principal in it does not exist.
    #[error("AWS does not accept the document")]
    Malformed,
}

impl AwsError {
    /// The word that is stored and told.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Protected => "protected",
            Self::Full => "full",
            Self::Throttled => "throttled",
            Self::Unclear => "unclear",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::HubRefused => "hub_refused",
            Self::Malformed => "malformed",
            Self::ClockSkew => "clock_skew",
            Self::Unplanned => "unplanned",
            Self::Unvouched => "unvouched",
        }
    }

    /// Judges a failed call; what the SDK says goes to the log, and only there.
    pub(super) fn of<E, R>(call: &'static str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let kind = match error {
            SdkError::ServiceError(answer) => Self::of_code(answer.err().code()),
            SdkError::ConstructionFailure(_) => Self::Denied,
            SdkError::DispatchFailure(_) if never_connected(error) => Self::Unreachable,
            SdkError::DispatchFailure(_) if had_no_credentials(error) => Self::Denied,
            // A time limit or a broken connection: the call may have been carried out, or still be.
            _ => Self::Unclear,
        };
        // That something is not there is an answer of a look, and no trouble.
        if kind != Self::Gone {
            tracing::warn!(
                aws.call = call,
                error.code = kind.code(),
                error = told(error),
                "AWS call failed"
            );
        }
        kind
    }

    fn of_code(code: Option<&str>) -> Self {
        match code.unwrap_or_default() {
            "NoSuchEntity" => Self::Gone,
            "UnmodifiableEntity" => Self::Protected,
            "LimitExceeded" | "PackedPolicyTooLarge" => Self::Full,
            "MalformedPolicyDocument"
            | "InvalidInput"
            | "ValidationError"
            | "PolicyNotAttachable" => Self::Malformed,
            "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "ConcurrentModification"
            | "EntityTemporarilyUnmodifiable" => Self::Throttled,
            // AWS judges these before it carries a call out, so that nothing of it was done.
            "AccessDenied"
            | "AccessDeniedException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "OptInRequired"
            | "RegionDisabledException"
            | "RequestExpired" => Self::Denied,
            // IAM's own fault (`ServiceFailure`) or a code that we do not know: a write may have
            // been done all the same, and is waited for.
            _ => Self::Unclear,
        }
    }
}

/// What the log says of a failed call: of an answer AWS's code and message alone, since one that
/// cannot be read may hold the secrets of a session.
fn told<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer
                .err()
                .code()
                .unwrap_or("an answer that cannot be read");
            let message = answer.err().message().unwrap_or_default();
            format!("{code}: {message}")
        }
        SdkError::ResponseError(_) => "an answer that cannot be read".to_owned(),
        _ => DisplayErrorContext(error).to_string(),
    }
}

/// Whether no connection came about (the name is not known, nothing listens, no TLS, no answer in
/// time), so that nothing can have been sent. That a connection broke tells nothing: the request
/// may have been on it.
fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let failed = cause::<hyper_util::client::legacy::Error>(error);
    failed.is_some_and(hyper_util::client::legacy::Error::is_connect)
}

/// Whether the SDK found no credentials to sign the call with, so that nothing can have been sent.
fn had_no_credentials(error: &(dyn Error + 'static)) -> bool {
    cause::<CredentialsError>(error).is_some()
}

/// The error, or what caused it, where it is one of these.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut at = error;
    loop {
        match at.downcast_ref::<E>() {
            Some(found) => return Some(found),
            None => at = at.source()?,
        }
    }
}
