//! Every action of the audit log, once: its name and what is told with it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::cause::Cause;
use crate::domain::fetch::Kind;
use crate::domain::identity::Source;
use crate::domain::target::Condition;
use crate::ids::{
    FetchId, GrantId, MachineId, PersonId, PrincipalId, ProbeId, RequestId, RevocationId,
};

/// A seat of a request, taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its stage, from 1.
    pub stage: i16,
    /// Whose seat it is.
    pub group: String,
    /// Who sits there, by the account that counts for them.
    #[serde(rename = "person_id")]
    pub person: PersonId,
    /// For whom they stand in.
    #[serde(
        rename = "for_person_id",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub stands_for: Option<PersonId>,
}

/// Makes [`Action`] and [`ActionName`] from one list, so that each name stands in one place.
macro_rules! actions {
    ($(
        $(#[doc = $doc:literal])*
        $action:ident = $name:literal { $( $(#[$attribute:meta])* $field:ident: $type:ty, )* }
    )*) => {
        /// What was done, with what else there is to know of it. It is stored as two columns: the
        /// name, and an object with the fields. Braces stand behind every action, since an action
        /// without fields is stored with an empty object.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "action", content = "details")]
        #[expect(
            missing_docs,
            reason = "the fields' names say it; each has its unit in it"
        )]
        pub enum Action {
            $(
                $(#[doc = $doc])*
                #[serde(rename = $name)]
                $action { $( $(#[$attribute])* $field: $type, )* },
            )*
        }

        /// An action's name in the log, as subject and verb.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ActionName {
            $( $(#[doc = $doc])* $action, )*
        }

        /// The names of all actions, in the order of a grant's life.
        pub const NAMES: &[&str] = &[$( $name, )*];

        impl Action {
            /// Its name.
            #[must_use]
            pub const fn name(&self) -> ActionName {
                match self {
                    $( Self::$action { .. } => ActionName::$action, )*
                }
            }
        }

        impl ActionName {
            /// The text in the log.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$action => $name, )*
                }
            }
        }
    };
}

// Names of actions and fields stand in stored rows, which are never rewritten: renamed here, older
// events would read as unknown ones.
actions! {
    /// A person asked.
    RequestSubmitted = "request.submitted" {
        entitlement: String,
        duration_seconds: i32,
        target_checked: bool,
        /// The grant whose deadline is to be moved.
        #[serde(rename = "extends_grant_id", default, skip_serializing_if = "Option::is_none")]
        extends: Option<GrantId>,
    }
    /// One approval; `grant` with the last one.
    RequestApproved = "request.approved" {
        stage: i16,
        have: i16,
        needed: i16,
        #[serde(rename = "grant_id")]
        grant: Option<GrantId>,
        comment: Option<String>,
        /// The longest that every approval until now approves, where that is not what was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_seconds: Option<i32>,
        /// Who sits where, with the last one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        seats: Vec<Taken>,
    }
    /// An approver took their approval back.
    ApprovalWithdrawn = "approval.withdrawn" {
        comment: Option<String>,
    }
    /// An approver asked the requester something.
    RequestQuestioned = "request.questioned" {
        question: String,
    }
    /// The requester answered.
    RequestAnswered = "request.answered" {
        answer: String,
    }
    /// Every earlier stage has its seats, and this one asks for its own.
    StageOpened = "stage.opened" {
        stage: i16,
    }
    /// A stage asks again: a vote that it had does not count any more.
    StageReopened = "stage.reopened" {
        stage: i16,
    }
    /// A group that a stage escalates to decides from now on as well.
    RequestEscalated = "request.escalated" {
        stage: i16,
        group: String,
    }
    /// With the people that there are by now it cannot be approved.
    RequestUnfillable = "request.unfillable" {}
    /// A denial.
    RequestDenied = "request.denied" {
        comment: String,
    }
    /// The requester took it back.
    RequestWithdrawn = "request.withdrawn" {}
    /// Nobody decided in time, or there is nothing left to extend.
    RequestExpired = "request.expired" {
        /// The grant that it was to extend, where that closed before anybody had decided.
        #[serde(rename = "closed_grant_id", default, skip_serializing_if = "Option::is_none")]
        closed: Option<GrantId>,
    }
    /// The intent to open, recorded before the first write to AWS.
    GrantOpening = "grant.opening" {
        #[serde(rename = "request_id")]
        request: RequestId,
        deadline: DateTime<Utc>,
    }
    /// Guard and statement were read back.
    GrantOpened = "grant.opened" {
        #[serde(rename = "request_id")]
        request: RequestId,
        deadline: DateTime<Utc>,
    }
    /// Its deadline was moved by an extension that was approved; AWS follows.
    GrantExtended = "grant.extended" {
        #[serde(rename = "request_id")]
        request: RequestId,
        deadline_before: DateTime<Utc>,
        deadline: DateTime<Utc>,
    }
    /// The intent to close.
    GrantClosing = "grant.closing" {
        #[serde(rename = "request_id")]
        request: RequestId,
        cause: Cause,
        reason: Option<String>,
        /// The revocation that ended it, with everything else of a scope.
        #[serde(rename = "revocation_id", default, skip_serializing_if = "Option::is_none")]
        revocation: Option<RevocationId>,
    }
    /// AWS agrees that it is closed.
    GrantEnded = "grant.ended" {
        #[serde(rename = "request_id")]
        request: RequestId,
        cause: Cause,
        requested_at: DateTime<Utc>,
        confirmed_at: DateTime<Utc>,
        /// The revocation that ended it before it was opened.
        #[serde(rename = "revocation_id", default, skip_serializing_if = "Option::is_none")]
        revocation: Option<RevocationId>,
    }
    /// It could not be opened; nothing is left behind.
    GrantFailed = "grant.failed" {
        #[serde(rename = "request_id")]
        request: RequestId,
        cause: Cause,
    }
    /// AWS refuses or is silent; told once for each new kind of error, then hourly.
    GrantDelayed = "grant.delayed" {
        error: String,
        attempts: i32,
    }
    /// The person could assume the role without the grant, which then ends nothing; told once.
    GrantBypassed = "grant.bypassed" {
        #[serde(rename = "request_id")]
        request: RequestId,
        /// A policy's id as IAM tells it, or the role's trust policy.
        policy: String,
    }
    /// Somebody took the grant's statement away; it is there again.
    GrantRestored = "grant.restored" {
        #[serde(rename = "request_id")]
        request: RequestId,
    }
    /// Somebody deleted the guard under an open grant; it is there again.
    GuardRestored = "guard.restored" {}
    /// No session can be left, and the guard does not name it any more.
    GuardRemoved = "guard.removed" {
        #[serde(rename = "request_id")]
        request: RequestId,
    }
    /// STS is about to be asked for credentials; recorded before the call.
    CredentialsRequested = "credentials.requested" {
        #[serde(rename = "request_id")]
        request: RequestId,
        #[serde(rename = "fetch_id")]
        fetch: FetchId,
        // Older events say nothing of it: there were keys alone.
        #[serde(default)]
        kind: Kind,
    }
    /// Credentials were handed out.
    CredentialsIssued = "credentials.issued" {
        #[serde(rename = "request_id")]
        request: RequestId,
        #[serde(rename = "fetch_id")]
        fetch: FetchId,
        #[serde(default)]
        kind: Kind,
        access_key_id: String,
        expires_at: DateTime<Utc>,
        packed_percent: Option<i16>,
    }
    /// STS gave credentials and nobody got them: the grant was not open any more, or no link to the
    /// console came about.
    CredentialsDiscarded = "credentials.discarded" {
        #[serde(rename = "request_id")]
        request: RequestId,
        #[serde(rename = "fetch_id")]
        fetch: FetchId,
        access_key_id: String,
        expires_at: DateTime<Utc>,
    }
    /// STS gave none.
    CredentialsFailed = "credentials.failed" {
        #[serde(rename = "request_id")]
        request: RequestId,
        #[serde(rename = "fetch_id")]
        fetch: FetchId,
    }
    /// An admin tries whether AWS denies the sessions of an ended grant; recorded before the call.
    ProbeRequested = "probe.requested" {
        #[serde(rename = "request_id")]
        request: RequestId,
        #[serde(rename = "probe_id")]
        probe: ProbeId,
    }
    /// What was seen of such a session, which nobody got.
    ProbeAnswered = "probe.answered" {
        #[serde(rename = "request_id")]
        request: RequestId,
        #[serde(rename = "probe_id")]
        probe: ProbeId,
        /// `denied`, `not_denied` or `not_asked`.
        outcome: String,
        access_key_id: Option<String>,
    }
    /// The condition of a role changed.
    TargetChanged = "target.changed" {
        from: Condition,
        to: Condition,
    }
    /// A policy on a user is not as it was left, and nobody here did it; one of ours is where
    /// the loop does not look; or a closed role is open to everybody whom it lets in.
    TargetAlarm = "target.alarm" {
        /// `unaccounted`, `other_timeline`, `altered`, `came_back` or `orphan`; `unguarded` of a
        /// closed role whose guard AWS does not take.
        alarm: String,
        /// The grant, or the name of the policy, guard or statement that no grant accounts for; why
        /// there is no guard.
        of: String,
    }
    /// Every manager role that was tried refuses Countersign's own identity, the hub, which then
    /// can neither open nor close anything in those accounts: told once for all of them.
    HubRefused = "hub.refused" {
        /// The accounts that were tried.
        accounts: Vec<String>,
    }
    /// One of them lets the hub in again.
    HubAdmitted = "hub.admitted" {
        account: String,
    }
    /// An admin ends everything of a scope, and nothing of it opens until the hold is lifted.
    RevocationBegun = "revocation.begun" {
        /// `person`, `role`, `account` or `everything`.
        scope: String,
        /// TypeID of the person, ARN of the role or user, or the account.
        of: Option<String>,
        reason: String,
    }
    /// Nothing of it is left that could still be ended.
    RevocationThrough = "revocation.through" {}
    /// The first of the two people who lift a hold on everything.
    RevocationLiftAsked = "revocation.lift_asked" {}
    /// What it held may be opened again.
    RevocationLifted = "revocation.lifted" {}
    /// Somebody has left: nothing of theirs works any more.
    PersonDisabled = "person.disabled" {
        reason: Option<String>,
        /// How many sessions have ended, API tokens were revoked, pending requests were withdrawn,
        /// and grants are ending.
        sessions: i64,
        tokens: usize,
        requests: usize,
        grants: usize,
        /// Pending requests of others on which their approval does not count any more.
        approvals: usize,
    }
    /// Somebody is back, with nothing of what they had.
    PersonEnabled = "person.enabled" {}
    /// Somebody who is away lets another one decide for them.
    DelegationStarted = "delegation.started" {
        #[serde(rename = "from_person_id")]
        from: PersonId,
        #[serde(rename = "to_person_id")]
        to: PersonId,
        starts_at: DateTime<Utc>,
        ends_at: DateTime<Utc>,
    }
    /// It was ended before its time.
    DelegationEnded = "delegation.ended" {
        #[serde(rename = "from_person_id")]
        from: PersonId,
        #[serde(rename = "to_person_id")]
        to: PersonId,
    }
    /// Someone signed in.
    SessionStarted = "session.started" {}
    /// Somebody could not sign in, with the check that has failed where a token does not hold.
    SessionRefused = "session.refused" {
        check: Option<String>,
    }
    /// Someone signed out.
    SessionEnded = "session.ended" {}
    /// An AWS identity is somebody's own from now on, or has shown once more that it is.
    IdentityLinked = "identity.linked" {
        #[serde(rename = "identity_id")]
        identity: PrincipalId,
        arn: String,
        session: Option<String>,
        source: Source,
    }
    /// Somebody is said to have an AWS identity that is another person's, who keeps it.
    IdentityRefused = "identity.refused" {
        arn: String,
        session: Option<String>,
        source: Source,
        #[serde(rename = "owner_id")]
        owner: PersonId,
    }
    /// An AWS identity is not somebody's own any more.
    IdentityEnded = "identity.ended" {
        arn: String,
    }
    /// An API token was made.
    TokenCreated = "token.created" {
        name: String,
        prefix: String,
        expires_at: DateTime<Utc>,
        // Older events say nothing of it: there were none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<String>,
        /// The machine whose token it is.
        #[serde(rename = "machine_id", default, skip_serializing_if = "Option::is_none")]
        machine: Option<MachineId>,
    }
    /// An API token was revoked.
    TokenRevoked = "token.revoked" {}
    /// A program was let ask on behalf of people.
    MachineCreated = "machine.created" {
        name: String,
        #[serde(rename = "owner_id")]
        owner: PersonId,
        scopes: Vec<String>,
        entitlements: Vec<String>,
        /// Who signs its workload identity.
        issuer: Option<String>,
    }
    /// Another person answers for it from now on; its tokens have ended.
    MachineGiven = "machine.given" {
        #[serde(rename = "owner_id")]
        owner: PersonId,
        #[serde(rename = "owner_before_id")]
        owner_before: PersonId,
    }
    /// Nothing of it works any more.
    MachineEnded = "machine.ended" {}
    /// The catalog was applied from a file.
    CatalogApplied = "catalog.applied" {
        accounts: usize,
        people: usize,
        entitlements: usize,
    }
}
