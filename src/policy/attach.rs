//! The policy of an entitlement that is attached to people's own users: which ones the catalog
//! takes (docs/carrier.md, *What may be attached*). What is taken is frozen with each approval,
//! statement by statement.

use chrono::DateTime;

use super::capacity::{USER_INLINE_QUOTA, size};
use super::inline::{self, Asks};
use super::management::MANAGING;
use super::meaning::Node;
use super::pattern::overlap_as_actions;
use super::session::{Unfit, statements_of};

/// Whole services that hand out access which outlives a grant: people, sign-in and accounts.
const FORBIDDEN: [&str; 4] = ["organizations:*", "sso*:*", "signin:*", "account:*"];
/// What IAM's actions have to begin with, so that they change nothing.
const READING_IAM: [&str; 3] = ["get", "list", "simulate"];
/// The actions of STS that hand out no credentials.
const HARMLESS_STS: [&str; 5] = [
    "decodeauthorizationmessage",
    "getaccesskeyinfo",
    "getcalleridentity",
    "setsourceidentity",
    "tagsession",
];

/// What a statement may have. Everything else is unknown to IAM, spelled in another way, or turns a
/// statement around (`NotAction`, `NotResource`), so that nobody sees what it allows.
const KEYS: [&str; 5] = ["Sid", "Effect", "Action", "Resource", "Condition"];
/// What a document may have.
const DOCUMENT_KEYS: [&str; 3] = ["Version", "Id", "Statement"];

/// The condition operators, as IAM spells them, without `IfExists` and the two for sets.
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

/// Why a policy cannot be attached for a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no policy, or a statement of it is not whole.
    #[error(transparent)]
    NotAPolicy(#[from] Unfit),
    /// A key stands there twice, perhaps in another spelling.
    #[error("must have each key once in an object, not {0:?} twice")]
    Twice(String),
    /// A key that no statement, or no document, of ours may have.
    #[error("must not have {0:?}: statements have Sid, Effect, Action, Resource and Condition")]
    Key(String),
    /// A Deny would cut what the person may do without us, and her other grants.
    #[error("must have Effect \"Allow\" alone: a Deny would also cut what people have without us")]
    Deny,
    /// Not the name of an action, nor a pattern for names.
    #[error("must have actions such as \"ec2:StartInstances\" or \"s3:Get*\", not {0:?}")]
    NotAnAction(String),
    /// An action that gives access which outlives the grant.
    #[error(
        "must not allow {pattern:?}: it can mean {means:?}, with which access outlives the grant"
    )]
    Outlives {
        /// As it stands there.
        pattern: String,
        /// A pattern for what it can mean.
        means: String,
    },
    /// Not an operator, or spelled in another way.
    #[error("must have condition operators as IAM spells them, not {0:?}")]
    Operator(String),
    /// The deadline is the grant's own, in `DateLessThan` on `aws:CurrentTime`.
    #[error(
        "must have no date for aws:CurrentTime ({0:?}): the deadline of each grant is put there"
    )]
    Dated(String),
    /// `mfa = true` puts that condition there, and one more could contradict it.
    #[error(
        "must have no condition on aws:MultiFactorAuthPresent ({0:?}) beside mfa = true, which puts it there"
    )]
    SecondFactor(String),
    /// On a role that people come as, whose session it is for stands there.
    #[error(
        "must have no StringEquals on aws:userid: who each grant is for is put there on a role that people come as"
    )]
    Pinned,
    /// No user could have it.
    #[error(
        "must be shorter: a user has {USER_INLINE_QUOTA} characters for all, and there would be {0}"
    )]
    TooLong(usize),
}

/// The statements of a policy that may be attached to a user for a time, minified: what is frozen
/// at approval. The deadline is put into each when the policy is rendered, and with `mfa` the
/// condition for a second factor.
///
/// # Errors
/// What stands against it; the first that is found.
pub fn check(policy: &str, mfa: bool) -> Result<Vec<String>, Refused> {
    let document = Node::parse(policy).ok_or(Unfit::NotAPolicy)?;
    has_each_key_once(&document)?;
    has_only(&document, &DOCUMENT_KEYS)?;
    let statements = statements_of(policy)?;
    for statement in &statements {
        let node = Node::parse(statement).ok_or(Unfit::NotAPolicy)?;
        has_only(&node, &KEYS)?;
        if node.get("Effect").and_then(Node::text) != Some("Allow") {
            return Err(Refused::Deny);
        }
        may_be_allowed(&node)?;
        has_conditions_of_ours_alone(&node, mfa)?;
    }
    let asks = Asks {
        mfa,
        userid: None,
        until: DateTime::UNIX_EPOCH,
    };
    let dated = inline::attach(&statements, asks).ok_or(Unfit::NotAPolicy)?;
    let length = size(&dated);
    if length > USER_INLINE_QUOTA {
        return Err(Refused::TooLong(length));
    }
    Ok(statements)
}

/// Which actions that frozen statements allow, or may allow, write permissions for others: AWS's
/// access level *Permissions management*. With them a person can write herself into a resource's
/// own policy and stay after the deadline, so that approvers are shown them.
#[must_use]
pub fn managing(statements: &[String]) -> Vec<&'static str> {
    let nodes: Vec<Node> = statements
        .iter()
        .filter_map(|text| Node::parse(text))
        .collect();
    let mut found = Vec::new();
    for action in MANAGING {
        let mut patterns = nodes.iter().flat_map(actions);
        if patterns.any(|pattern| overlap_as_actions(pattern, action)) {
            found.push(action);
        }
    }
    found
}

/// Of two members with one key nobody can tell which one AWS takes. Condition keys mean the same in
/// any case.
fn has_each_key_once(node: &Node) -> Result<(), Refused> {
    match node {
        Node::Bare(_) | Node::Text(_) => Ok(()),
        Node::List(items) => items.iter().try_for_each(has_each_key_once),
        Node::Object(members) => {
            for (nth, (key, value)) in members.iter().enumerate() {
                let mut before = members[..nth].iter();
                if before.any(|(other, _)| other.eq_ignore_ascii_case(key)) {
                    return Err(Refused::Twice(key.clone()));
                }
                has_each_key_once(value)?;
            }
            Ok(())
        }
    }
}

fn has_only(node: &Node, allowed: &[&str]) -> Result<(), Refused> {
    let Node::Object(members) = node else {
        return Err(Unfit::NotAPolicy.into());
    };
    let mut keys = members.iter().map(|(key, _)| key);
    match keys.find(|key| !allowed.contains(&key.as_str())) {
        Some(key) => Err(Refused::Key(key.clone())),
        None => Ok(()),
    }
}

/// The patterns of a statement's actions.
fn actions(statement: &Node) -> impl Iterator<Item = &str> {
    let all = statement.get("Action").map_or(&[][..], Node::elements);
    all.iter().filter_map(Node::text)
}

/// Whether nothing that the actions of a statement can mean gives access that outlives a grant.
fn may_be_allowed(statement: &Node) -> Result<(), Refused> {
    let all = statement.get("Action").map_or(&[][..], Node::elements);
    let mut count = 0;
    for pattern in actions(statement) {
        count += 1;
        if !is_action(pattern) {
            return Err(Refused::NotAnAction(pattern.to_owned()));
        }
        let mut forbidden = forbidden().into_iter();
        if let Some(means) = forbidden.find(|means| overlap_as_actions(pattern, means)) {
            return Err(Refused::Outlives {
                pattern: pattern.to_owned(),
                means,
            });
        }
    }
    // A number, or a list in a list, is no action; nor is none at all.
    if count == 0 || count != all.len() {
        return Err(Unfit::NotItsOwn.into());
    }
    Ok(())
}

/// A service and an action, each of letters, digits, hyphens and wildcards; or a star alone.
fn is_action(pattern: &str) -> bool {
    let is_word = |word: &str| {
        let is_of_word = |b: u8| b.is_ascii_alphanumeric() || b"-*?".contains(&b);
        !word.is_empty() && word.bytes().all(is_of_word)
    };
    match pattern.split_once(':') {
        Some((service, action)) => is_word(service) && is_word(action),
        None => pattern == "*",
    }
}

/// Patterns for everything that may not be attached.
fn forbidden() -> Vec<String> {
    let mut all: Vec<String> = FORBIDDEN.map(str::to_owned).into();
    all.extend(all_but("iam", &READING_IAM));
    all.extend(all_but("sts", &HARMLESS_STS));
    all
}

/// Patterns for all actions of a service but those that begin with one of these words. So an action
/// that AWS adds tomorrow is one of them.
fn all_but(service: &str, words: &[&str]) -> Vec<String> {
    let begins_a_word = |start: &str| words.iter().any(|word| word.starts_with(start));
    let mut patterns = Vec::new();
    for word in words {
        for length in 0..word.len() {
            let start = &word[..length];
            // The start of a word alone is not the word.
            patterns.push(format!("{service}:{start}"));
            for letter in 'a'..='z' {
                let other = format!("{start}{letter}");
                if !begins_a_word(&other) {
                    patterns.push(format!("{service}:{other}*"));
                }
            }
        }
    }
    patterns
}

/// Whether the conditions of a statement leave the deadline to us, and with `mfa` the second
/// factor.
fn has_conditions_of_ours_alone(statement: &Node, mfa: bool) -> Result<(), Refused> {
    let Some(condition) = statement.get("Condition") else {
        return Ok(());
    };
    let Node::Object(operators) = condition else {
        return Err(Unfit::NotAPolicy.into());
    };
    for (operator, keys) in operators {
        let base = base(operator);
        if !OPERATORS.contains(&base) {
            return Err(Refused::Operator(operator.clone()));
        }
        let Node::Object(keys) = keys else {
            return Err(Unfit::NotAPolicy.into());
        };
        let has = |name: &str| keys.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
        if base.starts_with("Date") && has("aws:CurrentTime") {
            return Err(Refused::Dated(operator.clone()));
        }
        if operator == "StringEquals" && has("aws:userid") {
            return Err(Refused::Pinned);
        }
        if mfa && has("aws:MultiFactorAuthPresent") {
            return Err(Refused::SecondFactor(operator.clone()));
        }
    }
    Ok(())
}

/// An operator without what says how it takes sets of values and missing keys.
fn base(operator: &str) -> &str {
    let sets = ["ForAllValues:", "ForAnyValue:"];
    let mut stripped = sets.iter().filter_map(|set| operator.strip_prefix(set));
    let one = stripped.next().unwrap_or(operator);
    one.strip_suffix("IfExists").unwrap_or(one)
}
