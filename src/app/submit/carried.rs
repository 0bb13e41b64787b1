//! Whether the person's own user or role can carry one policy more.

use super::check::vouched;
use crate::aws::Already;
use crate::domain::account::ManagerRole;
use crate::domain::person::Principal;
use crate::error::RoleError;
use crate::policy::ObservedUser;
use crate::policy::capacity::{self, Booking};

/// The user or role that is to carry the policy; `already` says whether theirs let into the role
/// without us, and the answer what that hangs on.
pub(super) fn carries(
    user: &ObservedUser,
    carried: &Carried,
    already: Already,
) -> Result<Vec<String>, RoleError> {
    vouched(carried.principal.who(), user.unvouched.as_ref())?;
    let hangs_on = match already {
        Already::Yes(policy) => return Err(RoleError::OpenAlready(format!("policy {policy}"))),
        Already::Perhaps(keys) => keys,
        Already::No => Vec::new(),
    };
    has_room(user, carried)?;
    Ok(hangs_on)
}

/// Refuses a user or role that has no room for one more policy.
fn has_room(user: &ObservedUser, carried: &Carried) -> Result<(), RoleError> {
    let Some(wanted) = carried.wanted else {
        return Ok(());
    };
    let room = capacity::check_user(user, &carried.installation, &carried.others, wanted);
    room.map(drop).map_err(|room| RoleError::UserFull {
        used: room.used,
        quota: room.quota,
        needed: room.needed,
    })
}

/// What the person's user or role carries at the asked time, and is to carry.
pub(super) struct Carried {
    /// Who the person is in AWS.
    pub principal: Principal,
    /// As whom Countersign works in their account.
    pub manager: Option<ManagerRole>,
    pub installation: String,
    pub others: Vec<Booking>,
    /// `None` where nothing could be put there.
    pub wanted: Option<Booking>,
}
