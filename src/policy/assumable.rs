//! Whether a role may be one that Countersign assumes for people: its trust policy lets us in, and
//! only under a grant's session name and in a person's name. So each session of ours is one that
//! the guard knows, and CloudTrail says whose it is.

use super::document::Document;
use super::meaning::Node;
use super::pattern::overlap_as_actions;
use crate::domain::arn::{Arn, Kind};
use crate::domain::fetch::GRANT_TAG;

/// The session names that we may take: those of grants.
const OUR_NAMES: &str = "grant_*";
/// In whose name: SourceIdentity is the person's id.
const OUR_PEOPLE: &str = "person_*";

/// What a trust policy lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// A statement that lets us in.
    Statement,
    /// Pins: a statement lets us in under any name, or in nobody's.
    Pins,
}

/// Whether we, by the ARN that STS tells us, may assume the role pinned, and not otherwise. What
/// other conditions ask for is judged by STS, when the role is assumed.
///
/// # Errors
/// What its trust policy lacks.
pub fn check(trust: &Document<'_>, us: &str) -> Result<(), Lacking> {
    let nodes: Vec<Node> = trust.statements.iter().map(|it| it.node()).collect();
    let allows = nodes
        .iter()
        .filter(|it| text(it, "Effect") == Some("Allow"));
    let ours: Vec<&Node> = allows.filter(|it| may_name(it, us)).collect();
    let lets_in = ours.iter().filter(|it| may_do(it, "sts:AssumeRole"));
    if lets_in.clone().any(|it| !is_pinned(it)) {
        return Err(Lacking::Pins);
    }
    let is_let_in = lets_in.clone().any(|it| takes_our_names(it));
    let mut names_people = ours.iter().filter(|it| may_do(it, "sts:SetSourceIdentity"));
    if is_let_in && names_people.next().is_some() {
        Ok(())
    } else {
        Err(Lacking::Statement)
    }
}

/// Whether the trust policy lets us tag the sessions that it lets us begin.
#[must_use]
pub fn takes_tags(trust: &Document<'_>, us: &str) -> bool {
    let mut nodes = trust.statements.iter().map(|it| it.node());
    nodes.any(|it| {
        text(&it, "Effect") == Some("Allow") && may_name(&it, us) && may_do(&it, "sts:TagSession")
    })
}

/// The two statements that let us in, for whoever owns the role.
#[must_use]
pub fn statements(us: &str) -> String {
    let us = stands_for(us);
    let who = format!(r#""Effect":"Allow","Principal":{{"AWS":"{us}"}}"#);
    let people = format!(r#""sts:SourceIdentity":"{OUR_PEOPLE}""#);
    let pins = format!(r#""sts:RoleSessionName":"{OUR_NAMES}",{people}"#);
    format!(
        r#"{{{who},"Action":"sts:AssumeRole","Condition":{{"StringLike":{{{pins}}}}}}},{{{who},"Action":"sts:SetSourceIdentity","Condition":{{"StringLike":{{{people}}}}}}}"#
    )
}

/// The same with the one that lets us tag our sessions, with the grant's id and with nothing else.
#[must_use]
pub fn statements_with_tags(us: &str) -> String {
    let two = statements(us);
    let who = format!(
        r#""Effect":"Allow","Principal":{{"AWS":"{}"}}"#,
        stands_for(us)
    );
    let own = format!(r#""StringLike":{{"aws:RequestTag/{GRANT_TAG}":"{OUR_NAMES}"}}"#);
    let alone = format!(r#""ForAllValues:StringEquals":{{"aws:TagKeys":["{GRANT_TAG}"]}}"#);
    format!(r#"{two},{{{who},"Action":"sts:TagSession","Condition":{{{own},{alone}}}}}"#)
}

/// The ARN that a trust policy names us by: a role's, not that of our session of it.
#[must_use]
pub fn stands_for(us: &str) -> String {
    match Arn::read(us) {
        Some(arn) if arn.kind == Kind::Session => {
            format!(
                "arn:{}:iam::{}:role/{}",
                arn.partition, arn.account, arn.name
            )
        }
        _ => us.to_owned(),
    }
}

/// Whether a statement may be for us: it names us, our account, or everybody but some.
fn may_name(statement: &Node, us: &str) -> bool {
    let Some(principal) = statement.get("Principal") else {
        return true;
    };
    if principal.text() == Some("*") {
        return true;
    }
    let named = principal.get("AWS").map_or(&[][..], Node::elements);
    named.iter().filter_map(Node::text).any(|it| is_us(it, us))
}

fn is_us(named: &str, us: &str) -> bool {
    let Some(own) = Arn::read(us) else {
        return true;
    };
    if named == "*" || named == own.account || named == us {
        return true;
    }
    let Some(named) = Arn::read(named) else {
        return false;
    };
    let is_account = named.account == own.account && named.name == "root";
    is_account || named.is_same_role(&own)
}

/// Whether the actions of a statement may be, or contain, that one.
pub(super) fn may_do(statement: &Node, action: &str) -> bool {
    let Some(actions) = statement.get("Action") else {
        return true;
    };
    let mut patterns = actions.elements().iter().filter_map(Node::text);
    patterns.any(|pattern| overlap_as_actions(pattern, action))
}

/// Whether a statement admits under names of grants alone, and in people's names alone.
fn is_pinned(statement: &Node) -> bool {
    let is_own = |key, own: &str| {
        let prefix = own.trim_end_matches('*');
        let values = values(statement, key);
        !values.is_empty() && values.iter().all(|value| value.starts_with(prefix))
    };
    is_own("sts:RoleSessionName", OUR_NAMES) && is_own("sts:SourceIdentity", OUR_PEOPLE)
}

/// Whether a pinned statement admits under the name of every grant and in everybody's name.
fn takes_our_names(statement: &Node) -> bool {
    let like = statement
        .get("Condition")
        .and_then(|it| it.get("StringLike"));
    let has = |key, own: &str| {
        let values = like
            .and_then(|it| it.get(key))
            .map_or(&[][..], Node::elements);
        values.iter().any(|it| it.text() == Some(own))
    };
    has("sts:RoleSessionName", OUR_NAMES) && has("sts:SourceIdentity", OUR_PEOPLE)
}

/// What a condition demands of a key, by an operator that refuses where the key is missing.
fn values<'a>(statement: &'a Node, key: &str) -> Vec<&'a str> {
    let condition = statement.get("Condition");
    let operators = ["StringLike", "StringEquals"].into_iter();
    let demanded = operators.filter_map(|it| condition?.get(it)?.get(key));
    let texts = demanded.flat_map(Node::elements).filter_map(Node::text);
    texts.collect()
}

pub(super) fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key)?.text()
}
