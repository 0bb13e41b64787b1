//! The statement that a grant adds to the role's trust policy (docs/guard.md §1).

use chrono::{DateTime, NaiveDateTime, Utc};

use super::document::sid;
use super::meaning::{Node, same};
use crate::domain::demands::Demands;
use crate::domain::grant::Grant;
use crate::domain::person::may_name_a_session;
use crate::ids::GrantId;

/// The condition for a second factor, of the operator `Bool`. Long-term keys lack the key of the
/// request, so that they do not have one (docs/guard.md §5).
pub(super) const MFA: &str = r#""aws:MultiFactorAuthPresent":"true""#;

/// A time as IAM's policy language writes it: whole seconds, UTC.
#[must_use]
pub fn literal(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The time that a literal of that form names; what is before 1970 counts as that. Nothing of ours
/// is as old, and the database does not take what is absurd (docs/guard.md, H10).
#[must_use]
pub fn parse_literal(text: &str) -> Option<DateTime<Utc>> {
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").ok()?;
    Some(naive.and_utc().max(DateTime::UNIX_EPOCH))
}

/// Who a statement lets in.
#[derive(Debug, Clone, Copy)]
pub struct Admitted<'a> {
    /// ARN of the user or role.
    pub arn: &'a str,
    /// The `aws:userid` that is pinned beside it: of a role, which has sessions of many people.
    pub userid: Option<&'a str>,
}

/// Lets one principal assume the role under the pinned session names until `until`, minified.
#[must_use]
pub fn statement(
    grant: GrantId,
    principal: Admitted<'_>,
    names: &[&str],
    demands: &Demands,
    until: DateTime<Utc>,
) -> String {
    let userid = pinned_userid(principal.userid);
    let (sid, principal, names) = (sid(grant), json(principal.arn), json(&names));
    let until = literal(until);
    let principal = format!(r#""Principal":{{"AWS":{principal}}}"#);
    let external_id = demands.external_id.as_ref();
    let external_id = external_id.map_or(String::new(), |id| {
        format!(r#","sts:ExternalId":{}"#, json(id))
    });
    let pinned =
        format!(r#""StringEquals":{{"sts:RoleSessionName":{names}{external_id}{userid}}}"#);
    let mut dated = format!(r#""DateLessThan":{{"aws:CurrentTime":"{until}"}}"#);
    if demands.mfa {
        dated.push_str(&format!(r#","Bool":{{{MFA}}}"#));
    }
    let who = format!(r#""Sid":"{sid}","Effect":"Allow",{principal},"Action":"sts:AssumeRole""#);
    format!(r#"{{{who},"Condition":{{{pinned},{dated}}}}}"#)
}

/// The pin of an `aws:userid` among the keys of `StringEquals`, with the comma before it.
pub(super) fn pinned_userid(userid: Option<&str>) -> String {
    userid.map_or(String::new(), |it| format!(r#","aws:userid":{}"#, json(it)))
}

/// The statement of a grant, with the console name or without.
#[must_use]
pub fn of(grant: &Grant, console: bool, until: DateTime<Utc>) -> String {
    let console_name = grant.console_name.as_deref().filter(|_| console);
    let names: Vec<&str> = console_name
        .into_iter()
        .chain([grant.grant_name.as_str()])
        .collect();
    // A grant without an identity wants no statement: one with its Sid is a hand's, and reads like
    // nothing of ours.
    let principal = Admitted {
        arn: grant.principal_arn.as_deref().unwrap_or_default(),
        userid: grant.pinned_userid(),
    };
    statement(grant.id, principal, &names, &grant.demands, until)
}

/// How the statement of a grant reads beside what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// As it should be.
    Current,
    /// As it was sent before: an earlier deadline, or not yet the console name.
    Earlier,
    /// Somebody changed it.
    Altered,
}

/// Compares the statement of a grant with what it should be while the grant is live.
#[must_use]
pub fn compare(text: &str, grant: &Grant, console: bool) -> Wording {
    if same(text, &of(grant, console, grant.deadline)) {
        Wording::Current
    } else if was_sent_before(text, grant, console) {
        Wording::Earlier
    } else {
        Wording::Altered
    }
}

/// Whether the statement is the grant's own with an earlier date, or from before the grant got its
/// console name.
fn was_sent_before(text: &str, grant: &Grant, console: bool) -> bool {
    let Some(until) = Node::parse(text).as_ref().and_then(date) else {
        return false;
    };
    let without_console = same(text, &of(grant, false, until));
    until <= grant.deadline && (without_console || console && same(text, &of(grant, true, until)))
}

/// The date from which a statement of ours admits nobody; `None` where somebody took it away.
#[must_use]
pub fn date(statement: &Node) -> Option<DateTime<Utc>> {
    let dates = statement.get("Condition")?.get("DateLessThan")?;
    parse_literal(dates.get("aws:CurrentTime")?.text()?)
}

/// The session names that a statement pins; what can be none is left out.
pub fn names(statement: &Node) -> Vec<String> {
    let path = ["Condition", "StringEquals", "sts:RoleSessionName"];
    let mut names = texts_at(statement, &path);
    names.retain(|name| may_name_a_session(name));
    names
}

/// The `aws:userid` that a statement pins; none where it lets in whoever has the ARN.
pub fn userids(statement: &Node) -> Vec<String> {
    texts_at(statement, &["Condition", "StringEquals", "aws:userid"])
}

/// Whom a statement of ours admits.
pub fn principals(statement: &Node) -> Vec<String> {
    texts_at(statement, &["Principal", "AWS"])
}

/// The strings at a path of keys.
fn texts_at(statement: &Node, path: &[&str]) -> Vec<String> {
    let mut node = statement;
    for key in path {
        let Some(value) = node.get(key) else {
            return Vec::new();
        };
        node = value;
    }
    let texts = node.elements().iter().filter_map(Node::text);
    texts.map(str::to_owned).collect()
}

/// Whether AWS shows a principal of the statement as a bare unique id: the user or role that it
/// named was deleted, and no later write that holds it can succeed (docs/guard.md, H2).
#[must_use]
pub fn names_deleted_principal(statement: &Node) -> bool {
    let principals = texts_at(statement, &["Principal", "AWS"]);
    let others = texts_at(statement, &["NotPrincipal", "AWS"]);
    let mut named = principals.iter().chain(&others);
    named.any(|principal| is_unique_id(principal))
}

fn is_unique_id(principal: &str) -> bool {
    let has_prefix = principal.starts_with("AIDA") || principal.starts_with("AROA");
    has_prefix && principal.len() >= 16 && principal.bytes().all(|b| b.is_ascii_alphanumeric())
}

pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // unwrap: strings and lists of strings always serialize
    serde_json::to_string(value).unwrap()
}
