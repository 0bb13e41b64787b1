//! Requests over the wire, with the decisions on them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::types::early_end;
use crate::app::ctx::Ctx;
use crate::app::find::{self, CountedView, StageView};
use crate::domain::duration;
use crate::domain::grant;
use crate::domain::machine;
use crate::domain::outlive;
use crate::domain::request;

/// A person's ask.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Request {
    /// TypeID.
    #[schema(format = "req")]
    id: String,
    /// pending, approved, denied, withdrawn or expired.
    #[schema(pattern = "^(pending|approved|denied|withdrawn|expired)$")]
    state: &'static str,
    /// Grows with each transition.
    version: i32,
    /// Grows with what is judged: the duration, a question, its answer. A vote does not change it.
    revision: i32,
    /// Name of the entitlement.
    entitlement: String,
    /// The account's 12 digits.
    #[schema(pattern = "^[0-9]{12}$")]
    account: String,
    /// ARN of the role; null where no role is opened (attach).
    role_arn: Option<String>,
    /// TypeID of the person whom it is for.
    #[schema(format = "person")]
    person_id: String,
    /// Who has sent it: that person, or a machine on their behalf.
    requested_by: RequestedBy,
    /// How it is opened: trust_policy, switch, attach or sts_credentials.
    #[schema(pattern = "^(trust_policy|switch|attach|sts_credentials)$")]
    method: &'static str,
    /// ARN of the AWS identity to be let in; null where the method needs none.
    principal_arn: Option<String>,
    /// The name of its sessions, where it is a role; else null.
    principal_session: Option<String>,
    /// Of sts_credentials, what an early end cuts: guard (everything), or none (what was handed
    /// out works until it expires or the deadline comes). Null for the other methods.
    #[schema(pattern = "^(guard|none)$")]
    early_end: Option<&'static str>,
    /// Whether AWS asks for a second factor (`aws:MultiFactorAuthPresent`).
    mfa: bool,
    /// What the requester sends as `ExternalId` when assuming the role; null where there is none,
    /// and for whoever is neither the requester nor an approver.
    external_id: Option<String>,
    /// Why.
    justification: String,
    /// As it was asked for, ISO 8601.
    duration: String,
    /// As much of that as every approval until now approves, ISO 8601.
    effective_duration: String,
    /// Asked start.
    starts_at: Option<DateTime<Utc>>,
    /// Ticket.
    ticket: Option<String>,
    /// How many people must approve.
    approvals_needed: i16,
    /// Whether AWS was asked about the role when the request was made; if not, it is asked when it
    /// opens.
    target_checked: bool,
    /// What could outlive the deadline, as the role's policies, or what is attached, said when the
    /// request was made; what could not be read is among it. Empty where nothing was found, null
    /// where nobody looked.
    outlives: Option<Vec<Outlives>>,
    /// When it was made.
    submitted_at: DateTime<Utc>,
    /// When it lapses undecided.
    expires_at: DateTime<Utc>,
    /// When it left `pending`.
    closed_at: Option<DateTime<Utc>>,
    /// The grant whose deadline is to be later by `duration`; null for a request that makes a grant
    /// of its own.
    #[schema(format = "grant")]
    extends_grant_id: Option<String>,
    /// Its grant, or the one that it extends; null until there is one.
    #[schema(format = "grant")]
    grant_id: Option<String>,
}

impl Request {
    /// As the caller sees it; a machine's list has no person who looks.
    pub(super) fn of(
        ctx: Option<&Ctx>,
        it: &request::Request,
        grant: Option<&grant::Grant>,
    ) -> Self {
        Self {
            id: it.id.to_string(),
            state: it.state.as_str(),
            version: it.version,
            revision: it.revision,
            entitlement: it.terms.name.clone(),
            account: it.terms.account.clone(),
            role_arn: it.terms.role_arn.clone(),
            person_id: it.person.to_string(),
            requested_by: it.into(),
            method: it.terms.method.as_str(),
            principal_arn: it.principal_arn.clone(),
            principal_session: it.principal_session.clone(),
            early_end: early_end(&it.terms),
            mfa: it.terms.demands.mfa,
            external_id: ctx.and_then(|ctx| find::external_id(ctx, it)),
            justification: it.justification.to_string(),
            duration: duration::print(it.duration_seconds),
            effective_duration: duration::print(it.effective_seconds),
            starts_at: it.starts_at,
            ticket: it.ticket.as_ref().map(ToString::to_string),
            approvals_needed: it.terms.stages.seats(),
            target_checked: it.target_checked,
            outlives: it
                .outlives
                .as_ref()
                .map(|found| found.iter().map(Into::into).collect()),
            submitted_at: it.submitted_at,
            expires_at: it.expires_at,
            closed_at: it.state.closed_at(),
            extends_grant_id: it.extends.map(|grant| grant.to_string()),
            grant_id: grant
                .map(|it| it.id)
                .or(it.extends)
                .map(|id| id.to_string()),
        }
    }
}

/// Who has sent a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestedBy {
    /// person or machine.
    #[schema(pattern = "^(person|machine)$")]
    kind: &'static str,
    /// TypeID of the person, or of the machine.
    id: String,
    /// The name as it is now.
    name: String,
}

impl From<&request::Request> for RequestedBy {
    fn from(it: &request::Request) -> Self {
        match &it.requested_by {
            machine::RequestedBy::Person(name) => Self {
                kind: "person",
                id: it.person.to_string(),
                name: name.clone(),
            },
            machine::RequestedBy::Machine(asked) => Self {
                kind: "machine",
                id: asked.id.to_string(),
                name: asked.name.clone(),
            },
        }
    }
}

/// A statement that lets access outlive the deadline, or what could not be read.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outlives {
    /// writing_iam, assuming_roles, passing_roles, acquiring_roles, accepting_delegation,
    /// managing_people, signing_in, holding_tokens, managing_permissions, running_code,
    /// trusted_service, trusted_account; own_policies where the person may need no grant; unread
    /// where nobody can tell, more where there are more than are listed. Later releases may know
    /// more kinds.
    kind: &'static str,
    /// In words, what access can outlive the deadline through, or why it could not be read.
    through: String,
    /// Which statement of which policy lets it, or what could not be read.
    statement: Option<String>,
    /// Whether the statement allows it under a condition, which nobody has judged.
    conditional: bool,
}

impl From<&outlive::Outlives> for Outlives {
    fn from(it: &outlive::Outlives) -> Self {
        Self {
            kind: it.through.as_str(),
            through: it.to_string(),
            statement: it.place(),
            conditional: it.conditional,
        }
    }
}

/// How many of those who can decide are named.
const NAMED: usize = 20;

/// A request, and how far the decisions on it have brought it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Decided {
    #[serde(flatten)]
    request: Request,
    /// What was said of it, oldest first. The last decision of a person is where they stand.
    decisions: Vec<Decision>,
    /// What approvers have asked, oldest first; one waits for its answer at most, the last.
    questions: Vec<Question>,
    /// Its stages, in the order in which they open.
    stages: Vec<Stage>,
    /// Whether the people that there are could still approve it: false where its groups have too
    /// few members who may decide it.
    fillable: bool,
    /// What the same person has of the same entitlement already, with the same AWS identity, or
    /// waits for; empty once this is decided.
    already: Vec<Already>,
}

/// A request that waits for a decision, or has a grant that is not over.
#[derive(Debug, Serialize, ToSchema)]
struct Already {
    /// TypeID.
    #[schema(format = "req")]
    request_id: String,
    /// TypeID of its grant; null while it waits for a decision.
    #[schema(format = "grant")]
    grant_id: Option<String>,
    /// From when that grant is.
    starts_at: Option<DateTime<Utc>>,
    /// Until when.
    deadline: Option<DateTime<Utc>>,
}

/// What somebody said of a request.
#[derive(Debug, Serialize, ToSchema)]
struct Decision {
    /// TypeID.
    #[schema(format = "person")]
    person_id: String,
    /// Their name as it is now.
    name: String,
    /// approve, deny, or withdraw: takes an approval back.
    #[schema(pattern = "^(approve|deny|withdraw)$")]
    verdict: &'static str,
    /// In their words.
    comment: Option<String>,
    /// Of an approval, the longest grant that it approves, ISO 8601; else null.
    duration: Option<String>,
    /// Through what: portal or api; later releases may know more.
    channel: String,
    /// When.
    at: DateTime<Utc>,
    /// TypeID of the person who is away and in whose place it counts; null where it counts by a
    /// group of their own.
    #[schema(format = "person")]
    for_person_id: Option<String>,
    /// That person's name as it is now.
    for_name: Option<String>,
}

/// What an approver has asked.
#[derive(Debug, Serialize, ToSchema)]
struct Question {
    /// TypeID of the approver.
    #[schema(format = "person")]
    asked_by: String,
    /// Their name as it is now.
    name: String,
    /// The question, in their words.
    text: String,
    /// When.
    at: DateTime<Utc>,
    /// What the requester answered; null while it waits.
    answer: Option<String>,
    /// When they did.
    answered_at: Option<DateTime<Utc>>,
}

/// One stage.
#[derive(Debug, Serialize, ToSchema)]
struct Stage {
    /// Its number, from 1.
    stage: i16,
    /// closed: it has its approvals; open: it waits for them; waiting: an earlier one is open.
    #[schema(pattern = "^(closed|open|waiting)$")]
    state: &'static str,
    /// How many approvals it needs.
    needed: i16,
    /// How many it has; 0 while it waits.
    have: i16,
    /// From which groups.
    groups: Vec<Group>,
    /// TypeIDs of the people who can bring it further now, 20 at most; none unless it is open.
    #[schema(max_items = 20)]
    can: Vec<String>,
    /// Whether there are more than these.
    more: bool,
}

/// The seats of a group.
#[derive(Debug, Serialize, ToSchema)]
struct Group {
    /// The group.
    group: String,
    /// How many approvals it gives.
    needed: i16,
}

impl Decided {
    pub(super) fn of(ctx: &Ctx, view: &CountedView) -> Self {
        Self {
            request: Request::of(Some(ctx), &view.request, view.grant.as_ref()),
            decisions: view.decisions.iter().map(Into::into).collect(),
            questions: view.questions.iter().map(Into::into).collect(),
            stages: view.stages.iter().map(Into::into).collect(),
            fillable: view.fillable,
            already: view.held.iter().map(Into::into).collect(),
        }
    }
}

impl From<&find::Held> for Already {
    fn from(it: &find::Held) -> Self {
        let (starts_at, deadline) = it.window.unzip();
        Self {
            request_id: it.request.to_string(),
            grant_id: it.grant.map(|it| it.to_string()),
            starts_at,
            deadline,
        }
    }
}

impl From<&find::Decision> for Decision {
    fn from(it: &find::Decision) -> Self {
        Self {
            person_id: it.person.to_string(),
            name: it.name.clone(),
            verdict: it.verdict.as_str(),
            comment: it.comment.clone(),
            duration: it.duration_seconds.map(duration::print),
            channel: it.channel.clone(),
            at: it.at,
            for_person_id: it.stands_for.as_ref().map(|(id, _)| id.to_string()),
            for_name: it.stands_for.as_ref().map(|(_, name)| name.clone()),
        }
    }
}

impl From<&find::Question> for Question {
    fn from(it: &find::Question) -> Self {
        let (answer, answered_at) = it.answer.clone().unzip();
        Self {
            asked_by: it.asked_by.to_string(),
            name: it.name.clone(),
            text: it.text.clone(),
            at: it.at,
            answer,
            answered_at,
        }
    }
}

impl From<&StageView> for Stage {
    fn from(it: &StageView) -> Self {
        let groups = it.groups.iter().map(|it| Group {
            group: it.group.clone(),
            needed: it.needed,
        });
        Self {
            stage: it.stage,
            state: it.state.as_str(),
            needed: it.needed,
            have: it.have,
            groups: groups.collect(),
            can: it.can.iter().take(NAMED).map(ToString::to_string).collect(),
            more: it.can.len() > NAMED,
        }
    }
}
