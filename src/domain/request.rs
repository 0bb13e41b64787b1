//! A person's ask for one entitlement: `pending → approved | denied | withdrawn | expired`.

mod approval;
mod question;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::audit::{Action, By};
use super::change::{Change, WrongState};
use super::entitlement::Terms;
use super::grant::Grant;
use super::machine::RequestedBy;
use super::outlive::Outlives;
use super::person::{Principal, Who};
use super::text::{Ticket, Words};
pub use approval::{Approval, Tallied, Verdict};

use crate::ids::{EntitlementId, GrantId, PersonId, PrincipalId, RequestId, TargetId};

/// Where a request stands; each closed state owns the time of its closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestState {
    /// Waits for its approvers.
    Pending,
    /// Approved; its grant exists.
    Approved(DateTime<Utc>),
    /// One approver said no.
    Denied(DateTime<Utc>),
    /// Its requester took it back.
    Withdrawn(DateTime<Utc>),
    /// Nobody decided in time.
    Expired(DateTime<Utc>),
}

impl RequestState {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved(_) => "approved",
            Self::Denied(_) => "denied",
            Self::Withdrawn(_) => "withdrawn",
            Self::Expired(_) => "expired",
        }
    }

    /// When it left `pending`.
    #[must_use]
    pub const fn closed_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Pending => None,
            Self::Approved(at) | Self::Denied(at) | Self::Withdrawn(at) | Self::Expired(at) => {
                Some(*at)
            }
        }
    }
}

/// A person's ask. Everything but `state` and `version` is fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Grows with each transition.
    pub version: i32,
    /// Grows with what is judged, and not with votes.
    pub revision: i32,
    /// Whom it is for.
    pub person: PersonId,
    /// Who has sent it.
    pub requested_by: RequestedBy,
    /// The AWS identity to be let in; none where the method needs none.
    pub principal: Option<PrincipalId>,
    /// Its ARN as it was when asked.
    pub principal_arn: Option<String>,
    /// The name of its sessions, where it is a role.
    pub principal_session: Option<String>,
    /// Its `aws:userid`, unless AWS was silent at submit; of a role's session it is always known.
    pub principal_unique_id: Option<String>,
    /// The session name that the console would use for it, where a role is opened.
    pub console_name: Option<String>,
    /// What is asked for.
    pub entitlement: EntitlementId,
    /// The role; the person's own user where no role is opened.
    pub target: TargetId,
    /// The role's unique id, unless AWS was silent at submit.
    pub role_id: Option<String>,
    /// The entitlement as it was.
    pub terms: Terms,
    /// Why.
    pub justification: Words,
    /// How long, seconds; of an extension, by how much later the deadline is to be.
    pub duration_seconds: i32,
    /// As much of that as every approval until now approves, seconds.
    pub effective_seconds: i32,
    /// The grant whose deadline is to be moved; none for a request that makes a grant of its own.
    pub extends: Option<GrantId>,
    /// Asked start; at once after approval when there is none.
    pub starts_at: Option<DateTime<Utc>>,
    /// A ticket's name or URL.
    pub ticket: Option<Ticket>,
    /// Whether the role, or the user, was read in AWS at submit.
    pub target_checked: bool,
    /// What could outlive the deadline, as it was known at submit; none where nobody looked.
    pub outlives: Option<Vec<Outlives>>,
    /// When it was made.
    pub submitted_at: DateTime<Utc>,
    /// When it lapses undecided.
    pub expires_at: DateTime<Utc>,
    /// Where it stands.
    pub state: RequestState,
}

/// What an ask is made of, already checked field by field.
#[derive(Debug)]
pub struct Ask {
    /// Who sends it.
    pub requested_by: RequestedBy,
    /// Who is to be let in, where the method asks for an identity.
    pub principal: Option<Principal>,
    /// `aws:userid` of the principal, when AWS told it.
    pub principal_unique_id: Option<String>,
    /// What is asked for.
    pub entitlement: super::entitlement::Entitlement,
    /// What is written to: the entitlement's role, or the person's own user where it opens none.
    pub target: TargetId,
    /// Unique id of the role, when AWS told it.
    pub role_id: Option<String>,
    /// Why.
    pub justification: Words,
    /// How long, seconds; within the terms.
    pub duration_seconds: i32,
    /// Asked start, in the future.
    pub starts_at: Option<DateTime<Utc>>,
    /// Ticket.
    pub ticket: Option<Ticket>,
    /// Whether the role, or the user, was read in AWS.
    pub target_checked: bool,
    /// What could outlive the deadline, where somebody looked.
    pub outlives: Option<Vec<Outlives>>,
}

impl Ask {
    /// Makes the request, pending for `expire_after`, or as long as its entitlement says, or until
    /// its asked window is over, whichever is first.
    pub fn submit(self, person: PersonId, expire_after: TimeDelta, by: &By) -> Change<Request> {
        let lapse = by.at + self.entitlement.terms.lapses_after(expire_after);
        let duration = TimeDelta::seconds(i64::from(self.duration_seconds));
        let who = self.principal.as_ref().map(Principal::who);
        let console_name = self.entitlement.terms.console_name(who);
        let (principal_arn, principal_session) = self
            .principal
            .as_ref()
            .map(|it| (it.arn.clone(), it.session.clone()))
            .unzip();
        let request = Request {
            id: RequestId::new(),
            version: 1,
            revision: 1,
            person,
            requested_by: self.requested_by,
            principal: self.principal.as_ref().map(|it| it.id),
            console_name,
            principal_arn,
            principal_session: principal_session.flatten(),
            principal_unique_id: self.principal_unique_id,
            entitlement: self.entitlement.id,
            target: self.target,
            role_id: self.role_id,
            terms: self.entitlement.terms,
            justification: self.justification,
            duration_seconds: self.duration_seconds,
            effective_seconds: self.duration_seconds,
            extends: None,
            starts_at: self.starts_at,
            ticket: self.ticket,
            target_checked: self.target_checked,
            outlives: self.outlives,
            submitted_at: by.at,
            // Approved after its window it would open at a time that nobody has asked for.
            expires_at: self
                .starts_at
                .map_or(lapse, |start| lapse.min(start + duration)),
            state: RequestState::Pending,
        };
        let event = by.did(
            request.id,
            Action::RequestSubmitted {
                entitlement: request.terms.name.clone(),
                duration_seconds: request.duration_seconds,
                target_checked: request.target_checked,
                extends: None,
            },
        );
        Change {
            value: request,
            event,
        }
    }
}

/// What an extension asks for, already checked field by field.
#[derive(Debug)]
pub struct More {
    /// Who asks: its person themselves.
    pub requested_by: RequestedBy,
    /// By how much later, seconds.
    pub duration_seconds: i32,
    /// Why.
    pub justification: Words,
    /// Ticket.
    pub ticket: Option<Ticket>,
    /// What lets access outlive the deadline, as far as it is known.
    pub outlives: Option<Vec<Outlives>>,
    /// Whether the role was read in AWS.
    pub target_checked: bool,
}

impl Request {
    /// Who is to be let in, where the method needs an identity.
    #[must_use]
    pub fn who(&self) -> Option<Who<'_>> {
        Some(Who {
            arn: self.principal_arn.as_deref()?,
            session: self.principal_session.as_deref(),
        })
    }

    /// The window that an approval at `at` would give, whole seconds: `max(at, asked start)` and
    /// that plus the effective duration.
    #[must_use]
    pub fn window(&self, at: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
        // IAM's dates have no parts of a second, and what is stored is what AWS enforces.
        let start = self
            .starts_at
            .map_or(at, |asked| asked.max(at))
            .trunc_subsecs(0);
        (
            start,
            start + TimeDelta::seconds(i64::from(self.effective_seconds)),
        )
    }

    /// A request for the deadline of its grant to be later: of the same people, for the same terms.
    /// It lapses after `expire_after`, or when its terms say, and at the latest with `margin` left
    /// of the grant.
    pub fn extension(
        self,
        grant: &Grant,
        more: More,
        expire_after: TimeDelta,
        margin: TimeDelta,
        by: &By,
    ) -> Change<Self> {
        let expire_after = self.terms.lapses_after(expire_after);
        let request = Self {
            id: RequestId::new(),
            version: 1,
            revision: 1,
            extends: Some(grant.id),
            requested_by: more.requested_by,
            justification: more.justification,
            duration_seconds: more.duration_seconds,
            effective_seconds: more.duration_seconds,
            starts_at: None,
            ticket: more.ticket,
            outlives: more.outlives,
            target_checked: more.target_checked,
            submitted_at: by.at,
            // After its grant's end there is nothing left that could be extended.
            expires_at: (by.at + expire_after).min(grant.deadline - margin),
            state: RequestState::Pending,
            ..self
        };
        let told = Action::RequestSubmitted {
            entitlement: request.terms.name.clone(),
            duration_seconds: request.duration_seconds,
            target_checked: request.target_checked,
            extends: request.extends,
        };
        let event = by.did(request.id, told);
        Change {
            value: request,
            event,
        }
    }

    /// Whether it waits although its time is over at `now`.
    #[must_use]
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.state == RequestState::Pending && self.expires_at <= now
    }

    /// Ends it with a no.
    ///
    /// # Errors
    /// When the request is not pending.
    pub fn deny(self, comment: &Words, by: &By) -> Result<Change<Self>, WrongState> {
        self.close(
            "deny",
            RequestState::Denied(by.at),
            Action::RequestDenied {
                comment: comment.to_string(),
            },
            by,
        )
    }

    /// Takes it back.
    ///
    /// # Errors
    /// When the request is not pending.
    pub fn withdraw(self, by: &By) -> Result<Change<Self>, WrongState> {
        self.close(
            "withdraw",
            RequestState::Withdrawn(by.at),
            Action::RequestWithdrawn {},
            by,
        )
    }

    /// Lets it lapse: its time is over; or the grant that it is to extend is `closed`, or closes,
    /// so that there is nothing left to extend.
    ///
    /// # Errors
    /// When the request is not pending.
    pub fn expire(self, closed: Option<GrantId>, by: &By) -> Result<Change<Self>, WrongState> {
        // Not `pending`, which takes what is overdue for expired: this puts it on record.
        match self.state {
            RequestState::Pending => {
                let state = RequestState::Expired(by.at);
                Ok(self.closed(state, Action::RequestExpired { closed }, by))
            }
            closed => Err(WrongState {
                verb: "expire",
                subject: "request",
                state: closed.as_str(),
            }),
        }
    }

    /// Whether it waits for decisions still; `verb` is what somebody wants to do.
    ///
    /// # Errors
    /// When it does not.
    pub fn may_be_decided(&self, verb: &'static str, by: &By) -> Result<(), WrongState> {
        // What has lapsed by now is expired, whether or not that is on record yet.
        let state = match self.state {
            RequestState::Pending if self.is_overdue(by.at) => {
                RequestState::Expired(self.expires_at)
            }
            RequestState::Pending => return Ok(()),
            closed => closed,
        };
        Err(WrongState {
            verb,
            subject: "request",
            state: state.as_str(),
        })
    }

    fn pending(self, verb: &'static str, by: &By) -> Result<Self, WrongState> {
        self.may_be_decided(verb, by)?;
        Ok(self)
    }

    fn close(
        self,
        verb: &'static str,
        state: RequestState,
        action: Action,
        by: &By,
    ) -> Result<Change<Self>, WrongState> {
        Ok(self.pending(verb, by)?.closed(state, action, by))
    }

    fn closed(mut self, state: RequestState, action: Action, by: &By) -> Change<Self> {
        self.state = state;
        self.version += 1;
        let event = by.did(self.id, action);
        Change { value: self, event }
    }
}
