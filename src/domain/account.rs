//! An account of AWS, as far as it matters how Countersign works in it.

use super::entitlement::{EarlyEnd, Method};
use super::person::Who;

/// The role of an account that Countersign assumes to work there. AWS takes it for a session of
/// that role from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerRole {
    /// Its ARN, with its path.
    pub arn: String,
    /// What its trust policy may ask for as `sts:ExternalId`.
    pub external_id: Option<String>,
}

/// A role that may be asked for, by one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its ARN.
    pub arn: String,
    /// How it is opened.
    pub method: Method,
    /// What an early end cuts.
    pub early_end: EarlyEnd,
    /// Whether sessions that are handed out carry a tag.
    pub session_tags: bool,
}

/// What is opened and carried in an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The roles that may be asked for, each with every way in which it is opened.
    pub roles: Vec<Opened>,
    /// ARNs of the IAM users that people have there.
    pub users: Vec<String>,
    /// ARNs of the roles there that people come as, each with the name of a person's sessions.
    pub sessions: Vec<(String, String)>,
    /// Whether inline policies may be put on these users and roles.
    pub carries: bool,
    /// Whether they may come into roles of other accounts by their trust policies.
    pub leaves: bool,
}

impl Needs {
    /// The roles that are opened in a way of those, by ARN.
    #[must_use]
    pub fn opened(&self, is_meant: impl Fn(&Opened) -> bool) -> Vec<&str> {
        let meant = self.roles.iter().filter(|it| is_meant(it));
        let mut arns: Vec<&str> = meant.map(|it| it.arn.as_str()).collect();
        arns.sort_unstable();
        arns.dedup();
        arns
    }

    /// The identities that people have there.
    pub fn identities(&self) -> impl Iterator<Item = Who<'_>> {
        let users = self.users.iter().map(|arn| Who { arn, session: None });
        let sessions = self.sessions.iter().map(|(arn, session)| Who {
            arn,
            session: Some(session),
        });
        users.chain(sessions)
    }

    /// ARNs of the roles that Countersign assumes for people: their trust policies have to let it
    /// in.
    #[must_use]
    pub fn assumed(&self) -> Vec<&str> {
        self.opened(|it| it.method == Method::StsCredentials)
    }

    /// ARNs of those whose sessions carry a tag.
    #[must_use]
    pub fn tagged(&self) -> Vec<&str> {
        self.opened(|it| it.session_tags)
    }

    /// ARNs of the roles that get a guard.
    #[must_use]
    pub fn guarded(&self) -> Vec<&str> {
        self.opened(|it| it.early_end.cuts())
    }
}
