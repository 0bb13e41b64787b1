//! One request or grant, with everything that belongs to it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::super::ctx::Ctx;
use super::{Decision, Delay, Entry};
use crate::domain::grant::{Grant, GrantState};
use crate::domain::request::Request;
use crate::error::{CallerError, Error};
use crate::ids::{GrantId, RequestId};
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
}

/// Who can still decide a request: the approvers who have not voted, never its requester.
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
    /// Its requester's name.
    pub requester: String,
    /// Whether the caller may end it now.
    pub may_end: bool,
    /// What keeps it waiting for AWS.
    pub delay: Option<Delay>,
}

/// One request with everything that belongs to it.
///
/// # Errors
/// `NotFound` where there is none, or the caller may not see it.
pub async fn request(ctx: &Ctx, id: RequestId) -> Result<RequestView, Error> {
    ctx.app
        .read(async |conn, now| {
            let request = db::requests::get(conn, id)
                .await?
                .ok_or(CallerError::NotFound)?;
            let decisions = db::requests::decisions(conn, id).await?;
            let has_decided = decisions.iter().any(|it| it.person == ctx.person.id);
            let roles = ctx.app.roles();
            let grant = db::grants::of_requests(conn, &[id.uuid()])
                .await?
                .remove(&id);
            let seen = match &grant {
                Some(grant) => {
                    authz::sees_granted(roles, &ctx.person, &request, grant, has_decided)
                }
                None => authz::sees(roles, &ctx.person, &request, has_decided),
            };
            if !seen {
                return Err(CallerError::NotFound.into());
            }
            let subjects: Vec<_> = std::iter::once(id.to_string())
                .chain(grant.iter().map(|it| it.id.to_string()))
                .collect();
            let events = db::audit::history(conn, &subjects).await?;
            let approvers = approvers(conn, &request, &decisions).await?;
            let requester = db::people::get(conn, request.person)
                .await?
                .map(|it| it.name)
                .unwrap_or_default();
            let open = request.state.closed_at().is_none() && request.expires_at > now;
            let may = May {
                decide: open
                    && !has_decided
                    && authz::decide(roles, &ctx.person, request.clone(), has_decided).is_ok(),
                withdraw: open && request.person == ctx.person.id,
                end: grant.as_ref().is_some_and(|it| may_end(ctx, it, &request)),
            };
            let propagation = ctx.app.settings().propagation;
            let settled_at = grant.as_ref().and_then(|it| settled_at(it, propagation));
            let delay = delays(conn, grant.iter()).await?.into_values().next();
            Ok(RequestView {
                request,
                requester,
                grant,
                delay,
                settled_at,
                decisions,
                approvers,
                may,
                events,
                now,
            })
        })
        .await
}

async fn approvers(
    conn: &mut PgConnection,
    request: &Request,
    decisions: &[Decision],
) -> Result<Approvers, Error> {
    let voted = decisions.iter().map(|it| it.person.uuid());
    let without: Vec<_> = voted.chain([request.person.uuid()]).collect();
    let group = &request.terms.approver_group;
    let limit = i64::try_from(NAMED + 1).unwrap_or(i64::MAX);
    let mut named = db::people::in_group(conn, group, &without, limit).await?;
    let more = named.len() > NAMED;
    named.truncate(NAMED);
    Ok(Approvers { named, more })
}

pub(super) fn may_end(ctx: &Ctx, grant: &Grant, request: &Request) -> bool {
    grant.state.is_open()
        && authz::end(ctx.app.roles(), &ctx.person, grant.clone(), request, true).is_ok()
}

/// P after AWS was read back without the grant.
fn settled_at(grant: &Grant, propagation: TimeDelta) -> Option<DateTime<Utc>> {
    match grant.state {
        GrantState::Ended { at, .. } | GrantState::Failed { at, .. } => Some(at + propagation),
        GrantState::Scheduled
        | GrantState::Opening { .. }
        | GrantState::Active { .. }
        | GrantState::Closing(_) => None,
    }
}

/// One grant.
///
/// # Errors
/// `NotFound` where there is none, or the caller may not see it.
pub async fn grant(ctx: &Ctx, id: GrantId) -> Result<GrantView, Error> {
    ctx.app
        .read(async |conn, _| {
            let grant = db::grants::get(conn, id)
                .await?
                .ok_or(CallerError::NotFound)?;
            let request = db::requests::get(conn, grant.request)
                .await?
                .ok_or(CallerError::NotFound)?;
            let decisions = db::requests::decisions(conn, request.id).await?;
            let has_decided = decisions.iter().any(|it| it.person == ctx.person.id);
            let roles = ctx.app.roles();
            if !authz::sees_granted(roles, &ctx.person, &request, &grant, has_decided) {
                return Err(CallerError::NotFound.into());
            }
            let requester = db::people::get(conn, request.person)
                .await?
                .map(|it| it.name)
                .unwrap_or_default();
            Ok(GrantView {
                may_end: may_end(ctx, &grant, &request),
                delay: delays(conn, std::iter::once(&grant))
                    .await?
                    .remove(&grant.id),
                grant,
                request,
                requester,
            })
        })
        .await
}

/// What keeps these grants waiting for AWS.
pub(super) async fn delays(
    conn: &mut PgConnection,
    grants: impl Iterator<Item = &Grant>,
) -> Result<HashMap<GrantId, Delay>, Error> {
    let moving = grants.filter(|it| {
        matches!(
            it.state,
            GrantState::Opening { .. } | GrantState::Closing(_)
        )
    });
    let ids: Vec<_> = moving.map(|it| it.id.uuid()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(db::delays::of_grants(conn, &ids).await?)
}
