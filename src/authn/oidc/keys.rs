//! The keys that the provider signs with, as it publishes them (RFC 7517).

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::Header;
use jsonwebtoken::jwk::Jwk;
use serde_json::Value;
use tokio::sync::Mutex;

use super::http::{CallError, Http, told};
use super::jwt;
use crate::error::SignInError;

/// How long keys are taken for the provider's without asking again: one that it has taken back
/// works for so long at most.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How often they are asked for at most, whatever tokens name: else anybody could have the provider
/// asked with tokens of their own making.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// The keys, as they were seen last.
#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    keys: Vec<Jwk>,
    seen_at: Option<DateTime<Utc>>,
    asked_at: Option<DateTime<Utc>>,
}

impl Keys {
    /// The key that a token's header names, if the provider has it. One that is not known may be
    /// new. `now` is the database's time.
    ///
    /// # Errors
    /// `Unreachable` when nobody can tell: the provider did not answer when it was asked last.
    pub async fn find(
        &self,
        http: &Http,
        url: &str,
        header: &Header,
        now: DateTime<Utc>,
    ) -> Result<Option<Jwk>, SignInError> {
        // Either way: a clock that was set back must not keep keys for longer.
        let within = |at: Option<DateTime<Utc>>, most| at.is_some_and(|at| (now - at).abs() < most);
        // Held while the provider is asked: whoever comes meanwhile waits for the same answer.
        let mut seen = self.0.lock().await;
        if within(seen.seen_at, FRESH)
            && let Some(key) = jwt::key(&seen.keys, header)
        {
            return Ok(Some(key.clone()));
        }
        let is_too_soon = within(seen.asked_at, PAUSE);
        if !is_too_soon {
            seen.asked_at = Some(now);
            match read(http, url).await {
                Ok(keys) => {
                    seen.keys = keys;
                    seen.seen_at = Some(now);
                }
                Err(error) => told(&error),
            }
        }
        match jwt::key(&seen.keys, header) {
            // A provider that is silent for a while has not taken its keys back.
            Some(key) => Ok(Some(key.clone())),
            None if seen.seen_at != seen.asked_at => Err(SignInError::Unreachable),
            None => Ok(None),
        }
    }
}

/// The keys of which this release knows the form; the others sign nothing that is taken.
async fn read(http: &Http, url: &str) -> Result<Vec<Jwk>, CallError> {
    let document = http.get(url).await?;
    let Some(Value::Array(keys)) = document.get("keys") else {
        return Err(CallError::NotJson);
    };
    let known = keys.iter().map(|key| serde_json::from_value(key.clone()));
    Ok(known.filter_map(Result::ok).collect())
}
