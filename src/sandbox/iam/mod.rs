//! IAM: roles, users and their documents.

mod documents;
mod roles;
mod users;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::caller::Caller;
use super::quota;
use super::state::{Account, Role, State, User};
use super::wire::{Fault, Params, Xml};

pub(super) use documents::{put_role_policy, put_trust};
pub(super) use roles::{NewRole, create_role};
pub(super) use users::create_user;

/// How a call is answered, beside what it asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    pub(super) now: DateTime<Utc>,
    /// Reads show the version before the last.
    pub(super) stale: bool,
    /// Reads show documents with other white space and order of keys.
    pub(super) normalised: bool,
    /// Reads leave a plus sign as it is.
    pub(super) bare_plus: bool,
}

/// One call.
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller,
    pub(super) params: &'a Params,
    pub(super) mode: Mode,
}

/// Whether IAM has the action here, and whether it changes anything.
pub(super) fn is_write(action: &str) -> Option<bool> {
    match action {
        "GetRole" | "ListRoles" | "GetRolePolicy" | "ListRolePolicies" | "GetUser"
        | "ListUsers" | "GetUserPolicy" | "ListUserPolicies" | "ListAccessKeys"
        | "ListRoleTags" | "GetAccountSummary" => Some(false),
        "CreateRole"
        | "DeleteRole"
        | "UpdateRole"
        | "UpdateAssumeRolePolicy"
        | "PutRolePolicy"
        | "DeleteRolePolicy"
        | "CreateUser"
        | "DeleteUser"
        | "PutUserPolicy"
        | "DeleteUserPolicy"
        | "CreateAccessKey"
        | "DeleteAccessKey"
        | "TagRole" => Some(true),
        _ => None,
    }
}

/// Authorizes and does it.
pub(super) fn call(state: &mut State, action: &str, it: &Call<'_>) -> Result<Xml, Fault> {
    if is_write(action).is_none() {
        return Err(unknown(action, "2010-05-08"));
    }
    it.params.without(&["PermissionsBoundary"])?;
    for field in ["RoleName", "UserName"] {
        if let Some(name) = it.params.get(field) {
            quota::name(field, name, 1..=128)?;
        }
    }
    let arn = resource(state, action, it)?;
    let none = BTreeMap::new();
    let tags = role(state, it).map_or(&none, |(_, role)| &role.tags);
    it.caller
        .require(&format!("iam:{action}"), &arn, tags, it.mode.now)?;
    match action {
        "GetRole" => roles::get(state, it),
        "ListRoles" => roles::list(state, it),
        "ListRoleTags" => roles::list_tags(state, it),
        "CreateRole" => roles::create(state, it, &arn),
        "DeleteRole" => roles::delete(state, it),
        "UpdateRole" => roles::update(state, it, &arn),
        "TagRole" => roles::tag(state, it, &arn),
        "UpdateAssumeRolePolicy" => documents::update_trust(state, it, &arn),
        "GetRolePolicy" => documents::get_of_role(state, it),
        "ListRolePolicies" => documents::list_of_role(state, it),
        "PutRolePolicy" => documents::put_of_role(state, it, &arn),
        "DeleteRolePolicy" => documents::delete_of_role(state, it, &arn),
        "GetUserPolicy" => documents::get_of_user(state, it),
        "ListUserPolicies" => documents::list_of_user(state, it),
        "PutUserPolicy" => documents::put_of_user(state, it),
        "DeleteUserPolicy" => documents::delete_of_user(state, it),
        "GetUser" => users::get(state, it),
        "ListUsers" => users::list(state, it),
        "CreateUser" => users::create(state, it, &arn),
        "DeleteUser" => users::delete(state, it),
        "CreateAccessKey" => users::create_key(state, it),
        "DeleteAccessKey" => users::delete_key(state, it),
        "ListAccessKeys" => users::list_keys(state, it),
        "GetAccountSummary" => users::account_summary(state, it),
        _ => Err(unknown(action, "2010-05-08")),
    }
}

/// What AWS answers to an action that it does not have.
pub(super) fn unknown(action: &str, version: &str) -> Fault {
    Fault::new(
        400,
        "InvalidAction",
        format!("Could not find operation {action} for version {version}"),
    )
}

/// The ARN that the action is about, as policies see it.
fn resource(state: &State, action: &str, it: &Call<'_>) -> Result<String, Fault> {
    let account = &it.caller.account;
    let path = it.params.get("Path").unwrap_or("/");
    let prefix = it.params.get("PathPrefix").unwrap_or("/");
    match action {
        "GetAccountSummary" => return Ok("*".to_owned()),
        "ListRoles" => return Ok(format!("arn:aws:iam::{account}:role{prefix}")),
        "ListUsers" => return Ok(format!("arn:aws:iam::{account}:user{prefix}")),
        _ => {}
    }
    if let Some(name) = it.params.get("RoleName") {
        let known = role(state, it).map(|(account, role)| account.role_arn(role));
        return Ok(known.unwrap_or_else(|_| format!("arn:aws:iam::{account}:role{path}{name}")));
    }
    if let Some(name) = it.params.get("UserName") {
        let known = user(state, it).map(|(account, user)| account.user_arn(user));
        return Ok(known.unwrap_or_else(|_| format!("arn:aws:iam::{account}:user{path}{name}")));
    }
    if it.caller.is_role || action.contains("Role") || action == "CreateUser" {
        return Err(Fault::validation(
            "Must specify the name of the role or user",
        ));
    }
    Ok(it.caller.principal_arn.clone())
}

fn own<'a>(state: &'a State, it: &Call<'_>) -> Result<&'a Account, Fault> {
    state
        .accounts
        .get(&it.caller.account)
        .ok_or_else(|| Fault::no_such("account", &it.caller.account))
}

fn role<'a>(state: &'a State, it: &Call<'_>) -> Result<(&'a Account, &'a Role), Fault> {
    let name = it.params.need("RoleName")?;
    let account = own(state, it)?;
    let role = account
        .roles
        .get(&name.to_lowercase())
        .ok_or_else(|| Fault::no_such("role", name))?;
    Ok((account, role))
}

/// The named user, or the caller where none is named.
fn user<'a>(state: &'a State, it: &Call<'_>) -> Result<(&'a Account, &'a User), Fault> {
    let account = own(state, it)?;
    let own_name = it.caller.principal_arn.rsplit('/').next();
    let name = it
        .params
        .get("UserName")
        .unwrap_or(own_name.unwrap_or_default());
    let user = account
        .users
        .get(&name.to_lowercase())
        .ok_or_else(|| Fault::no_such("user", name))?;
    Ok((account, user))
}

fn user_mut<'a>(state: &'a mut State, it: &Call<'_>) -> Result<&'a mut User, Fault> {
    let key = user(state, it)?.1.name.to_lowercase();
    let account = state.accounts.get_mut(&it.caller.account);
    account
        .and_then(|it| it.users.get_mut(&key))
        .ok_or_else(|| Fault::no_such("user", &key))
}

/// The path and the name in an ARN of a user or role.
fn path_and_name(arn: &str) -> (String, String) {
    let entity = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let (_, rest) = entity.split_once('/').unwrap_or_default();
    match rest.rsplit_once('/') {
        Some((path, name)) => (format!("/{path}/"), name.to_owned()),
        None => ("/".to_owned(), rest.to_owned()),
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
