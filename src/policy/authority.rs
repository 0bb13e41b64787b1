//! Who vouches for the session names of a role that people come as. A name that its caller chooses
//! says nothing of who comes (docs/guard.md, C6): only an authority's does, the role's own trust
//! policy tells which.

use super::document::Document;
use super::meaning::Node;
use crate::domain::arn::{Arn, Kind};

/// Where Identity Center keeps the roles of its permission sets: it alone gives their sessions.
const IDENTITY_CENTER: &str = "/aws-reserved/sso.amazonaws.com/";
/// What every session name has to be where the role's own account gives it: the user's own. A
/// variable of policies, of version 2012-10-17 alone.
const OWN_NAME: &str = "${aws:username}";
/// Actions of a trust policy that give nobody a session by themselves.
const GIVES_NONE: [&str; 3] = ["sts:tagsession", "sts:setsourceidentity", "sts:setcontext"];

/// A statement that lets somebody have a session under a name that nobody vouches for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{statement} {why}")]
pub struct Unvouched {
    /// Its Sid in quotes, or which one it is, from 1.
    pub statement: String,
    /// What it lets, or lacks.
    pub why: &'static str,
}

/// Whether the name of every session of the role is an authority's: the role is one of Identity
/// Center's; or each statement that gives a session gives it by SAML, or to users of the role's own
/// account under their own name.
///
/// # Errors
/// The first statement that lets in otherwise.
pub fn check(role_arn: &str, trust: &str) -> Result<(), Unvouched> {
    let unreadable = || Unvouched {
        statement: "its trust policy".to_owned(),
        why: "cannot be read",
    };
    let role = Arn::read(role_arn).ok_or_else(unreadable)?;
    if is_of_identity_center(role_arn) {
        return Ok(());
    }
    let document = Document::parse(trust).map_err(|_| unreadable())?;
    let version = Node::parse(trust);
    let version = version.as_ref().and_then(|it| it.get("Version")?.text());
    for (nth, statement) in (1..).zip(&document.statements) {
        let node = statement.node();
        vouches(&node, role.account, version).map_err(|why| Unvouched {
            statement: match node.get("Sid").and_then(Node::text) {
                Some(sid) if !sid.is_empty() => format!("statement {sid:?}"),
                _ => format!("statement {nth}"),
            },
            why,
        })?;
    }
    Ok(())
}

/// Whether a role is that of a permission set of Identity Center.
#[must_use]
pub fn is_of_identity_center(role_arn: &str) -> bool {
    let role = Arn::read(role_arn).filter(|arn| arn.kind == Kind::Role);
    role.is_some_and(|arn| arn.path.starts_with(IDENTITY_CENTER))
}

/// Whether no session that a statement gives has a name of its caller's choice; else what it lets.
fn vouches(statement: &Node, account: &str, version: Option<&str>) -> Result<(), &'static str> {
    match statement.get("Effect").and_then(Node::text) {
        Some("Deny") => return Ok(()),
        Some("Allow") => {}
        _ => return Err("has no Effect that is known"),
    }
    let actions = statement.get("Action").ok_or("does not name its actions")?;
    for action in actions.elements() {
        let action = action.text().ok_or("does not name its actions")?;
        match action.to_ascii_lowercase().as_str() {
            "sts:assumerolewithsaml" => from_saml(statement)?,
            "sts:assumerole" => under_own_name(statement, account, version)?,
            "sts:assumerolewithwebidentity" => {
                return Err("lets in by AssumeRoleWithWebIdentity, whose caller chooses the name");
            }
            other if GIVES_NONE.contains(&other) => {}
            _ => return Err("allows actions by a pattern, or such as are not known"),
        }
    }
    Ok(())
}

/// By SAML the identity provider says the name.
fn from_saml(statement: &Node) -> Result<(), &'static str> {
    let is_provider = |name: &str| {
        let arn = Arn::read(name).filter(|arn| arn.kind == Kind::Other);
        arn.is_some_and(|arn| arn.name.starts_with("saml-provider/"))
    };
    if names_only(statement, "Federated", is_provider) {
        Ok(())
    } else {
        Err("lets in by AssumeRoleWithSAML others than SAML providers")
    }
}

/// A user's own name is IAM's word; another account could have a user of that name as well.
fn under_own_name(
    statement: &Node,
    account: &str,
    version: Option<&str>,
) -> Result<(), &'static str> {
    if !names_only(statement, "AWS", |name| is_of_account(name, account)) {
        return Err("lets in by AssumeRole others than identities of the role's own account");
    }
    if version != Some("2012-10-17") {
        return Err(
            "is of a policy without \"Version\": \"2012-10-17\", which knows no ${aws:username}",
        );
    }
    if pins_own_name(statement) {
        Ok(())
    } else {
        Err(
            "does not pin sts:RoleSessionName to ${aws:username} by StringEquals, so that callers choose the name",
        )
    }
}

fn is_of_account(name: &str, account: &str) -> bool {
    let arn = Arn::read(name).filter(|arn| arn.account == account);
    name == account || arn.is_some_and(|arn| arn.kind != Kind::Other || arn.name == "root")
}

/// Whether a statement's principals are of that one kind, at least one, and each is meant.
fn names_only(statement: &Node, kind: &str, is_meant: impl Fn(&str) -> bool) -> bool {
    let Some(Node::Object(kinds)) = statement.get("Principal") else {
        return false;
    };
    let [(only, names)] = kinds.as_slice() else {
        return false;
    };
    let names = names.elements();
    let mut texts = names.iter().map(Node::text);
    only == kind && !names.is_empty() && texts.all(|name| name.is_some_and(&is_meant))
}

/// Every condition has to hold, so that one which pins is enough. With `IfExists`, or where the key
/// stands twice, nothing is pinned.
fn pins_own_name(statement: &Node) -> bool {
    let pinned = statement
        .get("Condition")
        .and_then(|it| it.get("StringEquals")?.get("sts:RoleSessionName"));
    let values = pinned.map_or(&[][..], Node::elements);
    !values.is_empty() && values.iter().all(|it| it.text() == Some(OWN_NAME))
}
