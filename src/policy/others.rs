//! Who else a role lets in, as its trust policy names them.

use super::assumable::{may_do, text};
use super::document::Document;
use super::meaning::Node;
use crate::domain::arn::{Arn, Kind};

/// How a role is assumed.
const WAYS: [&str; 3] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
];

/// The services, identity providers, users, roles and other accounts that the trust policy of the
/// role lets in, without what is ours and without `us`. Its own account, which names nobody, is
/// left out.
#[must_use]
pub fn others(trust: &Document<'_>, role_arn: &str, us: Option<&str>) -> Vec<String> {
    let own = Arn::read(role_arn).map_or("", |arn| arn.account);
    let is_own_account = |name: &str| {
        let is_root =
            |arn: Arn<'_>| arn.account == own && arn.kind == Kind::Other && arn.name == "root";
        name == own || Arn::read(name).is_some_and(is_root)
    };
    let mut found = Vec::new();
    for statement in &trust.statements {
        let node = statement.node();
        let allows = text(&node, "Effect") == Some("Allow");
        if !statement.is_ours() && allows && WAYS.iter().any(|way| may_do(&node, way)) {
            found.extend(named(&node));
        }
    }
    found.retain(|name| !is_own_account(name) && Some(name.as_str()) != us);
    found.sort();
    found.dedup();
    found
}

fn named(statement: &Node) -> Vec<String> {
    let Some(principal) = statement.get("Principal") else {
        return vec!["everybody but some".to_owned()];
    };
    if principal.text().is_some() {
        return vec!["everybody".to_owned()];
    }
    let kinds = ["AWS", "Service", "Federated", "CanonicalUser"];
    let named = kinds.iter().filter_map(|kind| principal.get(kind));
    let named = named.flat_map(Node::elements).filter_map(Node::text);
    named.map(str::to_owned).collect()
}
