//! Revocations, with how far they have come: for whoever sees everything.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::super::ctx::{Ctx, Settings};
use super::super::probe;
use super::{Items, Page};
use crate::authz;
use crate::db;
use crate::db::revoked::{Revoked, Sum};
use crate::domain::revocation::{Hold, Revocation, Scope};
use crate::error::{CallerError, Error};
use crate::ids::{GrantId, PersonId, RevocationId};

/// A revocation, and how far it has come.
#[derive(Debug, Clone)]
pub struct RevocationView {
    /// The revocation.
    pub revocation: Revocation,
    /// What it ends: a person's name, an ARN or an account.
    pub called: Option<String>,
    /// The names of who begun it, asked for its lifting and lifted it.
    pub names: HashMap<PersonId, String>,
    /// How far it has come.
    pub sum: Sum,
    /// Whether the caller may lift its hold now.
    pub may_lift: bool,
    /// The moment of the look.
    pub now: DateTime<Utc>,
}

impl RevocationView {
    /// Whether all that it ends is closed.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.sum.open == 0 && self.sum.closing == 0 && self.revocation.through_at.is_some()
    }

    /// Whether in addition every part of AWS has had its time to follow.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.is_done() && self.sum.unsettled == 0
    }
}

/// A grant of a revocation, with what follows from where it stands.
#[derive(Debug, Clone)]
pub struct RevokedView {
    /// As it is on record.
    pub of: Revoked,
    /// P after AWS agreed that it is over; none where what lets it in is there again.
    pub settled_at: Option<DateTime<Utc>>,
    /// Until when something of it may still work.
    pub works_until: Option<DateTime<Utc>>,
    /// Whether the caller may try now whether its sessions are denied.
    pub may_probe: bool,
}

impl RevokedView {
    /// Whether keys of it work that nothing can cut.
    #[must_use]
    pub const fn is_uncut(&self) -> bool {
        !self.of.is_cut && self.works_until.is_some()
    }

    fn new(ctx: &Ctx, of: Revoked, now: DateTime<Utc>) -> Self {
        let Settings {
            propagation,
            unanswered,
            ..
        } = ctx.app.settings();
        // Somebody has put back what was read back as gone.
        let back_until = of
            .inline_until
            .filter(|at| of.ended_at.is_some() && *at > now);
        let settled_at = of
            .ended_at
            .filter(|_| of.was_sent && back_until.is_none())
            .map(|at| at + propagation);
        // A guard that does not list it denies its sessions, whatever lets new ones in.
        let is_stopped = of.guard_confirmed_at.is_some() || !of.was_sent;
        let works_until = match of.ended_at {
            // What was handed out for it ended before it did.
            Some(_) if !of.is_cut => None,
            None if !of.is_cut => {
                // Until its end was asked for, more may be handed out.
                let until = of
                    .keys_until
                    .or(Some(of.deadline).filter(|_| of.asked_at.is_none()));
                until.filter(|at| *at > now)
            }
            Some(_) if of.is_attached && back_until.is_some() => back_until,
            Some(_) => settled_at.filter(|at| *at > now),
            None => {
                let attached_until = of.inline_until.filter(|_| of.is_attached);
                let until = attached_until.max(Some(of.deadline));
                until.filter(|at| !is_stopped && *at > now)
            }
        };
        // As `app::probe` asks, on the row.
        let is_guarded = of.guard_until >= Some(probe::lasts(now, unanswered));
        let may_probe = is_guarded
            && of.is_fetched
            && of.state == "ended"
            && authz::probes(ctx.app.roles(), &ctx.person);
        Self {
            of,
            settled_at,
            works_until,
            may_probe,
        }
    }
}

/// Revocations, newest first.
///
/// # Errors
/// `Forbidden` for whoever does not see everything.
pub async fn revocations(
    ctx: &Ctx,
    page: Page<RevocationId>,
) -> Result<Items<RevocationView, RevocationId>, Error> {
    if !ctx.sees_all() {
        return Err(CallerError::Forbidden.into());
    }
    let listed = ctx.app.read_at(async |conn, now| {
        let found = db::revocations::list(conn, page.cursor, page.limit + 1).await?;
        let found = Items::of(found, page.limit, |it| it.id);
        let mut items = Vec::with_capacity(found.items.len());
        for revocation in found.items {
            items.push(view(ctx, conn, revocation, now).await?);
        }
        let next = found.next;
        Ok(Items { items, next })
    });
    listed.await
}

/// One revocation.
///
/// # Errors
/// `NotFound` where there is none, or the caller does not see everything.
pub async fn revocation(ctx: &Ctx, id: RevocationId) -> Result<RevocationView, Error> {
    let found = ctx.app.read_at(async |conn, now| {
        let found = seen(ctx, conn, id).await?;
        view(ctx, conn, found, now).await
    });
    found.await
}

/// The grants of one, newest first.
///
/// # Errors
/// As [`revocation`].
pub async fn revoked(
    ctx: &Ctx,
    id: RevocationId,
    page: Page<GrantId>,
) -> Result<Items<RevokedView, GrantId>, Error> {
    let listed = ctx.app.read_at(async |conn, now| {
        seen(ctx, conn, id).await?;
        let grants = db::revoked::grants(conn, id, now, page.cursor, page.limit + 1).await?;
        let views = grants.into_iter();
        let views = views.map(|of| RevokedView::new(ctx, of, now));
        Ok(Items::of(views.collect(), page.limit, |it| it.of.grant))
    });
    listed.await
}

async fn seen(ctx: &Ctx, conn: &mut PgConnection, id: RevocationId) -> Result<Revocation, Error> {
    let found = db::revocations::get(conn, id).await?;
    let found = found.filter(|_| ctx.sees_all());
    found.ok_or_else(|| CallerError::NotFound.into())
}

async fn view(
    ctx: &Ctx,
    conn: &mut PgConnection,
    revocation: Revocation,
    now: DateTime<Utc>,
) -> Result<RevocationView, Error> {
    let lag = ctx.app.settings().propagation.as_seconds_f64();
    let sum = db::revoked::sum(conn, revocation.id, now, lag).await?;
    let mut people = vec![revocation.begun_by];
    match revocation.hold {
        Hold::Held => {}
        Hold::Lifting { by, .. } => people.push(by),
        Hold::Lifted { asked, by, .. } => {
            people.extend(asked.map(|(by, _)| by).into_iter().chain([by]))
        }
    }
    if let Scope::Person(person) = revocation.scope {
        people.push(person);
    }
    let people: Vec<_> = people.into_iter().map(PersonId::uuid).collect();
    let names = db::people::names(conn, &people).await?;
    let called = match &revocation.scope {
        Scope::Person(person) => names.get(person).cloned(),
        Scope::Role(target) => Some(db::targets::arn(conn, *target).await?),
        Scope::Account(account) => Some(account.clone()),
        Scope::Everything => None,
    };
    let may_lift = revocation.hold.holds()
        && revocation.through_at.is_some()
        && authz::lift(ctx.app.roles(), &ctx.person, revocation.clone()).is_ok();
    Ok(RevocationView {
        revocation,
        called,
        names,
        sum,
        may_lift,
        now,
    })
}
