//! What an issuer says of itself, kept for a while.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::error::SignInError;

/// How long it is taken for true.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How long nobody asks again after it could not be had: else callers would wait in a line for an
/// issuer that does not answer, each for as long as a call may take.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// Something that an issuer has told.
#[derive(Debug)]
pub(super) struct Remembered<T>(Mutex<Known<T>>);

#[derive(Debug)]
struct Known<T> {
    /// What, and when.
    told: Option<(DateTime<Utc>, T)>,
    /// When it could not be had.
    failed_at: Option<DateTime<Utc>>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::new(Known {
            told: None,
            failed_at: None,
        }))
    }
}

impl<T: Clone> Remembered<T> {
    /// What was told, asked for anew once it is old. `now` is the database's time.
    ///
    /// # Errors
    /// `Unreachable` where it cannot be had.
    pub async fn get<E>(
        &self,
        now: DateTime<Utc>,
        ask: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, SignInError> {
        // Held while it is asked: whoever comes meanwhile waits for the same answer.
        let mut known = self.0.lock().await;
        // Either way: a clock that was set back must keep nothing for longer.
        let within = |at: DateTime<Utc>, most| (now - at).abs() < most;
        let last = known.told.as_ref();
        let last = last.map(|(at, told)| (within(*at, FRESH), told.clone()));
        let has_failed = known.failed_at.is_some_and(|at| within(at, PAUSE));
        match last {
            Some((is_fresh, told)) if is_fresh || has_failed => return Ok(told),
            None if has_failed => return Err(SignInError::Unreachable),
            _ => {}
        }
        match ask().await {
            Ok(told) => {
                known.told = Some((now, told.clone()));
                Ok(told)
            }
            Err(_) => {
                known.failed_at = Some(now);
                // Where it was an hour ago it is likely to be still.
                let last = last.map(|(_, told)| told);
                last.ok_or(SignInError::Unreachable)
            }
        }
    }

    /// What was told last, where that is known without asking.
    pub fn last(&self) -> Option<T> {
        let known = self.0.try_lock().ok()?;
        known.told.as_ref().map(|(_, told)| told.clone())
    }
}
