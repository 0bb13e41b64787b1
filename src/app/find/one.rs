//! One request or grant, with everything that belongs to it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::super::ctx::{Ctx, Settings};
use super::super::load::{self, Shown};
use super::{Decision, Delay, Entry, Undone, undone_of};
use crate::db::cases::Case;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::person::Person;
use crate::domain::request::{Request, RequestState};
use crate::error::{CallerError, Error};
use crate::ids::{GrantId, PersonId, RequestId};
use crate::{authz, db};

/// How many approvers are named.
const NAMED: usize = 20;

/// What the caller may do with a request and its grant now.
#[derive(Debug, Clone, Copy, Default)]
pub struct May {
    /// Approve or deny it.
    pub decide: bool,
    /// Take it back.
    pub withdraw: bool,
    /// End its grant.
    pub end: bool,
    /// Ask for a later deadline of its grant.
    pub extend: bool,
}

/// Who can still decide a request: the approvers who have not voted, never who asked.
#[derive(Debug, Clone, Default)]
pub struct Approvers {
    /// By name; the first of them where there are many.
    pub named: Vec<String>,
    /// Whether there are more than are named.
    pub more: bool,
}

/// One request with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct RequestView {
    /// The request.
    pub request: Request,
    /// Its requester's name.
    pub requester: String,
    /// Its grant.
    pub grant: Option<Grant>,
    /// What keeps that waiting for AWS.
    pub delay: Option<Delay>,
    /// When no part of AWS can lag behind the grant's end any more.
    pub settled_at: Option<DateTime<Utc>>,
    /// Since when nothing of it can work although AWS has not been read without it.
    pub dead_since: Option<DateTime<Utc>>,
    /// The request for a later deadline of the grant that waits for a decision, where that is
    /// another one.
    pub extension: Option<RequestId>,
    /// Whether the role is closed to whoever has no grant, as the catalog says now.
    pub closed: bool,
    /// Where what it would put may not stay, as long as it waits for a decision.
    pub undone: Vec<Undone>,
    /// The voices so far.
    pub decisions: Vec<Decision>,
    /// Who can still decide it.
    pub approvers: Approvers,
    /// What the caller may do.
    pub may: May,
    /// What was done to it and its grant, oldest first.
    pub events: Vec<Entry>,
    /// The moment of the look.
    pub now: DateTime<Utc>,
}

/// A grant with its request.
#[derive(Debug, Clone)]
pub struct GrantView {
    /// The grant.
    pub grant: Grant,
    /// Its request.
    pub request: Request,
    /// The request for a later deadline that waits for a decision.
    pub extension: Option<RequestId>,
    /// What keeps it waiting for AWS.
    pub delay: Option<Delay>,
}

/// One request with everything that belongs to it.
///
/// # Errors
/// `NotFound` where there is none, or the caller may not see it.
pub async fn request(ctx: &Ctx, id: RequestId) -> Result<RequestView, Error> {
    ctx.app
        .read_at(async |conn, now| {
            let (case, grant) = load::visible(ctx, conn, id).await?;
            let Case {
                request,
                requester,
                caller,
                has_decided,
                extension,
                ..
            } = case;
            let decisions = db::decisions::of_request(conn, id).await?;
            let subjects: Vec<_> = std::iter::once(id.to_string())
                .chain(grant.iter().map(|it| it.id.to_string()))
                .collect();
            let events = db::audit::history(conn, &subjects).await?;
            let approvers = approvers(conn, &request, &decisions).await?;
            let roles = ctx.app.roles();
            let open = request.state == RequestState::Pending && !request.is_overdue(now);
            // Asked of the verbs' own functions: whom they refuse, the page offers no form.
            let may = May {
                decide: open
                    && !has_decided
                    && authz::decide(roles, &caller, request.clone(), has_decided).is_ok(),
                withdraw: open && request.person == caller.id,
                end: grant
                    .as_ref()
                    .is_some_and(|it| may_end(ctx, &caller, it, &request)),
                extend: extension.is_none()
                    && grant
                        .as_ref()
                        .is_some_and(|it| may_extend(ctx, &caller, it, &request, now)),
            };
            let settings = ctx.app.settings();
            let propagation = settings.propagation;
            let settled_at = grant.as_ref().filter(|it| it.back_until(now).is_none());
            let settled_at = settled_at.and_then(|it| settled_at_of(it, propagation));
            let dead_since = grant.as_ref().and_then(|it| dead_since(it, settings, now));
            let delay = delays(conn, grant.iter(), Some(now)).await?;
            let delay = delay.into_values().next();
            Ok(RequestView {
                undone: undone(conn, &request).await?,
                closed: db::closed::is(conn, request.target).await?,
                request,
                requester,
                grant,
                delay,
                settled_at,
                dead_since,
                extension: extension.filter(|it| *it != id),
                decisions,
                approvers,
                may,
                events,
                now,
            })
        })
        .await
}

/// The external ID that the requester sends, where the caller is told it: no machine is.
#[must_use]
pub fn external_id(ctx: &Ctx, request: &Request) -> Option<String> {
    let id = request.terms.demands.external_id.as_ref()?;
    if ctx.credential.machine.is_some() {
        return None;
    }
    authz::told_external_id(&ctx.person, request).then(|| id.to_string())
}

async fn undone(conn: &mut PgConnection, request: &Request) -> sqlx::Result<Vec<Undone>> {
    if request.state != RequestState::Pending {
        return Ok(Vec::new());
    }
    let mut found = undone_of(conn, request.person, request.terms.method).await?;
    found.retain(|it| Some(&it.arn) == request.principal_arn.as_ref());
    Ok(found)
}

async fn approvers(
    conn: &mut PgConnection,
    request: &Request,
    decisions: &[Decision],
) -> Result<Approvers, Error> {
    let standing = decisions.iter().filter(|it| it.stands);
    let voted = standing.map(|it| it.person.uuid());
    let machine = request.requested_by.machine();
    let owners = machine.into_iter().flat_map(|it| [it.owner, it.owner_then]);
    let without: Vec<_> = voted
        .chain([request.person.uuid()])
        .chain(owners.map(PersonId::uuid))
        .collect();
    let group = &request.terms.approver_group;
    let limit = i64::try_from(NAMED + 1).unwrap_or(i64::MAX);
    let mut named = db::people::in_group(conn, group, &without, limit).await?;
    let more = named.len() > NAMED;
    named.truncate(NAMED);
    Ok(Approvers { named, more })
}

fn may_end(ctx: &Ctx, caller: &Person, grant: &Grant, request: &Request) -> bool {
    grant.state.is_open()
        // `true` matters only to which refusal it would be, and that is not told here.
        && authz::end(ctx.app.roles(), caller, grant.clone(), request, true).is_ok()
}

fn may_extend(
    ctx: &Ctx,
    caller: &Person,
    grant: &Grant,
    request: &Request,
    now: DateTime<Utc>,
) -> bool {
    let margin = ctx.app.settings().propagation;
    grant.person == caller.id
        && grant.marks.bypassed.is_none()
        && grant.is_open_for(margin, now)
        && caller.is_in(&request.terms.requester_group)
        && grant.longest_extension(&request.terms) >= TimeDelta::seconds(1)
}

/// P after AWS was read back without the grant.
fn settled_at_of(grant: &Grant, propagation: TimeDelta) -> Option<DateTime<Utc>> {
    match grant.state {
        // A part of AWS may go by the older documents for P.
        GrantState::Ended { at, .. } | GrantState::Failed { at, .. } => Some(at + propagation),
        GrantState::Scheduled
        | GrantState::Opening { .. }
        | GrantState::Active { .. }
        | GrantState::Closing(_) => None,
    }
}

/// Since when nothing of a closing grant can work: its account may be gone for ever, and it stays
/// closing all the same, since nobody has read AWS without it.
fn dead_since(grant: &Grant, settings: Settings, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let is_closing = matches!(grant.state, GrantState::Closing(_));
    let (clock, propagation) = (settings.clock_margin, settings.propagation);
    let dead_at = grant.marks.dead_at(grant.method, clock, propagation);
    dead_at.filter(|at| is_closing && *at <= now)
}

/// One request with its grant.
///
/// # Errors
/// As [`request`].
pub async fn shown(ctx: &Ctx, id: RequestId) -> Result<Shown, Error> {
    ctx.app
        .read(async |conn| {
            let (Case { request, .. }, grant) = load::visible(ctx, conn, id).await?;
            Ok(Shown { request, grant })
        })
        .await
}

/// One grant.
///
/// # Errors
/// `NotFound` where there is none, or the caller may not see it.
pub async fn grant(ctx: &Ctx, id: GrantId) -> Result<GrantView, Error> {
    ctx.app
        .read(async |conn| {
            let grant = db::grants::get(conn, id)
                .await?
                .ok_or(CallerError::NotFound)?;
            let since = moving_since(&grant);
            let moving = since.map(|since| (grant.grant_name.as_str(), since));
            let Case {
                request,
                caller,
                has_decided,
                extension,
                delay,
                ..
            } = load::case(ctx, conn, grant.request, moving).await?;
            if !authz::sees_granted(ctx.app.roles(), &caller, &request, &grant, has_decided) {
                return Err(CallerError::NotFound.into());
            }
            Ok(GrantView {
                extension,
                grant,
                request,
                delay,
            })
        })
        .await
}

/// Since when AWS is to follow, while it has not: also of what somebody has put back.
fn moving_since(grant: &Grant) -> Option<DateTime<Utc>> {
    match &grant.state {
        GrantState::Opening { at } => Some(*at),
        GrantState::Closing(closing) => Some(closing.since),
        GrantState::Ended { at, .. } | GrantState::Failed { at, .. } => {
            // The query asks whether its date is over.
            grant.back_until(DateTime::<Utc>::MIN_UTC).map(|_| *at)
        }
        GrantState::Scheduled | GrantState::Active { .. } => None,
    }
}

/// What keeps these grants waiting for AWS.
pub(super) async fn delays(
    conn: &mut PgConnection,
    grants: impl Iterator<Item = &Grant>,
    now: Option<DateTime<Utc>>,
) -> Result<HashMap<GrantId, Delay>, Error> {
    let moving = grants.filter(|grant| moving_since(grant).is_some());
    let ids: Vec<_> = moving.map(|it| it.id.uuid()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(db::delays::of_grants(conn, &ids, now).await?)
}
