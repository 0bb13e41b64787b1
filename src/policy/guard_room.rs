//! Room for one more grant in a role's guard, asked when somebody requests (docs/guard.md §4,
//! *room*). Before an opening `plan` measures the guard that it has rendered.

use chrono::{DateTime, Utc};

use super::capacity::{INLINE_QUOTA, Room, size};
use super::guard::{Guard, Times};

/// Digits of a revision that no guard of ours will ever have.
const REVISION: i64 = 999_999_999;

/// A grant as a guard names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its own session name.
    pub name: String,
    /// The console's, where it has or may get it.
    pub console: Option<String>,
    /// Until when it is listed.
    pub deadline: DateTime<Utc>,
    /// Whether it is listed at that time, or over, and only its console name still denied.
    pub is_live: bool,
}

/// What a role's guard has to say at some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guarded {
    /// The grants that it names.
    pub grants: Vec<Named>,
    /// Names that nobody explains, and since when.
    pub kept: Times,
    /// Whether the role is closed.
    pub closed: bool,
}

impl Guarded {
    /// Characters of it.
    fn size(&self, role_id: &str, role_arn: &str) -> usize {
        let mut guard = Guard {
            kept: self.kept.clone(),
            closed: self.closed,
            installation: "x".repeat(8),
            ..Guard::default()
        };
        for grant in &self.grants {
            if grant.is_live {
                let names = [Some(&grant.name), grant.console.as_ref()];
                for name in names.into_iter().flatten() {
                    guard.deny_from(name, grant.deadline);
                }
            } else if let Some(console) = &grant.console {
                // All of them share the latest cut.
                guard.cut.insert(console.clone(), DateTime::UNIX_EPOCH);
            }
        }
        // A name that is somebody's again has one cut of its own, which is as long.
        size(&guard.render(role_id, role_arn, REVISION))
    }

    /// Whether one more has room in it, beside `foreign` characters of other inline policies.
    ///
    /// # Errors
    /// The numbers, where there is no room.
    pub fn check(
        &self,
        role_id: &str,
        role_arn: &str,
        foreign: usize,
        one_more: Named,
    ) -> Result<Room, Room> {
        let without = self.size(role_id, role_arn);
        let mut with = self.clone();
        with.grants.push(one_more);
        let room = Room {
            used: foreign + without,
            needed: with.size(role_id, role_arn) - without,
            quota: INLINE_QUOTA,
        };
        if room.fits() { Ok(room) } else { Err(room) }
    }
}
