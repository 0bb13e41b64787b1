//! The effect on AWS of an approved request: `scheduled → opening → active → closing → ended`, and
//! `failed`.

mod bypass;
mod left;
mod marks;
mod state;

use chrono::{DateTime, TimeDelta, Utc};

use super::audit::{Action, By, Told};
use super::cause::Cause;
use super::change::{Change, WrongState};
use super::demands::Demands;
use super::entitlement::{EarlyEnd, Method, Terms};
use super::part::{PartKind, all_closed, all_open};
use super::person::Who;
use super::revocation::Revocation;
use super::text::Words;
use crate::ids::{GrantId, PersonId, RequestId, TargetId};

pub use bypass::{ASKED_EACH, Bypassed};
pub use marks::{Effect, Marks};
pub use state::{Closing, GrantState};

/// The effect on AWS of an approved request. Everything but `marks` and `state` is fixed at
/// approval, and the ids of AWS once they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The approved request.
    pub request: RequestId,
    /// The role.
    pub target: TargetId,
    /// For whom.
    pub person: PersonId,
    /// How it is opened.
    pub method: Method,
    /// The AWS identity that is let in; none where the method needs none.
    pub principal_arn: Option<String>,
    /// The name of its sessions, where it is a role.
    pub principal_session: Option<String>,
    /// Its `aws:userid`: `AIDA…` of a user, known at approval, or at the first read when AWS was
    /// silent until then; `AROA…:session` of a role's session, always known.
    pub principal_id: Option<String>,
    /// The role's unique id (`AROA…`), likewise.
    pub role_id: Option<String>,
    /// The session name that always works: the id as text.
    pub grant_name: String,
    /// The session name that the console's Switch Role uses.
    pub console_name: Option<String>,
    /// What AWS asks of the person beside that.
    pub demands: Demands,
    /// What an early end cuts.
    pub early_end: EarlyEnd,
    /// Whether sessions that are handed out carry its id as a tag.
    pub session_tags: bool,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// From when, whole seconds.
    pub starts_at: DateTime<Utc>,
    /// Until when, whole seconds.
    pub deadline: DateTime<Utc>,
    /// When the last approval came.
    pub approved_at: DateTime<Utc>,
    /// What was sent and seen.
    pub marks: Marks,
    /// Where it stands.
    pub state: GrantState,
}

impl Grant {
    /// Whether something of it may be in AWS, or is remembered there.
    #[must_use]
    pub const fn is_begun(&self) -> bool {
        !matches!(self.state, GrantState::Scheduled) && self.marks.guard_gone_at.is_none()
    }

    /// Everything that it needs in AWS: nothing at all where an early end cuts nothing.
    #[must_use]
    pub const fn parts(&self) -> &'static [PartKind] {
        match self.early_end {
            EarlyEnd::Guard => self.method.parts(),
            EarlyEnd::None => &[],
        }
    }

    /// Who is let in, where the method needs an identity.
    #[must_use]
    pub fn who(&self) -> Option<Who<'_>> {
        Some(Who {
            arn: self.principal_arn.as_deref()?,
            session: self.principal_session.as_deref(),
        })
    }

    /// The `aws:userid` that every document of the grant pins beside the ARN: a role has sessions
    /// of many people. `None` where the ARN is one person's own.
    #[must_use]
    pub fn pinned_userid(&self) -> Option<&str> {
        self.principal_session.as_ref()?;
        // Without an id (which the database does not take) it is a pin that nobody meets.
        Some(self.principal_id.as_deref().unwrap_or_default())
    }

    /// The console's session name, while AWS takes it for this grant (docs/guard.md, C7).
    #[must_use]
    pub fn usable_console_name(&self) -> Option<&str> {
        self.marks.console_since.and(self.console_name.as_deref())
    }

    /// `scheduled → opening`: records the intent, before the first write to AWS.
    ///
    /// # Errors
    /// When it is not scheduled.
    pub fn open(mut self, by: &By) -> Result<Change<Self>, WrongState> {
        match self.state {
            GrantState::Scheduled => {
                self.state = GrantState::Opening { at: by.at };
                let event = by.did(
                    self.id,
                    Action::GrantOpening {
                        request: self.request,
                        deadline: self.deadline,
                    },
                );
                Ok(Change { value: self, event })
            }
            _ => Err(self.wrong("open")),
        }
    }

    /// What follows for the grant from what of it is in AWS: it is active once all of its parts are
    /// open, and over once nothing of any is left. Where nothing is written for it, it is active at
    /// once, and over when no session of it can be left. The only place that says so.
    #[must_use = "a transition that is not stored did not happen"]
    pub fn settle(self, of: Effect<'_>, by: &By) -> Option<Change<Self>> {
        let (is_open, is_closed) = match of {
            Effect::Written(parts) => (all_open(parts), all_closed(parts)),
            Effect::HandedOut(until) => (true, until.is_none_or(|until| until <= by.at)),
        };
        match self.state {
            GrantState::Opening { .. } if is_open => self.opened(by).ok(),
            GrantState::Closing(_) if is_closed => self.closed(by).ok(),
            // What a look lacks ends no active grant: the plan closes it first, and with a cause.
            GrantState::Scheduled
            | GrantState::Opening { .. }
            | GrantState::Active { .. }
            | GrantState::Closing(_)
            | GrantState::Ended { .. }
            | GrantState::Failed { .. } => None,
        }
    }

    /// `opening → active`: guard and statement were read back.
    ///
    /// # Errors
    /// When it is not opening.
    pub fn opened(mut self, by: &By) -> Result<Change<Self>, WrongState> {
        match self.state {
            GrantState::Opening { at } => {
                self.state = GrantState::Active {
                    opening_at: at,
                    opened_at: by.at,
                };
                let event = by.did(
                    self.id,
                    Action::GrantOpened {
                        request: self.request,
                        deadline: self.deadline,
                    },
                );
                Ok(Change { value: self, event })
            }
            _ => Err(self.wrong("record as opened")),
        }
    }

    /// A person ends it: `scheduled → ended` (nothing to undo), `opening, active → closing`.
    ///
    /// # Errors
    /// When it is closing already, or over.
    pub fn end(
        self,
        cause: Cause,
        person: PersonId,
        reason: Option<Words>,
        by: &By,
    ) -> Result<Change<Self>, WrongState> {
        self.close_with("end", cause, Some(person), reason, by)
    }

    /// Whether it is open, and for longer than `margin` at `now`.
    #[must_use]
    pub fn is_open_for(&self, margin: TimeDelta, now: DateTime<Utc>) -> bool {
        matches!(self.state, GrantState::Active { .. }) && now + margin < self.deadline
    }

    /// By how much later its deadline may be at most: the longest duration of its terms counts from
    /// its start (docs/guard.md, H6).
    #[must_use]
    pub fn longest_extension(&self, terms: &Terms) -> TimeDelta {
        let most = TimeDelta::seconds(terms.max_duration_seconds.into());
        self.starts_at + most - self.deadline
    }

    /// Whether IAM is to be asked by now whether the person could do without it: before it is let
    /// in, and then each hour while it is open, until they could.
    #[must_use]
    pub fn asks_for_bypass(&self, now: DateTime<Utc>) -> bool {
        let is_due = match (self.marks.bypass_asked_at, self.state.may_be_open()) {
            (None, is_open) => is_open,
            (Some(asked), is_open) => is_open && asked + ASKED_EACH <= now,
        };
        self.method == Method::Switch && self.marks.bypassed.is_none() && is_due
    }

    /// The person was seen to be let into the role by something else: told once, since ending the
    /// grant would end nothing.
    ///
    /// # Errors
    /// When that is known already, or it is not open.
    pub fn bypassed(mut self, policy: String, by: &By) -> Result<Change<Self>, WrongState> {
        if self.marks.bypassed.is_some() || !self.state.may_be_open() {
            return Err(self.wrong("record as bypassed"));
        }
        let told = Action::GrantBypassed {
            request: self.request,
            policy: policy.clone(),
        };
        let event = by.did(self.id, told);
        self.marks.bypassed = Some(Bypassed {
            at: by.at,
            by: policy,
        });
        Ok(Change { value: self, event })
    }

    /// A request that was approved moves its deadline by so much.
    ///
    /// # Errors
    /// When it is not open, as far as anybody knows.
    pub fn extend(
        mut self,
        request: RequestId,
        more: TimeDelta,
        by: &By,
    ) -> Result<Change<Self>, WrongState> {
        if !self.is_open_for(TimeDelta::zero(), by.at) {
            return Err(self.wrong("extend"));
        }
        let deadline_before = self.deadline;
        self.deadline += more;
        let told = Action::GrantExtended {
            request,
            deadline_before,
            deadline: self.deadline,
        };
        let event = by.did(self.id, told);
        Ok(Change { value: self, event })
    }

    /// A revocation ends it, as its admin would.
    ///
    /// # Errors
    /// When it is closing already, or over.
    pub fn revoke(self, revocation: &Revocation, by: &By) -> Result<Change<Self>, WrongState> {
        let (person, reason) = (revocation.begun_by, revocation.reason.clone());
        let mut change = self.end(Cause::Revoked, person, Some(reason), by)?;
        if let Told::Done(
            Action::GrantClosing { revocation: of, .. } | Action::GrantEnded { revocation: of, .. },
        ) = &mut change.event.told
        {
            *of = Some(revocation.id);
        }
        Ok(change)
    }

    /// Its person was disabled, by an admin or without one: as a person's end.
    ///
    /// # Errors
    /// When it is closing already, or over.
    pub fn leave(self, person: Option<PersonId>, by: &By) -> Result<Change<Self>, WrongState> {
        self.close_with("end", Cause::PersonDisabled, person, None, by)
    }

    /// The worker closes it: `opening, active → closing`; a scheduled one fails, since there is
    /// nothing to undo.
    ///
    /// # Errors
    /// When it is closing already, or over.
    pub fn close(self, cause: Cause, by: &By) -> Result<Change<Self>, WrongState> {
        self.close_with("close", cause, None, None, by)
    }

    fn close_with(
        mut self,
        verb: &'static str,
        cause: Cause,
        person: Option<PersonId>,
        reason: Option<Words>,
        by: &By,
    ) -> Result<Change<Self>, WrongState> {
        let (opening_at, opened_at) = match self.state {
            // Nothing was sent: closing would have the worker look for what never was.
            GrantState::Scheduled => return Ok(self.never_opened(cause, person, reason, by)),
            GrantState::Opening { at } => (at, None),
            GrantState::Active {
                opening_at,
                opened_at,
            } => (opening_at, Some(opened_at)),
            // The first end counts: its cause, its person and its time stay.
            GrantState::Closing(_) | GrantState::Ended { .. } | GrantState::Failed { .. } => {
                return Err(self.wrong(verb));
            }
        };
        let told = Action::GrantClosing {
            request: self.request,
            cause,
            reason: reason.as_ref().map(ToString::to_string),
            revocation: None,
        };
        let event = by.did(self.id, told);
        self.state = GrantState::Closing(Closing {
            opening_at,
            opened_at,
            since: by.at,
            cause,
            by: person,
            reason,
        });
        Ok(Change { value: self, event })
    }

    /// Nothing was ever sent to AWS: over at once, ended by somebody or failed by itself.
    fn never_opened(
        mut self,
        cause: Cause,
        person: Option<PersonId>,
        reason: Option<Words>,
        by: &By,
    ) -> Change<Self> {
        let at = by.at;
        let action = if person.is_some() || cause == Cause::PersonDisabled {
            self.state = GrantState::Ended {
                opening_at: None,
                opened_at: None,
                requested_at: at,
                cause,
                by: person,
                reason,
                at,
            };
            Action::GrantEnded {
                request: self.request,
                cause,
                requested_at: at,
                confirmed_at: at,
                revocation: None,
            }
        } else {
            self.state = GrantState::Failed {
                opening_at: None,
                requested_at: at,
                cause,
                at,
            };
            Action::GrantFailed {
                request: self.request,
                cause,
            }
        };
        // No guard has ever named it, so that nobody need remember it.
        self.marks.guard_gone_at = Some(at);
        let event = by.did(self.id, action);
        Change { value: self, event }
    }

    /// `closing → ended`, or `→ failed` where it never opened and nobody ended it: AWS agrees that
    /// nothing of it is left open.
    ///
    /// # Errors
    /// When it is not closing.
    pub fn closed(mut self, by: &By) -> Result<Change<Self>, WrongState> {
        let closing = match self.state {
            GrantState::Closing(ref closing) => closing.clone(),
            _ => return Err(self.wrong("record as closed")),
        };
        let Closing {
            opening_at,
            opened_at,
            since: requested_at,
            cause,
            by: person,
            reason,
        } = closing;
        let (request, at) = (self.request, by.at);
        let is_ended = person.is_some() || cause == Cause::PersonDisabled;
        let never_opened = opened_at.is_none() && !is_ended;
        // A CHECK of the table takes `ended` with no such cause.
        let action = if never_opened || cause == Cause::CouldNotOpen {
            self.state = GrantState::Failed {
                opening_at: Some(opening_at),
                requested_at,
                cause,
                at,
            };
            Action::GrantFailed { request, cause }
        } else {
            self.state = GrantState::Ended {
                opening_at: Some(opening_at),
                opened_at,
                requested_at,
                cause,
                by: person,
                reason,
                at,
            };
            Action::GrantEnded {
                request,
                cause,
                requested_at,
                confirmed_at: at,
                revocation: None,
            }
        };
        let event = by.did(self.id, action);
        Ok(Change { value: self, event })
    }

    const fn wrong(&self, verb: &'static str) -> WrongState {
        WrongState {
            verb,
            subject: "grant",
            state: self.state.as_str(),
        }
    }
}
