//! Who acts.

use super::arn::{Arn, Kind};
use crate::ids::{PersonId, PrincipalId};

/// Someone who signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub id: PersonId,
    /// Name, for display.
    pub name: String,
    /// E-mail address, for display; never an identity.
    pub email: String,
    /// The groups that they are in.
    pub groups: Vec<String>,
}

impl Person {
    /// Whether they are in `group`, compared byte for byte.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// The AWS identity that a person switches from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// Whose it is.
    pub person: PersonId,
    /// The 12-digit account.
    pub account: String,
    /// ARN of the IAM user.
    pub arn: String,
}

/// The MFA device of an IAM user, as AWS names one that is called like the user, which it suggests.
/// People may call theirs otherwise.
#[must_use]
pub fn mfa_serial(arn: &str) -> Option<String> {
    let user = Arn::read(arn).filter(|read| read.kind == Kind::User)?;
    let Arn {
        partition, account, ..
    } = user;
    let name = Arn::name_of(arn, Kind::User)?;
    Some(format!("arn:{partition}:iam::{account}:mfa/{name}"))
}

/// The session name that the console's Switch Role sends for an IAM user: its name
/// (docs/guard.md §4, *console name*). `None` where that name may not be pinned: shorter
/// than STS's two characters, or looking like one of our own.
#[must_use]
pub fn console_name(arn: &str) -> Option<String> {
    let name = Arn::name_of(arn, Kind::User)?;
    let usable = (2..=64).contains(&name.len())
        // A user of that name could have the session name of another person's grant.
        && !name.starts_with("grant_")
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
    usable.then(|| name.to_owned())
}
