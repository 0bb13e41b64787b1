//! Reading. What a caller may see is decided in the SQL of a list, and by `authz::sees` for one row; not visible is not found.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::ctx::Ctx;
use crate::db;
use crate::db::requests::View;
use crate::domain::entitlement::Entitlement;
use crate::domain::grant::Grant;
use crate::domain::person::Principal;
use crate::domain::request::Request;
use crate::error::Error;
use crate::ids::{EventId, GrantId, RequestId};
use crate::{authz, policy};

pub use crate::db::audit::Entry;
pub use crate::db::requests::{Decision, Listed};

/// How many approvers are named.
const NAMED: i64 = 20;

/// Where a page of a list begins, and how long it is.
#[derive(Debug, Clone, Copy)]
pub struct Page<C> {
    /// Rows before this one.
    pub cursor: Option<C>,
    /// 1 to 200.
    pub limit: i64,
}

/// A page of a list; `next` is the cursor of the one after it, if there is one.
#[derive(Debug, Clone)]
pub struct Items<T, C> {
    /// The rows, newest first.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Option<C>,
}

impl<T, C> Items<T, C> {
    /// From one row more than was asked for.
    fn of(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> C) -> Self {
        let limit = usize::try_from(limit).unwrap_or_default();
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

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

/// One request with everything that belongs to it.
#[derive(Debug, Clone)]
pub struct RequestView {
    /// The request.
    pub request: Request,
    /// Its requester's name.
    pub requester: String,
    /// Its grant.
    pub grant: Option<Grant>,
    /// When no part of AWS can lag behind the grant's end any more.
    pub settled_at: Option<DateTime<Utc>>,
    /// The voices so far.
    pub decisions: Vec<Decision>,
    /// Who could decide it, by name; the first of them where there are many.
    pub approvers: Vec<String>,
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
}

/// Which requests a list shows.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Only those in this state.
    pub state: Option<&'static str>,
    /// Only the caller's own.
    pub mine: bool,
    /// Only those that wait for the caller.
    pub waiting: bool,
}

/// What the caller may ask for.
///
/// # Errors
/// When the database does not answer.
pub async fn entitlements(ctx: &Ctx) -> Result<Vec<Entitlement>, Error> {
    ctx.app
        .read(async |conn, _| Ok(db::catalog::entitlements(conn, &ctx.person.groups).await?))
        .await
}

/// One entitlement that the caller may ask for.
///
/// # Errors
/// `NotFound` where there is none, or the caller may not ask for it.
pub async fn entitlement(ctx: &Ctx, name: &str) -> Result<Entitlement, Error> {
    let found = ctx
        .app
        .read(async |conn, _| Ok(db::catalog::entitlement(conn, name).await?))
        .await?;
    found
        .filter(|it| ctx.person.is_in(&it.terms.requester_group))
        .ok_or(Error::NotFound)
}

/// The caller's AWS identities.
///
/// # Errors
/// When the database does not answer.
pub async fn principals(ctx: &Ctx) -> Result<Vec<Principal>, Error> {
    ctx.app
        .read(async |conn, _| Ok(db::people::principals(conn, ctx.person.id).await?))
        .await
}

/// Requests, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn requests(
    ctx: &Ctx,
    filter: &RequestFilter,
    page: Page<RequestId>,
) -> Result<Items<Listed, RequestId>, Error> {
    let (person, groups) = (ctx.person.id, ctx.person.groups.clone());
    let view = match filter {
        RequestFilter { mine: true, .. } => View::Own(person),
        RequestFilter { waiting: true, .. } => View::Waiting(person, groups),
        _ if ctx.sees_all() => View::All,
        _ => View::Visible(person, groups),
    };
    let listed = ctx.app.read(async |conn, _| {
        Ok(db::requests::list(conn, &view, filter.state, page.cursor, page.limit + 1).await?)
    });
    Ok(Items::of(listed.await?, page.limit, |it| it.request.id))
}

/// The caller's requests whose grants are not over, newest first, up to 50.
///
/// # Errors
/// When the database does not answer.
pub async fn open(ctx: &Ctx) -> Result<Vec<Listed>, Error> {
    ctx.app
        .read(async |conn, _| {
            let granted = db::grants::unfinished(conn, ctx.person.id, 50).await?;
            Ok(db::requests::listed(conn, &granted).await?)
        })
        .await
}

/// How many requests wait for the caller, up to 100.
///
/// # Errors
/// When the database does not answer.
pub async fn waiting(ctx: &Ctx) -> Result<i64, Error> {
    ctx.app
        .read(async |conn, _| {
            let person = &ctx.person;
            Ok(db::requests::waiting(conn, person.id, &person.groups, 100).await?)
        })
        .await
}

/// One request with everything that belongs to it.
///
/// # Errors
/// `NotFound` where there is none, or the caller may not see it.
pub async fn request(ctx: &Ctx, id: RequestId) -> Result<RequestView, Error> {
    ctx.app
        .read(async |conn, now| {
            let request = db::requests::get(conn, id).await?.ok_or(Error::NotFound)?;
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
                return Err(Error::NotFound);
            }
            let subjects: Vec<_> = std::iter::once(id.to_string())
                .chain(grant.iter().map(|it| it.id.to_string()))
                .collect();
            let events = db::audit::history(conn, &subjects).await?;
            let (group, asker) = (&request.terms.approver_group, request.person);
            let mut approvers = db::people::in_group(conn, group, asker, NAMED + 1).await?;
            if i64::try_from(approvers.len()).is_ok_and(|it| it > NAMED) {
                approvers.pop();
                approvers.push("and others".to_owned());
            }
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
            let settled_at = grant.as_ref().and_then(settled_at);
            Ok(RequestView {
                request,
                requester,
                grant,
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

fn may_end(ctx: &Ctx, grant: &Grant, request: &Request) -> bool {
    grant.state.is_open()
        && authz::end(ctx.app.roles(), &ctx.person, grant.clone(), request, true).is_ok()
}

/// `guard_until` is the last moment of a session and the longest session after it; without the latter it is the moment when nothing lags any more.
fn settled_at(grant: &Grant) -> Option<DateTime<Utc>> {
    grant
        .marks
        .guard_until
        .map(|until| until - policy::LONGEST_SESSION)
}

/// One grant.
///
/// # Errors
/// `NotFound` where there is none, or the caller may not see it.
pub async fn grant(ctx: &Ctx, id: GrantId) -> Result<GrantView, Error> {
    ctx.app
        .read(async |conn, _| {
            let grant = db::grants::get(conn, id).await?.ok_or(Error::NotFound)?;
            let request = db::requests::get(conn, grant.request)
                .await?
                .ok_or(Error::NotFound)?;
            let decisions = db::requests::decisions(conn, request.id).await?;
            let has_decided = decisions.iter().any(|it| it.person == ctx.person.id);
            let roles = ctx.app.roles();
            if !authz::sees_granted(roles, &ctx.person, &request, &grant, has_decided) {
                return Err(Error::NotFound);
            }
            let requester = db::people::get(conn, request.person)
                .await?
                .map(|it| it.name)
                .unwrap_or_default();
            Ok(GrantView {
                may_end: may_end(ctx, &grant, &request),
                grant,
                request,
                requester,
            })
        })
        .await
}

/// Grants, newest first: the caller's own, or all for those who see everything.
///
/// # Errors
/// When the database does not answer.
pub async fn grants(
    ctx: &Ctx,
    mine: bool,
    page: Page<GrantId>,
) -> Result<Items<GrantView, GrantId>, Error> {
    let person = (mine || !ctx.sees_all()).then_some(ctx.person.id);
    ctx.app
        .read(async |conn, _| {
            let grants = Items::of(
                db::grants::list(conn, person, page.cursor, page.limit + 1).await?,
                page.limit,
                |it| it.id,
            );
            let ids: Vec<_> = grants.items.iter().map(|it| it.request).collect();
            let mut asked: HashMap<_, _> = db::requests::listed(conn, &ids)
                .await?
                .into_iter()
                .map(|it| (it.request.id, it))
                .collect();
            let views = grants.items.into_iter().filter_map(|grant| {
                let Listed {
                    request, requester, ..
                } = asked.remove(&grant.request)?;
                Some(GrantView {
                    may_end: may_end(ctx, &grant, &request),
                    grant,
                    request,
                    requester,
                })
            });
            Ok(Items {
                items: views.collect(),
                next: grants.next,
            })
        })
        .await
}

/// Which audit events a list shows.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only this action.
    pub action: Option<String>,
    /// Only this actor: TypeID, or name of a machine or part.
    pub actor: Option<String>,
    /// Only this subject: TypeID or name.
    pub subject: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

/// The audit log, newest first: all of it for auditors and admins, else what concerns the caller.
///
/// # Errors
/// When the database does not answer.
pub async fn audit_events(
    ctx: &Ctx,
    filter: AuditFilter,
    page: Page<EventId>,
) -> Result<Items<Entry, EventId>, Error> {
    let concerning = (!ctx.sees_all()).then_some(ctx.person.id);
    let AuditFilter {
        action,
        actor,
        subject,
        from,
        to,
    } = filter;
    let filter = db::audit::Filter {
        action,
        actor,
        subject,
        from,
        to,
        concerning,
    };
    let events = ctx.app.read(async |conn, _| {
        Ok(db::audit::list(conn, &filter, page.cursor, page.limit + 1).await?)
    });
    Ok(Items::of(events.await?, page.limit, |it| it.id))
}
