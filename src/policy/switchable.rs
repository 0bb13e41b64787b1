//! Whether an inline policy on a person's own user or role is what lets them into a role, so that
//! taking it away ends it: the role's trust policy has to leave the decision to the person's
//! account, or to name them from another one (docs/carrier.md, I3).

use super::assumable::{may_do, text};
use super::document::Document;
use super::meaning::Node;
use super::shown::Shown;
use crate::domain::arn::{Arn, Kind};
use crate::domain::person::Who;

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

/// Whether the role leaves it to the policies of that user, or of the role that they come as,
/// whether they may assume it, who show that. Whatever else a statement asks for is judged by STS,
/// when the role is assumed.
///
/// # Errors
/// Why it does not.
pub fn check(
    trust: &Document<'_>,
    role_arn: &str,
    who: Who<'_>,
    shown: &Shown,
) -> Result<(), Unswitchable> {
    let account = |arn| Arn::read(arn).map(|read| read.account);
    let is_own_account = account(role_arn) == account(who.arn);
    let (mut is_admitted, mut asks_for_more) = (false, false);
    // A statement of ours lets nobody in without us: it goes with its own grant.
    for statement in trust.statements.iter().filter(|it| !it.is_ours()) {
        let node = statement.node();
        if text(&node, "Effect") != Some("Allow") || !may_do(&node, "sts:AssumeRole") {
            continue;
        }
        match whom(&node, who) {
            // In one account, a role that names the user needs no policy of the user's.
            Some(Whom::User) if is_own_account => return Err(Unswitchable::NeedsNothing),
            Some(Whom::User | Whom::Account) if shown.may_meet(&node) => is_admitted = true,
            Some(Whom::User | Whom::Account) => asks_for_more = true,
            None => {}
        }
    }
    if is_admitted && !denies(trust, who, shown) {
        Ok(())
    } else if is_admitted || asks_for_more {
        Err(Unswitchable::AsksForMore)
    } else {
        Err(Unswitchable::NotAdmitted)
    }
}

/// Whether statements of the trust policy deny it to that user or role, whatever others allow:
/// for certain, since what cannot be told keeps nobody from asking.
#[must_use]
pub fn denies(trust: &Document<'_>, who: Who<'_>, shown: &Shown) -> bool {
    trust.statements.iter().any(|statement| {
        let node = statement.node();
        let is_deny = text(&node, "Effect") == Some("Deny");
        // Everybody, or every action, but some: the user, or this one, may be among them.
        let is_told = node.get("Principal").is_some() && node.get("Action").is_some();
        let is_meant = is_deny && is_told && may_do(&node, "sts:AssumeRole");
        is_meant && whom(&node, who).is_some() && shown.meets(&node)
    })
}

/// Whom a statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Account,
    /// The user, the role or its session, or everybody.
    User,
}

fn whom(statement: &Node, who: Who<'_>) -> Option<Whom> {
    // Everybody but some: the user may be among them.
    let Some(principal) = statement.get("Principal") else {
        return Some(Whom::User);
    };
    if principal.text() == Some("*") {
        return Some(Whom::User);
    }
    let named = principal.get("AWS").map_or(&[][..], Node::elements);
    let named = named.iter().filter_map(Node::text);
    named.filter_map(|name| whom_named(name, who)).max()
}

fn whom_named(name: &str, who: Who<'_>) -> Option<Whom> {
    let Arn { account, .. } = Arn::read(who.arn)?;
    if name == "*" || name == who.arn || is_session(name, who) {
        return Some(Whom::User);
    }
    let is_root =
        |arn: Arn<'_>| arn.account == account && arn.kind == Kind::Other && arn.name == "root";
    let is_account = name == account || Arn::read(name).is_some_and(is_root);
    is_account.then_some(Whom::Account)
}

/// Whether a principal is the very session that the person comes as.
fn is_session(name: &str, who: Who<'_>) -> bool {
    let both = Arn::read(name).zip(Arn::read(who.arn));
    let is_of_role = both.is_some_and(|(named, role)| named.is_same_role(&role));
    let of_name = name.rsplit_once('/').map(|(_, session)| session);
    is_of_role && who.session.is_some() && of_name == who.session
}
