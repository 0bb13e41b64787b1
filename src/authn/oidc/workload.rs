//! Workload identities: what the issuer of a machine has signed, shown as a bearer token in the
//! place of a secret that is stored (RFC 7519; OpenID Connect Discovery 1.0 for the keys).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::Mutex;

use super::claims::{text, time};
use super::discovery;
use super::http::{Http, told};
use super::jwt::{self, Claims, Types};
use super::keys::Keys;
use super::remembered::Remembered;
use crate::db::machines::{Listed, Workload};
use crate::domain::machine::Machine;
use crate::error::SignInError;

/// The kinds of token that may be one. An issuer need not say which it is.
const TYPES: Types = &[None, Some("jwt")];
/// How long one may live.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// What is known of the issuers of machines.
#[derive(Debug, Default)]
pub struct Workloads {
    http: Http,
    issuers: Mutex<HashMap<String, Arc<Issuer>>>,
}

#[derive(Debug, Default)]
struct Issuer {
    /// Where its keys are.
    jwks_uri: Remembered<String>,
    keys: Keys,
}

/// What tokens are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Whom they are for, where their machine says nothing else.
    pub public_url: &'a str,
    /// The database's time.
    pub now: DateTime<Utc>,
    /// How far the issuer's clock may be apart from that.
    pub skew: TimeDelta,
}

/// Whether a text has the form of a JWT; tokens of ours have no dot.
#[must_use]
pub fn is_jwt(token: &str) -> bool {
    token.split('.').count() == 3
}

/// Who says to have signed a token. Nothing of it is verified.
#[must_use]
pub fn issuer(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    text(&claims, "iss").map(str::to_owned)
}

impl Workloads {
    /// The one of these machines whose token that is; they are all of the issuer whom the token
    /// names. `None` where the token does not hold, or is not that of exactly one.
    ///
    /// # Errors
    /// `Unreachable` when the issuer's keys cannot be had.
    pub async fn machine(
        &self,
        token: &str,
        machines: Vec<Listed>,
        expected: Expected<'_>,
    ) -> Result<Option<Machine>, SignInError> {
        let Some(name) = issuer(token) else {
            return Ok(None);
        };
        let checked = match self.verified(token, &name, expected.now).await? {
            Ok(claims) => one_of(&claims, &name, machines, expected),
            Err(broken) => Err(broken),
        };
        let checked = checked.inspect_err(|check| {
            tracing::warn!(issuer = name, check, "a workload's token does not hold");
        });
        Ok(checked.ok())
    }

    /// The claims of a token that the issuer has signed; or the check that has failed.
    async fn verified(
        &self,
        token: &str,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<Result<Claims, &'static str>, SignInError> {
        let header = match jwt::header(token, TYPES) {
            Ok(header) => header,
            Err(broken) => return Ok(Err(broken.check())),
        };
        let issuer = {
            let mut issuers = self.issuers.lock().await;
            // As many as machines have: whoever names another one has not come so far.
            Arc::clone(issuers.entry(name.to_owned()).or_default())
        };
        let jwks_uri = issuer.jwks_uri.get(now, async || {
            let document = self.http.get(&discovery::address(name)).await;
            let uri = document.and_then(|it| discovery::jwks_uri(&it, name));
            uri.inspect_err(told)
        });
        let jwks_uri = jwks_uri.await?;
        let key = issuer
            .keys
            .find(&self.http, &jwks_uri, &header, now)
            .await?;
        Ok(match key {
            Some(key) => jwt::claims(token, &header, &key).map_err(jwt::Broken::check),
            None => Err(jwt::Broken::Key.check()),
        })
    }
}

/// The machine that the claims are of. The error is the claim that does not fit.
fn one_of(
    claims: &Claims,
    issuer: &str,
    machines: Vec<Listed>,
    expected: Expected<'_>,
) -> Result<Machine, &'static str> {
    if text(claims, "iss") != Some(issuer) {
        return Err("iss");
    }
    in_time(claims, expected)?;
    let for_us = |workload: &Workload| {
        let audience = workload.audience.as_deref();
        is_for(claims, audience.unwrap_or(expected.public_url))
    };
    let is_meant = |it: &Listed| {
        let workload = it.workload.as_ref();
        workload.is_some_and(|it| it.issuer == issuer && for_us(it))
    };
    let mut meant: Vec<_> = machines.into_iter().filter(is_meant).collect();
    if meant.is_empty() {
        return Err("aud");
    }
    meant.retain(|it| {
        let workload = it.workload.as_ref();
        workload.is_some_and(|it| fits(claims, it))
    });
    // Where several fit, nobody can tell who calls.
    match meant.len() {
        1 => Ok(meant.remove(0).machine),
        0 => Err("claims"),
        _ => Err("several machines"),
    }
}

/// It lives an hour at most, and now.
fn in_time(claims: &Claims, expected: Expected<'_>) -> Result<(), &'static str> {
    let Expected { now, skew, .. } = expected;
    let exp = time(claims, "exp").ok_or("exp")?;
    if exp <= now - skew {
        return Err("exp");
    }
    let iat = time(claims, "iat").filter(|iat| *iat <= now + skew);
    let iat = iat.ok_or("iat")?;
    if exp <= iat || exp - iat > LONGEST {
        return Err("exp");
    }
    let has_begun = time(claims, "nbf").is_some_and(|nbf| nbf <= now + skew);
    if claims.contains_key("nbf") && !has_begun {
        return Err("nbf");
    }
    Ok(())
}

/// Whether it is for that audience, and for no other: whoever else gets it could show it here.
fn is_for(claims: &Claims, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(all)) => all.len() == 1 && all[0] == audience,
        _ => false,
    }
}

/// Whether every claim of the workload is equal; `sub` is among them.
fn fits(claims: &Claims, workload: &Workload) -> bool {
    let mut all = workload.claims.iter();
    let has_subject = workload.claims.iter().any(|(name, _)| name == "sub");
    has_subject && all.all(|(name, wanted)| text(claims, name) == Some(wanted))
}
