//! The provider's own description of itself (OpenID Connect Discovery 1.0).

use axum::http::Uri;
use serde_json::{Map, Value};

use super::http::CallError;

/// Where the provider does what.
#[derive(Debug, Clone)]
pub(super) struct Discovered {
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    /// Where people sign out of the provider itself.
    pub end_session_endpoint: Option<String>,
    /// Whether it promises to say in its answers who it is (RFC 9207).
    pub names_itself: bool,
    /// Whether a client's secret goes into the form, since the provider takes it nowhere else.
    pub secret_in_form: bool,
}

/// The address of the document.
pub(super) fn address(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    )
}

/// Reads the document of that issuer.
///
/// # Errors
/// When it is another issuer's, or an endpoint is missing or not safe to talk to.
pub(super) fn read(document: &Map<String, Value>, issuer: &str) -> Result<Discovered, CallError> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let jwks_uri = jwks_uri(document, issuer)?;
    let endpoint = |name: &str, missing: &'static str| {
        let url = text(name).filter(|url| is_safe(url, issuer));
        url.map(str::to_owned).ok_or(CallError::Discovery(missing))
    };
    let methods = document
        .get("token_endpoint_auth_methods_supported")
        .and_then(Value::as_array);
    let takes = |method: &str| {
        // Without a list it is client_secret_basic alone.
        methods.map_or(method == "client_secret_basic", |all| {
            all.iter().any(|it| it == method)
        })
    };
    Ok(Discovered {
        authorization_endpoint: endpoint(
            "authorization_endpoint",
            "no authorization_endpoint that is safe",
        )?,
        token_endpoint: endpoint("token_endpoint", "no token_endpoint that is safe")?,
        jwks_uri,
        end_session_endpoint: text("end_session_endpoint")
            .filter(|url| is_safe(url, issuer))
            .map(str::to_owned),
        names_itself: document.get("authorization_response_iss_parameter_supported")
            == Some(&Value::Bool(true)),
        secret_in_form: !takes("client_secret_basic") && takes("client_secret_post"),
    })
}

/// Where the issuer's keys are: all that is asked of one who signs for programs alone.
///
/// # Errors
/// When the document is another issuer's, or that is missing or not safe to talk to.
pub(super) fn jwks_uri(document: &Map<String, Value>, issuer: &str) -> Result<String, CallError> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    // Byte for byte: with another issuer's document the tokens of another provider would be taken.
    if text("issuer") != Some(issuer) {
        return Err(CallError::Discovery("another issuer"));
    }
    let url = text("jwks_uri").filter(|url| is_safe(url, issuer));
    url.map(str::to_owned)
        .ok_or(CallError::Discovery("no jwks_uri that is safe"))
}

/// https; where the issuer itself is on this machine without it, another port of this machine too.
fn is_safe(url: &str, issuer: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => issuer.starts_with("http://") && crate::config::is_loopback(host),
        _ => false,
    }
}
