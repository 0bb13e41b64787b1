//! What every handler has at hand.

use std::sync::Arc;

use super::commands;
use crate::app::App;

/// What the portal must know of its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What browsers call us: scheme, host and port, without a slash at the end.
    pub public_url: String,
    /// Where AWS is for the people who use a grant.
    pub aws: commands::Aws,
}

impl Settings {
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
