//! The inline policy of a grant on the requester's own IAM user, or on the role that they come as:
//! its name, its text, and what a text as read means beside it (docs/carrier.md).

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Utc};
use serde_json::value::RawValue;

use super::document::{Document, Members, sid};
use super::meaning::{Node, same};
use super::trust::{self, MFA, json, literal, pinned_userid};
use crate::domain::grant::Grant;
use crate::domain::part::Allows;
use crate::ids::GrantId;

/// What the names of all our inline policies on users begin with, whatever the installation.
pub const PREFIX: &str = "Countersign-";

/// What is left of a grant's policy when it is over, until nobody can put the policy back: neither
/// allows nor denies anything. It is shorter than any policy that allows something, so that a
/// closing never grows, and it tells a database that went back in time of the end
/// (docs/carrier.md, T3).
pub const ENDED: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*","#,
    r#""Condition":{"NumericLessThan":{"aws:EpochTime":"1"}}}]}"#,
);

/// The name of a grant's policy: `Countersign-<installation>-<grant id>`. Two installations on one
/// user leave each other's alone.
#[must_use]
pub fn name(installation: &str, grant: GrantId) -> String {
    format!("{PREFIX}{installation}-{grant}")
}

/// The grant whose policy has that name; `None` where it is not this installation's.
#[must_use]
pub fn grant_of(name: &str, installation: &str) -> Option<GrantId> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix(installation)?;
    let id = rest.strip_prefix('-')?;
    let grant: GrantId = id.parse().ok()?;
    // An id that is written in another way is a name that only looks like ours.
    (grant.to_string() == id).then_some(grant)
}

/// The policy of a grant until `until`, with the console name or without, minified. `None` where a
/// statement as frozen cannot be dated: nothing may be put without a deadline.
#[must_use]
pub fn text(allows: &Allows, grant: &Grant, console: bool, until: DateTime<Utc>) -> Option<String> {
    let console = grant.console_name.as_deref().filter(|_| console);
    let asks = Asks {
        mfa: grant.demands.mfa,
        userid: grant.pinned_userid(),
        until,
    };
    named(allows, grant.id, console, asks)
}

/// What every statement of a grant's policy asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asks<'a> {
    /// A second factor.
    pub mfa: bool,
    /// On a role, which has sessions of many people, the person's own `aws:userid`.
    pub userid: Option<&'a str>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// The same for a grant of that id, which is its own session name.
pub(super) fn named(
    allows: &Allows,
    id: GrantId,
    console: Option<&str>,
    asks: Asks<'_>,
) -> Option<String> {
    match allows {
        Allows::Role { arn } => Some(document(&switch(arn, id, console, asks))),
        Allows::Statements(frozen) => attach(frozen, asks),
    }
}

/// The frozen statements of an entitlement, each with what is asked for.
pub(super) fn attach(frozen: &[String], asks: Asks<'_>) -> Option<String> {
    let dated = frozen.iter().map(|statement| dated(statement, asks));
    let statements: Option<Vec<String>> = dated.collect();
    Some(document(&statements?.join(",")))
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

/// Allows to assume the role, under the session names of the grant alone. An external ID is the
/// role's own to ask for.
fn switch(role_arn: &str, id: GrantId, console: Option<&str>, asks: Asks<'_>) -> String {
    let mut names = vec![id.to_string()];
    names.extend(console.map(str::to_owned));
    let (sid, role, names) = (sid(id), json(&role_arn), json(&names));
    let userid = pinned_userid(asks.userid);
    let pinned = format!(r#""StringEquals":{{"sts:RoleSessionName":{names}{userid}}}"#);
    let until = literal(asks.until);
    let mut dated = format!(r#""DateLessThan":{{"aws:CurrentTime":"{until}"}}"#);
    if asks.mfa {
        dated.push_str(&format!(r#","Bool":{{{MFA}}}"#));
    }
    let what = format!(r#""Effect":"Allow","Action":"sts:AssumeRole","Resource":{role}"#);
    format!(r#"{{"Sid":"{sid}",{what},"Condition":{{{pinned},{dated}}}}}"#)
}

/// A statement with the deadline, and perhaps a second factor or a pin, among its conditions, which
/// all have to hold. Everything else of it stays as it stands; the operators may be there for other
/// keys.
fn dated(statement: &str, asks: Asks<'_>) -> Option<String> {
    let statement = members(statement)?;
    let condition = value(&statement, "Condition").unwrap_or("{}");
    let until = literal(asks.until);
    let mut condition = with(condition, "DateLessThan", "aws:CurrentTime", &until)?;
    if let Some(userid) = asks.userid {
        condition = with(&condition, "StringEquals", "aws:userid", userid)?;
    }
    if asks.mfa {
        condition = with(&condition, "Bool", "aws:MultiFactorAuthPresent", "true")?;
    }
    let condition = Some(format!(r#""Condition":{condition}"#));
    Some(object(&statement, Some("Condition"), condition))
}

/// A condition block with one key more for an operator; `None` where the operator has the key
/// already, in whatever case: of the two one would be lost.
fn with(condition: &str, operator: &str, key: &str, wanted: &str) -> Option<String> {
    let condition = members(condition)?;
    let keys = match value(&condition, operator) {
        Some(text) => members(text)?,
        None => Vec::new(),
    };
    if keys
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(key))
    {
        return None;
    }
    let one_more = format!(r#""{key}":{}"#, json(wanted));
    let keys = object(&keys, None, Some(one_more));
    let keys = Some(format!(r#""{operator}":{keys}"#));
    Some(object(&condition, Some(operator), keys))
}

type Pairs<'a> = Vec<(String, &'a RawValue)>;

/// The members of an object; `None` where it is none, or has a key twice: one of the two would be
/// lost, and it may be a condition.
fn members(text: &str) -> Option<Pairs<'_>> {
    let Members(members) = serde_json::from_str(text).ok()?;
    let names: BTreeSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    (names.len() == members.len()).then_some(members)
}

fn value<'a>(members: &Pairs<'a>, key: &str) -> Option<&'a str> {
    let mut found = members.iter().filter(|(name, _)| name == key);
    found.next().map(|(_, value)| value.get())
}

/// The members as an object, but for `left_out`, with `last` at the end.
fn object(members: &Pairs<'_>, left_out: Option<&str>, last: Option<String>) -> String {
    let mut all = Vec::new();
    for (key, value) in members {
        if left_out != Some(key.as_str()) {
            all.push(format!("{}:{}", json(key), value.get()));
        }
    }
    all.extend(last);
    format!("{{{}}}", all.join(","))
}

/// Until when a policy as read allows anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It allows nothing.
    Nothing,
    /// Until then, by the latest date of its statements.
    Until(DateTime<Utc>),
    /// No date that can be read holds one of its statements back.
    Longest,
}

/// The last year that a date of IAM's policy language can name.
const LAST_YEAR: i32 = 9999;

/// Until when a policy as read allows anything. What cannot be read allows for ever.
#[must_use]
pub fn reach(text: &str) -> Reach {
    let Ok(document) = Document::parse(text) else {
        return Reach::Longest;
    };
    let reaches = document.statements.iter().map(|statement| {
        let node = statement.node();
        if node.get("Effect").and_then(Node::text) == Some("Deny") {
            return Reach::Nothing;
        }
        match trust::date(&node) {
            // Beyond that nobody can reckon with it.
            Some(date) if date.year() <= LAST_YEAR => Reach::Until(date),
            Some(_) | None => Reach::Longest,
        }
    });
    reaches.max().unwrap_or(Reach::Nothing)
}

/// How the policy of a live grant reads beside what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// As it should be.
    Current,
    /// As it was sent before: an earlier deadline, or not yet the console name.
    Earlier,
    /// The text of a grant that is over.
    Ended,
    /// Somebody changed it.
    Altered,
}

/// Compares a policy as read with what it should be while the grant is live.
#[must_use]
pub fn compare(read: &str, allows: &Allows, grant: &Grant, console: bool) -> Wording {
    let is = |console, until| {
        let wanted = text(allows, grant, console, until);
        wanted.is_some_and(|wanted| same(read, &wanted))
    };
    if is(console, grant.deadline) {
        return Wording::Current;
    }
    if same(read, ENDED) {
        return Wording::Ended;
    }
    match reach(read) {
        Reach::Until(until) if until <= grant.deadline => {
            if is(false, until) || console && is(true, until) {
                Wording::Earlier
            } else {
                Wording::Altered
            }
        }
        Reach::Nothing | Reach::Until(_) | Reach::Longest => Wording::Altered,
    }
}
