//! From a code to an ID token (OpenID Connect Core 1.0, 3.1.3).

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::discovery::Discovered;
use super::http::{Answer, CallError, Http, send, told};
use crate::domain::sign_in::Attempt;
use crate::error::{Refusal, SignInError};

/// Countersign, as it is registered with the provider.
#[derive(Debug)]
pub(super) struct Client {
    pub id: String,
    /// None: a public client.
    pub secret: Option<SecretString>,
    pub redirect_uri: String,
}

/// The ID token of a code, asked for once: a code works once.
pub(super) async fn id_token(
    http: &Http,
    client: &Client,
    provider: &Discovered,
    (attempt, code): (&Attempt, &str),
) -> Result<String, SignInError> {
    let Answer { status, body } = match ask(http, client, provider, (attempt, code)).await {
        Ok(answer) => answer,
        Err(error) => {
            told(&error);
            return Err(SignInError::Unreachable);
        }
    };
    if status.is_server_error() {
        told(&CallError::Status(status));
        return Err(SignInError::Unreachable);
    }
    if !status.is_success() {
        let error = body
            .get("error")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let more = body.get("error_description").and_then(Value::as_str);
        tracing::warn!(%status, error, more, "the sign-in provider does not take the code");
        return Err(SignInError::Refused(Refusal::of(error)));
    }
    match body.get("id_token") {
        Some(Value::String(token)) => Ok(token.clone()),
        _ => Err(SignInError::TokenInvalid("id_token")),
    }
}

async fn ask(
    http: &Http,
    client: &Client,
    provider: &Discovered,
    (attempt, code): (&Attempt, &str),
) -> Result<Answer, CallError> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &client.redirect_uri),
        ("code_verifier", attempt.verifier.expose_secret()),
    ];
    let call = http.client()?.post(&provider.token_endpoint);
    let secret = client.secret.as_ref();
    let call = match secret.map(|it| it.expose_secret()) {
        Some(secret) if provider.secret_in_form => {
            form.extend([("client_id", client.id.as_str()), ("client_secret", secret)]);
            call
        }
        // Both are encoded as in a form first (RFC 6749, 2.3.1).
        Some(secret) => call.basic_auth(encoded(&client.id), Some(encoded(secret))),
        None => {
            form.push(("client_id", client.id.as_str()));
            call
        }
    };
    send(call.form(&form)).await
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
