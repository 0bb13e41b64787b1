//! Approvals of a request: what one more of them leads to, and what the last one makes.

use chrono::{DateTime, Utc};

use super::{Request, RequestState};
use crate::domain::audit::{Action, By, Taken};
use crate::domain::change::{Change, WrongState};
use crate::domain::grant::{Grant, GrantState, Marks};
use crate::domain::text::Words;
use crate::ids::GrantId;

/// What an approver says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No, which ends it.
    Deny,
    /// Takes a yes back.
    Withdraw,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Approve, Self::Deny, Self::Withdraw];

    /// The word used in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Withdraw => "withdraw",
        }
    }

    /// The verdict of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }
}

/// How far the votes bring a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tallied {
    /// The stage that counts, from 1.
    pub stage: i16,
    /// How many of its seats are taken.
    pub have: i16,
    /// How many it has.
    pub needed: i16,
    /// Who sits where, once every seat of every stage is taken; empty before.
    pub seats: Vec<Taken>,
}

/// What an approval led to.
#[derive(Debug)]
pub enum Approval {
    /// More are needed; the request stays pending.
    Counted(Change<Request>),
    /// It was the last one: the request is approved and has its grant.
    Complete(Change<Request>, Box<Grant>),
    /// It was the last one: the request is approved, and the deadline of that grant is moved.
    Extends(Change<Request>, GrantId),
}

impl Request {
    /// Counts one more approval, of `seconds` at most; the last one needed makes the grant.
    ///
    /// # Errors
    /// When the request is not pending.
    pub fn approve(
        self,
        tallied: Tallied,
        seconds: i32,
        comment: Option<&Words>,
        by: &By,
    ) -> Result<Approval, WrongState> {
        let mut request = self.pending("approve", by)?;
        let before = request.effective_seconds;
        request.effective_seconds = before.min(seconds);
        // Who looks at it now judges another duration than who looked before.
        if request.effective_seconds < before {
            request.revision += 1;
        }
        Ok(request.counted(tallied, comment, by))
    }

    /// The shortest that an approval may make it, seconds.
    #[must_use]
    pub fn least_seconds(&self) -> i32 {
        // By how much later a deadline is to be has no least length of its own.
        match self.extends {
            Some(_) => 1,
            None => self.terms.min_duration_seconds.min(self.effective_seconds),
        }
    }

    /// Approves what its votes complete although nobody has just voted: a group that it escalates
    /// to decides from now on, or somebody stands in for another one.
    ///
    /// # Errors
    /// When the request is not pending.
    pub fn complete(self, tallied: Tallied, by: &By) -> Result<Approval, WrongState> {
        Ok(self.pending("approve", by)?.counted(tallied, None, by))
    }

    /// Goes on without an approval that somebody has taken back; the others leave `seconds` of its
    /// duration.
    ///
    /// # Errors
    /// When the request is not pending.
    pub fn approval_withdrawn(
        self,
        seconds: i32,
        comment: Option<&Words>,
        by: &By,
    ) -> Result<Change<Self>, WrongState> {
        let mut request = self.pending("take back your approval of", by)?;
        request.version += 1;
        if request.effective_seconds != seconds {
            request.effective_seconds = seconds;
            request.revision += 1;
        }
        let told = Action::ApprovalWithdrawn {
            comment: comment.map(ToString::to_string),
        };
        let event = by.did(request.id, told);
        Ok(Change {
            value: request,
            event,
        })
    }

    fn counted(mut self, tallied: Tallied, comment: Option<&Words>, by: &By) -> Approval {
        let is_complete = !tallied.seats.is_empty();
        let shortened = self.effective_seconds < self.duration_seconds;
        let told = |grant| Action::RequestApproved {
            stage: tallied.stage,
            have: tallied.have,
            needed: tallied.needed,
            grant,
            comment: comment.map(ToString::to_string),
            duration_seconds: shortened.then_some(self.effective_seconds),
            seats: tallied.seats.clone(),
        };
        // A voice that is only counted is a change too: open pages compare the version.
        self.version += 1;
        if !is_complete {
            let event = by.did(self.id, told(None));
            return Approval::Counted(Change { value: self, event });
        }
        if let Some(grant) = self.extends {
            let event = by.did(self.id, told(Some(grant)));
            self.state = RequestState::Approved(by.at);
            return Approval::Extends(Change { value: self, event }, grant);
        }
        let grant = self.grant(by.at);
        let event = by.did(self.id, told(Some(grant.id)));
        self.state = RequestState::Approved(by.at);
        Approval::Complete(Change { value: self, event }, Box::new(grant))
    }

    fn grant(&self, at: DateTime<Utc>) -> Grant {
        let id = GrantId::new();
        let (starts_at, deadline) = self.window(at);
        Grant {
            id,
            request: self.id,
            target: self.target,
            person: self.person,
            method: self.terms.method,
            principal_arn: self.principal_arn.clone(),
            principal_session: self.principal_session.clone(),
            principal_id: self.principal_unique_id.clone(),
            role_id: self.role_id.clone(),
            // Used once: a session of an ended grant is never one of another (docs/guard.md §1).
            grant_name: id.to_string(),
            console_name: self.console_name.clone(),
            demands: self.terms.demands.clone(),
            early_end: self.terms.early_end,
            session_tags: self.terms.session_tags,
            requested_at: self.submitted_at,
            starts_at,
            deadline,
            approved_at: at,
            marks: Marks::default(),
            state: GrantState::Scheduled,
        }
    }
}
