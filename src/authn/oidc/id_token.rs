//! What an ID token says of a person, once its signature is known to be the provider's (OpenID
//! Connect Core 1.0, 3.1.3.7).

use serde_json::Value;

use super::claims::{Expected, storable, text, time};
use super::jwt::{Claims, Types};
use crate::config::{GroupsFrom, Oidc};
use crate::domain::sign_in::{Groups, Identity};
use crate::domain::text::check_name;

/// The kinds of token that may be one. A provider need not say which it is.
pub(super) const TYPES: Types = &[None, Some("jwt")];

/// With more groups than this they count as unknown: somebody's mistake, or an attempt to fill the
/// database.
const MOST_GROUPS: usize = 2000;
/// The longest `sub` (OpenID Connect Core 1.0, 2), in bytes.
const LONGEST_SUBJECT: usize = 255;
/// The longest name and e-mail address that are stored, in characters.
const LONGEST_TEXT: usize = 254;

/// Whom the token tells of. The error is the claim that does not fit.
pub(super) fn identity(
    claims: &Claims,
    expected: &Expected<'_>,
    nonce: &str,
    settings: &Oidc,
) -> Result<Identity, &'static str> {
    expected.check(claims)?;
    if text(claims, "nonce") != Some(nonce) {
        return Err("nonce");
    }
    // A logout token has the same issuer, audience and key.
    if claims.contains_key("events") {
        return Err("events");
    }
    let subject = storable(claims, "sub").filter(|it| (1..=LONGEST_SUBJECT).contains(&it.len()));
    let subject = subject.ok_or("sub")?;
    let email = text(claims, "email")
        .filter(|it| is_told(it))
        .unwrap_or_default();
    let named = ["name", "preferred_username", "email"].into_iter();
    let name = named
        .filter_map(|claim| text(claims, claim))
        .find(|it| is_told(it));
    let says_verified = claims.get("email_verified") == Some(&Value::Bool(true));
    Ok(Identity {
        issuer: expected.issuer.to_owned(),
        subject: subject.to_owned(),
        name: name.unwrap_or(subject).to_owned(),
        email_verified: !email.is_empty() && (says_verified || settings.trust_email),
        email: email.to_owned(),
        groups: match settings.groups_from {
            GroupsFrom::Claim => groups(claims, &settings.groups_claim),
            GroupsFrom::Catalog => Groups::InCatalog,
        },
        sid: storable(claims, "sid").map(str::to_owned),
        auth_time: time(claims, "auth_time"),
        acr: storable(claims, "acr").map(str::to_owned),
        aws: settings
            .principal_template
            .as_ref()
            .and_then(|template| template.fill(|claim| text(claims, claim))),
    })
}

/// Whether a name or address can be shown as it is: text that is not seen could pass for another.
fn is_told(text: &str) -> bool {
    text.chars().count() <= LONGEST_TEXT && check_name(text).is_ok()
}

/// The groups, where the provider has told all of them. Providers leave them out where there are
/// too many, and point to another place instead (`_claim_names`, or Entra's `hasgroups`).
fn groups(claims: &Claims, claim: &str) -> Groups {
    let points_elsewhere = claims
        .get("_claim_names")
        .is_some_and(|names| names.get(claim).is_some());
    let has_more = claims
        .get("hasgroups")
        .is_some_and(|it| *it != Value::Bool(false));
    if points_elsewhere || has_more {
        return Groups::Unknown;
    }
    let Some(Value::Array(all)) = claims.get(claim) else {
        return Groups::Unknown;
    };
    if all.len() > MOST_GROUPS {
        return Groups::Unknown;
    }
    let texts = all.iter().map(|it| it.as_str().map(str::to_owned));
    let Some(mut texts) = texts.collect::<Option<Vec<_>>>() else {
        return Groups::Unknown;
    };
    // Postgres takes no NUL, so that no rule names such a group.
    texts.retain(|it| !it.contains('\0'));
    Groups::Known(texts)
}
