//! IAM: roles, users and their documents.

mod documents;
mod users;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

pub(super) use documents::{put_role_policy, put_trust};
pub(super) use users::create_user;

use documents::*;
use users::*;

use super::caller::Caller;
use super::document::{self, Kind};
use super::knobs::locate;
use super::state::{Account, Doc, Role, State};
use super::wire::{Fault, Params, Xml};

/// What a call needs to know besides its parameters.
pub(super) struct Call<'a> {
    pub(super) caller: &'a Caller,
    pub(super) params: &'a Params,
    pub(super) now: DateTime<Utc>,
    pub(super) stale: bool,
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
        | "TagRole" => Some(true),
        _ => None,
    }
}

/// Authorizes and does it.
pub(super) fn call(state: &mut State, action: &str, it: &Call<'_>) -> Result<Xml, Fault> {
    let resource = resource(state, action, it)?;
    it.caller
        .require(&format!("iam:{action}"), &resource, it.now)?;
    match action {
        "GetRole" => role(state, it).map(|(account, role)| {
            Xml::default().node("Role", show_role(state, account, role, it.stale))
        }),
        "ListRoles" => list_roles(state, it),
        "GetRolePolicy" => get_role_policy(state, it),
        "ListRolePolicies" => {
            role(state, it).map(|(_, role)| policy_names(&role.policies, it.stale))
        }
        "ListRoleTags" => role(state, it).map(|(_, role)| tags(role)),
        "GetUser" => get_user(state, it),
        "ListUsers" => list_users(state, it),
        "GetUserPolicy" => get_user_policy(state, it),
        "ListUserPolicies" => {
            user(state, it).map(|(_, user)| policy_names(&user.policies, it.stale))
        }
        "ListAccessKeys" => list_access_keys(state, it),
        "GetAccountSummary" => account_summary(state, it),
        _ => write(state, action, it, &resource),
    }
}

fn write(state: &mut State, action: &str, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let params = it.params;
    match action {
        "CreateRole" => {
            let seconds = params
                .number("MaxSessionDuration", 3_600..=43_200)?
                .unwrap_or(3_600);
            create_role(
                state,
                arn,
                params.need("AssumeRolePolicyDocument")?,
                seconds,
                it.now,
            )?;
            role(state, it).map(|(account, role)| {
                Xml::default().node("Role", show_role(state, account, role, false))
            })
        }
        "DeleteRole" => delete_role(state, it),
        "UpdateRole" => update_role(state, it),
        "UpdateAssumeRolePolicy" => {
            put_trust(state, arn, params.need("PolicyDocument")?, it.now).map(|()| Xml::default())
        }
        "PutRolePolicy" => put_role_policy(
            state,
            arn,
            params.need("PolicyName")?,
            Some(params.need("PolicyDocument")?),
            it.now,
        )
        .map(|()| Xml::default()),
        "DeleteRolePolicy" => put_role_policy(state, arn, params.need("PolicyName")?, None, it.now)
            .map(|()| Xml::default()),
        "CreateUser" => {
            check_name(params.need("UserName")?)?;
            if user(state, it).is_ok() {
                return Err(Fault::exists("User", params.need("UserName")?));
            }
            create_user(state, arn, None, it.now);
            get_user(state, it)
        }
        "DeleteUser" => delete_user(state, it),
        "PutUserPolicy" => put_user_policy(state, it, Some(params.need("PolicyDocument")?)),
        "DeleteUserPolicy" => put_user_policy(state, it, None),
        "CreateAccessKey" => create_access_key(state, it),
        "TagRole" => tag_role(state, it),
        _ => Err(Fault::new(
            400,
            "InvalidAction",
            format!("Could not find operation {action} for version 2010-05-08"),
        )),
    }
}

/// The ARN that the action is about, as policies see it.
fn resource(state: &State, action: &str, it: &Call<'_>) -> Result<String, Fault> {
    let account = &it.caller.account;
    let path = it.params.get("Path").unwrap_or("/");
    if action == "ListRoles" || action == "ListUsers" || action == "GetAccountSummary" {
        return Ok(format!(
            "arn:aws:iam::{account}:{}",
            if action == "ListRoles" {
                "role/"
            } else if action == "ListUsers" {
                "user/"
            } else {
                "*"
            }
        ));
    }
    if let Some(name) = it.params.get("RoleName") {
        let known = role(state, it).map(|(account, role)| account.role_arn(role));
        return Ok(known.unwrap_or_else(|_| format!("arn:aws:iam::{account}:role{path}{name}")));
    }
    if let Some(name) = it.params.get("UserName") {
        let known = user(state, it).map(|(account, user)| account.user_arn(user));
        return Ok(known.unwrap_or_else(|_| format!("arn:aws:iam::{account}:user{path}{name}")));
    }
    if it.caller.is_role || action.contains("Role") {
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

fn role_mut<'a>(state: &'a mut State, arn: &str) -> Result<&'a mut Role, Fault> {
    let name = arn.rsplit('/').next().unwrap_or_default();
    let found = locate(arn)
        .and_then(|(account, name)| state.accounts.get_mut(&account)?.roles.get_mut(&name));
    found.ok_or_else(|| Fault::no_such("role", name))
}

fn check_name(name: &str) -> Result<(), Fault> {
    let fits = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
    if fits {
        Ok(())
    } else {
        Err(Fault::validation(format!(
            "The specified value for name is invalid: {name}. It must contain only alphanumeric characters and/or the following: +=,.@_-"
        )))
    }
}

pub(super) fn create_role(
    state: &mut State,
    arn: &str,
    trust: &str,
    seconds: i64,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
    check_name(&name)?;
    document::check(trust, Kind::Trust)?;
    let bound = state.bind(trust).map_err(|name| {
        Fault::malformed(&format!("Invalid principal in policy: \"AWS\":\"{name}\""))
    })?;
    let id = state.unique_id("AROA");
    let (account, key) = locate(arn).ok_or_else(|| Fault::validation("not an ARN of a role"))?;
    let account = state
        .accounts
        .get_mut(&account)
        .ok_or_else(|| Fault::no_such("account", &account))?;
    if account.roles.contains_key(&key) {
        return Err(Fault::exists("Role", &name));
    }
    let path = arn
        .split_once(":role")
        .and_then(|(_, rest)| rest.strip_suffix(name.as_str()))
        .unwrap_or("/")
        .to_owned();
    let mut doc = Doc::default();
    doc.put(Some(trust.to_owned()), bound, now);
    let role = Role {
        name,
        path,
        id,
        created_at: now,
        description: String::new(),
        max_session_duration: seconds,
        trust: doc,
        policies: BTreeMap::new(),
        tags: BTreeMap::new(),
    };
    account.roles.insert(key, role);
    Ok(())
}

fn update_role(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let seconds = it.params.number("MaxSessionDuration", 3_600..=43_200)?;
    let arn = role(state, it).map(|(account, role)| account.role_arn(role))?;
    let role = role_mut(state, &arn)?;
    require_modifiable(role)?;
    role.max_session_duration = seconds.unwrap_or(role.max_session_duration);
    if let Some(description) = it.params.get("Description") {
        description.clone_into(&mut role.description);
    }
    Ok(Xml::default())
}

fn delete_role(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, role) = role(state, it)?;
    require_modifiable(role)?;
    if role
        .policies
        .values()
        .any(|doc| doc.control(false).is_some())
    {
        return Err(Fault::new(
            409,
            "DeleteConflict",
            "Cannot delete entity, must delete policies first.",
        ));
    }
    let key = role.name.to_lowercase();
    state
        .accounts
        .get_mut(&it.caller.account)
        .and_then(|account| account.roles.remove(&key));
    Ok(Xml::default())
}

fn tag_role(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let arn = role(state, it).map(|(account, role)| account.role_arn(role))?;
    let mut new = BTreeMap::new();
    for n in 1..=50 {
        let Some(key) = it.params.get(&format!("Tags.member.{n}.Key")) else {
            break;
        };
        new.insert(
            key.to_owned(),
            it.params
                .need(&format!("Tags.member.{n}.Value"))?
                .to_owned(),
        );
    }
    let role = role_mut(state, &arn)?;
    require_modifiable(role)?;
    role.tags.append(&mut new);
    Ok(Xml::default())
}

fn tags(role: &Role) -> Xml {
    let all = role
        .tags
        .iter()
        .map(|(key, value)| Xml::default().leaf("Key", key).leaf("Value", value));
    Xml::default()
        .members("Tags", all)
        .leaf("IsTruncated", "false")
}

fn list_roles(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let account = own(state, it)?;
    let roles = account
        .roles
        .values()
        .map(|role| show_role(state, account, role, it.stale));
    Ok(Xml::default()
        .members("Roles", roles)
        .leaf("IsTruncated", "false"))
}

fn account_summary(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let account = own(state, it)?;
    let entry = |key: &str, value: usize| {
        Xml::default()
            .leaf("key", key)
            .leaf("value", value.to_string())
    };
    let all = [
        entry("AssumeRolePolicySizeQuota", account.trust_quota),
        entry("Users", account.users.len()),
        entry("Roles", account.roles.len()),
    ];
    let map = all
        .into_iter()
        .fold(Xml::default(), |map, it| map.node("entry", it));
    Ok(Xml::default().node("SummaryMap", map))
}

fn show_role(state: &State, account: &Account, role: &Role, stale: bool) -> Xml {
    let trust = role
        .trust
        .control(stale)
        .map(|it| state.shown(it))
        .unwrap_or_default();
    Xml::default()
        .leaf("Path", &role.path)
        .leaf("RoleName", &role.name)
        .leaf("RoleId", &role.id)
        .leaf("Arn", account.role_arn(role))
        .leaf("CreateDate", stamp(role.created_at))
        .leaf("AssumeRolePolicyDocument", encode(&trust))
        .leaf("Description", &role.description)
        .leaf("MaxSessionDuration", role.max_session_duration.to_string())
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
