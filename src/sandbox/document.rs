//! What IAM accepts as a policy document, and how it binds the principals of a trust policy to unique ids.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::condition;
use super::evaluate::{principals, strings};
use super::wire::Fault;

const OPERATOR_KEYS: [&str; 9] = [
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
}

/// Checks the text as IAM does when it is put.
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
            "The specified value for policyDocument is invalid: characters outside of U+0009, U+000A, U+000D, U+0020 to U+00FF",
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
        .any(|key| !OPERATOR_KEYS.contains(&key.as_str()))
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
    let actions = statement
        .get("Action")
        .or_else(|| statement.get("NotAction"));
    let actions = actions.map(strings).unwrap_or_default();
    if actions.is_empty() || actions.iter().any(|it| it != "*" && !it.contains(':')) {
        return malformed(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        );
    }
    match kind {
        Kind::Trust if has("Resource") || has("NotResource") => {
            return malformed("Has prohibited field Resource");
        }
        Kind::Trust if has("Principal") == has("NotPrincipal") => {
            return malformed("Missing required field Principal");
        }
        Kind::Identity if has("Principal") || has("NotPrincipal") => {
            return malformed("Policy document should not specify a principal.");
        }
        Kind::Identity if has("Resource") == has("NotResource") => {
            return malformed("Policy statement must contain resources.");
        }
        Kind::Trust | Kind::Identity => {}
    }
    match statement.get("Condition").and_then(condition::fault) {
        Some(fault) => malformed(&fault),
        None => Ok(()),
    }
}

/// Every entry of `Principal.AWS` and `NotPrincipal.AWS`.
pub(super) fn named(text: &str) -> BTreeSet<String> {
    super::evaluate::statements(text)
        .iter()
        .flat_map(|it| {
            ["Principal", "NotPrincipal"].map(|key| principals(it, key).unwrap_or_default())
        })
        .flatten()
        .collect()
}

/// How many characters count against a quota: white space does not.
pub(super) fn size(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

#[derive(Deserialize)]
struct Spans<'a> {
    #[serde(borrow, rename = "Statement")]
    statement: &'a RawValue,
}

#[derive(Deserialize)]
struct PrincipalSpan<'a> {
    #[serde(borrow, default, rename = "Principal")]
    principal: Option<&'a RawValue>,
}

/// The text with some of its principals written otherwise (a deleted one as its raw id); every other byte as it was.
pub(super) fn rename_principals(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut done = text.to_owned();
    let Ok(spans) = serde_json::from_str::<Spans<'_>>(text) else {
        return done;
    };
    let statement = spans.statement.get();
    let all: Vec<PrincipalSpan<'_>> = serde_json::from_str(statement)
        .or_else(|_| serde_json::from_str(statement).map(|one| vec![one]))
        .unwrap_or_default();
    for span in all.iter().rev().filter_map(|it| it.principal) {
        let start = span.get().as_ptr() as usize - text.as_ptr() as usize;
        let mut principal = span.get().to_owned();
        for (from, to) in names {
            principal = principal.replace(&format!("\"{from}\""), &format!("\"{to}\""));
        }
        done.replace_range(start..start + span.get().len(), &principal);
    }
    done
}
