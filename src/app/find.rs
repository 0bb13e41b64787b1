//! Reading. What a caller may see is decided in the SQL of a list, and by `authz::sees` for one
//! row; not visible is not found.

mod health;
mod one;
mod people;
mod revocations;
mod stages;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::ctx::{App, Ctx};
use crate::db;
use crate::db::grants::Whose;
use crate::db::request_lists::View;
use crate::domain::arn;
use crate::domain::entitlement::{Entitlement, Method, Terms};
use crate::domain::person::Principal;
use crate::error::{CallerError, Error};
use crate::ids::{EntitlementId, EventId, GrantId, PersonId, RequestId};
use crate::policy::feasible;

pub use crate::db::asks::Held;
pub use crate::db::audit::Entry;
pub use crate::db::decisions::Decision;
pub use crate::db::delays::Delay;
pub use crate::db::leavers::Listed as ListedPerson;
pub use crate::db::questions::Question;
pub use crate::db::request_lists::Listed;
pub use crate::db::troubles::{Contested, Troubles, Unguarded};
pub use health::{Health, health};
use one::delays;
pub use one::{
    CountedView, GrantView, May, RequestView, after, counted, external_id, grant, request,
};
pub use people::{PeopleFilter, everybody, people, person, sees_people};
pub use revocations::{RevocationView, RevokedView, revocation, revocations, revoked};
pub use stages::{Approvers, StageView};

/// How far what waits for somebody is counted; what is one more is told as "more than".
pub const MOST_COUNTED: i64 = 999;

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
    pub(super) fn of(mut items: Vec<T>, limit: i64, cursor: impl Fn(&T) -> C) -> Self {
        let limit = usize::try_from(limit).unwrap_or_default();
        // One row more than is shown tells of a next page, and nothing need be counted.
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

/// A request whose grant is not over.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The request with its grant.
    pub listed: Listed,
    /// What keeps the grant waiting for AWS.
    pub delay: Option<Delay>,
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
        .read(async |conn| Ok(db::catalog::entitlements(conn, &ctx.person.groups).await?))
        .await
}

/// One entitlement that the caller may ask for.
///
/// # Errors
/// `NotFound` where there is none, or the caller may not ask for it.
pub async fn entitlement(ctx: &Ctx, name: &str) -> Result<Entitlement, Error> {
    let found = ctx
        .app
        .read(async |conn| Ok(db::catalog::entitlement(conn, name).await?))
        .await?;
    found
        .filter(|it| ctx.person.is_in(&it.terms.requester_group))
        .ok_or_else(|| CallerError::NotFound.into())
}

/// The caller's AWS identities.
///
/// # Errors
/// When the database does not answer.
pub async fn principals(ctx: &Ctx) -> Result<Vec<Principal>, Error> {
    ctx.app
        .read_caller(async |conn| Ok(db::people::principals(conn, ctx.person.id).await?))
        .await
}

/// Those of them that an entitlement of these terms could let in.
///
/// # Errors
/// When the database does not answer.
pub async fn fitting(ctx: &Ctx, terms: &Terms) -> Result<Vec<Principal>, Error> {
    if !terms.method.needs_identity() {
        return Ok(Vec::new());
    }
    let mut fitting = principals(ctx).await?;
    fitting.retain(|own| {
        // What is attached is for identities of its own account alone, and no grant spans
        // partitions.
        let is_there = own.account == terms.account || terms.method != Method::Attach;
        let role = terms.role_arn.as_deref();
        let is_there = is_there && role.is_none_or(|role| arn::is_same_partition(&own.arn, role));
        is_there && feasible::obstacle(own.who(), terms.method, terms.demands.mfa).is_none()
    });
    Ok(fitting)
}

/// What the caller has of an entitlement already, or waits for.
///
/// # Errors
/// When the database does not answer.
pub async fn held(ctx: &Ctx, entitlement: EntitlementId) -> Result<Vec<Held>, Error> {
    let person = ctx.person.id;
    ctx.app
        .read_at(async |conn, now| Ok(db::asks::held(conn, person, entitlement, now).await?))
        .await
}

/// Where somebody has taken away what the last grant of a person had put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// ARN of the user, or of the role that the person comes as.
    pub arn: String,
    /// Since when the grant closes for that.
    pub at: DateTime<Utc>,
}

/// Those of the caller's identities where what an entitlement of these terms puts may not stay, as
/// the last grant has shown (docs/carrier.md, T10).
///
/// # Errors
/// When the database does not answer.
pub async fn undone(ctx: &Ctx, terms: &Terms) -> Result<Vec<Undone>, Error> {
    let read = ctx
        .app
        .read(async |conn| Ok(undone_of(conn, ctx.person.id, terms.method).await?));
    read.await
}

/// The same of a person, by a method.
async fn undone_of(
    conn: &mut PgConnection,
    person: PersonId,
    method: Method,
) -> sqlx::Result<Vec<Undone>> {
    if !matches!(method, Method::Switch | Method::Attach) {
        return Ok(Vec::new());
    }
    let found = db::undone::of_person(conn, person).await?;
    Ok(found
        .into_iter()
        .map(|(arn, at)| Undone { arn, at })
        .collect())
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
        // Auditors and admins as well: what they ask for is narrower than what they may see.
        RequestFilter { mine: true, .. } => View::Own(person),
        RequestFilter { waiting: true, .. } => {
            View::Waiting(ctx.person.ids.clone(), groups, ctx.app.clock().given())
        }
        _ if ctx.sees_all() => View::All,
        _ => View::Visible(person, groups),
    };
    viewed(&ctx.app, &view, filter.state, page).await
}

/// The requests of a view, newest first.
pub(super) async fn viewed(
    app: &App,
    view: &View,
    state: Option<&str>,
    page: Page<RequestId>,
) -> Result<Items<Listed, RequestId>, Error> {
    let listed = app.read_list(async |conn| {
        Ok(db::request_lists::list(conn, view, state, page.cursor, page.limit + 1).await?)
    });
    Ok(Items::of(listed.await?, page.limit, |it| it.request.id))
}

/// The caller's requests whose grants are not over, newest first, up to 50.
///
/// # Errors
/// When the database does not answer.
pub async fn open(ctx: &Ctx) -> Result<Vec<Granted>, Error> {
    let given = ctx.app.clock().given();
    ctx.app
        .read(async |conn| {
            let granted = db::grants::unfinished(conn, ctx.person.id, 50).await?;
            let listed = db::request_lists::listed(conn, &granted).await?;
            let open = listed.iter().filter_map(|it| it.grant.as_ref());
            let mut delays = delays(conn, open, given).await?;
            let granted = listed.into_iter().map(|listed| Granted {
                delay: listed.grant.as_ref().and_then(|it| delays.remove(&it.id)),
                listed,
            });
            Ok(granted.collect())
        })
        .await
}

/// How many requests wait for the caller, counted to one more than [`MOST_COUNTED`], and when that
/// was so.
///
/// # Errors
/// When the database does not answer.
pub async fn waiting(ctx: &Ctx) -> Result<(i64, DateTime<Utc>), Error> {
    let (person, given) = (&ctx.person, ctx.app.clock().given());
    let (ids, groups, limit) = (&person.ids, &person.groups, MOST_COUNTED + 1);
    ctx.app
        .read(async |conn| Ok(db::request_lists::waiting(conn, ids, groups, limit, given).await?))
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
    let whose = if mine || !ctx.sees_all() {
        Whose::Person(ctx.person.id)
    } else {
        Whose::Anybody
    };
    grants_of(&ctx.app, whose, page).await
}

/// Grants of somebody, newest first.
pub(super) async fn grants_of(
    app: &App,
    whose: Whose,
    page: Page<GrantId>,
) -> Result<Items<GrantView, GrantId>, Error> {
    let given = app.clock().given();
    app.read_list(async |conn| {
        let grants = Items::of(
            db::grants::list(conn, whose, page.cursor, page.limit + 1).await?,
            page.limit,
            |it| it.id,
        );
        let ids: Vec<_> = grants.items.iter().map(|it| it.request).collect();
        let mut delays = delays(conn, grants.items.iter(), given).await?;
        let of: Vec<_> = grants.items.iter().map(|it| it.id.uuid()).collect();
        let mut extensions = db::grants::extensions(conn, &of).await?;
        let mut asked: HashMap<_, _> = db::requests::with_ids(conn, &ids)
            .await?
            .into_iter()
            .map(|request| (request.id, request))
            .collect();
        let views = grants.items.into_iter().filter_map(|grant| {
            Some(GrantView {
                request: asked.remove(&grant.request)?,
                delay: delays.remove(&grant.id),
                extension: extensions.remove(&grant.id),
                grant,
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
    let events = ctx.app.read_list(async |conn| {
        Ok(db::audit::list(conn, &filter, page.cursor, page.limit + 1).await?)
    });
    Ok(Items::of(events.await?, page.limit, |it| it.id))
}

/// What somebody who runs Countersign has to look after; nothing for whoever does not see
/// everything.
///
/// # Errors
/// When the database does not answer.
pub async fn troubles(ctx: &Ctx) -> Result<Troubles, Error> {
    if !ctx.sees_all() {
        return Ok(Troubles::default());
    }
    ctx.app
        .read(async |conn| Ok(db::troubles::read(conn).await?))
        .await
}
