//! What IAM accepts as a policy document, and how it binds the principals of a trust policy to
//! unique ids.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::condition;
use super::element::{principals, strings};
use super::evaluate::Policy;
use super::wire::Fault;

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// Which kind of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names principals, and no resource.
    Trust,
    /// Names resources, and no principal.
    Identity,
    /// Of a bucket: names both.
    Bucket,
}

/// Checks the text as IAM does when it is put. Where a key stands twice in an object, the last one
/// counts, here and in evaluation.
pub(super) fn check(text: &str, kind: Kind) -> Result<(), Fault> {
    let malformed = |message: &str| Err(Fault::malformed(message));
    if text.is_empty() || text.chars().count() > 131_072 {
        return Err(Fault::validation(
            "policyDocument must have length from 1 to 131072",
        ));
    }
    if text
        .chars()
        .any(|c| !matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}'))
    {
        return Err(Fault::validation(
            "The specified value for policyDocument is invalid: characters outside of U+0009, U+000A, U+000D, \
             U+0020 to U+00FF",
        ));
    }
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return malformed("This policy contains invalid Json");
    };
    if policy
        .keys()
        .any(|key| !["Version", "Id", "Statement"].contains(&key.as_str()))
    {
        return malformed("Syntax errors in policy.");
    }
    match policy.get("Version").map(Value::as_str) {
        None | Some(Some("2012-10-17" | "2008-10-17")) => {}
        Some(_) => return malformed("The policy must contain a valid version string"),
    }
    let all = match policy.get("Statement") {
        Some(Value::Array(all)) if !all.is_empty() => all.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => return malformed("Syntax errors in policy: Statement must not be empty."),
    };
    let mut sids = BTreeSet::new();
    for statement in all {
        let Value::Object(statement) = statement else {
            return malformed("Syntax errors in policy.");
        };
        check_statement(statement, kind)?;
        if let Some(sid) = statement.get("Sid").and_then(Value::as_str)
            && !sid.is_empty()
            && !sids.insert(sid.to_owned())
        {
            return malformed(&format!(
                "Statement IDs (SID) in a single policy must be unique: {sid}"
            ));
        }
    }
    Ok(())
}

fn check_statement(statement: &Map<String, Value>, kind: Kind) -> Result<(), Fault> {
    let malformed = |message: &str| Err(Fault::malformed(message));
    let has = |key: &str| statement.contains_key(key);
    if statement
        .keys()
        .any(|key| !ELEMENTS.contains(&key.as_str()))
    {
        return malformed("Syntax errors in policy.");
    }
    match statement.get("Sid").map(Value::as_str) {
        None => {}
        Some(Some(sid)) if sid.chars().all(|c| c.is_ascii_alphanumeric()) => {}
        Some(_) => return malformed("Statement IDs (SID) should be alpha-numeric."),
    }
    if !matches!(
        statement.get("Effect").and_then(Value::as_str),
        Some("Allow" | "Deny")
    ) {
        return malformed("Syntax errors in policy: Effect must be Allow or Deny.");
    }
    if has("Action") == has("NotAction") {
        return malformed("Policy statement must contain actions.");
    }
    check_actions(statement, kind)?;
    match kind {
        Kind::Trust if has("Resource") || has("NotResource") => {
            return malformed("Has prohibited field Resource");
        }
        Kind::Identity if has("Principal") || has("NotPrincipal") => {
            return malformed("Policy document should not specify a principal.");
        }
        Kind::Trust => check_principal(statement)?,
        Kind::Identity => check_resource(statement)?,
        Kind::Bucket => check_principal(statement).and_then(|()| check_resource(statement))?,
    }
    match statement.get("Condition").and_then(condition::fault) {
        Some(fault) => malformed(&fault),
        None => Ok(()),
    }
}

fn check_actions(statement: &Map<String, Value>, kind: Kind) -> Result<(), Fault> {
    let actions = statement
        .get("Action")
        .or_else(|| statement.get("NotAction"));
    let actions = actions.map(strings).unwrap_or_default();
    if actions.is_empty() || actions.iter().any(|it| it != "*" && !it.contains(':')) {
        return Err(Fault::malformed(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ));
    }
    if kind == Kind::Trust && !actions.iter().all(|it| is_of_trust(it)) {
        return Err(Fault::malformed(
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ));
    }
    Ok(())
}

/// Whether a trust policy may speak of the action.
fn is_of_trust(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let others = ["sts:*", "sts:tagsession", "sts:setsourceidentity"];
    action.starts_with("sts:assumerole") || others.contains(&action.as_str())
}

/// Somebody is named.
fn check_principal(statement: &Map<String, Value>) -> Result<(), Fault> {
    let has = |key: &str| statement.contains_key(key);
    if has("Principal") == has("NotPrincipal") {
        return Err(Fault::malformed("Missing required field Principal"));
    }
    let named = statement
        .get("Principal")
        .or_else(|| statement.get("NotPrincipal"));
    let fits = match named {
        Some(Value::String(all)) => all == "*",
        Some(Value::Object(kinds)) => {
            let known = ["AWS", "Service", "Federated", "CanonicalUser"];
            !kinds.is_empty()
                && kinds
                    .iter()
                    .all(|(kind, all)| known.contains(&kind.as_str()) && !strings(all).is_empty())
        }
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(Fault::malformed("Invalid principal in policy"))
    }
}

/// Resources are named.
fn check_resource(statement: &Map<String, Value>) -> Result<(), Fault> {
    let has = |key: &str| statement.contains_key(key);
    if has("Resource") == has("NotResource") {
        return Err(Fault::malformed("Policy statement must contain resources."));
    }
    let resources = statement
        .get("Resource")
        .or_else(|| statement.get("NotResource"));
    let resources = resources.map(strings).unwrap_or_default();
    match resources
        .iter()
        .find(|it| *it != "*" && !it.starts_with("arn:"))
    {
        Some(other) => Err(Fault::malformed(&format!(
            "Resource {other} must be in ARN format or \"*\"."
        ))),
        None if resources.is_empty() => {
            Err(Fault::malformed("Policy statement must contain resources."))
        }
        None => Ok(()),
    }
}

/// Every entry of `Principal.AWS` and `NotPrincipal.AWS`.
pub(super) fn named(text: &str) -> BTreeSet<String> {
    Policy::parse(text)
        .statements
        .iter()
        .flat_map(|it| {
            ["Principal", "NotPrincipal"].map(|key| principals(it, key).unwrap_or_default())
        })
        .flatten()
        .collect()
}

/// The members of a JSON object in the order of the text, repeated keys included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

fn members(text: &str) -> Vec<(String, &RawValue)> {
    serde_json::from_str::<Members<'_>>(text).map_or_else(|_| Vec::new(), |it| it.0)
}

/// Where each statement that is an object stands in the text.
pub(super) fn statement_spans(text: &str) -> Vec<Range<usize>> {
    let all = members(text);
    // Where the key stands twice, the last one counts.
    let Some((_, last)) = all.iter().rev().find(|it| it.0 == "Statement") else {
        return Vec::new();
    };
    let list: Vec<&RawValue> = serde_json::from_str(last.get()).unwrap_or_else(|_| vec![*last]);
    let objects = list.iter().filter(|it| it.get().starts_with('{'));
    let span = |it: &&RawValue| {
        let start = it.get().as_ptr().addr() - text.as_ptr().addr();
        start..start + it.get().len()
    };
    objects.map(span).collect()
}

/// The text with some of its principals written otherwise (a deleted one as its raw id); every
/// other byte as it was.
pub(super) fn rename_principals(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut found = Vec::new();
    for (_, statements) in members(text).iter().filter(|it| it.0 == "Statement") {
        let list: Vec<&RawValue> =
            serde_json::from_str(statements.get()).unwrap_or_else(|_| vec![*statements]);
        for (key, principal) in list.iter().flat_map(|it| members(it.get())) {
            if key == "Principal" || key == "NotPrincipal" {
                find(principal, names, text, &mut found);
            }
        }
    }
    let mut done = text.to_owned();
    found.sort_by_key(|(span, _)| span.start);
    for (span, name) in found.into_iter().rev() {
        done.replace_range(span, &format!("\"{name}\""));
    }
    done
}

/// Where in `text` the strings inside `value` stand that have another name.
fn find<'a>(
    value: &RawValue,
    names: &'a BTreeMap<String, String>,
    text: &str,
    found: &mut Vec<(Range<usize>, &'a str)>,
) {
    let raw = value.get();
    if let Ok(name) = serde_json::from_str::<String>(raw) {
        if let Some(new) = names.get(&name) {
            let start = raw.as_ptr().addr() - text.as_ptr().addr();
            found.push((start..start + raw.len(), new));
        }
    } else if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw) {
        for it in list {
            find(it, names, text, found);
        }
    } else {
        for (_, it) in members(raw) {
            find(it, names, text, found);
        }
    }
}

/// The document as some reads show it: the same meaning, keys in another order, no white space.
pub(super) fn normalised(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |it| it.to_string())
}

/// The document with each list of one as its one entry, but for the list of statements.
pub(super) fn collapsed(text: &str) -> String {
    let Ok(mut document) = serde_json::from_str::<Value>(text) else {
        return text.to_owned();
    };
    let statements = document.get_mut("Statement").and_then(Value::as_array_mut);
    statements.into_iter().flatten().for_each(collapse);
    document.to_string()
}

fn collapse(value: &mut Value) {
    match value {
        Value::Array(all) if all.len() == 1 => *value = all.remove(0),
        Value::Object(members) => members.values_mut().for_each(collapse),
        _ => {}
    }
}
