//! What may be asked for, over the wire.

use serde::Serialize;
use utoipa::ToSchema;

use super::types::early_end;
use crate::domain::duration;
use crate::domain::entitlement;
use crate::domain::rules;
use crate::domain::stages;

/// What may be asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entitlement {
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// The account's 12 digits.
    #[schema(pattern = "^[0-9]{12}$")]
    account: String,
    /// The account's name.
    account_name: String,
    /// ARN of the role; null where no role is opened (attach).
    role_arn: Option<String>,
    /// How it is opened: trust_policy, switch, attach or sts_credentials.
    #[schema(pattern = "^(trust_policy|switch|attach|sts_credentials)$")]
    method: &'static str,
    /// Of sts_credentials, what an early end cuts: guard (everything), or none (what was handed
    /// out works until it expires or the deadline comes). Null for the other methods.
    #[schema(pattern = "^(guard|none)$")]
    early_end: Option<&'static str>,
    /// Whether AWS asks for a second factor (`aws:MultiFactorAuthPresent`).
    mfa: bool,
    /// Shortest duration, ISO 8601.
    min_duration: String,
    /// Longest duration, ISO 8601.
    max_duration: String,
    /// How many people must approve.
    approvals_needed: i16,
    /// Who approves: stages in the order in which they open.
    stages: Vec<OfferedStage>,
    /// What else holds of asking and deciding.
    rules: Rules,
}

/// Groups that are asked at the same time.
#[derive(Debug, Serialize, ToSchema)]
struct OfferedStage {
    /// The groups, each with its seats.
    groups: Vec<OfferedSeats>,
}

/// The seats of one group in a stage.
#[derive(Debug, Serialize, ToSchema)]
struct OfferedSeats {
    /// The group.
    group: String,
    /// How many of it must approve.
    needed: i16,
    /// Whose members may approve in its place, once the stage has been open for `escalate_after`;
    /// null where nobody may.
    escalate_to: Option<String>,
    /// ISO 8601.
    escalate_after: Option<String>,
}

/// What holds of asking and deciding, beside who decides. A request keeps the rules that it was
/// made under.
#[derive(Debug, Serialize, ToSchema)]
struct Rules {
    /// The least length of a justification, in characters.
    justification_min: i16,
    /// Whether a ticket goes with a request: none, optional or required.
    #[schema(pattern = "^(none|optional|required)$")]
    ticket: &'static str,
    /// Whether a comment goes with an approval: optional or required.
    #[schema(pattern = "^(optional|required)$")]
    approve_comment: &'static str,
    /// Through what it may be decided: any of portal, api, slack and email, and always portal.
    decide_via: Vec<&'static str>,
    /// How many grants one person may have of it that are not over; null where there is no limit.
    live_per_person: Option<i16>,
    /// How many grants there may be of it that are not over; null where there is no limit.
    live: Option<i16>,
    /// After how long those who can decide are to be reminded, ISO 8601; null where it is as
    /// configured. Nothing is sent yet.
    remind_after: Option<String>,
    /// After how long a request lapses, ISO 8601; null where it is as configured.
    expire_after: Option<String>,
    /// Whether somebody may decide in place of who is away.
    delegation: bool,
}

impl From<entitlement::Entitlement> for Entitlement {
    fn from(it: entitlement::Entitlement) -> Self {
        let it = it.terms;
        Self {
            early_end: early_end(&it),
            name: it.name,
            description: it.description,
            account: it.account,
            account_name: it.account_name,
            role_arn: it.role_arn,
            method: it.method.as_str(),
            mfa: it.demands.mfa,
            min_duration: duration::print(it.min_duration_seconds),
            max_duration: duration::print(it.max_duration_seconds),
            approvals_needed: it.stages.seats(),
            stages: it.stages.iter().map(Into::into).collect(),
            rules: it.rules.into(),
        }
    }
}

impl From<&stages::Stage> for OfferedStage {
    fn from(it: &stages::Stage) -> Self {
        let groups = it.groups.iter().map(|it| {
            let escalation = it.escalation.as_ref();
            OfferedSeats {
                group: it.group.clone(),
                needed: it.needed,
                escalate_to: escalation.map(|it| it.to.clone()),
                escalate_after: escalation.map(|it| duration::print(it.after_seconds)),
            }
        });
        Self {
            groups: groups.collect(),
        }
    }
}

impl From<rules::Rules> for Rules {
    fn from(it: rules::Rules) -> Self {
        Self {
            justification_min: it.justification_min,
            ticket: it.ticket.as_str(),
            approve_comment: it.approve_comment.as_str(),
            decide_via: it.decide_via.iter().map(rules::Via::as_str).collect(),
            live_per_person: it.live_per_person,
            live: it.live,
            remind_after: it.remind_after.map(String::from),
            expire_after: it.expire_after.map(String::from),
            delegation: it.delegation,
        }
    }
}
