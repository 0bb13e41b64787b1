//! A role as AWS shows it.

use chrono::{DateTime, Utc};

#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) id: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) arn: String,
    pub(super) trust: String,
    /// ARN of its permissions boundary.
    pub(super) boundary: Option<String>,
}
