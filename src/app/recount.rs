//! Counting requests anew although nobody votes: an escalation is due, somebody stands in for
//! another one or does no more, or people are in other groups or disabled.

use super::approve;
use super::ctx::App;
use super::expire::SWEEP;
use super::seats::{self, Seats};
use crate::db;
use crate::db::decisions::Voters;
use crate::db::tx::Tx;
use crate::domain::audit::Channel;
use crate::domain::request::{Request, RequestState};
use crate::domain::tally::Tally;
use crate::error::Error;
use crate::ids::{PersonId, RequestId};

/// How many are counted in one sweep: the others wait for the next one.
const BATCH: usize = 500;

/// Counts every pending request anew of which something has changed that its tally hangs on, each
/// in a transaction of its own; tells how many. One that cannot be counted stands in nobody's way.
///
/// # Errors
/// When the database does not answer.
pub async fn recount_due(app: &App) -> Result<usize, Error> {
    let given = app.clock().given();
    let changed = app
        .read(async |conn| Ok(db::recounts::changed(conn, None, given).await?))
        .await?;
    all(app, changed).await
}

/// The same at once for those on which these people have voted. What cannot be done now is left to
/// the sweep: what the caller has done stands.
pub(super) async fn at_once(app: &App, voters: &[PersonId]) {
    let given = app.clock().given();
    let changed = app.read(async |conn| {
        let changed = db::recounts::changed(conn, Some(voters), given).await?;
        Ok(changed)
    });
    let done = match changed.await {
        Ok(changed) => all(app, changed).await,
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "requests are not counted anew yet"
        );
    }
}

async fn all(app: &App, changed: Vec<RequestId>) -> Result<usize, Error> {
    let mut counted = 0;
    for id in changed {
        match one(app, id).await {
            Ok(did) => counted += usize::from(did),
            Err(Error::Internal(cause)) => tracing::error!(
                request.id = %id,
                error = cause.as_ref() as &dyn std::error::Error,
                "a request cannot be counted"
            ),
            // The database is busy: the others would only wait as long.
            Err(error) => return Err(error),
        }
        if counted == BATCH {
            break;
        }
    }
    Ok(counted)
}

/// Counts this request anew, unless it is decided meanwhile; tells whether it was.
async fn one(app: &App, id: RequestId) -> Result<bool, Error> {
    match transaction(app, id, true).await {
        // What keeps it from being opened may pass: it is counted all the same, and tried again.
        Err(error) if error.is_refusal() => transaction(app, id, false).await,
        done => done,
    }
}

async fn transaction(app: &App, id: RequestId, completes: bool) -> Result<bool, Error> {
    app.transaction(SWEEP, Channel::System, async |tx: &mut Tx| {
        let request = db::requests::lock(tx.conn(), id).await?;
        let now = tx.now();
        match request.filter(|it| it.state == RequestState::Pending && !it.is_overdue(now)) {
            None => Ok(false),
            Some(request) => of_locked(tx, request, completes).await.map(|()| true),
        }
    })
    .await
}

/// Counts a locked request that is pending. With `completes` it is approved where an escalation or
/// a delegation has brought what was missing: never by somebody's change of groups alone.
///
/// # Errors
/// When the database does not answer; with `completes` also what refuses it to be opened.
pub(super) async fn of_locked(tx: &mut Tx, request: Request, completes: bool) -> Result<(), Error> {
    let (id, now) = (request.id, tx.now());
    let mut seats = Seats::lock(tx.conn(), id, None, now).await?;
    let request = seats.shortened(request);
    let count = seats.count(&request, now);
    let is_complete = matches!(count.tally(), Tally::Complete { .. }) && seats.has_moved();
    if is_complete && completes {
        seats.follow(tx, &request, &count).await?;
        let tallied = seats::tallied(count.tally(), count.tally());
        let (asked, caller) = (request.person, request.person);
        let voters = db::decisions::voters(tx.conn(), id, asked, caller, now).await?;
        let Voters {
            requester, is_own, ..
        } = voters;
        approve::may_open(tx, &request, (requester.as_ref(), is_own)).await?;
        let approval = request.clone().complete(tallied, &tx.by)?;
        return approve::carry_out(tx, approval).await.map(drop);
    }
    if is_complete {
        seats.put_off();
    }
    let count = seats.count(&request, now);
    seats.follow(tx, &request, &count).await?;
    if seats.has_changed() {
        db::recounts::touch(tx.conn(), id).await?;
    }
    Ok(())
}
