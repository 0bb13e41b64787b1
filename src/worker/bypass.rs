//! Whether the person of a grant of switch could assume the role without it (docs/carrier.md, I3).

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::ledger::Ledger;
use crate::aws::{self, Already, Aws, AwsError, Purpose};
use crate::db::lent::Lent;
use crate::db::targets::Taken;
use crate::db::tx::Tx;
use crate::db::{grants, work};
use crate::domain::audit::By;
use crate::domain::cause::Cause;
use crate::domain::entitlement::Method;
use crate::domain::grant::Grant;
use crate::domain::part::Allows;
use crate::ids::{GrantId, TargetId};
use crate::policy::Observed;
use crate::policy::document::{Document, Owner, sid};
use crate::policy::shown::Shown;
use crate::policy::switchable::{self, Unswitchable};

/// What the role's trust policy is called where it lets somebody in.
const TRUST: &str = "the role's trust policy";

impl Worker {
    /// Asks IAM of the grants on a user, or on a role that people come as, for whom it is time. It
    /// is given back by then, so that no closing waits for the answer; what is to be opened there
    /// waits.
    pub(super) async fn ask_who_needs_none(&self, aws: &Aws, taken: &Taken, grants: &[Grant]) {
        let mut due = grants.iter().filter(|it| it.asks_for_bypass(taken.at));
        if !taken.carries || due.next().is_none() || self.is_stopping() {
            return;
        }
        if let Err(error) = self.ask_each(aws, taken).await {
            tracing::warn!(
                target.id = %taken.lease.target,
                error = &error as &dyn std::error::Error,
                "cannot put on record who needs no grant; it is asked again with the next look"
            );
        }
    }

    async fn ask_each(&self, aws: &Aws, taken: &Taken) -> sqlx::Result<()> {
        let target = taken.lease.target;
        let read = async {
            let mut conn = Lent::take(&self.pool).await?;
            let both = work::both(&mut conn, target).await?;
            conn.give_back();
            Ok::<_, sqlx::Error>(both)
        };
        let both = self.in_time("grants", read).await?;
        let due = both.into_iter().filter_map(|(grant, part)| {
            let is_due = grant.asks_for_bypass(taken.at);
            match part.allows {
                Some(Allows::Role { arn }) if is_due => Some((grant, arn)),
                Some(Allows::Role { .. } | Allows::Statements(_)) | None => None,
            }
        });
        // At once: a silent account keeps nobody waiting longer than one call may take.
        let asked = due.map(async |(grant, role)| {
            let purpose = if grant.state.is_opening() {
                Purpose::Opening
            } else {
                Purpose::Auditing
            };
            let answer = ask(&aws.used_for(purpose), &grant, &role, taken).await;
            (grant.id, answer)
        });
        for (id, answer) in futures_util::future::join_all(asked).await {
            let told = self.record_bypass(target, id, answer);
            self.in_time("bypass", told).await?;
        }
        Ok(())
    }

    /// Puts IAM's answer on record. What could not be asked keeps nobody out: the switch itself is
    /// pinned, guarded and closed without it.
    async fn record_bypass(
        &self,
        target: TargetId,
        id: GrantId,
        answer: Result<Already, AwsError>,
    ) -> sqlx::Result<()> {
        let mut conn = Lent::begin(&self.pool).await?;
        let grant = grants::lock(&mut conn, id).await?;
        let now = self.clock.now(&mut conn).await?;
        let mut tx = Tx::of(conn, By::system("worker", now), Arc::clone(&self.wake));
        // Somebody else may have asked meanwhile, or ended it.
        let Some(mut grant) = grant.filter(|it| it.asks_for_bypass(now)) else {
            return tx.rollback().await;
        };
        let opens = grant.state.is_opening();
        grants::asked(tx.conn(), id, now).await?;
        grant.marks.bypass_asked_at = Some(now);
        if let Ok(Already::Yes(policy)) = answer
            && let Ok(change) = grant.bypassed(policy, &tx.by)
        {
            let grant = grants::store(tx.conn(), change).await?;
            tracing::warn!(grant.id = %id, "somebody could do without their grant");
            if opens && let Ok(change) = grant.close(Cause::CouldNotOpen, &tx.by) {
                grants::store(tx.conn(), change).await?;
                tx.make_due_for(&[id], now).await?;
            }
        } else if opens {
            tx.make_due(target, now).await?;
        }
        tx.commit().await
    }
}

/// What IAM says, or why it does not.
async fn ask(aws: &Aws, grant: &Grant, role: &str, taken: &Taken) -> Result<Already, AwsError> {
    // Grants of switch have an identity, and their person's id where it is a role's session.
    let Some(who) = grant.who() else {
        return Ok(Already::No);
    };
    let userid = grant.pinned_userid().unwrap_or_default();
    let asked = Box::pin(aws::assumes_already(aws, who, userid, role, taken.at));
    let answer = tokio::time::timeout(patience(aws), asked).await;
    answer.unwrap_or(Err(AwsError::Unreachable))
}

/// How long an answer is waited for, with the turn that the call has to wait for.
fn patience(aws: &Aws) -> Duration {
    aws.timeout().saturating_mul(2)
}

impl Ledger {
    /// Those whom the role lets in by itself: nothing of it opens, and what is open goes on, since
    /// its end would end nothing.
    pub fn bypassed_by_trust(&mut self, observed: &Observed) {
        let Observed::Role(role) = observed else {
            return;
        };
        let Ok(mut trust) = Document::parse(&role.trust) else {
            return;
        };
        // What somebody has changed in a grant's own statement is mended with this very look.
        let own: Vec<String> = self.grants.iter().map(|it| sid(it.id)).collect();
        let is_of_a_grant = |owner: &Owner| matches!(owner, Owner::Grant(it) if own.contains(it));
        trust.statements.retain(|it| !is_of_a_grant(&it.owner));
        let is_let_in = |grant: &&Grant| {
            let is_asked = grant.method == Method::Switch && grant.marks.bypassed.is_none();
            let Some(who) = grant
                .who()
                .filter(|_| is_asked && grant.state.may_be_open())
            else {
                return false;
            };
            let shown = Shown::with(&grant.demands, who);
            let checked = switchable::check(&trust, &role.arn, who, &shown);
            checked == Err(Unswitchable::NeedsNothing)
        };
        let let_in = self.grants.iter().filter(is_let_in);
        let let_in: Vec<(GrantId, bool)> =
            let_in.map(|it| (it.id, it.state.is_opening())).collect();
        for (id, opens) in let_in {
            self.change(id, |grant, by| grant.bypassed(TRUST.to_owned(), by));
            if opens {
                self.change(id, |grant, by| grant.close(Cause::CouldNotOpen, by));
            }
        }
    }
}
