//! Managed policies: attached to users and roles, and as their permissions boundaries. They are
//! made by knobs; here they are read, attached and detached.

use std::collections::BTreeMap;

use super::documents::{check, encode};
use super::entity::{Call, own, require_modifiable, role, role_mut, stamp, user, user_of};
use crate::sandbox::arn::path_and_name;
use crate::sandbox::doc::Doc;
use crate::sandbox::document::Kind;
use crate::sandbox::managed::of_aws;
use crate::sandbox::mode::Mode;
use crate::sandbox::quota;
use crate::sandbox::state::{Managed, Policies, State};
use crate::sandbox::wire::{Fault, Xml};

/// The one version that a managed policy has here.
const VERSION: &str = "v1";

/// Puts or, without a text, deletes a managed policy of an account's own.
pub(crate) fn put_managed(
    state: &mut State,
    arn: &str,
    text: Option<&str>,
    mode: Mode,
) -> Result<(), Fault> {
    let account = arn.split(':').nth(4).unwrap_or_default();
    let account = state.accounts.get_mut(account);
    let account = account.ok_or_else(|| Fault::validation(format!("no account of {arn}")))?;
    if let Some(text) = text {
        check(text, Kind::Identity, mode.rules)?;
    }
    let (path, name) = path_and_name(arn);
    let new = || Managed {
        name,
        path,
        id: State::unique_id("ANPA"),
        created_at: mode.now,
        doc: Doc::default(),
    };
    let policy = account.managed.entry(arn.to_owned()).or_insert_with(new);
    policy.doc.write(text, BTreeMap::new(), mode.now);
    Ok(())
}

fn missing(arn: &str) -> Fault {
    let message = format!("Policy {arn} does not exist or is not attachable.");
    Fault::new(404, "NoSuchEntity", message)
}

/// Refuses a boundary that the account does not have.
pub(super) fn check_boundary(state: &State, account: &str, arn: &str) -> Result<(), Fault> {
    let account = state.accounts.get(account);
    let there = account.is_some_and(|it| it.has_managed(arn));
    there.then_some(()).ok_or_else(|| missing(arn))
}

/// Adds the permissions boundary, if there is one.
pub(super) fn show_boundary(shown: Xml, policies: &Policies, it: &Call<'_>) -> Xml {
    let boundary = policies.boundary.control(it.mode.stale);
    let Some(arn) = boundary.and_then(|it| it.text.as_deref()) else {
        return shown;
    };
    let boundary = Xml::default()
        .leaf("PermissionsBoundaryType", "Policy")
        .leaf("PermissionsBoundaryArn", arn);
    shown.node("PermissionsBoundary", boundary)
}

/// The policies of the user or role that the action names.
fn policies<'a>(state: &'a mut State, it: &Call<'_>, arn: &str) -> Result<&'a mut Policies, Fault> {
    if it.action.contains("User") {
        return Ok(&mut user_of(state, arn)?.policies);
    }
    let role = role_mut(state, arn)?;
    require_modifiable(role, it.mode.rules)?;
    Ok(&mut role.policies)
}

/// Attaches or detaches.
pub(super) fn attach(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let policy = it.params.need("PolicyArn")?;
    let account = own(state, it)?;
    let known = account.has_managed(policy);
    let policies = policies(state, it, arn)?;
    let there = |doc: &Doc| doc.control(false).is_some();
    let has = policies.attached.get(policy).is_some_and(there);
    if it.action.starts_with("Detach") {
        if !has {
            let message = format!("Policy {policy} was not found.");
            return Err(Fault::new(404, "NoSuchEntity", message));
        }
    } else if !known {
        return Err(missing(policy));
    }
    if has == it.action.starts_with("Attach") {
        // Attached already, which AWS takes without a word.
        return Ok(Xml::default());
    }
    let count = policies.attached.values().filter(|it| there(it)).count();
    if !has {
        quota::attached(
            count,
            if it.action.contains("User") {
                "User"
            } else {
                "Role"
            },
        )?;
    }
    let text = (!has).then_some(policy);
    let doc = policies.attached.entry(policy.to_owned()).or_default();
    doc.write(text, BTreeMap::new(), it.mode.now);
    Ok(Xml::default())
}

pub(super) fn list(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let policies = if it.action.contains("User") {
        &user(state, it)?.1.policies
    } else {
        &role(state, it)?.1.policies
    };
    Xml::default().page("AttachedPolicies", attached(policies, it), it.params)
}

/// Those that are attached, by name and ARN.
pub(super) fn attached(policies: &Policies, it: &Call<'_>) -> Vec<Xml> {
    let there = policies
        .attached
        .iter()
        .filter(|(_, doc)| doc.control(it.mode.stale).is_some());
    let show = |arn: &String| {
        Xml::default()
            .leaf("PolicyName", path_and_name(arn).1)
            .leaf("PolicyArn", arn)
    };
    there.map(|(arn, _)| show(arn)).collect()
}

/// Puts or deletes a permissions boundary.
pub(super) fn bound(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let boundary = if it.action.starts_with("Put") {
        let boundary = it.params.need("PermissionsBoundary")?;
        check_boundary(state, &it.caller.account, boundary)?;
        Some(boundary)
    } else {
        None
    };
    let policies = policies(state, it, arn)?;
    let there = policies.boundary.control(false).is_some();
    if boundary.is_none() && !there {
        let message = "The entity has no permissions boundary.";
        return Err(Fault::new(404, "NoSuchEntity", message));
    }
    policies
        .boundary
        .write(boundary, BTreeMap::new(), it.mode.now);
    Ok(Xml::default())
}

/// What reads show of a managed policy.
fn text(state: &State, it: &Call<'_>, arn: &str) -> Result<String, Fault> {
    if let Some(text) = of_aws(arn) {
        return Ok(text.to_owned());
    }
    let policy = own(state, it)?.managed.get(arn);
    let version = policy.and_then(|policy| policy.doc.control(it.mode.stale));
    let text = version.and_then(|version| version.text.clone());
    let message = || format!("Policy {arn} was not found.");
    text.ok_or_else(|| Fault::new(404, "NoSuchEntity", message()))
}

pub(super) fn get(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let arn = it.params.need("PolicyArn")?;
    text(state, it, arn)?;
    let (path, name) = path_and_name(arn);
    let policy = own(state, it)?.managed.get(arn);
    let shown = Xml::default()
        .leaf("PolicyName", name)
        .maybe("PolicyId", policy.map(|it| it.id.as_str()))
        .leaf("Arn", arn)
        .leaf("Path", path)
        .leaf("DefaultVersionId", VERSION)
        .leaf("IsAttachable", "true");
    Ok(Xml::default().node("Policy", shown))
}

pub(super) fn get_version(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (arn, version) = (it.params.need("PolicyArn")?, it.params.need("VersionId")?);
    let text = text(state, it, arn)?;
    if version != VERSION {
        return Err(Fault::no_such("policy version", version));
    }
    Ok(Xml::default().node("PolicyVersion", show_version(&text, it)))
}

fn show_version(text: &str, it: &Call<'_>) -> Xml {
    Xml::default()
        .leaf("Document", encode(text, it))
        .leaf("VersionId", VERSION)
        .leaf("IsDefaultVersion", "true")
}

/// A managed policy with its text, as GetAccountAuthorizationDetails shows it; nothing where it was
/// deleted.
pub(super) fn details(arn: &str, policy: &Managed, it: &Call<'_>) -> Option<Xml> {
    let text = policy.doc.control(it.mode.stale)?.text.as_deref()?;
    let shown = Xml::default()
        .leaf("PolicyName", &policy.name)
        .leaf("PolicyId", &policy.id)
        .leaf("Arn", arn)
        .leaf("Path", &policy.path)
        .leaf("DefaultVersionId", VERSION)
        .leaf("IsAttachable", "true")
        .leaf("CreateDate", stamp(policy.created_at));
    Some(shown.members("PolicyVersionList", [show_version(text, it)]))
}
