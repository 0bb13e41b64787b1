//! What time it is for AWS, by the `Date` of its answers (RFC 9110 §6.6.1).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_sdk_iam::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use chrono::{DateTime, TimeDelta, Utc};

/// By how much the clocks of AWS and of the database may differ before nothing is opened any more
/// (docs/guard.md §4, *clocks differ*).
const MOST_SKEW: TimeDelta = TimeDelta::seconds(2);

/// An answer's `Date`, and when it came.
type Told = (DateTime<Utc>, Instant);

/// The latest answer's.
#[derive(Debug, Clone, Default)]
pub(super) struct Dates(Arc<Mutex<Option<Told>>>);

impl Dates {
    /// Whether `now` is not the time that AWS has, by an answer to what was sent after `asked_at`;
    /// without one nobody knows.
    pub(super) fn differ_from(&self, now: DateTime<Utc>, asked_at: Instant) -> bool {
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An answer from before this look says nothing of AWS's clock now.
        let Some((date, came_at)) = told.filter(|(_, came_at)| *came_at >= asked_at) else {
            return false;
        };
        let elapsed =
            |since: Instant| TimeDelta::from_std(since.elapsed()).unwrap_or(TimeDelta::MAX);
        // A whole second, cut off, somewhere between the request and the answer.
        let earliest = date + elapsed(came_at) - MOST_SKEW;
        let latest = date + TimeDelta::seconds(1) + elapsed(asked_at) + MOST_SKEW;
        now < earliest || latest < now
    }
}

impl Intercept for Dates {
    fn name(&self) -> &'static str {
        "Dates"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let header = context.response().headers().get("date");
        if let Some(date) = header.and_then(|it| DateTime::parse_from_rfc2822(it).ok()) {
            let heard = (date.to_utc(), Instant::now());
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
        }
        Ok(())
    }
}
