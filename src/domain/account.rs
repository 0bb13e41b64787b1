//! An account of AWS, as far as it matters how Countersign works in it.

use super::entitlement::Method;
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

/// What is opened and carried in an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// ARNs of the roles that may be asked for, each with every method that opens it.
    pub roles: Vec<(String, Method)>,
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
    /// The roles that are opened by a method of those, by ARN.
    #[must_use]
    pub fn opened(&self, is_meant: impl Fn(Method) -> bool) -> Vec<&str> {
        let meant = self.roles.iter().filter(|(_, method)| is_meant(*method));
        let mut arns: Vec<&str> = meant.map(|(arn, _)| arn.as_str()).collect();
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
        self.opened(|method| method == Method::StsCredentials)
    }
}
