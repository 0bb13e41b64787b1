//! The guard: the inline Deny policy on the role that ends live sessions (docs/guard.md §1). One
//! document per role, rendered whole.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::meaning::{Node, same};
use super::mutations::{Clause, stands};
use super::trust::{literal, parse_literal};
use crate::domain::person::may_name_a_session;

/// What a grant's own session name begins with. Every session of that form that the guard does not
/// list is dead.
pub const GRANT_PREFIX: &str = "grant_";

const REVISION: &str = "CountersignRev";
/// Between the revision and the installation's id.
const INSTALLATION: char = 'i';
const KEPT: &str = "CountersignKept";
const SHIELD: &str = "CountersignShield";
/// What live sessions may not do to their own role.
const SHIELDED: &str = concat!(
    r#"["iam:Attach*","iam:Delete*","iam:Detach*","iam:PassRole","iam:Put*","iam:Tag*","#,
    r#""iam:Untag*","iam:Update*","sts:AssumeRole"]"#
);

/// Denies from a moment on. The suffix denies a request that carries no time (docs/guard.md, C3).
const FROM: (&str, &str) = ("DateGreaterThanEqualsIfExists", "aws:CurrentTime");
/// Denies sessions that were issued up to a moment.
const ISSUED: (&str, &str) = ("DateLessThanEqualsIfExists", "aws:TokenIssueTime");

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
    /// Whether sessions of every other name are denied too, and not only those of grants.
    pub closed: bool,
    /// Whose guard it is: the installation's id, alphanumeric as a Sid has to be.
    pub installation: String,
}

impl Guard {
    /// Denies a name from a deadline on; of two deadlines the later one wins.
    pub(super) fn deny_from(&mut self, name: &str, deadline: DateTime<Utc>) {
        let until = self.until.entry(name.to_owned()).or_insert(deadline);
        *until = deadline.max(*until);
    }

    /// The document, minified. Each statement denies everything, but for the shield.
    #[must_use]
    pub fn render(&self, role_id: &str, role_arn: &str, revision: i64) -> String {
        let mut statements = vec![self.list(role_id, revision)];
        statements.extend(dated(&self.until, role_id, FROM));
        statements.extend(dated(&self.cut, role_id, ISSUED));
        if !self.denied.is_empty() {
            let names: Vec<&str> = self.denied.iter().map(String::as_str).collect();
            statements.push(deny("", &users("StringEquals", role_id, &names)));
        }
        for (found, names) in grouped(&self.kept) {
            let sid = format!("{KEPT}{}", found.timestamp());
            statements.push(deny(&sid, &users("StringEquals", role_id, &names)));
        }
        // Without a live name there is no session that could reach the guard.
        if !self.until.is_empty() {
            statements.push(self.shield(role_id, role_arn));
        }
        let statements = statements.join(",");
        format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
    }

    /// The first statement: the revision, and the names that are not dead. Only a closed role's
    /// names those of the console: elsewhere other sessions of such names are somebody else's.
    fn list(&self, role_id: &str, revision: i64) -> String {
        let sid = format!("{REVISION}{revision}{INSTALLATION}{}", self.installation);
        if !stands(Clause::List) {
            // This denies nobody.
            return deny(&sid, &users("StringEquals", "nobody", &["nobody"]));
        }
        let live = self.until.keys().map(String::as_str);
        if self.closed {
            let live: Vec<&str> = live.collect();
            let others = if live.is_empty() {
                users("StringLike", role_id, &["*"])
            } else {
                users("StringNotEquals", role_id, &live)
            };
            return deny(&sid, &others);
        }
        let mut condition = users("StringLike", role_id, &["grant_*"]);
        let listed: Vec<&str> = live.filter(|name| is_grant_name(name)).collect();
        if !listed.is_empty() {
            condition.push(',');
            condition.push_str(&users("StringNotEquals", role_id, &listed));
        }
        deny(&sid, &condition)
    }

    /// Live sessions may neither edit their own role nor assume it anew under another name
    /// (docs/guard.md, C4). One pattern stands for all grant names, since those that are not live
    /// may do nothing at all; a console name cannot hold a wildcard.
    fn shield(&self, role_id: &str, role_arn: &str) -> String {
        let mut names: Vec<&str> = self.until.keys().map(String::as_str).collect();
        names.retain(|name| !is_grant_name(name));
        names.insert(0, "grant_*");
        let who = users("StringLike", role_id, &names);
        let what = format!(r#""Action":{SHIELDED},"Resource":"{role_arn}""#);
        format!(r#"{{"Sid":"{SHIELD}","Effect":"Deny",{what},"Condition":{{{who}}}}}"#)
    }

    /// Whether a document that was read says the same, whatever its revision.
    #[must_use]
    pub fn is(&self, document: &str, role_id: &str, role_arn: &str) -> bool {
        match read(document, role_id).revision {
            Some(revision) => same(document, &self.render(role_id, role_arn, revision)),
            None => false,
        }
    }
}

/// Whether a session name is that of a grant, and not a console name.
pub(super) fn is_grant_name(name: &str) -> bool {
    name.starts_with(GRANT_PREFIX)
}

/// One condition on the session's `aws:userid`, which is `role id:session name`.
fn users(operator: &str, role_id: &str, names: &[&str]) -> String {
    let ids = names.iter().map(|name| format!("{role_id}:{name}"));
    let ids: Vec<String> = ids.collect();
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

/// One statement for each moment, with the names of that moment.
fn dated(times: &Times, role_id: &str, (operator, key): (&str, &str)) -> Vec<String> {
    let mut statements = Vec::new();
    for (at, names) in grouped(times) {
        let who = users("StringEquals", role_id, &names);
        let at = literal(at);
        let condition = format!(r#"{who},"{operator}":{{"{key}":"{at}"}}"#);
        statements.push(deny("", &condition));
    }
    statements
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
    /// Whether its list denies sessions of other names than those of grants.
    pub closed: bool,
}

impl Read {
    /// The same without a revision that cannot be ours: it says nothing of another time, and is
    /// written over.
    #[must_use]
    pub fn believed(self, known: i64) -> Self {
        let most = known.saturating_add(MOST_AHEAD).min(MOST_REVISION);
        let revision = self.revision.filter(|revision| *revision <= most);
        Self { revision, ..self }
    }
}

/// Reads a guard. Names of another role id are of no effect and left out; what cannot be read says
/// nothing.
#[must_use]
pub fn read(document: &str, role_id: &str) -> Read {
    let mut read = Read::default();
    let node = Node::parse(document);
    let statements = node.as_ref().and_then(|node| node.get("Statement"));
    for statement in statements.map(Node::elements).unwrap_or_default() {
        read.add(statement, role_id);
    }
    read
}

impl Read {
    /// Adds what one statement says.
    fn add(&mut self, statement: &Node, role_id: &str) {
        let sid = statement.get("Sid").and_then(Node::text);
        let sid = sid.unwrap_or_default();
        if let Some((revision, installation)) = parse_revision(sid) {
            self.revision = revision;
            self.installation = Some(installation.to_owned());
        }
        let Some(condition) = statement.get("Condition") else {
            return;
        };
        // No session has another name, and the database does not take every text (docs/guard.md,
        // H10).
        let mut listed = session_names(condition, "StringNotEquals", role_id);
        listed.retain(|name| may_name_a_session(name));
        let mut named = session_names(condition, "StringEquals", role_id);
        named.retain(|name| may_name_a_session(name));
        self.names.extend(listed.iter().chain(&named).cloned());
        if sid.starts_with(REVISION) {
            let like = session_names(condition, "StringLike", role_id);
            // Without a pattern the list is all that bounds it.
            let is_bare = condition.get("StringLike").is_none();
            self.closed = like.iter().any(|it| it == "*") || is_bare && !listed.is_empty();
        }
        // Names of the console have no grant of their own, which somebody could look for.
        self.listed
            .extend(listed.into_iter().filter(|name| is_grant_name(name)));
        if let Some(found) = parse_kept(sid) {
            self.kept
                .extend(named.into_iter().map(|name| (name, found)));
        } else if let Some(from) = date(condition, FROM) {
            self.until
                .extend(named.into_iter().map(|name| (name, from)));
        } else if let Some(at) = date(condition, ISSUED) {
            for name in named {
                let latest = self.cut.entry(name).or_insert(at);
                *latest = at.max(*latest);
            }
        } else if sid != SHIELD {
            self.denied.extend(named);
        }
    }
}

/// The revision and the installation in the first Sid. A number that is none, or negative, says
/// nothing.
fn parse_revision(sid: &str) -> Option<(Option<i64>, &str)> {
    let rest = sid.strip_prefix(REVISION)?;
    let (revision, installation) = rest.split_once(INSTALLATION)?;
    let revision = revision.parse().ok().filter(|number| *number >= 0);
    Some((revision, installation))
}

/// The second in the Sid of a kept name.
fn parse_kept(sid: &str) -> Option<DateTime<Utc>> {
    let second = sid.strip_prefix(KEPT)?.parse().ok()?;
    DateTime::from_timestamp(second, 0)
}

/// The date of a condition; the beginning of time where a hand has spoilt it. `None` where there is
/// no such condition.
fn date(condition: &Node, (operator, key): (&str, &str)) -> Option<DateTime<Utc>> {
    let date = condition.get(operator)?.get(key).and_then(Node::text);
    Some(date.and_then(parse_literal).unwrap_or_default())
}

/// The session names of this role that a condition holds under an operator.
fn session_names(condition: &Node, operator: &str, role_id: &str) -> Vec<String> {
    let users = condition
        .get(operator)
        .and_then(|keys| keys.get("aws:userid"));
    let users = users.map(Node::elements).unwrap_or_default();
    let mut names = Vec::new();
    for user in users.iter().filter_map(Node::text) {
        let name = user
            .strip_prefix(role_id)
            .and_then(|rest| rest.strip_prefix(':'));
        names.extend(name.map(str::to_owned));
    }
    names
}
