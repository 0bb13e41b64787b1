//! How many grants there may be of an entitlement at a time.

use sqlx::PgConnection;

use crate::db;
use crate::domain::entitlement::Terms;
use crate::domain::rules::Rules;
use crate::error::{Error, LimitError};
use crate::ids::{EntitlementId, PersonId};

/// Refuses one more grant for that person than the terms let there be. Until the transaction ends
/// nobody else makes one of the entitlement, so that of two at once one sees the other.
pub(super) async fn lock_room(
    conn: &mut PgConnection,
    entitlement: EntitlementId,
    terms: &Terms,
    person: PersonId,
) -> Result<(), Error> {
    if is_limited(&terms.rules) {
        db::live::lock(conn, entitlement).await?;
    }
    has_room(conn, entitlement, terms, person).await
}

/// The same for now, with nothing locked.
pub(super) async fn has_room(
    conn: &mut PgConnection,
    entitlement: EntitlementId,
    terms: &Terms,
    person: PersonId,
) -> Result<(), Error> {
    let rules = &terms.rules;
    if !is_limited(rules) {
        return Ok(());
    }
    let live = db::live::count(conn, entitlement, person).await?;
    for (most, have, of_person) in [
        (rules.live_per_person, live.of_human, true),
        (rules.live, live.all, false),
    ] {
        if let Some(most) = most
            && have >= i64::from(most)
        {
            let reached = LimitError::Live {
                most,
                have,
                of_person,
            };
            return Err(reached.into());
        }
    }
    Ok(())
}

const fn is_limited(rules: &Rules) -> bool {
    rules.live.is_some() || rules.live_per_person.is_some()
}
