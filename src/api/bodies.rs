//! What callers send.

use serde::Deserialize;
use utoipa::ToSchema;

use super::moment::Moment;

/// An ask for one entitlement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRequest {
    /// Name of the entitlement.
    #[schema(example = "prod-admin", pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
    pub(super) entitlement: String,
    /// ISO 8601, whole seconds.
    #[schema(example = "PT1H", pattern = r"^\+?P[Tt][0-9]")]
    pub(super) duration: String,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    pub(super) justification: String,
    /// From when (RFC 3339); at once after approval where it is left out.
    pub(super) starts_at: Option<Moment>,
    /// Name or URL of a ticket.
    #[schema(max_length = 200)]
    pub(super) ticket: Option<String>,
    /// ARN of the AWS identity to be let in; needed only by those who have several in the account.
    pub(super) principal: Option<String>,
    /// Machines alone, and they must: TypeID of the person whom it is for, or an e-mail address
    /// that exactly one person has verified.
    #[schema(max_length = 320)]
    pub(super) on_behalf_of: Option<String>,
}

/// An approval.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Approval {
    /// In the approver's words.
    #[schema(max_length = 2000)]
    pub(super) comment: Option<String>,
    /// The longest grant that the approver approves, ISO 8601: at least what the entitlement
    /// allows, at most the request's `effective_duration`, and that where it is left out.
    #[schema(example = "PT30M", pattern = r"^\+?P[Tt][0-9]")]
    pub(super) duration: Option<String>,
    /// The request's `revision` as the approver saw it: if it is another one by now, nothing is
    /// decided (412).
    pub(super) revision: Option<i32>,
}

/// What goes with a step that needs no words.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Comment {
    /// In the approver's words.
    #[schema(max_length = 2000)]
    pub(super) comment: Option<String>,
}

/// A denial says why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Denial {
    /// In the approver's words, so that the requester knows what to change.
    // Left out, it reaches the verb all the same: its refusal has a code of its own and goes on
    // record.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 2000)]
    pub(super) comment: Option<String>,
    /// The request's `revision` as the approver saw it: if it is another one by now, nothing is
    /// decided (412).
    pub(super) revision: Option<i32>,
}

/// A question to the requester, or their answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Spoken {
    /// In their words.
    #[schema(min_length = 1, max_length = 2000)]
    pub(super) text: String,
}

/// An early end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct End {
    /// Why, for the record.
    #[schema(max_length = 2000)]
    pub(super) reason: Option<String>,
}

/// An ask for a later deadline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Extend {
    /// By how much later; ISO 8601, whole seconds.
    #[schema(example = "PT1H", pattern = r"^\+?P[Tt][0-9]")]
    pub(super) duration: String,
    /// Why.
    #[schema(min_length = 1, max_length = 2000)]
    pub(super) justification: String,
    /// Name or URL of a ticket.
    #[schema(max_length = 200)]
    pub(super) ticket: Option<String>,
}

/// Nothing to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Nothing {}
