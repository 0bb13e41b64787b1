//! The claims that ID tokens and logout tokens share, read with one rule each.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::jwt::Claims;

/// What the claims are compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    /// The configured issuer.
    pub issuer: &'a str,
    /// The client's id.
    pub client_id: &'a str,
    /// What may stand beside it in `aud`.
    pub extra_audiences: &'a [String],
    /// The database's time.
    pub now: DateTime<Utc>,
    /// How far the provider's clock may be apart from that.
    pub skew: TimeDelta,
}

/// The oldest token that is taken.
const OLDEST: TimeDelta = TimeDelta::minutes(10);

/// A text.
pub(super) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// A text that can be stored: Postgres takes no NUL.
pub(super) fn storable<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    text(claims, name).filter(|it| !it.contains('\0'))
}

/// A time, in seconds since 1970; providers may tell parts of a second.
pub(super) fn time(claims: &Claims, name: &str) -> Option<DateTime<Utc>> {
    let number = claims.get(name)?;
    let seconds = number.as_i64().or_else(|| {
        let seconds = number.as_f64()?.floor();
        // Far beyond any time that can be told, and exact.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range is asked for before"
        )]
        let whole = (seconds.abs() < 1e15).then_some(seconds as i64);
        whole
    });
    DateTime::from_timestamp(seconds?, 0)
}

impl Expected<'_> {
    /// Compares what every token of the provider has: who says it, for whom, and when. The answer
    /// is the claim that does not fit.
    pub(super) fn check(&self, claims: &Claims) -> Result<(), &'static str> {
        if text(claims, "iss") != Some(self.issuer) {
            return Err("iss");
        }
        self.audience(claims)?;
        let (now, skew) = (self.now, self.skew);
        let is_in_time = time(claims, "exp").is_some_and(|exp| now - skew < exp);
        if !is_in_time {
            return Err("exp");
        }
        let iat = time(claims, "iat");
        if !iat.is_some_and(|iat| iat <= now + skew && iat >= now - OLDEST - skew) {
            return Err("iat");
        }
        let has_begun = time(claims, "nbf").is_some_and(|nbf| nbf <= now + skew);
        if claims.contains_key("nbf") && !has_begun {
            return Err("nbf");
        }
        Ok(())
    }

    /// `aud` is the client, alone or beside what the configuration names; `azp`, where it is told
    /// or there are several, the client too (OpenID Connect Core 1.0, 3.1.3.7).
    fn audience(&self, claims: &Claims) -> Result<(), &'static str> {
        let all: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => {
                let texts = all.iter().map(Value::as_str).collect::<Option<_>>();
                texts.ok_or("aud")?
            }
            _ => return Err("aud"),
        };
        let is_known = |it: &&str| {
            *it == self.client_id || self.extra_audiences.iter().any(|extra| extra == it)
        };
        if !all.contains(&self.client_id) || !all.iter().all(is_known) {
            return Err("aud");
        }
        match claims.get("azp") {
            Some(Value::String(azp)) if azp == self.client_id => Ok(()),
            None if all.len() == 1 => Ok(()),
            _ => Err("azp"),
        }
    }
}
