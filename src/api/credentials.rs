//! What signs in to AWS, as it goes over the wire: secrets, shown once.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app;

/// A session of AWS, in the form that `credential_process` takes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Credentials {
    /// 1: the version of this form.
    version: u8,
    /// The access key's id.
    #[schema(pattern = "^[A-Z0-9]{16,128}$")]
    access_key_id: String,
    /// The access key.
    secret_access_key: String,
    /// What has to be sent with each call.
    session_token: String,
    /// When it stops to work: at the grant's deadline, or before it. An early end stops it at once,
    /// but not with early_end = none.
    expiration: DateTime<Utc>,
}

impl Credentials {
    pub(super) fn of(it: &app::credentials::Credentials) -> Self {
        Self {
            version: 1,
            access_key_id: it.access_key_id.clone(),
            secret_access_key: it.secret.expose_secret().to_owned(),
            session_token: it.token.expose_secret().to_owned(),
            expiration: it.expires_at,
        }
    }
}

/// A link to the console of AWS.
#[derive(Serialize, ToSchema)]
pub(super) struct ConsoleLink {
    /// Signs in whoever has it: a secret.
    #[schema(pattern = "^https?://")]
    url: String,
    /// When it stops to sign in. The console itself works for an hour at most, never beyond the
    /// grant's deadline, and an early end stops it at once.
    expires_at: DateTime<Utc>,
}

impl ConsoleLink {
    pub(super) fn of(it: &app::console_link::ConsoleLink) -> Self {
        Self {
            url: it.url.expose_secret().to_owned(),
            expires_at: it.expires_at,
        }
    }
}
