//! IAM: roles, users and their documents.

mod details;
mod documents;
mod entity;
mod managed;
mod roles;
mod simulate;
mod users;

use std::collections::BTreeMap;

use super::arn::locate;
use super::quota;
use super::state::{Policies, Role, State};
use super::wire::{Fault, Xml};

pub(super) use documents::{put_bucket_policy, put_role_policy, put_trust, put_user_policy};
pub(super) use entity::Call;
pub(super) use managed::put_managed;
pub(super) use roles::{NewRole, create_role};
pub(super) use users::create_user;

use entity::{role, user};

type Handler = fn(&mut State, &Call<'_>, &str) -> Result<Xml, Fault>;

/// What does the action, if IAM has it here; the last argument is the ARN that it is about.
fn handler(action: &str) -> Option<Handler> {
    let handler: Handler = match action {
        "GetRole" => |state, it, _| roles::get(state, it),
        "ListRoles" => |state, it, _| roles::list(state, it),
        "ListRoleTags" => |state, it, _| roles::list_tags(state, it),
        "CreateRole" => roles::create,
        "DeleteRole" => |state, it, _| roles::delete(state, it),
        "UpdateRole" => roles::update,
        "TagRole" => roles::tag,
        "UpdateAssumeRolePolicy" => documents::update_trust,
        "GetRolePolicy" => |state, it, _| documents::get_of_role(state, it),
        "ListRolePolicies" => |state, it, _| documents::list_of_role(state, it),
        "PutRolePolicy" => documents::put_of_role,
        "DeleteRolePolicy" => documents::delete_of_role,
        "GetUserPolicy" => |state, it, _| documents::get_of_user(state, it),
        "ListUserPolicies" => |state, it, _| documents::list_of_user(state, it),
        "PutUserPolicy" => documents::put_of_user,
        "DeleteUserPolicy" => documents::delete_of_user,
        "AttachUserPolicy" | "AttachRolePolicy" | "DetachUserPolicy" | "DetachRolePolicy" => {
            managed::attach
        }
        "ListAttachedUserPolicies" | "ListAttachedRolePolicies" => {
            |state, it, _| managed::list(state, it)
        }
        "PutUserPermissionsBoundary"
        | "PutRolePermissionsBoundary"
        | "DeleteUserPermissionsBoundary"
        | "DeleteRolePermissionsBoundary" => managed::bound,
        "GetPolicy" => |state, it, _| managed::get(state, it),
        "GetPolicyVersion" => |state, it, _| managed::get_version(state, it),
        "GetUser" => |state, it, _| users::get(state, it),
        "ListUsers" => |state, it, _| users::list(state, it),
        "CreateUser" => users::create,
        "DeleteUser" => |state, it, _| users::delete(state, it),
        "CreateAccessKey" => |state, it, _| users::create_key(state, it),
        "DeleteAccessKey" => |state, it, _| users::delete_key(state, it),
        "ListAccessKeys" => |state, it, _| users::list_keys(state, it),
        "SimulatePrincipalPolicy" => |state, it, _| simulate::simulate(state, it),
        "GetAccountAuthorizationDetails" => |state, it, _| details::get(state, it),
        "GetAccountSummary" => |state, it, _| users::account_summary(state, it),
        _ => return None,
    };
    Some(handler)
}

/// Authorizes and does it.
pub(super) fn call(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let action = it.action;
    let handler = handler(action).ok_or_else(|| unknown(action, "2010-05-08"))?;
    for field in ["RoleName", "UserName"] {
        if let Some(name) = it.params.get(field) {
            quota::name(field, name, 1..=128)?;
        }
    }
    let (arn, role) = resource(state, it)?;
    let keys = keys(
        it,
        role.map(|it| &it.policies).or_else(|| of_user(state, &arn)),
        role,
    );
    it.caller
        .require(&format!("iam:{action}"), &arn, &keys, it.mode.now)?;
    handler(state, it, &arn)
}

fn of_user<'a>(state: &'a State, arn: &str) -> Option<&'a Policies> {
    let (account, name) = locate(arn)?;
    let user = state.accounts.get(&account)?.users.get(&name)?;
    arn.contains(":user/").then_some(&user.policies)
}

/// The keys of a request to IAM, beside those of every request (Service Authorization Reference,
/// "AWS Identity and Access Management"): tags, the managed policy, the boundary that is put or
/// that is there.
fn keys(
    it: &Call<'_>,
    policies: Option<&Policies>,
    role: Option<&Role>,
) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    for (key, value) in role.iter().flat_map(|role| &role.tags) {
        keys.insert(format!("aws:ResourceTag/{key}"), value.clone());
        keys.insert(format!("iam:ResourceTag/{key}"), value.clone());
    }
    if let Some(arn) = it.params.get("PolicyArn") {
        keys.insert("iam:PolicyARN".to_owned(), arn.to_owned());
    }
    let put = it.params.get("PermissionsBoundary").map(str::to_owned);
    let there = || {
        let doc = &policies?.boundary;
        doc.data(it.mode.now, it.mode.delay)?.text.clone()
    };
    if let Some(boundary) = put.or_else(there) {
        keys.insert("iam:PermissionsBoundary".to_owned(), boundary);
    }
    keys
}

/// What AWS answers to an action that it does not have.
pub(super) fn unknown(action: &str, version: &str) -> Fault {
    Fault::new(
        400,
        "InvalidAction",
        format!("Could not find operation {action} for version {version}"),
    )
}

/// The ARN that the action is about, as policies see it, and the role where it is one that is
/// there. The action decides whose name counts.
fn resource<'a>(state: &'a State, it: &Call<'_>) -> Result<(String, Option<&'a Role>), Fault> {
    let action = it.action;
    let account = &it.caller.account;
    let path = it.params.get("Path").unwrap_or("/");
    let prefix = it.params.get("PathPrefix").unwrap_or("/");
    match action {
        "SimulatePrincipalPolicy" => {
            return Ok((it.params.need("PolicySourceArn")?.to_owned(), None));
        }
        "GetAccountSummary" | "GetAccountAuthorizationDetails" => {
            return Ok(("*".to_owned(), None));
        }
        "GetPolicy" | "GetPolicyVersion" => {
            return Ok((it.params.need("PolicyArn")?.to_owned(), None));
        }
        "ListRoles" => return Ok((format!("arn:aws:iam::{account}:role{prefix}"), None)),
        "ListUsers" => return Ok((format!("arn:aws:iam::{account}:user{prefix}"), None)),
        _ => {}
    }
    if action.contains("Role") {
        let name = it.params.need("RoleName")?;
        return Ok(match role(state, it) {
            Ok((account, role)) => (account.role_arn(role), Some(role)),
            Err(_) => (format!("arn:aws:iam::{account}:role{path}{name}"), None),
        });
    }
    // Only these are about the caller where no user is named, and only of a user.
    let of_caller = action == "GetUser" || action.contains("AccessKey");
    if it.params.get("UserName").is_none() && of_caller {
        if it.caller.is_role {
            let message = "Must specify userName when calling with non-User credentials";
            return Err(Fault::validation(message));
        }
        return Ok((it.caller.principal_arn.clone(), None));
    }
    let name = it.params.need("UserName")?;
    let known = user(state, it).map(|(account, user)| account.user_arn(user));
    let arn = known.unwrap_or_else(|_| format!("arn:aws:iam::{account}:user{path}{name}"));
    Ok((arn, None))
}
