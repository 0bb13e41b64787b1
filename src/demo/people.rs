//! Who there is in the demo: people who come into the production account as IAM users, and as
//! sessions of roles.

/// The production account, which is theirs.
pub const ACCOUNT: &str = "111122223333";

/// Somebody in the catalog.
#[derive(Debug, Clone, Copy)]
pub struct Somebody {
    /// Their name.
    pub name: &'static str,
    /// What they are called by the provider, in their e-mail address and in AWS.
    pub user: &'static str,
    /// Their group.
    pub group: &'static str,
    /// Path and name of the role that they come as; none: they have an IAM user.
    role: Option<&'static str>,
}

/// The role of a permission set of Identity Center, which only AWS changes.
pub const OF_IDENTITY_CENTER: &str =
    "aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Engineer_0123456789abcdef";
/// A role of the company's own, into which its SAML provider lets people.
pub const OF_SAML: &str = "saml-engineer";

/// People as the catalog has them.
pub const PEOPLE: [Somebody; 7] = [
    Somebody::new("Alice Archer", "alice", "engineers", None),
    Somebody::new("Bob Brandt", "bob", "sre-leads", None),
    Somebody::new("Carol Costa", "carol", "sre-leads", None),
    Somebody::new("Dave Diaz", "dave", "security-admins", None),
    Somebody::new("Erin Egede", "erin", "auditors", None),
    Somebody::new("Frank Funk", "frank", "engineers", Some(OF_IDENTITY_CENTER)),
    Somebody::new("Grace Gold", "grace", "engineers", Some(OF_SAML)),
];

impl Somebody {
    const fn new(
        name: &'static str,
        user: &'static str,
        group: &'static str,
        role: Option<&'static str>,
    ) -> Self {
        Self {
            name,
            user,
            group,
            role,
        }
    }

    /// Their e-mail address, which is also the name of their sessions.
    #[must_use]
    pub fn email(&self) -> String {
        format!("{}@example.com", self.user)
    }

    /// ARN of the role that they come as, if they have no IAM user.
    #[must_use]
    pub fn role_arn(&self) -> Option<String> {
        self.role
            .map(|role| format!("arn:aws:iam::{ACCOUNT}:role/{role}"))
    }

    /// ARN of what they come as: their IAM user, or the role.
    #[must_use]
    pub fn arn(&self) -> String {
        let user = || format!("arn:aws:iam::{ACCOUNT}:user/{}", self.user);
        self.role_arn().unwrap_or_else(user)
    }
}
