//! What a provider tells of a person who signs in, and what is remembered between the way there and
//! the way back.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::identity::AwsIdentity;
use crate::ids::DraftId;

/// A sign-in that was begun in a browser, and has come back.
#[derive(Debug)]
pub struct Attempt {
    /// What the ID token has to repeat.
    pub nonce: String,
    /// The secret of PKCE (RFC 7636).
    pub verifier: SecretString,
    /// Where to go afterwards.
    pub next: String,
    /// What was typed before, if it is kept.
    pub draft: Option<DraftId>,
    /// When it was begun.
    pub began_at: DateTime<Utc>,
}

/// Whom an ID token tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `iss`: who says so.
    pub issuer: String,
    /// `sub`: who it is there, byte for byte.
    pub subject: String,
    /// Name, for display.
    pub name: String,
    /// E-mail address, for display and mail; empty where none was told.
    pub email: String,
    /// Whether the provider vouches for the address.
    pub email_verified: bool,
    /// The groups that the person is in.
    pub groups: Groups,
    /// `sid`: the provider's own session.
    pub sid: Option<String>,
    /// `auth_time`: when the person last showed the provider who they are.
    pub auth_time: Option<DateTime<Utc>>,
    /// `acr`: how strongly.
    pub acr: Option<String>,
    /// Their identity in AWS, where claims make one.
    pub aws: Option<AwsIdentity>,
}

/// In which groups somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// In these, and in no others.
    Known(Vec<String>),
    /// The provider has not said, or only in part. That is not the same as being in none.
    Unknown,
    /// The catalog says so, not the provider.
    InCatalog,
}

impl Groups {
    /// Those that a sign-in brings, if it brings any.
    #[must_use]
    pub fn told(&self) -> Option<&[String]> {
        match self {
            Self::Known(groups) => Some(groups),
            Self::Unknown | Self::InCatalog => None,
        }
    }
}

/// Whom a provider has signed out (OpenID Connect Back-Channel Logout 1.0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// `iss`: who says so.
    pub issuer: String,
    /// `sub`: all sessions of that person.
    pub subject: Option<String>,
    /// `sid`: that one session.
    pub sid: Option<String>,
    /// `iat`: when, to the second.
    pub issued_at: DateTime<Utc>,
    /// `jti`: the token's own id.
    pub id: String,
}
