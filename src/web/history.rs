//! The history of one request, as sentences.

use chrono::{DateTime, Utc};

use super::show::{Icon, Tone};

/// One step.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When.
    pub at: DateTime<Utc>,
    /// Its drawing.
    pub icon: Icon,
    /// Its colour.
    pub tone: Tone,
    /// What happened.
    pub text: String,
    /// In the person's own words.
    pub quote: Option<String>,
    /// Through which channel; empty for Countersign itself.
    pub through: String,
}
