//! Letting requests lapse that nobody decided in time.

use super::ctx::App;
use crate::db;
use crate::db::tx::Tx;
use crate::domain::audit::{Actor, Channel};
use crate::error::Error;
use crate::ids::RequestId;

/// How many are taken in one sweep.
const BATCH: i64 = 100;

const SWEEP: Actor = Actor::System { part: "sweep" };

/// Lets every overdue request lapse, each in a transaction of its own; tells how many did. One that
/// cannot be read stands in nobody's way.
///
/// # Errors
/// When the database does not answer.
pub async fn expire_due(app: &App) -> Result<usize, Error> {
    let overdue = app
        .read(async |conn, now| Ok(db::requests::overdue(conn, now, BATCH).await?))
        .await?;
    let mut lapsed = 0;
    for id in overdue {
        match if_overdue(app, id).await {
            Ok(did) => lapsed += usize::from(did),
            Err(Error::Internal(cause)) => tracing::error!(
                request.id = %id,
                error = cause.as_ref() as &dyn std::error::Error,
                "a request cannot lapse"
            ),
            Err(error) => return Err(error),
        }
    }
    Ok(lapsed)
}

/// Lets this request lapse if its time is over, so that a late decision finds it expired; tells
/// whether it did.
///
/// # Errors
/// When the database does not answer.
pub async fn if_overdue(app: &App, id: RequestId) -> Result<bool, Error> {
    let is_overdue = app.read(async |conn, now| {
        let request = db::requests::get(conn, id).await?;
        Ok(request.is_some_and(|it| it.state.closed_at().is_none() && it.expires_at <= now))
    });
    if !is_overdue.await? {
        return Ok(false);
    }
    app.transaction(SWEEP, Channel::System, async |tx: &mut Tx| {
        let request = db::requests::lock(tx.conn(), id).await?;
        let now = tx.now();
        match request.filter(|it| it.state.closed_at().is_none() && it.expires_at <= now) {
            None => Ok(false),
            Some(request) => {
                let change = request.expire(&tx.by)?;
                db::requests::store(tx.conn(), change).await?;
                Ok(true)
            }
        }
    })
    .await
}
