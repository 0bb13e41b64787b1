//! What goes over the wire.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::ctx::Ctx;
use crate::app::find::{self, GrantView, Items};
use crate::domain::entitlement;
use crate::domain::grant::{self, GrantState};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    /// The rows, newest first.
    items: Vec<T>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

impl<T> List<T> {
    pub(super) fn of<S, C: ToString>(page: Items<S, C>, show: impl Fn(S) -> T) -> Self {
        Self {
            next: page.next.map(|it| it.to_string()),
            items: page.items.into_iter().map(show).collect(),
        }
    }
}

/// What an early end cuts, where that is not the same for every entitlement of the method.
pub(super) fn early_end(terms: &entitlement::Terms) -> Option<&'static str> {
    let is_handed_out = terms.method == entitlement::Method::StsCredentials;
    is_handed_out.then(|| terms.early_end.as_str())
}

/// The effect on AWS of an approved request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Grant {
    /// TypeID; also the session name that always works, where a role is opened.
    #[schema(format = "grant")]
    id: String,
    /// scheduled, opening, active, closing, ended or failed.
    #[schema(pattern = "^(scheduled|opening|active|closing|ended|failed)$")]
    state: &'static str,
    /// TypeID of its request.
    #[schema(format = "req")]
    request_id: String,
    /// Name of the entitlement.
    entitlement: String,
    /// ARN of the role; null where no role is opened (attach).
    role_arn: Option<String>,
    /// How it is opened: trust_policy, switch, attach or sts_credentials.
    #[schema(pattern = "^(trust_policy|switch|attach|sts_credentials)$")]
    method: &'static str,
    /// ARN of the AWS identity that is let in; null where the method needs none.
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
    /// The names that a session of the role may have now; none where no role is opened.
    session_names: Vec<String>,
    /// From when.
    starts_at: DateTime<Utc>,
    /// Until when; written into AWS.
    deadline: DateTime<Utc>,
    /// When AWS confirmed that it is open.
    opened_at: Option<DateTime<Utc>>,
    /// Why it is closing, ended or failed.
    cause: Option<&'static str>,
    /// When its end was asked for, or the deadline was noticed.
    closing_at: Option<DateTime<Utc>>,
    /// When AWS confirmed the end; with early_end = none, when nothing that was handed out could
    /// work any more.
    ended_at: Option<DateTime<Utc>>,
    /// Until when credentials may work that were handed out and that nothing cuts (early_end =
    /// none); null where there are none.
    cannot_be_cut_until: Option<DateTime<Utc>>,
    /// TypeID of the request for a later deadline that waits for a decision, while the grant is
    /// open.
    #[schema(format = "req")]
    extension_id: Option<String>,
    /// What keeps it opening or closing: denied, throttled, unreachable, unclear, full, malformed,
    /// protected, gone, clock_skew, unvouched, unplanned or hub_refused; safe_mode or contested
    /// where a person has to look first; null while AWS does as it is asked. A closing one may work
    /// until AWS agrees, at the latest until the deadline. One that is over has it where somebody
    /// has put back what was attached, and AWS does not let that be taken away.
    delayed_by: Option<String>,
    /// Since when.
    delayed_since: Option<DateTime<Utc>>,
    /// What lets the person into the role without the grant, whose end then ends nothing: a
    /// policy's id, or the role's trust policy; null where nothing was seen to (switch).
    bypassed_by: Option<String>,
    /// When that was first seen.
    bypassed_at: Option<DateTime<Utc>>,
}

impl Grant {
    pub(super) fn of(ctx: Option<&Ctx>, view: &GrantView) -> Self {
        let it = &view.grant;
        let (opened_at, closing, ended_at) = match &it.state {
            GrantState::Scheduled | GrantState::Opening { .. } => (None, None, None),
            GrantState::Active { opened_at, .. } => (Some(*opened_at), None, None),
            GrantState::Closing(it) => (it.opened_at, Some((it.cause, it.since)), None),
            GrantState::Ended {
                opened_at,
                cause,
                requested_at,
                at,
                ..
            } => (*opened_at, Some((*cause, *requested_at)), Some(*at)),
            GrantState::Failed {
                cause,
                requested_at,
                at,
                ..
            } => (None, Some((*cause, *requested_at)), Some(*at)),
        };
        Self {
            id: it.id.to_string(),
            state: it.state.as_str(),
            request_id: it.request.to_string(),
            entitlement: view.request.terms.name.clone(),
            role_arn: view.request.terms.role_arn.clone(),
            method: it.method.as_str(),
            principal_arn: it.principal_arn.clone(),
            principal_session: it.principal_session.clone(),
            early_end: early_end(&view.request.terms),
            mfa: it.demands.mfa,
            external_id: ctx.and_then(|ctx| find::external_id(ctx, &view.request)),
            session_names: session_names(it),
            starts_at: it.starts_at,
            deadline: it.deadline,
            opened_at,
            cause: closing.map(|(cause, _)| cause.as_str()),
            closing_at: closing.map(|(_, at)| at),
            ended_at,
            cannot_be_cut_until: it.marks.keys_until,
            extension_id: view
                .extension
                .filter(|_| it.state.is_open())
                .map(|request| request.to_string()),
            delayed_by: view.delay.as_ref().map(|it| it.error.clone()),
            delayed_since: view.delay.as_ref().map(|it| it.since),
            bypassed_by: it.marks.bypassed.as_ref().map(|it| it.by.clone()),
            bypassed_at: it.marks.bypassed.as_ref().map(|it| it.at),
        }
    }
}

fn session_names(grant: &grant::Grant) -> Vec<String> {
    if !grant.method.opens_role() {
        return Vec::new();
    }
    // A console name that may still be another person's is not told: the statement does not admit
    // it (docs/guard.md, C7).
    let console = grant.usable_console_name().map(ToOwned::to_owned);
    std::iter::once(grant.grant_name.clone())
        .chain(console)
        .collect()
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// TypeID.
    #[schema(format = "person")]
    pub(super) id: String,
    /// Name.
    pub(super) name: String,
    /// E-mail address.
    pub(super) email: String,
    /// Groups.
    pub(super) groups: Vec<String>,
    /// ARNs of the AWS identities.
    pub(super) principals: Vec<String>,
}

/// One row of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditEvent {
    /// TypeID.
    #[schema(format = "event")]
    pub(super) id: String,
    /// When.
    pub(super) at: DateTime<Utc>,
    /// What.
    pub(super) action: String,
    /// Who.
    pub(super) actor: Actor,
    /// TypeID of what it was done to, or its name.
    pub(super) subject: String,
    /// portal, api, cli or system.
    #[schema(pattern = "^(portal|api|cli|system)$")]
    pub(super) channel: String,
    /// success, refused or failure.
    #[schema(pattern = "^(success|refused|failure)$")]
    pub(super) outcome: String,
    /// The error code, unless it was a success.
    pub(super) code: Option<String>,
    /// What else there is to know of it.
    #[schema(value_type = Object)]
    pub(super) details: serde_json::Value,
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Actor {
    /// person, machine or system.
    #[schema(pattern = "^(person|machine|system)$")]
    pub(super) kind: String,
    /// TypeID of the person or machine; or the name of the server's command line or of a part.
    pub(super) id: String,
    /// The name as it was then.
    pub(super) name: String,
}
