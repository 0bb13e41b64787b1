//! Room in the guard of the role that is asked for.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::check::Checked;
use crate::db;
use crate::domain::entitlement::{EarlyEnd, Terms};
use crate::domain::grant::Grant;
use crate::domain::person::Principal;
use crate::error::{Error, RoleError};
use crate::ids::{GrantId, TargetId};
use crate::policy::guard_room::{self, Named};

/// For how long a guard stays after the last deadline: as long as a session may be left, and the
/// time in which a read may lag behind.
const STAYS: TimeDelta = TimeDelta::hours(13);

/// What the guard has to say at the asked time, and would have to.
pub(in crate::app) struct Guarded {
    known: guard_room::Guarded,
    one_more: Named,
}

/// What the role's guard has to say at that time. Nothing where no role is opened.
pub(super) async fn guarded(
    conn: &mut PgConnection,
    checked: &Checked,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Option<Guarded>, Error> {
    let Some(role) = checked.entitlement.target else {
        return Ok(None);
    };
    let early_end = checked.entitlement.terms.early_end;
    let Some(known) = known(conn, role, early_end, (from, until)).await? else {
        return Ok(None);
    };
    let who = checked.principal.as_ref().map(Principal::who);
    Ok(Some(Guarded {
        known,
        one_more: Named {
            // Every grant's name is equally long.
            name: GrantId::new().to_string(),
            console: checked.entitlement.terms.console_name(who),
            deadline: until,
            is_live: true,
        },
    }))
}

/// The same where a grant is to last until then.
pub(in crate::app) async fn guarded_longer(
    conn: &mut PgConnection,
    grant: &Grant,
    until: DateTime<Utc>,
) -> Result<Option<Guarded>, Error> {
    if !grant.method.opens_role() {
        return Ok(None);
    }
    let (role, more) = (grant.target, (grant.deadline, until));
    let Some(mut known) = known(conn, role, grant.early_end, more).await? else {
        return Ok(None);
    };
    known.grants.retain(|named| named.name != grant.grant_name);
    Ok(Some(Guarded {
        known,
        one_more: Named {
            name: grant.grant_name.clone(),
            console: grant.console_name.clone(),
            deadline: until,
            is_live: true,
        },
    }))
}

/// Refuses what would be denied by a guard at that time, and what needs a guard that would deny
/// keys of others: grants with a guard and grants without one are never on a role at once.
pub(in crate::app) async fn is_alone(
    conn: &mut PgConnection,
    grant: &Grant,
    window: (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), Error> {
    let known = known(conn, grant.target, grant.early_end, window).await;
    known.map(drop)
}

/// As [`is_alone`], with what the guard has to say at that time, where there is to be one.
async fn known(
    conn: &mut PgConnection,
    role: TargetId,
    early_end: EarlyEnd,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Option<guard_room::Guarded>, Error> {
    let from = if early_end.cuts() { from } else { from - STAYS };
    let db::guarding::Names {
        names,
        kept,
        closed,
        keys_until,
    } = db::guarding::names(conn, role, (from, until)).await?;
    if !early_end.cuts() {
        let is_guarded = closed || !names.is_empty() || !kept.is_empty();
        return if is_guarded {
            Err(RoleError::Guarded.into())
        } else {
            Ok(None)
        };
    }
    if let Some(until) = keys_until {
        return Err(RoleError::KeysOut(until).into());
    }
    let grants = names.into_iter().map(|it| Named {
        name: it.name,
        console: it.console,
        deadline: it.deadline,
        is_live: it.is_live,
    });
    Ok(Some(guard_room::Guarded {
        grants: grants.collect(),
        kept,
        closed,
    }))
}

/// Refuses what has no room in the guard beside `foreign` characters of other inline policies.
/// Where these could not be read, the guard alone is counted: what has no room in it by itself has
/// none in any case.
pub(in crate::app) fn has_room(
    guarded: Option<&Guarded>,
    terms: &Terms,
    role_id: Option<&str>,
    foreign: Option<usize>,
) -> Result<(), Error> {
    let (Some(guarded), Some(role_arn)) = (guarded, &terms.role_arn) else {
        return Ok(());
    };
    // Unique ids of roles have 21 characters (IAM User Guide, *IAM identifiers*).
    let role_id = role_id.unwrap_or("AROAXXXXXXXXXXXXXXXXX");
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
