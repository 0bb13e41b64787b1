//! Whether an inline policy on a person's own user is what lets them into a role, so that taking it
//! away ends it: the role's trust policy has to leave the decision to the person's account, or to
//! name them from another one (docs/carrier.md, I3).

use super::assumable::{may_do, text};
use super::document::Document;
use super::meaning::Node;
use super::shown::Shown;
use crate::domain::arn::{Arn, Kind};

/// Why a role cannot be switched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unswitchable {
    /// No statement admits the person or their account.
    NotAdmitted,
    /// A statement lets the person in whatever their own policies say.
    NeedsNothing,
    /// What admits them asks for something that they cannot show, or a Deny is for them.
    AsksForMore,
}

/// Whether the role leaves it to the policies of the user of that ARN whether the user may assume
/// it, who shows that. Whatever else a statement asks for is judged by STS, when the role is
/// assumed.
///
/// # Errors
/// Why it does not.
pub fn check(
    trust: &Document<'_>,
    role_arn: &str,
    user_arn: &str,
    shown: &Shown,
) -> Result<(), Unswitchable> {
    let account = |arn| Arn::read(arn).map(|read| read.account);
    let is_own_account = account(role_arn) == account(user_arn);
    let (mut is_admitted, mut asks_for_more) = (false, false);
    for statement in &trust.statements {
        let node = statement.node();
        if text(&node, "Effect") != Some("Allow") || !may_do(&node, "sts:AssumeRole") {
            continue;
        }
        match whom(&node, user_arn) {
            // In one account, a role that names the user needs no policy of the user's.
            Some(Whom::User) if is_own_account => return Err(Unswitchable::NeedsNothing),
            Some(Whom::User | Whom::Account) if shown.may_meet(&node) => is_admitted = true,
            Some(Whom::User | Whom::Account) => asks_for_more = true,
            None => {}
        }
    }
    if is_admitted && !denies(trust, user_arn, shown) {
        Ok(())
    } else if is_admitted || asks_for_more {
        Err(Unswitchable::AsksForMore)
    } else {
        Err(Unswitchable::NotAdmitted)
    }
}

/// Whether statements of the trust policy deny it to the user of that ARN, whatever others allow:
/// for certain, since what cannot be told keeps nobody from asking.
#[must_use]
pub fn denies(trust: &Document<'_>, user_arn: &str, shown: &Shown) -> bool {
    trust.statements.iter().any(|statement| {
        let node = statement.node();
        let is_deny = text(&node, "Effect") == Some("Deny");
        // Everybody, or every action, but some: the user, or this one, may be among them.
        let is_told = node.get("Principal").is_some() && node.get("Action").is_some();
        let is_meant = is_deny && is_told && may_do(&node, "sts:AssumeRole");
        is_meant && whom(&node, user_arn).is_some() && shown.meets(&node)
    })
}

/// Whom a statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Account,
    /// The user, or everybody.
    User,
}

fn whom(statement: &Node, user_arn: &str) -> Option<Whom> {
    // Everybody but some: the user may be among them.
    let Some(principal) = statement.get("Principal") else {
        return Some(Whom::User);
    };
    if principal.text() == Some("*") {
        return Some(Whom::User);
    }
    let named = principal.get("AWS").map_or(&[][..], Node::elements);
    let named = named.iter().filter_map(Node::text);
    named.filter_map(|name| whom_named(name, user_arn)).max()
}

fn whom_named(name: &str, user_arn: &str) -> Option<Whom> {
    if name == "*" || name == user_arn {
        return Some(Whom::User);
    }
    let account = Arn::read(user_arn)?.account;
    let is_root =
        |arn: Arn<'_>| arn.account == account && arn.kind == Kind::Other && arn.name == "root";
    let is_account = name == account || Arn::read(name).is_some_and(is_root);
    is_account.then_some(Whom::Account)
}
