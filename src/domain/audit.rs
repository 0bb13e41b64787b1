//! The words of the audit log.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::ids::{GrantId, PersonId, RequestId};

use super::cause::Cause;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Someone who signed in, or whose token was used.
    Person {
        /// Their id.
        id: PersonId,
        /// Their name as it is now.
        name: String,
    },
    /// Somebody with access to the server's own command line.
    Machine {
        /// What it calls itself.
        name: String,
    },
    /// A part of Countersign.
    System {
        /// Which.
        part: &'static str,
    },
}

/// Through what it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The web portal.
    Portal,
    /// The REST API.
    Api,
    /// The command line of the server.
    Cli,
    /// Countersign itself.
    System,
}

impl Channel {
    /// The word that the database stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Portal => "portal",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }
}

/// With what result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// The caller may not, or the state forbids it; the error code.
    Refused(&'static str),
    /// It was tried and did not work; the error code.
    Failure(&'static str),
}

/// What was done, with what else there is to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields' names say it; each has its unit in it"
)]
pub enum Action {
    /// A person asked.
    RequestSubmitted {
        entitlement: String,
        duration_seconds: i32,
        target_checked: bool,
    },
    /// One approval; `grant` with the last one.
    RequestApproved {
        stage: i16,
        have: i16,
        needed: i16,
        grant: Option<GrantId>,
        comment: Option<String>,
    },
    /// A denial.
    RequestDenied { comment: String },
    /// The requester took it back.
    RequestWithdrawn,
    /// Nobody decided in time.
    RequestExpired,
    /// The intent to open, recorded before the first AWS call.
    GrantOpening {
        request: RequestId,
        deadline: DateTime<Utc>,
    },
    /// Guard and statement were read back.
    GrantOpened {
        request: RequestId,
        deadline: DateTime<Utc>,
    },
    /// The intent to close.
    GrantClosing {
        request: RequestId,
        cause: Cause,
        reason: Option<String>,
    },
    /// AWS agrees that it is closed.
    GrantEnded {
        request: RequestId,
        cause: Cause,
        requested_at: DateTime<Utc>,
        confirmed_at: DateTime<Utc>,
    },
    /// It could not be opened; nothing is left behind.
    GrantFailed { request: RequestId, cause: Cause },
    /// AWS refuses or is silent; told once for each new kind of error, then hourly.
    GrantDelayed { error: String, attempts: i32 },
    /// No session can be left, and the guard does not name it any more.
    GuardRemoved { request: RequestId },
    /// Somebody took the grant's statement away; it is there again.
    GrantRestored { request: RequestId },
    /// Somebody deleted the guard under an open grant; it is there again.
    GuardRestored,
    /// The condition of a role changed.
    TargetChanged {
        from: &'static str,
        to: &'static str,
    },
    /// Someone signed in.
    SessionStarted,
    /// Someone signed out.
    SessionEnded,
    /// An API token was made.
    TokenCreated {
        name: String,
        prefix: String,
        expires_at: DateTime<Utc>,
    },
    /// An API token was revoked.
    TokenRevoked,
    /// The catalog was applied from a file.
    CatalogApplied {
        accounts: usize,
        people: usize,
        entitlements: usize,
    },
    /// A verb that was refused before it had anything to tell.
    Refused { action: &'static str },
    /// So many more refusals of a verb, of one person and for one reason.
    RefusedMore { action: &'static str, count: u32 },
}

/// The names of all actions, in the order of a grant's life.
pub const NAMES: [&str; 20] = [
    "request.submitted",
    "request.approved",
    "request.denied",
    "request.withdrawn",
    "request.expired",
    "grant.opening",
    "grant.opened",
    "grant.closing",
    "grant.ended",
    "grant.failed",
    "grant.delayed",
    "grant.restored",
    "guard.restored",
    "guard.removed",
    "target.changed",
    "session.started",
    "session.ended",
    "token.created",
    "token.revoked",
    "catalog.applied",
];

impl Action {
    /// The name in the log, as subject and verb.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RequestSubmitted { .. } => "request.submitted",
            Self::RequestApproved { .. } => "request.approved",
            Self::RequestDenied { .. } => "request.denied",
            Self::RequestWithdrawn => "request.withdrawn",
            Self::RequestExpired => "request.expired",
            Self::GrantOpening { .. } => "grant.opening",
            Self::GrantOpened { .. } => "grant.opened",
            Self::GrantClosing { .. } => "grant.closing",
            Self::GrantEnded { .. } => "grant.ended",
            Self::GrantFailed { .. } => "grant.failed",
            Self::GrantDelayed { .. } => "grant.delayed",
            Self::GuardRemoved { .. } => "guard.removed",
            Self::GrantRestored { .. } => "grant.restored",
            Self::GuardRestored => "guard.restored",
            Self::TargetChanged { .. } => "target.changed",
            Self::SessionStarted => "session.started",
            Self::SessionEnded => "session.ended",
            Self::TokenCreated { .. } => "token.created",
            Self::TokenRevoked => "token.revoked",
            Self::CatalogApplied { .. } => "catalog.applied",
            Self::Refused { action } | Self::RefusedMore { action, .. } => action,
        }
    }
}

/// The payload alone: an object with the fields of the variant.
impl Serialize for Action {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde_json::json;
        match self {
            Self::RequestSubmitted { entitlement, duration_seconds, target_checked } => {
                json!({"entitlement": entitlement, "duration_seconds": duration_seconds, "target_checked": target_checked})
            }
            Self::RequestApproved { stage, have, needed, grant, comment } => {
                json!({"stage": stage, "have": have, "needed": needed, "grant_id": grant, "comment": comment})
            }
            Self::RequestDenied { comment } => json!({"comment": comment}),
            Self::GrantOpening { request, deadline } | Self::GrantOpened { request, deadline } => {
                json!({"request_id": request, "deadline": deadline})
            }
            Self::GrantClosing { request, cause, reason } => json!({"request_id": request, "cause": cause, "reason": reason}),
            Self::GrantEnded { request, cause, requested_at, confirmed_at } => {
                json!({"request_id": request, "cause": cause, "requested_at": requested_at, "confirmed_at": confirmed_at})
            }
            Self::GrantFailed { request, cause } => json!({"request_id": request, "cause": cause}),
            Self::GrantDelayed { error, attempts } => json!({"error": error, "attempts": attempts}),
            Self::GuardRemoved { request } | Self::GrantRestored { request } => json!({"request_id": request}),
            Self::TargetChanged { from, to } => json!({"from": from, "to": to}),
            Self::TokenCreated { name, prefix, expires_at } => json!({"name": name, "prefix": prefix, "expires_at": expires_at}),
            Self::CatalogApplied { accounts, people, entitlements } => {
                json!({"accounts": accounts, "people": people, "entitlements": entitlements})
            }
            Self::RefusedMore { count, .. } => json!({"count": count}),
            Self::RequestWithdrawn | Self::RequestExpired | Self::GuardRestored | Self::SessionStarted | Self::SessionEnded | Self::TokenRevoked | Self::Refused { .. } => {
                json!({})
            }
        }
        .serialize(s)
    }
}

/// One row of the audit log, before it has its id.
#[must_use = "an event that is not stored tells nobody"]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub action: Action,
    /// Who.
    pub actor: Actor,
    /// TypeID of what it was done to, or its name where it has no row.
    pub subject: String,
    /// Through what.
    pub channel: Channel,
    /// With what result.
    pub outcome: Outcome,
}

/// Who acts and when: what every transition needs to tell of itself.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// Through what.
    pub channel: Channel,
    /// When (UTC).
    pub at: DateTime<Utc>,
}

impl By {
    /// A part of Countersign, acting by itself.
    #[must_use]
    pub const fn system(part: &'static str, at: DateTime<Utc>) -> Self {
        Self {
            actor: Actor::System { part },
            channel: Channel::System,
            at,
        }
    }

    /// The event of something that was done.
    pub fn did(&self, subject: impl ToString, action: Action) -> Event {
        Event {
            at: self.at,
            action,
            actor: self.actor.clone(),
            subject: subject.to_string(),
            channel: self.channel,
            outcome: Outcome::Success,
        }
    }
}
