//! The policy of a session that Countersign hands out: what it may do at most, and a Deny from the
//! deadline on. The guard ends such a session early; the Deny ends it at its deadline also where
//! nobody can write the guard any more.

use chrono::{DateTime, TimeDelta, Utc};

use super::capacity::compact;
use super::document::{Document, Unreadable};
use super::meaning::Node;
use super::trust::literal;
use crate::domain::entitlement::Scope;

/// How many characters STS takes for the policy and the ARNs of a session together.
pub const SESSION_QUOTA: usize = 2_048;
/// How many ARNs of managed policies it takes.
pub const MOST_ARNS: usize = 10;
/// The shortest session that STS gives out.
pub const SHORTEST: TimeDelta = TimeDelta::minutes(15);
/// The longest session that we ask for: STS gives no longer one to whoever is a role itself.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// Why no session can have that scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The policy is no JSON object with one `Statement`.
    #[error(
        "must be a policy: a JSON object with \"Version\":\"2012-10-17\" and one \"Statement\""
    )]
    NotAPolicy,
    /// A statement of it says too little, or whom it is for.
    #[error(
        "must have statements with Effect, Action and Resource each, and no Principal: it is the \
         session's own"
    )]
    NotItsOwn,
    /// Too long, with what is added to it.
    #[error("must be shorter: STS takes {SESSION_QUOTA} characters, and there would be {0}")]
    TooLong(usize),
    /// Too many managed policies.
    #[error("must have {MOST_ARNS} ARNs at most: STS takes no more")]
    TooMany,
}

impl From<Unreadable> for Unfit {
    fn from(_: Unreadable) -> Self {
        Self::NotAPolicy
    }
}

/// The policy of a session of that scope which ends at `until`, minified.
///
/// # Errors
/// When STS would not take it, or it would not mean what the scope says.
pub fn policy(scope: &Scope, until: DateTime<Utc>) -> Result<String, Unfit> {
    let until = literal(until);
    let dated = format!(r#"{{"DateGreaterThanEqualsIfExists":{{"aws:CurrentTime":"{until}"}}}}"#);
    let deny = format!(r#"{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{dated}}}"#);
    let statements = match scope {
        Scope::Role => format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*"}},{deny}"#),
        Scope::ScopeDown(text) => format!("{},{deny}", statements_of(text)?.join(",")),
        // The managed policies allow; there is at least one of them.
        Scope::PolicyArns(_) => deny,
    };
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let arns = scope.policy_arns();
    if arns.len() > MOST_ARNS {
        return Err(Unfit::TooMany);
    }
    let length = policy.chars().count() + arns.iter().map(String::len).sum::<usize>();
    if length > SESSION_QUOTA {
        return Err(Unfit::TooLong(length));
    }
    Ok(policy)
}

/// The policy of a session that may read its own role and nothing else.
#[must_use]
pub fn that_reads(role_arn: &str) -> String {
    let role = serde_json::Value::from(role_arn);
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iam:GetRole","Resource":{role}}}]}}"#
    )
}

/// The statements of a policy that somebody has written for us, minified and otherwise as they
/// stand there.
///
/// # Errors
/// When it is no policy, or a statement of it lacks something or says whom it is for.
pub(super) fn statements_of(text: &str) -> Result<Vec<String>, Unfit> {
    let version = Node::parse(text).ok_or(Unfit::NotAPolicy)?;
    // Under the older version a variable in it would mean its own letters.
    if version.get("Version").and_then(Node::text) != Some("2012-10-17") {
        return Err(Unfit::NotAPolicy);
    }
    let document = Document::parse(text)?;
    if document.statements.is_empty() {
        return Err(Unfit::NotAPolicy);
    }
    let mut all = Vec::new();
    for statement in &document.statements {
        let node = statement.node();
        let has = |key| node.get(key).is_some();
        let effect = node.get("Effect").and_then(Node::text);
        let is_whole = matches!(effect, Some("Allow" | "Deny"))
            && (has("Action") || has("NotAction"))
            && (has("Resource") || has("NotResource"));
        if !is_whole || has("Principal") || has("NotPrincipal") {
            return Err(Unfit::NotItsOwn);
        }
        all.push(compact(statement.text));
    }
    Ok(all)
}

/// How long a session STS is asked for: as long as the grant has left, within what STS gives.
#[must_use]
pub fn duration(until: DateTime<Utc>, now: DateTime<Utc>) -> TimeDelta {
    (until - now).clamp(SHORTEST, LONGEST)
}

/// When the session is over for whoever has it: STS gives no shorter one than 15 minutes, and the
/// Deny is in it whatever STS says.
#[must_use]
pub fn expiration(told_by_sts: DateTime<Utc>, until: DateTime<Utc>) -> DateTime<Utc> {
    told_by_sts.min(until)
}
