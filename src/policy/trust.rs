//! The statement that a grant adds to the role's trust policy (docs/guard.md §1).

use chrono::{DateTime, NaiveDateTime, Utc};

use super::document::sid;
use super::meaning::{Node, same};
use crate::domain::grant::Grant;
use crate::ids::GrantId;

/// A time as IAM's policy language writes it: whole seconds, UTC.
#[must_use]
pub fn literal(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The time that a literal of that form names.
#[must_use]
pub fn parse_literal(text: &str) -> Option<DateTime<Utc>> {
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").ok()?;
    Some(naive.and_utc())
}

/// Lets one principal assume the role under the pinned session names until `until`, minified.
#[must_use]
pub fn statement(
    grant: GrantId,
    principal_arn: &str,
    names: &[&str],
    until: DateTime<Utc>,
) -> String {
    let (principal, names) = (json(&principal_arn), json(&names));
    format!(
        r#"{{"Sid":"{}","Effect":"Allow","Principal":{{"AWS":{principal}}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:RoleSessionName":{names}}},"DateLessThan":{{"aws:CurrentTime":"{}"}}}}}}"#,
        sid(grant),
        literal(until),
    )
}

/// The statement of a grant, with the console name or without.
#[must_use]
pub fn of(grant: &Grant, console: bool, until: DateTime<Utc>) -> String {
    let console_name = grant.console_name.as_deref().filter(|_| console);
    let names: Vec<&str> = console_name
        .into_iter()
        .chain([grant.grant_name.as_str()])
        .collect();
    statement(grant.id, &grant.principal_arn, &names, until)
}

/// What became of a grant's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// As it should be.
    Current,
    /// As it was sent before: an earlier deadline, or not yet the console name.
    Earlier,
    /// Somebody changed it.
    Altered,
}

/// Compares the statement of a live grant with what it should be.
#[must_use]
pub fn compare(text: &str, grant: &Grant, console: bool) -> Seen {
    if same(text, &of(grant, console, grant.deadline)) {
        return Seen::Current;
    }
    let earlier = date(&Node::parse(text).unwrap_or(Node::Bare(String::new())))
        .filter(|date| *date <= grant.deadline)
        .is_some_and(|date| {
            same(text, &of(grant, false, date)) || console && same(text, &of(grant, true, date))
        });
    if earlier {
        Seen::Earlier
    } else {
        Seen::Altered
    }
}

/// The date from which a statement of ours admits nobody; `None` where somebody took it away.
#[must_use]
pub fn date(statement: &Node) -> Option<DateTime<Utc>> {
    let dates = statement.get("Condition")?.get("DateLessThan")?;
    parse_literal(dates.get("aws:CurrentTime")?.text()?)
}

/// The session names that a statement pins.
pub fn names(statement: &Node) -> Vec<String> {
    let pinned = ["Condition", "StringEquals", "sts:RoleSessionName"]
        .iter()
        .try_fold(statement, |node, key| node.get(key));
    let names = pinned.map(Node::elements).unwrap_or_default().iter();
    names
        .filter_map(|it| it.text().map(str::to_owned))
        .collect()
}

/// Whom a statement of ours admits.
pub fn principals(statement: &Node) -> Vec<String> {
    let named = statement.get("Principal").and_then(|it| it.get("AWS"));
    let named = named.map(Node::elements).unwrap_or_default().iter();
    named
        .filter_map(|it| it.text().map(str::to_owned))
        .collect()
}

/// Whether AWS shows a principal of the statement as a bare unique id: the user or role that it
/// named was deleted, and no later write that holds it can succeed (docs/guard.md, H2).
#[must_use]
pub fn names_deleted_principal(statement: &Node) -> bool {
    ["Principal", "NotPrincipal"]
        .iter()
        .filter_map(|key| statement.get(key)?.get("AWS"))
        .flat_map(Node::elements)
        .any(|principal| principal.text().is_some_and(is_unique_id))
}

fn is_unique_id(principal: &str) -> bool {
    ["AIDA", "AROA"].iter().any(|p| principal.starts_with(p))
        && principal.len() >= 16
        && principal.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn json<T: serde::Serialize>(value: &T) -> String {
    // unwrap: strings and lists of strings always serialize
    serde_json::to_string(value).unwrap()
}
