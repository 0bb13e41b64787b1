//! Ways by which access can outlive a deadline: what a role, or a policy that is attached, lets a
//! person leave behind (docs/guard.md, C4). They are shown to whoever approves, and end nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::is_hidden;

/// How much of a name is kept: more than an ARN of IAM may have.
const LONGEST: usize = 640;

/// What access outlives the deadline through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// Nobody can tell: AWS did not show it.
    Unread,
    /// Policies of the person's own, without the grant: nobody knows what it hangs on.
    OwnPolicies,
    /// Users, keys, roles and policies that a person makes.
    WritingIam,
    /// Other roles, whose sessions the guard does not know.
    AssumingRoles,
    /// Services that work as a role which a person gives them.
    PassingRoles,
    /// Roles made from a template of AWS's.
    AcquiringRoles,
    /// Somebody else who is let act for the account.
    AcceptingDelegation,
    /// People, permission sets and accounts.
    ManagingPeople,
    /// Sign-ins of AWS's own.
    SigningIn,
    /// Tokens that are good by themselves.
    HoldingTokens,
    /// Policies, ACLs, grants and shares of resources.
    ManagingPermissions,
    /// Code and shells that have credentials of their own.
    RunningCode,
    /// Services that the role's trust policy lets in.
    TrustedService,
    /// The role's own account, the role itself, or everybody, as its trust policy lets them in.
    TrustedAccount,
    /// More than are listed.
    More,
    /// Something that a later release has found.
    #[serde(other)]
    Unknown,
}

impl Through {
    /// The word that the API has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnPolicies => "own_policies",
            Self::WritingIam => "writing_iam",
            Self::AssumingRoles => "assuming_roles",
            Self::PassingRoles => "passing_roles",
            Self::AcquiringRoles => "acquiring_roles",
            Self::AcceptingDelegation => "accepting_delegation",
            Self::ManagingPeople => "managing_people",
            Self::SigningIn => "signing_in",
            Self::HoldingTokens => "holding_tokens",
            Self::ManagingPermissions => "managing_permissions",
            Self::RunningCode => "running_code",
            Self::TrustedService => "trusted_service",
            Self::TrustedAccount => "trusted_account",
            Self::Unread => "unread",
            Self::More => "more",
            Self::Unknown => "unknown",
        }
    }

    /// What goes on after "Access can outlive the deadline through"; of what nobody can tell, a
    /// sentence of its own.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::OwnPolicies => "the person's own policies, which may let them in without a grant",
            Self::WritingIam => "users, keys, roles or policies that are made or changed in IAM",
            Self::AssumingRoles => "other roles that are assumed from this one",
            Self::PassingRoles => "services that are given a role to work as",
            Self::AcquiringRoles => "roles that are made from a template",
            Self::AcceptingDelegation => "somebody else who is let act for the account",
            Self::ManagingPeople => "people, permission sets or accounts that are added",
            Self::SigningIn => "sign-ins that go on by themselves",
            Self::HoldingTokens => "tokens that stay good by themselves",
            Self::ManagingPermissions => "resources whose own permissions are changed",
            Self::RunningCode => "code or shells that go on with other credentials",
            Self::TrustedService => "services that the role lets in",
            Self::TrustedAccount => "others in the account whom the role lets in",
            Self::Unread => "could not be read",
            Self::More => "more statements than are listed here",
            Self::Unknown => "something that this version of Countersign does not know",
        }
    }
}

/// One statement that lets access outlive a deadline, or one document that nobody could read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlives {
    // A new field needs a default: it is stored with requests.
    /// What through.
    pub through: Through,
    /// Where it stands, such as `the inline policy admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Sid of the statement, or which one it is, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// Some of the actions that it allows, or the principals that it lets in; of the person's own
    /// policies the keys of a request that they hang on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Whether it is allowed under a condition.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
    /// Why it could not be read: a code of AWS's answer, `late`, `too_many` or `malformed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Outlives {
    /// The same without what no text of ours has: control characters, and more than somebody reads.
    #[must_use]
    pub fn made_plain(mut self) -> Self {
        let mine = self.policy.iter_mut().chain(self.statement.iter_mut());
        for text in mine.chain(self.names.iter_mut()) {
            let is_seen = |c: &char| !c.is_control() && !is_hidden(*c);
            *text = text.chars().filter(is_seen).take(LONGEST).collect();
        }
        self
    }

    /// A document, or a list of them, that nobody could read.
    #[must_use]
    pub fn unread(policy: &str, why: &str) -> Self {
        Self {
            through: Through::Unread,
            policy: Some(policy.to_owned()),
            statement: None,
            names: Vec::new(),
            conditional: false,
            why: Some(why.to_owned()),
        }
    }

    /// The person's own policies may let them in, depending on these keys of a request.
    #[must_use]
    pub const fn own_policies(keys: Vec<String>) -> Self {
        Self {
            through: Through::OwnPolicies,
            policy: None,
            statement: None,
            names: keys,
            conditional: true,
            why: None,
        }
    }

    /// There are more statements than are listed.
    #[must_use]
    pub const fn more() -> Self {
        Self {
            through: Through::More,
            policy: None,
            statement: None,
            names: Vec::new(),
            conditional: false,
            why: None,
        }
    }

    /// The statement and its policy, in words; the document, where it could not be read.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let policy = self.policy.as_deref()?;
        Some(self.statement.as_ref().map_or_else(
            || policy.to_owned(),
            |statement| format!("statement {statement} of {policy}"),
        ))
    }

    /// Why it could not be read, in words.
    fn reason(&self) -> &str {
        match self.why.as_deref() {
            Some("denied") => "AWS does not let Countersign read it",
            Some("late") => "AWS did not answer in time",
            Some("too_many") => "there is too much of it",
            Some("malformed") => "it is no policy that Countersign understands",
            Some("throttled") => "AWS asked to slow down",
            Some("unreachable") => "AWS could not be reached",
            Some(_) | None => "AWS did not answer clearly",
        }
    }
}

/// The whole of it but the place, for who reads it in a line.
impl fmt::Display for Outlives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.through.words())?;
        if self.through == Through::Unread {
            return write!(f, ": {}", self.reason());
        }
        if self.through == Through::OwnPolicies {
            return write!(f, ": it hangs on {}", self.names.join(" and "));
        }
        if !self.names.is_empty() {
            write!(f, ", such as {}", self.names.join(", "))?;
        }
        if self.conditional {
            f.write_str(", under a condition")?;
        }
        Ok(())
    }
}
