//! Letting requests lapse that nobody decided in time.

use super::ctx::App;
use super::seats;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::audit::{Actor, By, Channel};
use crate::domain::request::Request;
use crate::error::Error;
use crate::ids::{GrantId, RequestId};

/// How many are taken in one sweep.
const BATCH: i64 = 100;

/// Who acts where nobody does.
pub(super) const SWEEP: Actor = Actor::System { part: seats::SWEEP };

/// Lets every overdue request lapse, each in a transaction of its own; tells how many did. One that
/// cannot be read stands in nobody's way.
///
/// # Errors
/// When the database does not answer.
pub async fn expire_due(app: &App) -> Result<usize, Error> {
    let given = app.clock().given();
    let (overdue, adrift) = app
        .read(async |conn| {
            let overdue = db::requests::overdue(conn, given, BATCH).await?;
            Ok((overdue, db::requests::adrift(conn, BATCH).await?))
        })
        .await?;
    let mut lapsed = without_grant(app, adrift).await?;
    for id in overdue {
        match if_overdue(app, id).await {
            Ok(did) => lapsed += usize::from(did),
            Err(Error::Internal(cause)) => tracing::error!(
                request.id = %id,
                error = cause.as_ref() as &dyn std::error::Error,
                "a request cannot lapse"
            ),
            // The database is busy: the others would only wait as long.
            Err(error) => return Err(error),
        }
    }
    Ok(lapsed)
}

/// Lets extensions lapse whose grants have closed while somebody was deciding: whoever closes one
/// passes by what is locked.
async fn without_grant(app: &App, grants: Vec<GrantId>) -> Result<usize, Error> {
    if grants.is_empty() {
        return Ok(0);
    }
    app.transaction(SWEEP, Channel::System, async |tx: &mut Tx| {
        let by = tx.by.clone();
        Ok(db::requests::lapse_with(tx.conn(), &grants, &by).await?)
    })
    .await
}

/// Lets this request lapse, unless it was decided meanwhile; tells whether it did.
async fn if_overdue(app: &App, id: RequestId) -> Result<bool, Error> {
    app.transaction(SWEEP, Channel::System, async |tx: &mut Tx| {
        // Asked again under the lock: somebody may have decided since the list was read.
        let request = db::requests::lock(tx.conn(), id).await?;
        let now = tx.now();
        match request.filter(|request| request.is_overdue(now)) {
            None => Ok(false),
            Some(request) => {
                lapse(tx, request).await?;
                Ok(true)
            }
        }
    })
    .await
}

/// Lets a locked request lapse that is overdue, whoever has the transaction.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn lapse(tx: &mut Tx, request: Request) -> Result<(), Error> {
    let by = By {
        actor: SWEEP,
        channel: Channel::System,
        at: tx.now(),
    };
    let change = request.expire(None, &by)?;
    db::requests::store(tx.conn(), change).await?;
    Ok(())
}
