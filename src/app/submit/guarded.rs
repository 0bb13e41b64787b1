//! Room in the guard of the role that is asked for.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::check::{Checked, Seen};
use crate::db;
use crate::domain::entitlement::Terms;
use crate::error::{Error, RoleError};
use crate::ids::GrantId;
use crate::policy::guard_room::{self, Named};

/// What the guard has to say at the asked time, and would have to.
pub(super) struct Guarded {
    known: guard_room::Guarded,
    one_more: Named,
}

/// What the role's guard has to say at that time. Nothing where no role is opened.
pub(super) async fn guarded(
    conn: &mut PgConnection,
    checked: &Checked,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> sqlx::Result<Option<Guarded>> {
    let Some(role) = checked.entitlement.target else {
        return Ok(None);
    };
    let db::guarding::Names {
        names,
        kept,
        closed,
    } = db::guarding::names(conn, role, (from, until)).await?;
    let grants = names.into_iter().map(|it| Named {
        name: it.name,
        console: it.console,
        deadline: it.deadline,
        is_live: it.is_live,
    });
    let principal = checked.principal.as_ref().map(|it| it.arn.as_str());
    Ok(Some(Guarded {
        known: guard_room::Guarded {
            grants: grants.collect(),
            kept,
            closed,
        },
        one_more: Named {
            // Every grant's name is equally long.
            name: GrantId::new().to_string(),
            console: checked.entitlement.terms.console_name(principal),
            deadline: until,
            is_live: true,
        },
    }))
}

/// Refuses what has no room in the guard beside `foreign` characters of other inline policies.
/// Where these could not be read, the guard alone is counted: what has no room in it by itself has
/// none in any case.
pub(super) fn has_room(
    guarded: Option<&Guarded>,
    terms: &Terms,
    seen: &Seen,
    foreign: Option<usize>,
) -> Result<(), Error> {
    let (Some(guarded), Some(role_arn)) = (guarded, &terms.role_arn) else {
        return Ok(());
    };
    // Unique ids of roles have 21 characters (IAM User Guide, *IAM identifiers*).
    let role_id = seen.role_id.as_deref().unwrap_or("AROAXXXXXXXXXXXXXXXXX");
    let one_more = guarded.one_more.clone();
    let room = guarded
        .known
        .check(role_id, role_arn, foreign.unwrap_or_default(), one_more);
    room.map(drop).map_err(|room| {
        let full = RoleError::GuardFull {
            used: room.used,
            quota: room.quota,
            needed: room.needed,
        };
        full.into()
    })
}
