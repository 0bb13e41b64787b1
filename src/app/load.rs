//! What verbs and looks load: a row, its caller as they are now, and the voices so far, each once.

use sqlx::PgConnection;

use super::ctx::Ctx;
use super::expire;
use super::seats::Seats;
use crate::authz;
use crate::db;
use crate::db::cases::{Case, Moving};
use crate::db::decisions::Voters;
use crate::db::tx::Tx;
use crate::domain::audit::Channel;
use crate::domain::audit::verb::Verb;
use crate::domain::grant::Grant;
use crate::domain::person::Person;
use crate::domain::request::Request;
use crate::error::{CallerError, Error, VoteError};
use crate::ids::{GrantId, RequestId};

/// A request as it was when somebody looked who decides it now.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// The request.
    pub id: RequestId,
    /// Its revision as they saw it; none where they do not say.
    pub revision: Option<i32>,
}

impl From<RequestId> for Seen {
    fn from(id: RequestId) -> Self {
        Self { id, revision: None }
    }
}

impl Seen {
    /// Whether that is still what there is to judge.
    pub(super) fn is_still(self, request: &Request) -> Result<(), VoteError> {
        let now = request.revision;
        match self.revision {
            Some(seen) if seen != now => Err(VoteError::Changed { seen, now }),
            _ => Ok(()),
        }
    }
}

/// A request with its grant, once there is one: what is shown of it, and what verbs answer with.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The request.
    pub request: Request,
    /// Its grant.
    pub grant: Option<Grant>,
}

impl From<Request> for Shown {
    fn from(request: Request) -> Self {
        Self {
            request,
            grant: None,
        }
    }
}

/// A request under its lock.
pub(super) struct Locked {
    pub request: Request,
    /// Who calls, as they are now in the database.
    pub caller: Person,
    /// Who asked, likewise.
    pub requester: Option<Person>,
    pub seats: Seats,
    /// Whether the identity that is let in, if there is one, is the requester's still.
    pub is_own: bool,
    /// Whether the caller stands in for an approver.
    pub stands_in: bool,
    /// Whether they do, or have decided, by whichever account of theirs.
    pub involved: bool,
}

/// Runs a verb of the caller's on a locked request. One that is overdue lapses in the same
/// transaction: what the verb is then refused with is also what is on record.
pub(super) async fn on_request<T>(
    ctx: &Ctx,
    verb: Verb,
    id: RequestId,
    work: impl AsyncFnOnce(&mut Tx, Locked) -> Result<T, Error>,
) -> Result<T, Error> {
    let done = ctx.verb(verb, id, async |tx: &mut Tx| {
        let locked = lock(ctx, tx, id).await?;
        if !locked.request.is_overdue(tx.now()) {
            return work(tx, locked).await.map(Ok);
        }
        let overdue = locked.request.clone();
        match work(tx, locked).await {
            // The verb has written nothing: the domain refuses what is overdue before that.
            Err(error) if error.is_refusal() => {
                expire::lapse(tx, overdue).await?;
                Ok(Err(error))
            }
            other => other.map(Ok),
        }
    });
    match done.await? {
        Ok(done) => Ok(done),
        // Apart: the transaction above was committed, with what has lapsed.
        Err(error) => Err(ctx.refused(verb, id, error).await),
    }
}

async fn lock(ctx: &Ctx, tx: &mut Tx, id: RequestId) -> Result<Locked, Error> {
    let request = db::requests::lock(tx.conn(), id)
        .await?
        .ok_or(CallerError::NotFound)?;
    // Only now: whoever had the lock before may have decided.
    let (asked, calls, now) = (request.person, ctx.person.id, tx.now());
    let Voters {
        caller,
        requester,
        is_own,
        stands_in,
    } = db::decisions::voters(tx.conn(), id, asked, calls, now).await?;
    let caller = as_known(ctx, caller.ok_or(CallerError::NotFound)?);
    // Whose groups nobody knows stands in for nobody either.
    let stands_in = stands_in && !ctx.credential.groups_unknown;
    let seats = Seats::lock(tx.conn(), id, Some(caller.human()), now).await?;
    let has_decided = seats.decisions.iter().any(|it| caller.is(it.person));
    Ok(Locked {
        request: seats.shortened(request),
        involved: has_decided || stands_in,
        caller,
        requester,
        seats,
        is_own,
        stands_in,
    })
}

/// Refuses a decision that comes through what the request's entitlement is not decided through.
pub(super) fn comes_through(request: &Request, channel: Channel) -> Result<(), CallerError> {
    let ways = &request.terms.rules.decide_via;
    if ways.allows(channel) {
        return Ok(());
    }
    Err(CallerError::ChannelNotAllowed(ways.clone()))
}

/// A request as it meets the caller, not locked.
pub(super) async fn case(
    ctx: &Ctx,
    conn: &mut PgConnection,
    id: RequestId,
    moving: Option<Moving<'_>>,
) -> Result<Case, Error> {
    let now = ctx.app.clock().given();
    let case = db::cases::of_request(conn, id, ctx.person.id, moving, now).await?;
    let case = case.ok_or(CallerError::NotFound)?;
    let caller = as_known(ctx, case.caller);
    let stands_in = case.stands_in && !ctx.credential.groups_unknown;
    Ok(Case {
        caller,
        stands_in,
        ..case
    })
}

/// The caller, in the groups that count for what they call with.
fn as_known(ctx: &Ctx, mut caller: Person) -> Person {
    if ctx.credential.groups_unknown {
        caller.groups.clear();
    }
    caller
}

/// A grant under its lock, with its request as it meets the caller.
pub(super) async fn granted(ctx: &Ctx, tx: &mut Tx, id: GrantId) -> Result<(Grant, Case), Error> {
    let grant = db::grants::lock(tx.conn(), id).await?;
    let grant = grant.ok_or(CallerError::NotFound)?;
    // Not locked: an approved request does not change any more.
    let case = case(ctx, tx.conn(), grant.request, None).await?;
    Ok((grant, case))
}

/// A request that the caller may see, with its grant.
pub(super) async fn visible(
    ctx: &Ctx,
    conn: &mut PgConnection,
    id: RequestId,
) -> Result<(Case, Option<Grant>), Error> {
    let case = case(ctx, conn, id, None).await?;
    let grant = db::grants::of_requests(conn, std::iter::once(&case.request))
        .await?
        .remove(&id);
    let (roles, request, involved) = (ctx.app.roles(), &case.request, case.involved);
    let sees = match &grant {
        Some(grant) => authz::sees_granted(roles, &case.caller, request, grant, involved),
        None => authz::sees(roles, &case.caller, request, involved),
    };
    if sees {
        Ok((case, grant))
    } else {
        Err(CallerError::NotFound.into())
    }
}
