//! The changes of one transaction under the lease, each grant's with its audit event.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::aws::AwsError;
use crate::db::foreign::{self, Kind};
use crate::db::targets::Lease;
use crate::db::{audit, grants, work};
use crate::domain::Change;
use crate::domain::audit::{Action, By};
use crate::domain::cause::Cause;
use crate::domain::change::WrongState;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::target::{Target, Written};
use crate::ids::GrantId;
use crate::policy::document::has_grants;
use crate::policy::{Observed, Plan, Step, fingerprint};

/// The rows that one transaction works on.
pub(super) struct Record<'a> {
    pub conn: &'a mut PgConnection,
    pub lease: &'a Lease,
    pub grants: &'a mut [Grant],
    pub by: By,
}

impl Record<'_> {
    /// Ids and marks that the look brought.
    pub async fn seen(&mut self, plan: &Plan) -> sqlx::Result<()> {
        for (id, principal_id, role_id) in &plan.identified {
            work::identify(self.conn, *id, principal_id, role_id).await?;
        }
        for (id, marks) in &plan.marks {
            if let Some(grant) = self.grants.iter_mut().find(|g| g.id == *id) {
                grant.marks = marks.clone();
                work::store_marks(self.conn, *id, marks).await?;
            }
        }
        Ok(())
    }

    /// What keeps new grants from the role, and the guard's revision as it is known now.
    pub async fn condition(&mut self, target: &mut Target, plan: &Plan) -> sqlx::Result<()> {
        target.revision = plan.revision;
        if target.condition != plan.condition {
            let (from, to) = (target.condition, plan.condition);
            let event = self.by.did(target.id, Action::TargetChanged { from, to });
            audit::append(self.conn, &event).await?;
            target.condition = plan.condition;
        }
        Ok(())
    }

    /// The transitions that follow from the look. True when a grant has begun to close, so that
    /// another plan is needed.
    pub async fn outcomes(&mut self, plan: &Plan) -> sqlx::Result<bool> {
        for id in &plan.opened {
            self.change(*id, Grant::opened).await?;
        }
        for id in &plan.closed {
            self.change(*id, Grant::closed).await?;
        }
        for id in &plan.guard_removed {
            self.forget(*id).await?;
        }
        let mut closing = false;
        for (id, cause) in &plan.close {
            closing |= self
                .change(*id, |grant, by| grant.close(*cause, by))
                .await?;
        }
        Ok(closing)
    }

    /// Stores a transition, if the grant's state allows it.
    async fn change(
        &mut self,
        id: GrantId,
        transition: impl FnOnce(Grant, &By) -> Result<Change<Grant>, WrongState>,
    ) -> sqlx::Result<bool> {
        let Some(grant) = self.grants.iter_mut().find(|g| g.id == id) else {
            return Ok(false);
        };
        let Ok(change) = transition(grant.clone(), &self.by) else {
            return Ok(false);
        };
        *grant = grants::store(self.conn, change).await?;
        tracing::info!(grant.id = %id, target.id = %self.lease.target, state = grant.state.as_str(), "grant changed");
        Ok(true)
    }

    /// The guard need not name the grant any more, and does not.
    async fn forget(&mut self, id: GrantId) -> sqlx::Result<()> {
        let Some(grant) = self.grants.iter_mut().find(|g| g.id == id) else {
            return Ok(());
        };
        grant.marks.guard_gone_at = Some(self.by.at);
        work::store_marks(self.conn, id, &grant.marks).await?;
        if grant.marks.sent_until.is_some() {
            let request = grant.request;
            let event = self.by.did(id, Action::GuardRemoved { request });
            audit::append(self.conn, &event).await?;
        }
        Ok(())
    }

    /// Stores what is about to be sent, and keeps what it replaces. Returns `unclear_at` of the
    /// grants in it as it was.
    pub async fn intend(
        &mut self,
        target: &mut Target,
        step: &Step,
        observed: &Observed,
    ) -> sqlx::Result<Vec<(GrantId, Option<DateTime<Utc>>)>> {
        let now = self.by.at;
        match step {
            Step::Rest => Ok(Vec::new()),
            Step::PutGuard {
                document, revision, ..
            } => {
                self.keep_guard(target, observed).await?;
                target.revision = *revision;
                guard_sent(target, document, now);
                Ok(Vec::new())
            }
            Step::DeleteGuard => {
                self.keep_guard(target, observed).await?;
                guard_sent(target, "", now);
                Ok(Vec::new())
            }
            Step::PutTrust {
                document,
                sends,
                replaces,
                ..
            } => {
                foreign::keep(self.conn, target.id, Kind::Trust, replaces, now).await?;
                if !has_grants(replaces) {
                    target.original_trust = Some(replaces.clone());
                }
                target.written_trust = Some(Written {
                    hash: fingerprint(document),
                    at: now,
                });
                target.trust_unclear_at = Some(now);
                target.trust_sent_at = Some(now);
                self.sends(sends).await
            }
        }
    }

    async fn sends(
        &mut self,
        sends: &[(GrantId, DateTime<Utc>)],
    ) -> sqlx::Result<Vec<(GrantId, Option<DateTime<Utc>>)>> {
        let mut unclear = Vec::with_capacity(sends.len());
        for (id, until) in sends {
            if let Some(grant) = self.grants.iter_mut().find(|g| g.id == *id) {
                unclear.push((*id, grant.marks.unclear_at));
                grant.marks.unclear_at = Some(self.by.at);
                grant.marks.sent_until = grant.marks.sent_until.max(Some(*until));
                work::store_marks(self.conn, *id, &grant.marks).await?;
            }
        }
        unclear.sort_unstable();
        Ok(unclear)
    }

    /// A policy of our guard's name that we did not send last is kept before it is overwritten.
    async fn keep_guard(&mut self, target: &Target, observed: &Observed) -> sqlx::Result<()> {
        let Observed::Role(role) = observed else {
            return Ok(());
        };
        let Some(guard) = &role.guard else {
            return Ok(());
        };
        let hash = fingerprint(guard);
        if target.written_guard.as_ref().is_none_or(|w| w.hash != hash) {
            foreign::keep(self.conn, target.id, Kind::Guard, guard, self.by.at).await?;
        }
        Ok(())
    }

    /// Closes the newest of the grants that AWS refused.
    pub async fn close_newest(&mut self, refused: &[GrantId]) -> sqlx::Result<()> {
        let open = self.grants.iter().filter(|g| refused.contains(&g.id));
        let newest = open.rev().find_map(|g| match g.state {
            GrantState::Opening { .. } => Some((g.id, Cause::CouldNotOpen)),
            GrantState::Active { .. } => Some((g.id, Cause::RevertedByOwner)),
            GrantState::Scheduled
            | GrantState::Closing(_)
            | GrantState::Ended { .. }
            | GrantState::Failed { .. } => None,
        });
        if let Some((id, cause)) = newest {
            self.change(id, |grant, by| grant.close(cause, by)).await?;
        }
        Ok(())
    }

    pub async fn close_openings(&mut self) -> sqlx::Result<()> {
        let opening = self
            .grants
            .iter()
            .filter(|g| matches!(g.state, GrantState::Opening { .. }));
        let opening: Vec<GrantId> = opening.map(|g| g.id).collect();
        for id in opening {
            self.change(id, |grant, by| grant.close(Cause::CouldNotOpen, by))
                .await?;
        }
        Ok(())
    }

    /// Tells of a failure, on every grant that waits for AWS: without its guard an active one does
    /// as well, since its statement may be gone.
    pub async fn tell_delay(
        &mut self,
        error: AwsError,
        attempts: i32,
        guard_refused: bool,
    ) -> sqlx::Result<()> {
        let waits = |g: &&Grant| match g.state {
            GrantState::Opening { .. } | GrantState::Closing(_) => true,
            GrantState::Active { .. } => guard_refused,
            GrantState::Scheduled | GrantState::Ended { .. } | GrantState::Failed { .. } => false,
        };
        for grant in self.grants.iter().filter(waits) {
            let action = Action::GrantDelayed {
                error: error.code().to_owned(),
                attempts,
            };
            let event = self.by.failed(grant.id, action, error.code());
            audit::append(self.conn, &event).await?;
        }
        Ok(())
    }
}

fn guard_sent(target: &mut Target, document: &str, now: DateTime<Utc>) {
    target.written_guard = Some(Written {
        hash: fingerprint(document),
        at: now,
    });
    target.guard_unclear_at = Some(now);
}
