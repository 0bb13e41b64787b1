//! The guard: the inline Deny policy on the role that ends live sessions (docs/guard.md §1). One
//! document per role, rendered whole.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::meaning::{Node, same};
use super::mutations::{Clause, stands};
use super::trust::{literal, parse_literal};

/// Name of the inline policy.
pub const NAME: &str = "CountersignGuard";

/// What a grant's own session name begins with. Every session of that form that the guard does not
/// list is dead.
pub const GRANT_PREFIX: &str = "grant_";

const REVISION: &str = "CountersignRev";
/// Between the revision and the installation's id.
const INSTALLATION: char = 'i';
const KEPT: &str = "CountersignKept";
const SHIELD: &str = "CountersignShield";

/// Times by session name; rendered in groups of the same time.
pub type Times = BTreeMap<String, DateTime<Utc>>;

/// What the guard says, by session names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// From when each live name is denied: grant names and console names. The grant names among
    /// them are the list that is not dead.
    pub until: Times,
    /// Names whose sessions are denied that were issued at that time or before.
    pub cut: Times,
    /// Names that are denied altogether: ended, and their latest deadline has not passed.
    pub denied: BTreeSet<String>,
    /// Names found in the guard that nobody here knows, and when they were found; denied
    /// altogether.
    pub kept: Times,
    /// Whose guard it is: the installation's id, alphanumeric as a Sid has to be.
    pub installation: String,
}

impl Guard {
    /// The document, minified. Each statement denies everything, but for the shield.
    #[must_use]
    pub fn render(&self, role_id: &str, role_arn: &str, revision: i64) -> String {
        let live: Vec<&str> = self.until.keys().map(String::as_str).collect();
        let listed: Vec<&str> = live
            .iter()
            .copied()
            .filter(|n| n.starts_with(GRANT_PREFIX))
            .collect();
        let unlisted = match (stands(Clause::List), listed.as_slice()) {
            // Only a test takes the list away; this denies nobody.
            (false, _) => users("StringEquals", "nobody", &["nobody"]),
            (true, []) => users("StringLike", role_id, &["grant_*"]),
            (true, listed) => format!(
                "{},{}",
                users("StringLike", role_id, &["grant_*"]),
                users("StringNotEquals", role_id, listed)
            ),
        };
        let sid = format!("{REVISION}{revision}{INSTALLATION}{}", self.installation);
        let mut statements = vec![deny(&sid, &unlisted)];
        for (at, names) in grouped(&self.until) {
            let who = users("StringEquals", role_id, &names);
            let from = literal(at);
            statements.push(deny(
                "",
                &format!(r#"{who},"DateGreaterThanEqualsIfExists":{{"aws:CurrentTime":"{from}"}}"#),
            ));
        }
        for (at, names) in grouped(&self.cut) {
            let who = users("StringEquals", role_id, &names);
            let cut = literal(at);
            statements.push(deny(
                "",
                &format!(r#"{who},"DateLessThanEqualsIfExists":{{"aws:TokenIssueTime":"{cut}"}}"#),
            ));
        }
        if !self.denied.is_empty() {
            let names: Vec<&str> = self.denied.iter().map(String::as_str).collect();
            statements.push(deny("", &users("StringEquals", role_id, &names)));
        }
        for (found, names) in grouped(&self.kept) {
            let sid = format!("{KEPT}{}", found.timestamp());
            statements.push(deny(&sid, &users("StringEquals", role_id, &names)));
        }
        if !live.is_empty() {
            let console = live.iter().filter(|n| !n.starts_with(GRANT_PREFIX));
            let names: Vec<&str> = ["grant_*"].iter().chain(console).copied().collect();
            statements.push(shield(role_arn, &users("StringLike", role_id, &names)));
        }
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
            statements.join(",")
        )
    }

    /// Whether a document that was read says the same, whatever its revision.
    #[must_use]
    pub fn is(&self, document: &str, role_id: &str, role_arn: &str) -> bool {
        read(document, role_id)
            .revision
            .is_some_and(|revision| same(document, &self.render(role_id, role_arn, revision)))
    }
}

/// One condition on the session's `aws:userid`, which is `role id:session name`.
fn users(operator: &str, role_id: &str, names: &[&str]) -> String {
    let ids: Vec<String> = names
        .iter()
        .map(|name| format!("{role_id}:{name}"))
        .collect();
    // unwrap: a list of strings always serializes
    let ids = serde_json::to_string(&ids).unwrap();
    format!(r#""{operator}":{{"aws:userid":{ids}}}"#)
}

fn deny(sid: &str, condition: &str) -> String {
    let sid = if sid.is_empty() {
        String::new()
    } else {
        format!(r#""Sid":"{sid}","#)
    };
    format!(r#"{{{sid}"Effect":"Deny","Action":"*","Resource":"*","Condition":{{{condition}}}}}"#)
}

/// These sessions may neither edit their own role nor assume it anew under another name
/// (docs/guard.md, C4). One pattern stands for all grant names, since those that are not live may
/// do nothing at all; a console name cannot hold a wildcard.
fn shield(role_arn: &str, condition: &str) -> String {
    format!(
        r#"{{"Sid":"{SHIELD}","Effect":"Deny","Action":["iam:Attach*","iam:Delete*","iam:Detach*","iam:PassRole","iam:Put*","iam:Tag*","iam:Untag*","iam:Update*","sts:AssumeRole"],"Resource":"{role_arn}","Condition":{{{condition}}}}}"#
    )
}

fn grouped(times: &Times) -> BTreeMap<DateTime<Utc>, Vec<&str>> {
    let mut groups: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (name, at) in times {
        groups.entry(*at).or_default().push(name);
    }
    groups
}

/// How far AWS may be ahead of the database, in revisions. It grows by one with each write, so that
/// a greater number is a hand's (docs/guard.md, H10).
const MOST_AHEAD: i64 = 1 << 32;
/// No revision of ours is higher.
const MOST_REVISION: i64 = 1 << 48;

/// What a guard that was read says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// The number in its first Sid.
    pub revision: Option<i64>,
    /// Whose guard it is, by the same Sid.
    pub installation: Option<String>,
    /// Grant names that are not dead by the list.
    pub listed: BTreeSet<String>,
    /// From when names are denied.
    pub until: Times,
    /// Names whose sessions are denied that were issued at that time or before.
    pub cut: Times,
    /// Names that are denied altogether.
    pub denied: BTreeSet<String>,
    /// Names that nobody knew when they were found, and when that was.
    pub kept: Times,
    /// Every session name of this role in it.
    pub names: BTreeSet<String>,
}

impl Read {
    /// The same without a revision that cannot be ours: it says nothing of another time, and is
    /// written over.
    #[must_use]
    pub fn believed(self, known: i64) -> Self {
        let most = known.saturating_add(MOST_AHEAD).min(MOST_REVISION);
        let revision = self.revision.filter(|it| *it <= most);
        Self { revision, ..self }
    }
}

/// Reads a guard. Names of another role id are of no effect and left out; what cannot be read says
/// nothing.
#[must_use]
pub fn read(document: &str, role_id: &str) -> Read {
    let mut read = Read::default();
    let Some(node) = Node::parse(document) else {
        return read;
    };
    for statement in node
        .get("Statement")
        .map(Node::elements)
        .unwrap_or_default()
    {
        let sid = statement
            .get("Sid")
            .and_then(Node::text)
            .unwrap_or_default();
        if let Some((revision, installation)) = sid
            .strip_prefix(REVISION)
            .and_then(|rest| rest.split_once(INSTALLATION))
        {
            read.revision = revision.parse().ok().filter(|it| *it >= 0);
            read.installation = Some(installation.to_owned());
        }
        let Some(condition) = statement.get("Condition") else {
            continue;
        };
        let users = |operator: &str| names(condition, operator, role_id);
        read.listed.extend(users("StringNotEquals"));
        read.names.extend(users("StringNotEquals"));
        let named: Vec<String> = users("StringEquals").collect();
        read.names.extend(named.iter().cloned());
        let found = sid
            .strip_prefix(KEPT)
            .and_then(|at| DateTime::from_timestamp(at.parse().ok()?, 0));
        if let Some(found) = found {
            read.kept
                .extend(named.into_iter().map(|name| (name, found)));
        } else if let Some(from) = condition.get("DateGreaterThanEqualsIfExists") {
            let from = from.get("aws:CurrentTime").and_then(Node::text);
            let from = from.and_then(parse_literal).unwrap_or_default();
            read.until
                .extend(named.into_iter().map(|name| (name, from)));
        } else if let Some(cut) = condition.get("DateLessThanEqualsIfExists") {
            let at = cut.get("aws:TokenIssueTime").and_then(Node::text);
            let at = at.and_then(parse_literal).unwrap_or_default();
            for name in named {
                let latest = read.cut.entry(name).or_insert(at);
                *latest = at.max(*latest);
            }
        } else if sid != SHIELD {
            read.denied.extend(named);
        }
    }
    read
}

fn names<'a>(
    condition: &'a Node,
    operator: &str,
    role_id: &str,
) -> impl Iterator<Item = String> + use<'a> {
    let prefix = format!("{role_id}:");
    let users = condition
        .get(operator)
        .and_then(|keys| keys.get("aws:userid"));
    users
        .map(Node::elements)
        .unwrap_or_default()
        .iter()
        .filter_map(move |user| user.text()?.strip_prefix(&prefix).map(str::to_owned))
}
