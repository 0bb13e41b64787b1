//! What cannot be read at all: it reaches no verb, and leaves nothing in the audit log.

use std::error::Error as StdError;

use super::About;
use crate::ids::InvalidId;

/// The longest path and query that are looked at, in bytes.
const LONGEST_ADDRESS: usize = 8 * 1024;

/// A body that did not come to its end in time; [`WireError::of_body`] finds it in what a handler's
/// input failed with.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come to its end in time")]
pub struct SlowBody;

/// A call that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The path exists with other methods.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// Not a TypeID of the right kind.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// The body or the query string cannot be read.
    #[error("invalid JSON: {0}")]
    InvalidJson(String),
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
}

impl WireError {
    /// What is told of it.
    #[must_use]
    pub fn about(&self) -> About {
        match self {
            Self::MethodNotAllowed => About::new(
                "method_not_allowed",
                405,
                "This cannot be done here",
                "The address exists, but not with this HTTP method.",
            ),
            Self::InvalidId(error) => About::new(
                "invalid_id",
                400,
                "This is not a valid id",
                format!("It is {error}."),
            ),
            Self::InvalidJson(what) => {
                About::new("invalid_json", 400, "This cannot be read", what.clone())
            }
            Self::PayloadTooLarge => About::new(
                "payload_too_large",
                413,
                "This is too large",
                "At most 64 kB are taken.",
            ),
            Self::RequestTimeout => About::new(
                "request_timeout",
                408,
                "This took too long to arrive",
                "The rest of the body did not arrive in time. Nothing was done: try again.",
            ),
            Self::UriTooLong => About::new(
                "uri_too_long",
                414,
                "This address is too long",
                "At most 8 kB are taken. Check the address.",
            ),
            Self::UnsupportedMediaType => About::new(
                "unsupported_media_type",
                415,
                "This kind of content is not taken here",
                "Send `Content-Type: application/json`.",
            ),
        }
    }

    /// Refuses a call by its path and query before anybody looks at them.
    ///
    /// # Errors
    /// When they are longer than any of ours.
    pub const fn of_address(path_and_query: &str) -> Result<(), Self> {
        if path_and_query.len() > LONGEST_ADDRESS {
            return Err(Self::UriTooLong);
        }
        Ok(())
    }

    /// What is known of a body that could not be read, by the status that axum would answer with
    /// and by its causes: nothing, but of one that was too slow or too large.
    #[must_use]
    pub fn of_body(status: u16, rejection: &(dyn StdError + 'static)) -> Option<Self> {
        // axum keeps the limit of a body's size itself; its status is all that tells of it here.
        if status == 413 {
            return Some(Self::PayloadTooLarge);
        }
        let mut cause = Some(rejection);
        while let Some(error) = cause {
            if error.is::<SlowBody>() {
                return Some(Self::RequestTimeout);
            }
            cause = error.source();
        }
        None
    }
}
