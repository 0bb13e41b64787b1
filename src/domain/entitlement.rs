//! What may be asked for, and the terms that a request keeps.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::demands::Demands;
use super::part::{Allows, PartKind};
use super::person::Who;
use super::rules::Rules;
use super::stages::Stages;
use crate::ids::{EntitlementId, TargetId};

/// How access is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A statement in the role's trust policy.
    TrustPolicy,
    /// Countersign assumes the role for the person, and hands the credentials over.
    StsCredentials,
    /// An inline policy on the person's IAM user, or on the role that they come as, allows to
    /// assume the role, whose guard lists the grant.
    Switch,
    /// An inline policy there allows what the entitlement says.
    Attach,
}

impl Method {
    /// Every method that the catalog takes.
    pub const ALL: [Self; 4] = [
        Self::TrustPolicy,
        Self::Switch,
        Self::Attach,
        Self::StsCredentials,
    ];

    /// The word used in the catalog, the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TrustPolicy => "trust_policy",
            Self::StsCredentials => "sts_credentials",
            Self::Switch => "switch",
            Self::Attach => "attach",
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether it lets in somebody who has an identity in AWS.
    #[must_use]
    pub const fn needs_identity(self) -> bool {
        match self {
            Self::TrustPolicy | Self::Switch | Self::Attach => true,
            Self::StsCredentials => false,
        }
    }

    /// Whether a grant of it opens a role. Where it does not, its target is the person's own user.
    #[must_use]
    pub const fn opens_role(self) -> bool {
        match self {
            Self::TrustPolicy | Self::Switch | Self::StsCredentials => true,
            Self::Attach => false,
        }
    }

    /// Whether people assume the role themselves, and can be asked for more than who they are.
    #[must_use]
    pub const fn is_asked(self) -> bool {
        match self {
            Self::TrustPolicy | Self::Switch => true,
            Self::Attach | Self::StsCredentials => false,
        }
    }

    /// What a grant of it needs on its target: on the role, or on the user where no role is opened.
    #[must_use]
    pub const fn part(self) -> PartKind {
        match self {
            Self::TrustPolicy => PartKind::Statement,
            Self::StsCredentials | Self::Switch => PartKind::Listed,
            Self::Attach => PartKind::Inline,
        }
    }

    /// Everything that a grant of it needs in AWS. `Inline` is on the person's own user, everything
    /// else on the role.
    #[must_use]
    pub const fn parts(self) -> &'static [PartKind] {
        match self {
            Self::TrustPolicy => &[PartKind::Statement],
            Self::StsCredentials => &[PartKind::Listed],
            Self::Switch => &[PartKind::Listed, PartKind::Inline],
            Self::Attach => &[PartKind::Inline],
        }
    }
}

/// What an early end cuts of a grant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyEnd {
    /// All of it: what is open ends with it.
    #[default]
    Guard,
    /// Nothing that was handed out: no guard stands behind it, so that keys work until they expire
    /// or the deadline comes (sts_credentials).
    None,
}

impl EarlyEnd {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Guard, Self::None];

    /// The word used in the catalog, the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::None => "none",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// Whether it cuts what is open.
    #[must_use]
    pub const fn cuts(&self) -> bool {
        matches!(self, Self::Guard)
    }
}

/// What a session that Countersign hands out may do at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All that the role may.
    #[default]
    Role,
    /// What both the role and this policy allow: the text of a policy document.
    ScopeDown(String),
    /// What both the role and one of these managed policies allow.
    PolicyArns(PolicyArns),
}

impl Scope {
    /// Whether it is all that the role may.
    #[must_use]
    pub const fn is_role(&self) -> bool {
        matches!(self, Self::Role)
    }

    /// The managed policies that STS is given.
    #[must_use]
    pub fn policy_arns(&self) -> &[String] {
        match self {
            Self::PolicyArns(arns) => &arns.0,
            Self::Role | Self::ScopeDown(_) => &[],
        }
    }
}

/// ARNs of managed policies, at least one: a session with a Deny alone, and no policy that allows
/// anything, could do nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct PolicyArns(Vec<String>);

impl TryFrom<Vec<String>> for PolicyArns {
    type Error = &'static str;

    fn try_from(arns: Vec<String>) -> Result<Self, Self::Error> {
        if arns.is_empty() {
            return Err("there is no ARN");
        }
        Ok(Self(arns))
    }
}

impl From<PolicyArns> for Vec<String> {
    fn from(arns: PolicyArns) -> Self {
        arns.0
    }
}

/// An entitlement as it was when it was asked for; a request keeps these whatever the catalog says
/// later. Stored terms may know more than we do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    // A new field needs a default: requests of before have stored terms without it.
    /// The entitlement's name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The account's 12 digits.
    pub account: String,
    /// The account's name.
    pub account_name: String,
    /// ARN of the role; none where no role is opened (attach).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// How it is opened.
    pub method: Method,
    /// What the person's own user is allowed until the deadline (attach): each the JSON text of one
    /// statement of an identity policy, without the deadline, which every one of them gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<String>,
    /// What sessions may do that are handed out (sts_credentials).
    #[serde(default, skip_serializing_if = "Scope::is_role")]
    pub scope: Scope,
    /// What an early end cuts (sts_credentials).
    #[serde(default, skip_serializing_if = "EarlyEnd::cuts")]
    pub early_end: EarlyEnd,
    /// Whether sessions that are handed out carry the grant's id as a tag (sts_credentials).
    #[serde(default, skip_serializing_if = "is_false")]
    pub session_tags: bool,
    /// What AWS asks of whoever is let in: by the role, or where none is opened by the entitlement.
    #[serde(flatten)]
    pub demands: Demands,
    /// Shortest duration, seconds.
    pub min_duration_seconds: i32,
    /// Longest duration, seconds.
    pub max_duration_seconds: i32,
    /// Who may ask.
    pub requester_group: String,
    /// Who has to approve.
    pub stages: Stages,
    /// What else holds of asking and deciding.
    #[serde(default, skip_serializing_if = "Rules::is_usual")]
    pub rules: Rules,
    /// The entitlement's version.
    pub version: i32,
}

const fn is_false(it: &bool) -> bool {
    !*it
}

impl Terms {
    /// The session name that the console would use for that identity. Where no role is opened,
    /// nothing has a session name; where it asks for an external ID, the console cannot come in:
    /// Switch Role sends none (docs/guard.md, H8).
    #[must_use]
    pub fn console_name(&self, who: Option<Who<'_>>) -> Option<String> {
        let takes_it = self.method.opens_role() && self.demands.external_id.is_none();
        who.filter(|_| takes_it)?.console_name()
    }

    /// After how long a request lapses: what is configured counts where its rules say nothing.
    #[must_use]
    pub fn lapses_after(&self, configured: TimeDelta) -> TimeDelta {
        let own = self.rules.expire_after;
        own.map_or(configured, |it| TimeDelta::seconds(it.seconds().into()))
    }

    /// What the inline policy of a grant allows, where its method puts one.
    #[must_use]
    pub fn allows(&self) -> Option<Allows> {
        match self.method {
            Method::TrustPolicy | Method::StsCredentials => None,
            Method::Switch => self.role_arn.clone().map(|arn| Allows::Role { arn }),
            Method::Attach => Some(Allows::Statements(self.statements.clone())),
        }
    }
}

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// Its id.
    pub id: EntitlementId,
    /// The role that it opens; none where each grant is on its person's own user (attach).
    pub target: Option<TargetId>,
    /// Everything else.
    pub terms: Terms,
}
