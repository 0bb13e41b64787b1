//! What AWS asks of whoever a grant lets in, beside who they are: a second factor, an external ID.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a role asks of those who come by its trust policy or by a switch, and an attached policy of
/// those who use it. A role asks the same of everybody: else a session that began without a second
/// factor could go on under the name of a grant that needs one (docs/guard.md, H7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demands {
    /// A second factor: `aws:MultiFactorAuthPresent`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mfa: bool,
    /// What the caller of AssumeRole sends as `sts:ExternalId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
}

const fn is_false(it: &bool) -> bool {
    !*it
}

/// An external ID: no secret, and still only told to those who need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(String);

impl ExternalId {
    /// The ID of that text, as STS takes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_taken = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
        let fits = (2..=1_224).contains(&text.len()) && text.bytes().all(is_taken);
        fits.then(|| Self(text.to_owned()))
    }

    /// One that is on record already.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
