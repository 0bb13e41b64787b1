//! What may be asked for, and the terms that a request keeps.

use serde::{Deserialize, Serialize};

use crate::ids::{EntitlementId, TargetId};

/// How access is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A statement in the role's trust policy.
    TrustPolicy,
}

impl Method {
    /// The word used in the catalog, the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TrustPolicy => "trust_policy",
        }
    }
}

/// An entitlement as it was when it was asked for; a request keeps these whatever the catalog says
/// later. Stored terms may know more than we do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    // A new field needs a default: requests of before have stored terms without it.
    /// The entitlement's name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The account's 12 digits.
    pub account: String,
    /// The account's name.
    pub account_name: String,
    /// ARN of the role.
    pub role_arn: String,
    /// How it is opened.
    pub method: Method,
    /// Shortest duration, seconds.
    pub min_duration_seconds: i32,
    /// Longest duration, seconds.
    pub max_duration_seconds: i32,
    /// Who may ask.
    pub requester_group: String,
    /// Who may decide.
    pub approver_group: String,
    /// How many distinct people must approve.
    pub needed: i16,
    /// The entitlement's version.
    pub version: i32,
}

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// Its id.
    pub id: EntitlementId,
    /// The role that it opens.
    pub target: TargetId,
    /// Everything else.
    pub terms: Terms,
}
