//! What a logout token says, once its signature is known to be the provider's (OpenID Connect
//! Back-Channel Logout 1.0, 2.4 and 2.6).

use super::claims::{Expected, storable, time};
use super::jwt::{Claims, Types};
use crate::domain::sign_in::Logout;

/// The kinds of token that may be one.
pub(super) const TYPES: Types = &[None, Some("jwt"), Some("logout+jwt")];

/// The event that makes a token one.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The longest `jti`, `sub` and `sid`, in bytes.
const LONGEST: usize = 255;

/// Whom the token signs out. The error is the claim that does not fit.
pub(super) fn logout(claims: &Claims, expected: &Expected<'_>) -> Result<Logout, &'static str> {
    expected.check(claims)?;
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(serde_json::Value::is_object) {
        return Err("events");
    }
    // An ID token has one: it must not sign anybody out.
    if claims.contains_key("nonce") {
        return Err("nonce");
    }
    let named = |claim| {
        let text = storable(claims, claim);
        text.filter(|it| (1..=LONGEST).contains(&it.len()))
            .map(str::to_owned)
    };
    let (subject, sid) = (named("sub"), named("sid"));
    if subject.is_none() && sid.is_none() {
        return Err("sub");
    }
    Ok(Logout {
        issuer: expected.issuer.to_owned(),
        subject,
        sid,
        issued_at: time(claims, "iat").ok_or("iat")?,
        id: named("jti").ok_or("jti")?,
    })
}
