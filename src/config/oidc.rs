//! `[oidc]`: the provider that people sign in with.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{ConfigError, fields};
use crate::domain::identity::Template;

/// The provider that people sign in with (OpenID Connect Core 1.0). Without an issuer `serve`
/// starts, and nobody can sign in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Oidc {
    /// The issuer, letter for letter as the provider's discovery document and its ID tokens spell
    /// it.
    #[serde(deserialize_with = "issuer", skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What the provider calls Countersign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The client's secret; without one Countersign is a public client.
    #[serde(
        serialize_with = "fields::hidden",
        skip_serializing_if = "Option::is_none"
    )]
    pub client_secret: Option<SecretString>,
    /// A file with that secret, in the place of the secret itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// What is asked for; `openid` is among them.
    pub scopes: Vec<String>,
    /// What may stand in `aud` beside the client's id.
    pub extra_audiences: Vec<String>,
    /// Who says in which groups people are.
    pub groups_from: GroupsFrom,
    /// The claim that holds them, a list of texts.
    pub groups_claim: String,
    /// How long groups count for API tokens, and for those whom machines ask for, after the
    /// provider has told them. Sessions are younger.
    #[serde(with = "fields::duration")]
    pub groups_max_age: Duration,
    /// Who is in none of these groups may not sign in; empty: everybody may.
    pub allowed_groups: Vec<String>,
    /// Whether an e-mail address counts as verified that the provider does not call so.
    pub trust_email: bool,
    /// How the ARN of a person's AWS identity is made of their claims, in braces; none: it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_template: Option<Template>,
    /// How far the provider's clock and ours may be apart.
    #[serde(with = "fields::duration_or_zero")]
    pub clock_skew: Duration,
}

/// Who says in which groups people are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupsFrom {
    /// The provider, with a claim of the ID token.
    #[default]
    Claim,
    /// The catalog file.
    Catalog,
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            issuer: None,
            client_id: None,
            client_secret: None,
            client_secret_file: None,
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            extra_audiences: Vec::new(),
            groups_from: GroupsFrom::default(),
            groups_claim: "groups".to_owned(),
            groups_max_age: Duration::from_hours(168),
            allowed_groups: Vec::new(),
            trust_email: false,
            principal_template: None,
            clock_skew: Duration::from_mins(1),
        }
    }
}

impl Oidc {
    /// Whether the provider says in which groups people are, so that a catalog file does not.
    #[must_use]
    pub fn tells_groups(&self) -> bool {
        self.issuer.is_some() && self.groups_from == GroupsFrom::Claim
    }

    /// Takes the secret from its file.
    pub(super) fn read_secret(&mut self) -> Result<(), ConfigError> {
        let Some(path) = &self.client_secret_file else {
            return Ok(());
        };
        if self.client_secret.is_some() {
            return Err(ConfigError::Conflict(
                "oidc.client_secret and oidc.client_secret_file are both set: leave one out",
            ));
        }
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|source| ConfigError::Read {
            path: path.clone(),
            source,
        })?;
        // Editors end a file with a line end.
        let secret = text.trim_end_matches(['\n', '\r']);
        if secret.is_empty() {
            return Err(ConfigError::Conflict(
                "oidc.client_secret_file names an empty file",
            ));
        }
        self.client_secret = Some(secret.into());
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let is_set = |text: &Option<String>| text.as_ref().is_some_and(|it| !it.trim().is_empty());
        if self.issuer.is_some() && !is_set(&self.client_id) {
            return Err(ConfigError::Conflict(
                "oidc.client_id must be set when oidc.issuer is: the provider gives it when Countersign is \
                 registered there",
            ));
        }
        if self.issuer.is_none() && self.client_id.is_some() {
            return Err(ConfigError::Conflict(
                "oidc.issuer must be set when oidc.client_id is",
            ));
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            return Err(ConfigError::Conflict(
                "oidc.scopes must hold \"openid\": without it the provider sends no ID token",
            ));
        }
        let secret = &self.client_secret;
        if secret.as_ref().is_some_and(|it| {
            let text = secrecy::ExposeSecret::expose_secret(it);
            text.trim().is_empty()
        }) {
            return Err(ConfigError::Conflict(
                "oidc.client_secret is empty: leave it out for a public client",
            ));
        }
        if self.groups_claim.trim().is_empty() {
            return Err(ConfigError::Conflict("oidc.groups_claim must not be empty"));
        }
        // Tokens that are long over would be taken.
        if self.clock_skew > Duration::from_mins(5) {
            return Err(ConfigError::Conflict(
                "oidc.clock_skew must be at most PT5M",
            ));
        }
        Ok(())
    }
}

/// An issuer's URL (OpenID Connect Discovery 1.0, 3): https, without query, fragment and user.
fn issuer<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(d)?;
    // Told without the text: it may hold a password.
    check_issuer(&text).map_err(|wrong| {
        D::Error::custom(format!(
            "expected the provider's issuer, such as https://login.example.com/realms/staff, {wrong}"
        ))
    })?;
    Ok(Some(text))
}

/// Checks the form of an issuer: an https URL without query, fragment and user; http is for this
/// machine alone.
///
/// # Errors
/// What it should be.
pub fn check_issuer(text: &str) -> Result<(), &'static str> {
    if text.contains('@') {
        return Err("without user and password");
    }
    if text.contains(['?', '#']) {
        return Err("without query and fragment");
    }
    let uri: Option<Uri> = text.parse().ok();
    let is_https = match uri.as_ref().and_then(Uri::scheme_str) {
        Some("https") => uri.as_ref().is_some_and(|it| it.host().is_some()),
        Some("http") => uri
            .as_ref()
            .and_then(Uri::host)
            .is_some_and(super::is_loopback),
        _ => false,
    };
    if !is_https {
        return Err("by https (http is for loopback addresses only)");
    }
    Ok(())
}
