//! Asking for an entitlement.

mod carried;
mod check;
pub(super) mod guarded;
mod home;
pub(super) mod look;

use std::ops::ControlFlow;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

pub(super) use check::by_rules;
use check::{Checked, Seen, check, recheck};
use guarded::{guarded, has_room};
use look::{Others, carried, look};

use super::ctx::Ctx;
use super::live;
use super::load::{self, Shown};
use crate::db;
use crate::db::cases::Case;
use crate::db::catalog::Offer;
use crate::db::tx::Tx;
use crate::domain::audit::verb::Verb;
use crate::domain::entitlement::{Entitlement, Method};
use crate::domain::machine::{Asked, RequestedBy};
use crate::domain::person::Principal;
use crate::domain::request::{Ask, Request};
use crate::domain::text::is_hidden;
use crate::error::{CallerError, Error, FieldError, LimitError, RoleError, StateError};
use crate::ids::TargetId;
use crate::policy::outlive;

/// How long the same ask is a repetition.
const A_MOMENT: TimeDelta = TimeDelta::minutes(1);

/// What a caller sends, not yet checked.
#[derive(Debug, Clone, Default)]
pub struct NewRequest {
    /// Name of the entitlement.
    pub entitlement: String,
    /// ARN of the AWS identity to be let in, of a role the role's; needed where the caller has
    /// several in the role's account.
    pub principal: Option<String>,
    /// How long, seconds.
    pub duration_seconds: i64,
    /// Why.
    pub justification: String,
    /// From when; at once after approval where there is none.
    pub starts_at: Option<DateTime<Utc>>,
    /// A ticket's name or URL.
    pub ticket: Option<String>,
    /// Fields that could not be read at all; they are told together with the others that do not
    /// fit.
    pub unread: Vec<FieldError>,
}

/// What came of an ask.
#[derive(Debug)]
pub enum Submitted {
    /// A new request.
    New(Shown),
    /// The caller asked for the same a moment ago: that request, and its grant.
    Again(Shown),
}

impl Submitted {
    /// The request, whichever it is.
    #[must_use]
    pub fn request(self) -> Request {
        match self {
            Self::New(shown) | Self::Again(shown) => shown.request,
        }
    }
}

/// Makes a request. The role is looked at in AWS first, with no transaction open; what cannot be
/// opened is refused with nothing stored.
///
/// # Errors
/// Fields that do not fit, an entitlement that the caller may not ask for, a role that cannot be
/// opened, too many asks.
pub async fn submit(ctx: &Ctx, new: NewRequest) -> Result<Submitted, Error> {
    // Before anything is looked up: each ask may cost calls of AWS.
    ctx.app.limits().ask(ctx.caller())?;
    let name = new.entitlement.clone();
    let refused = |error| ctx.refused(Verb::Submit, subject(&name), error);
    let prepared = match prepare(ctx, &new).await {
        Err(error) if error.is_refusal() => return Err(refused(error).await),
        other => other?,
    };
    let (checked, seen) = match prepared {
        ControlFlow::Continue(fitting) => fitting,
        ControlFlow::Break(shown) => return Ok(Submitted::Again(shown)),
    };
    ctx.verb(Verb::Submit, subject(&name), async |tx: &mut Tx| {
        // The catalog may have changed while AWS was asked.
        let now = tx.now();
        let offer = db::catalog::offer(tx.conn(), &new.entitlement, ctx.person.id, Some(now));
        let Offer {
            entitlement,
            condition,
            ..
        } = offer.await?.ok_or_else(|| not_offered(ctx))?;
        if condition.needs_a_person() {
            return Err(RoleError::Suspended(condition).into());
        }
        if entitlement != checked.entitlement {
            recheck(&checked, &entitlement.terms, ctx.app.settings().propagation)?;
        }
        let seen = still(seen, &checked.entitlement, &entitlement);
        // One ask of a human at a time, in all processes: nothing is asked twice, and nobody has
        // more requests than they may.
        db::asks::lock(tx.conn(), ctx.person.human()).await?;
        let own_id = own_id(checked.principal.as_ref(), &seen)?;
        if let Some(shown) = again(ctx, tx.conn(), &checked, now).await? {
            return Ok(Submitted::Again(shown));
        }
        live::lock_room(tx.conn(), entitlement.id, &entitlement.terms, ctx.person.id).await?;
        if !entitlement.terms.early_end.cuts() && seen.role_id.is_none() {
            return Err(RoleError::Unseen.into());
        }
        let ask = Ask {
            requested_by: requested_by(ctx),
            target: target_of(tx.conn(), &entitlement, checked.principal.as_ref()).await?,
            principal: checked.principal,
            principal_unique_id: own_id,
            role_id: seen.role_id,
            justification: checked.justification,
            duration_seconds: checked.duration_seconds,
            starts_at: checked.starts_at,
            ticket: checked.ticket,
            target_checked: seen.checked,
            outlives: seen.outlives,
            entitlement,
        };
        let change = ask.submit(ctx.person.id, ctx.app.settings().expire_after, &tx.by);
        let request = db::requests::insert(tx.conn(), change).await?;
        Ok(Submitted::New(request.into()))
    })
    .await
}

/// Why there is no offer. A person is told of what they may ask for alone; for whom a machine asks,
/// it is told that they may not: it knows the entitlement.
fn not_offered(ctx: &Ctx) -> Error {
    match ctx.credential.machine {
        Some(_) => StateError::NotEligible.into(),
        None => CallerError::NotFound.into(),
    }
}

fn requested_by(ctx: &Ctx) -> RequestedBy {
    match &ctx.credential.machine {
        Some(machine) => RequestedBy::Machine(Asked {
            id: machine.id,
            name: machine.name.clone(),
            owner_then: machine.owner,
            owner: machine.owner,
        }),
        None => RequestedBy::Person(ctx.person.name.clone()),
    }
}

/// What of it is so of the entitlement as it is now.
fn still(seen: Seen, before: &Entitlement, now: &Entitlement) -> Seen {
    // What AWS told of another role says nothing of this one.
    if now.target != before.target {
        return Seen::default();
    }
    let outlives = match &now.terms.role_arn {
        // Sessions may be limited to something else.
        Some(_) => seen
            .outlives
            .filter(|_| now.terms.scope == before.terms.scope),
        None => Some(outlive::of_statements(&now.terms.statements)),
    };
    Seen { outlives, ..seen }
}

/// The request of the same ask a moment ago, if it waits still or its grant is not over: a double
/// click, or a client that tries again. Without one, one more request than may wait for a decision
/// is refused.
async fn again(
    ctx: &Ctx,
    conn: &mut PgConnection,
    asked: &Checked,
    now: DateTime<Utc>,
) -> Result<Option<Shown>, Error> {
    let ask = db::asks::SameAsk {
        person: &ctx.person,
        machine: ctx.credential.machine.as_ref().map(|it| it.id),
        entitlement: asked.entitlement.id,
        principal: asked.principal.as_ref().map(|it| it.id),
        session: asked
            .principal
            .as_ref()
            .and_then(|it| it.session.as_deref()),
        justification: &asked.justification,
        duration_seconds: asked.duration_seconds,
        starts_at: asked.starts_at,
        ticket: asked.ticket.as_ref(),
        since: now - A_MOMENT,
    };
    let settings = ctx.app.settings();
    let (all, of_entitlement) = (
        settings.pending_per_person,
        settings.pending_per_entitlement,
    );
    let counted = all.max(of_entitlement);
    let before = db::asks::before(conn, &ask, counted.into()).await?;
    // Before the limits: a repetition must not be one request too many.
    if let Some(id) = before.same {
        let (Case { request, .. }, grant) = load::visible(ctx, conn, id).await?;
        return Ok(Some(Shown { request, grant }));
    }
    if !before.is_own {
        return Err(Error::field("principal", "is not yours any more"));
    }
    for (have, most, of_entitlement) in [
        (before.of_entitlement, of_entitlement, true),
        (before.waiting, all, false),
    ] {
        if have >= i64::from(most) {
            let reached = LimitError::Reached {
                most,
                of_entitlement,
            };
            return Err(reached.into());
        }
    }
    Ok(None)
}

/// What is written to for an ask: the entitlement's role, or the person's own user or role where it
/// opens none.
async fn target_of(
    conn: &mut PgConnection,
    entitlement: &Entitlement,
    own: Option<&Principal>,
) -> Result<TargetId, Error> {
    if let Some(role) = entitlement.target {
        return Ok(role);
    }
    let own = own.ok_or_else(|| Error::field("principal", "is missing"))?;
    Ok(db::targets::of_identity(conn, &own.arn).await?)
}

/// The `aws:userid` of the identity, where it is that of the user or role whose keys the person
/// had. Nobody is let in as a session of a role that AWS has not shown: its id is what tells the
/// person's sessions from those of others.
fn own_id(own: Option<&Principal>, seen: &Seen) -> Result<Option<String>, Error> {
    let Some(own) = own else {
        return Ok(None);
    };
    if own.session.is_some() && seen.principal_id.is_none() {
        return Err(RoleError::IdentitySilent(own.arn.clone()).into());
    }
    let shown = own.shown_as();
    if let Some((shown, seen)) = shown.as_ref().zip(seen.principal_id.as_ref())
        && shown != seen
    {
        let anew =
            "was made anew in AWS since its keys have signed: link it again at /me/identities";
        return Err(Error::field("principal", anew));
    }
    Ok(seen.principal_id.clone().or(shown))
}

/// Nothing opens on a user or role either that waits for a person's judgement.
async fn may_carry(conn: &mut PgConnection, own: &Principal) -> Result<(), Error> {
    let target = db::targets::of_identity(conn, &own.arn).await?;
    let (condition, _) = db::targets::opens(conn, target, own.person, None).await?;
    if condition.needs_a_person() {
        return Err(RoleError::Suspended(condition).into());
    }
    Ok(())
}

/// An entitlement's name as a subject of the audit log: what was sent, cut and made plain.
#[must_use]
pub fn subject(name: &str) -> String {
    // A name that nobody knows may hold anything: Postgres takes no NUL, and what is hidden could
    // mislead a reader of the log.
    let is_seen = |c: &char| !c.is_control() && !is_hidden(*c);
    let plain: String = name.chars().filter(is_seen).take(63).collect();
    if plain.is_empty() {
        "-".to_owned()
    } else {
        plain
    }
}

/// Looks at an ask before its transaction, also in AWS. It is over there if the same was asked a
/// moment ago.
async fn prepare(
    ctx: &Ctx,
    new: &NewRequest,
) -> Result<ControlFlow<Shown, (Checked, Seen)>, Error> {
    let (name, person, given) = (&new.entitlement, ctx.person.id, ctx.app.clock().given());
    let read = ctx
        .app
        .read(async |conn| {
            let offer = db::catalog::offer(conn, name, person, given).await?;
            let Offer {
                entitlement,
                condition,
                manager,
                now,
            } = offer.ok_or_else(|| not_offered(ctx))?;
            if condition.needs_a_person() {
                return Err(RoleError::Suspended(condition).into());
            }
            let principals = db::people::principals(conn, person).await?;
            let propagation = ctx.app.settings().propagation;
            let checked = check(new, entitlement, principals, propagation, now)?;
            // Looked at once more under the lock; what is refused already need not cost a look at
            // AWS.
            if let Some(shown) = again(ctx, conn, &checked, now).await? {
                return Ok(ControlFlow::Break(shown));
            }
            let Entitlement { id, terms, .. } = &checked.entitlement;
            live::has_room(conn, *id, terms, person).await?;
            let from = new.starts_at.unwrap_or(now);
            let until = from + TimeDelta::seconds(i64::from(checked.duration_seconds));
            let window = (from, until);
            let others = others(conn, &checked, window).await?;
            let guarded = guarded(conn, &checked, window).await?;
            Ok(ControlFlow::Continue((
                checked,
                others,
                guarded,
                (manager, now),
            )))
        })
        .await?;
    let (checked, others, guarded, as_whom) = match read {
        ControlFlow::Continue(read) => read,
        ControlFlow::Break(shown) => return Ok(ControlFlow::Break(shown)),
    };
    check::may_be_opened(&checked.entitlement.terms)?;
    let (seen, foreign) = look(ctx, &checked, &others, &as_whom).await?;
    has_room(
        guarded.as_ref(),
        &checked.entitlement.terms,
        seen.role_id.as_deref(),
        foreign,
    )?;
    Ok(ControlFlow::Continue((checked, seen)))
}

/// What there is already where the grant is to be written.
async fn others(
    conn: &mut PgConnection,
    checked: &Checked,
    window: (DateTime<Utc>, DateTime<Utc>),
) -> Result<Others, Error> {
    let terms = &checked.entitlement.terms;
    let is_carried = matches!(terms.method, Method::Switch | Method::Attach);
    match &checked.principal {
        Some(user) if is_carried => {
            may_carry(conn, user).await?;
            Ok(Others::Carried(carried(conn, checked, user, window).await?))
        }
        user => {
            let target = target_of(conn, &checked.entitlement, user.as_ref()).await?;
            let home = home::home(conn, terms, user.as_ref()).await?;
            let seated = db::grants::seated(conn, target, window).await?;
            Ok(Others::Seated(seated, home))
        }
    }
}
