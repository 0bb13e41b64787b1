//! What every handler has at hand.

use std::sync::Arc;

use super::commands;
use crate::app::App;
use crate::authn::oidc::RelyingParty;
use crate::error::CallerError;

/// What the portal must know of its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What browsers call us: scheme, host and port, without a slash at the end.
    pub public_url: String,
    /// Where AWS is for the people who use a grant.
    pub aws: commands::Aws,
    /// Whom people sign in with, where the way is [`BY_PROVIDER`](super::BY_PROVIDER).
    pub provider: Option<Arc<RelyingParty>>,
}

impl Settings {
    /// Whom people sign in with.
    ///
    /// # Errors
    /// 404 where there is nobody.
    pub fn provider(&self) -> Result<&RelyingParty, CallerError> {
        self.provider.as_deref().ok_or(CallerError::NotFound)
    }

    /// Whether browsers reach us by https.
    #[must_use]
    pub fn https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// What every handler has at hand.
#[derive(Debug, Clone)]
pub struct Portal {
    /// The application.
    pub app: App,
    /// Its surroundings.
    pub settings: Arc<Settings>,
}
