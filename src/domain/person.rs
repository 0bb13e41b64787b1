//! Who acts.

use super::arn::{Arn, Kind};
use crate::ids::{PersonId, PrincipalId};

/// Someone who signs in: an account of a human, who may have several (`same_as` in the catalog).
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
    /// Every account of the human, this one among them; the one that counts for all of them first.
    pub ids: Vec<PersonId>,
}

impl Person {
    /// Whether that account is the same human's.
    #[must_use]
    pub fn is(&self, account: PersonId) -> bool {
        self.id == account || self.ids.contains(&account)
    }

    /// The account that counts for all of the human's.
    #[must_use]
    pub fn human(&self) -> PersonId {
        self.ids.first().copied().unwrap_or(self.id)
    }

    /// Whether they are in `group`, compared byte for byte.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// The AWS identity that a person switches from: an IAM user, or their sessions of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// Whose it is.
    pub person: PersonId,
    /// The 12-digit account.
    pub account: String,
    /// ARN of the IAM user, or of the role.
    pub arn: String,
    /// The name that the person's sessions of the role have, which an authority gives
    /// (docs/guard.md, C6); none of an IAM user.
    pub session: Option<String>,
    /// The unique id of the user or role (`AIDA…`, `AROA…`) whose keys the person had; unknown
    /// where nobody has shown them.
    pub unique_id: Option<String>,
}

impl Principal {
    /// What requests of the identity had as `aws:userid` when its keys signed; unknown where nobody
    /// has shown them.
    #[must_use]
    pub fn shown_as(&self) -> Option<String> {
        Some(self.who().userid(self.unique_id.as_ref()?))
    }

    /// Who that is in documents.
    #[must_use]
    pub fn who(&self) -> Who<'_> {
        Who {
            arn: &self.arn,
            session: self.session.as_deref(),
        }
    }
}

/// An AWS identity, as documents and conditions know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who<'a> {
    /// ARN of the IAM user, or of the role.
    pub arn: &'a str,
    /// The session name, of a role's session alone.
    pub session: Option<&'a str>,
}

impl Who<'_> {
    /// What requests of the identity have as `aws:userid`: `AIDA…` of a user, `AROA…:session` of a
    /// role's session. `unique_id` is that of the user or role.
    #[must_use]
    pub fn userid(&self, unique_id: &str) -> String {
        match self.session {
            Some(session) => format!("{unique_id}:{session}"),
            None => unique_id.to_owned(),
        }
    }

    /// The session name that the console's Switch Role sends (docs/guard.md §4, *console name*): a
    /// user's name, or that of the session which switches. `None` where that name may not be
    /// pinned.
    #[must_use]
    pub fn console_name(&self) -> Option<String> {
        let name = match self.session {
            Some(session) => session,
            None => Arn::name_of(self.arn, Kind::User)?,
        };
        is_session_name(name).then(|| name.to_owned())
    }
}

impl std::fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.session {
            Some(session) => write!(f, "{} as {session}", self.arn),
            None => f.write_str(self.arn),
        }
    }
}

/// Whether a session of a person may have that name: not one like our own, which another person's
/// grant could have.
#[must_use]
pub fn is_session_name(name: &str) -> bool {
    may_name_a_session(name) && !name.starts_with("grant_")
}

/// Whether STS takes that as the name of any session: `[\w+=,.@-]{2,64}`.
#[must_use]
pub fn may_name_a_session(name: &str) -> bool {
    let is_taken = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    (2..=64).contains(&name.len()) && name.bytes().all(is_taken)
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
