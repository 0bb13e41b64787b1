//! What a role lets a person leave behind, as far as its policies say: the enrolment analysis of
//! docs/guard.md, C4. Actions are matched as patterns, so that what a statement may mean counts.
//! An action counts unless a permissions boundary, or what a session is limited to, does not allow
//! it, or a Deny without conditions on all resources takes it away. What nobody could read is told,
//! and clears nothing.

use super::assumable::{may_do, text};
use super::document::Document;
use super::meaning::Node;
use super::statements::{Statement, is_conditional, statements};
use super::ways::{ELSEWHERE, WAYS, is_writing_iam};
use crate::domain::arn::{Arn, Kind};
use crate::domain::outlive::{Outlives, Through};

/// How many statements are told of each kind; of what is more, that it is more.
const MOST: usize = 6;
/// How many actions are named of one statement.
const NAMED: usize = 4;

/// A policy as AWS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where it stands, in words.
    pub name: String,
    /// Its text, or why nobody could read it.
    pub text: Result<String, &'static str>,
}

/// What is known of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Its trust policy.
    pub trust: Policy,
    /// Its inline and its attached policies.
    pub policies: Vec<Policy>,
    /// Its permissions boundary.
    pub boundary: Option<Policy>,
    /// What its sessions are limited to, where they are: what one of these allows.
    pub scope: Vec<Policy>,
    /// Characters of its inline policies, the guard left out; none where one could not be read.
    pub inline_size: Option<usize>,
}

/// What lets access outlive a deadline on the role of that ARN, whose guard keeps sessions from
/// changing the role itself and from assuming it anew.
#[must_use]
pub fn of_role(role_arn: &str, known: &Permissions) -> Vec<Outlives> {
    of_a_role(role_arn, Some(role_arn), known)
}

/// The same where no guard stands on the role: what can be done to the role itself counts as well.
#[must_use]
pub fn of_unguarded(role_arn: &str, known: &Permissions) -> Vec<Outlives> {
    of_a_role(role_arn, None, known)
}

fn of_a_role(role_arn: &str, shielded: Option<&str>, known: &Permissions) -> Vec<Outlives> {
    let (granting, mut found) = read(&known.policies);
    let mut limits = Vec::new();
    for limit in [known.boundary.as_slice(), &known.scope] {
        let (statements, unread) = read(limit);
        // Of a limit that is not known whole nobody can tell what it takes away.
        if unread.is_empty() && !limit.is_empty() {
            limits.push(statements);
        }
        found.extend(unread);
    }
    found.extend(granted(&granting, &limits, shielded, NAMED));
    found.extend(trusted(role_arn, &known.trust));
    in_order(found)
}

/// What lets access outlive a deadline in the statements of a policy that is attached to a user.
#[must_use]
pub fn of_statements(texts: &[String]) -> Vec<Outlives> {
    let policies = [Policy {
        name: "what is attached".to_owned(),
        text: Ok(format!(r#"{{"Statement":[{}]}}"#, texts.join(","))),
    }];
    let (statements, mut found) = read(&policies);
    // These actions are what is decided on, and not how much a role may do: all of them are named.
    found.extend(granted(&statements, &[], None, usize::MAX));
    in_order(found)
}

/// The statements of policies, and what nobody could read of them.
fn read(policies: &[Policy]) -> (Vec<Statement<'_>>, Vec<Outlives>) {
    let (mut all, mut unread) = (Vec::new(), Vec::new());
    for Policy { name, text } in policies {
        let parsed = text
            .as_deref()
            .map_err(|why| *why)
            .and_then(|text| statements(name, text).ok_or("malformed"));
        match parsed {
            Ok(found) => all.extend(found),
            Err(why) => unread.push(Outlives::unread(name, why)),
        }
    }
    (all, unread)
}

/// What the statements that allow give, as far as no limit and no Deny takes it away. The role of
/// the ARN `shielded` is kept from what only counts elsewhere.
fn granted(
    granting: &[Statement<'_>],
    limits: &[Vec<Statement<'_>>],
    shielded: Option<&str>,
    named: usize,
) -> Vec<Outlives> {
    let all = || granting.iter().chain(limits.iter().flatten());
    let stays = |action: &str| {
        let within = |limit: &Vec<Statement<'_>>| {
            let mut allowing = limit.iter().filter(|it| it.allows);
            allowing.any(|it| it.may_mean(action))
        };
        limits.iter().all(within) && !all().any(|it| it.surely_denies(action))
    };
    let mut found = Vec::new();
    for statement in granting.iter().filter(|it| it.allows) {
        let is_elsewhere = !shielded.is_some_and(|arn| statement.is_for(arn));
        for (through, actions) in WAYS {
            let mut names = candidates(statement, through, actions);
            names.retain(|action| {
                let action = action.to_ascii_lowercase();
                statement.may_mean(&action) && stays(&action)
            });
            if !names.is_empty() && (is_elsewhere || !ELSEWHERE.contains(&through)) {
                names.truncate(named);
                found.push(Outlives {
                    through,
                    policy: Some(statement.policy.to_owned()),
                    statement: Some(statement.label.clone()),
                    names,
                    conditional: statement.conditional,
                    why: None,
                });
            }
        }
    }
    found
}

/// The actions of a kind: those that are known, and of IAM's also what the statement names whole,
/// which AWS may have added since.
fn candidates(statement: &Statement<'_>, through: Through, known: &[&str]) -> Vec<String> {
    let is_known = |action: &str| known.iter().any(|it| it.eq_ignore_ascii_case(action));
    let is_new = |action: &&str| {
        through == Through::WritingIam && is_writing_iam(action) && !is_known(action)
    };
    let new = statement.literals().filter(is_new);
    known
        .iter()
        .copied()
        .chain(new)
        .map(str::to_owned)
        .collect()
}

/// Who is let in without us: a service, or whoever a person may become in the account.
fn trusted(role_arn: &str, trust: &Policy) -> Vec<Outlives> {
    let parsed = trust
        .text
        .as_deref()
        .map_err(|why| *why)
        .and_then(|text| Document::parse(text).map_err(|_| "malformed"));
    let document = match parsed {
        Ok(document) => document,
        Err(why) => return vec![Outlives::unread(&trust.name, why)],
    };
    let mut found = Vec::new();
    for (nth, statement) in document.statements.iter().enumerate() {
        let node = statement.node();
        // Ours lets nobody in beyond its deadline.
        if statement.is_ours() {
            continue;
        }
        if text(&node, "Effect") != Some("Allow") || !may_do(&node, "sts:AssumeRole") {
            continue;
        }
        let told = |through, names: Vec<String>| Outlives {
            through,
            policy: Some(trust.name.clone()),
            statement: Some(
                text(&node, "Sid").map_or_else(|| (nth + 1).to_string(), str::to_owned),
            ),
            names,
            conditional: is_conditional(&node),
            why: None,
        };
        for (through, mut names) in [
            (Through::TrustedService, services(&node)),
            (Through::TrustedAccount, own(&node, role_arn)),
        ] {
            if !names.is_empty() {
                names.truncate(NAMED);
                found.push(told(through, names));
            }
        }
    }
    found
}

/// The services that a statement of a trust policy lets in.
fn services(statement: &Node) -> Vec<String> {
    named(statement, "Service").map(str::to_owned).collect()
}

/// Of the principals of a statement, those that a session of the role may be or become: the role,
/// its account, everybody.
fn own(statement: &Node, role_arn: &str) -> Vec<String> {
    let Some(principal) = statement.get("Principal") else {
        return vec!["everybody but some".to_owned()];
    };
    let account = Arn::read(role_arn).map_or("", |arn| arn.account);
    let is_root =
        |arn: Arn<'_>| arn.account == account && arn.kind == Kind::Other && arn.name == "root";
    let is_own = |name: &&str| {
        *name == "*"
            || *name == account
            || *name == role_arn
            || Arn::read(name).is_some_and(is_root)
    };
    let everybody = principal.text().filter(|it| *it == "*");
    let named = named(statement, "AWS").filter(is_own);
    everybody
        .into_iter()
        .chain(named)
        .map(str::to_owned)
        .collect()
}

fn named<'a>(statement: &'a Node, kind: &str) -> impl Iterator<Item = &'a str> {
    let principal = statement.get("Principal");
    let named = principal.and_then(|it| it.get(kind));
    let named = named.map_or(&[][..], Node::elements);
    named.iter().filter_map(Node::text)
}

/// By what they are, each in the order of the policies; of each as many as somebody reads.
fn in_order(mut found: Vec<Outlives>) -> Vec<Outlives> {
    found.sort_by_key(|it| it.through);
    let mut told: Vec<Outlives> = Vec::new();
    let mut more = false;
    for it in found {
        let before = told.iter().filter(|told| told.through == it.through);
        // What could not be read is all told: nobody may take it for harmless.
        if it.through == Through::Unread || before.count() < MOST {
            told.push(it.made_plain());
        } else {
            more = true;
        }
    }
    told.extend(more.then(Outlives::more));
    told
}
