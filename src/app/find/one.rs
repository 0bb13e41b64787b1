//! One request or grant, with everything that belongs to it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::super::ctx::{Ctx, Settings};
use super::super::load::{self, Shown};
use super::super::seats::{Seats, takes_delegates};
use super::stages::{self, Approvers, StageView};
use super::{Decision, Delay, Entry, Held, Question, Undone, undone_of};
use crate::db::cases::Case;
use crate::db::delegations::Away;
use crate::domain::grant::{Grant, GrantState};
use crate::domain::person::Person;
use crate::domain::request::{Request, RequestState};
use crate::error::{CallerError, Error};
use crate::ids::{GrantId, RequestId};
use crate::{authz, db};

/// How many of those who are away are named.
const MOST_AWAY: i64 = 20;

/// What the caller may do with a request and its grant now.
#[derive(Debug, Clone, Copy, Default)]
pub struct May {
    /// Approve it.
    pub approve: bool,
    /// Deny it.
    pub deny: bool,
    /// Take it back.
    pub withdraw: bool,
    /// End its grant.
    pub end: bool,
    /// Ask for a later deadline of its grant.
    pub extend: bool,
    /// Take their approval back.
    pub withdraw_approval: bool,
    /// Ask its requester something.
    pub ask: bool,
    /// Answer what an approver has asked.
    pub answer: bool,
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
    /// What its person has of the same already, or waits for, as long as it waits for a decision.
    pub held: Vec<Held>,
    /// The voices so far.
    pub decisions: Vec<Decision>,
    /// What approvers have asked, and the answers, oldest first.
    pub questions: Vec<Question>,
    /// How far its stages are.
    pub stages: Vec<StageView>,
    /// Who can still decide it.
    pub approvers: Approvers,
    /// Whether the people that there are could still approve it; of a request that is decided, that
    /// they could.
    pub fillable: bool,
    /// Who could decide it and is away, up to a few; for who decides it alone.
    pub away: Vec<Away>,
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
                stands_in,
                involved,
                extension,
                ..
            } = case;
            let mut seats = Seats::load(conn, id, Some(caller.human()), now).await?;
            let request = seats.shortened(request);
            let granted = grant.iter().map(|it| it.id.to_string());
            let subjects: Vec<_> = std::iter::once(id.to_string()).chain(granted).collect();
            let events = db::audit::history(conn, &subjects).await?;
            stages::stand_ins(conn, &mut seats, &request, &events, now).await?;
            let (stages, fillable) = stages::of(&seats, &request, now);
            let approvers = stages::named(conn, &seats, &request, now).await?;
            let questions = db::questions::of_request(conn, id).await?;
            let is_asked = questions.last().is_some_and(|it| it.answer.is_none());
            let asked = (&request, grant.as_ref());
            let voices = (&seats, stands_in, involved);
            let may = May {
                extend: extension.is_none() && may_extend(ctx, &caller, asked, now),
                end: may_end(ctx, &caller, asked),
                ..may_speak(ctx, &caller, asked, voices, is_asked, now)
            };
            let settings = ctx.app.settings();
            let propagation = settings.propagation;
            let settled_at = grant.as_ref().filter(|it| it.back_until(now).is_none());
            let settled_at = settled_at.and_then(|it| settled_at_of(it, propagation));
            let dead_since = grant.as_ref().and_then(|it| dead_since(it, settings, now));
            let mut delays = delays(conn, grant.iter(), Some(now)).await?.into_values();
            Ok(RequestView {
                away: away(conn, &caller, &request, (stands_in, now)).await?,
                undone: undone(conn, &request).await?,
                held: held(conn, &request, now).await?,
                closed: db::closed::is(conn, request.target).await?,
                request,
                requester,
                grant,
                delay: delays.next(),
                settled_at,
                dead_since,
                extension: extension.filter(|it| *it != id),
                decisions: seats.decisions,
                questions,
                stages,
                approvers,
                fillable,
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

async fn away(
    conn: &mut PgConnection,
    caller: &Person,
    request: &Request,
    (stands_in, now): (bool, DateTime<Utc>),
) -> sqlx::Result<Vec<Away>> {
    let decides = stands_in || authz::is_approver(caller, request);
    let waits = request.state == RequestState::Pending && takes_delegates(request);
    if !decides || !waits {
        return Ok(Vec::new());
    }
    db::delegations::away(conn, request.id, now, MOST_AWAY).await
}

/// What the requester has of the same entitlement and identity beside this, or waits for.
async fn held(
    conn: &mut PgConnection,
    request: &Request,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Held>> {
    if request.state != RequestState::Pending || request.extends.is_some() {
        return Ok(Vec::new());
    }
    let mut held = db::asks::held(conn, request.person, request.entitlement, now).await?;
    held.retain(|it| {
        let whom = (&it.principal_arn, &it.principal_session);
        it.request != request.id && whom == (&request.principal_arn, &request.principal_session)
    });
    Ok(held)
}

/// Asked of the verbs' own functions: whom they refuse, the page offers no form. `is_asked`: a
/// question waits for its answer.
fn may_speak(
    ctx: &Ctx,
    caller: &Person,
    (request, grant): (&Request, Option<&Grant>),
    (seats, stands_in, involved): (&Seats, bool, bool),
    is_asked: bool,
    now: DateTime<Utc>,
) -> May {
    let is_open = request.state == RequestState::Pending && !request.is_overdue(now);
    let is_to_open = grant.is_some_and(|it| it.state.is_to_open());
    let has_approved = seats.has_approved(caller.human());
    let is_theirs = request.person == caller.id;
    let may = May {
        withdraw: is_open && is_theirs,
        answer: is_open && is_asked && is_theirs,
        withdraw_approval: has_approved && (is_open || is_to_open),
        ..May::default()
    };
    let roles = ctx.app.roles();
    let decides = authz::decide(roles, caller, request.clone(), stands_in, involved);
    if !is_open || decides.is_err() {
        return may;
    }
    let count = seats.count(request, now);
    let approve = count.may_vote(caller.human()).is_ok();
    May {
        approve,
        ask: approve && !is_asked,
        deny: count.may_deny(caller.human()).is_ok(),
        ..may
    }
}

fn may_end(ctx: &Ctx, caller: &Person, (request, grant): (&Request, Option<&Grant>)) -> bool {
    let Some(grant) = grant.filter(|it| it.state.is_open()) else {
        return false;
    };
    // `true` matters only to which refusal it would be, and that is not told here.
    authz::end(ctx.app.roles(), caller, grant.clone(), request, true).is_ok()
}

fn may_extend(
    ctx: &Ctx,
    caller: &Person,
    (request, grant): (&Request, Option<&Grant>),
    now: DateTime<Utc>,
) -> bool {
    let margin = ctx.app.settings().propagation;
    grant.is_some_and(|grant| {
        grant.person == caller.id
            && grant.marks.bypassed.is_none()
            && grant.is_open_for(margin, now)
            && caller.is_in(&request.terms.requester_group)
            && grant.longest_extension(&request.terms) >= TimeDelta::seconds(1)
    })
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

/// A request with its grant, and how far its decisions have brought it.
#[derive(Debug, Clone)]
pub struct CountedView {
    /// The request.
    pub request: Request,
    /// Its grant.
    pub grant: Option<Grant>,
    /// What was said of it, oldest first.
    pub decisions: Vec<Decision>,
    /// What approvers have asked, and the answers, oldest first.
    pub questions: Vec<Question>,
    /// How far its stages are.
    pub stages: Vec<StageView>,
    /// Whether the people that there are could still approve it; of a request that is decided, that
    /// they could.
    pub fillable: bool,
    /// What its person has of the same already, or waits for, as long as it waits for a decision.
    pub held: Vec<Held>,
}

/// One request with its grant and the decisions on it.
///
/// # Errors
/// As [`request`].
pub async fn counted(ctx: &Ctx, id: RequestId) -> Result<CountedView, Error> {
    ctx.app
        .read_at(async |conn, now| {
            let (Case { request, .. }, grant) = load::visible(ctx, conn, id).await?;
            count(conn, Shown { request, grant }, now).await
        })
        .await
}

/// What a verb has answered with, and how far it is now.
///
/// # Errors
/// When the database does not answer.
pub async fn after(ctx: &Ctx, shown: Shown) -> Result<CountedView, Error> {
    let count = async |conn: &mut PgConnection, now| count(conn, shown, now).await;
    ctx.app.read_at(count).await
}

async fn count(
    conn: &mut PgConnection,
    Shown { request, grant }: Shown,
    now: DateTime<Utc>,
) -> Result<CountedView, Error> {
    let mut seats = Seats::load(conn, request.id, None, now).await?;
    let request = seats.shortened(request);
    let events = match request.state {
        RequestState::Approved(_) => db::audit::history(conn, &[request.id.to_string()]).await?,
        _ => Vec::new(),
    };
    stages::stand_ins(conn, &mut seats, &request, &events, now).await?;
    let (stages, fillable) = stages::of(&seats, &request, now);
    Ok(CountedView {
        questions: db::questions::of_request(conn, request.id).await?,
        held: held(conn, &request, now).await?,
        request,
        grant,
        decisions: seats.decisions,
        stages,
        fillable,
    })
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
                involved,
                extension,
                delay,
                ..
            } = load::case(ctx, conn, grant.request, moving).await?;
            if !authz::sees_granted(ctx.app.roles(), &caller, &request, &grant, involved) {
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
