//! IAM: roles, users and their documents.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::caller::Caller;
use super::document::{self, Kind};
use super::knobs::locate;
use super::state::{AccessKey, Account, Doc, Role, State, User};
use super::wire::{Fault, Params, Xml};

/// Inline policies of one role or user together, without white space (IAM quotas).
const ROLE_INLINE: usize = 10_240;
const USER_INLINE: usize = 2_048;

/// RFC 3986: everything but the unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

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

/// The named user, or the caller where none is named.
fn user<'a>(state: &'a State, it: &Call<'_>) -> Result<(&'a Account, &'a User), Fault> {
    let account = own(state, it)?;
    let own_name = it
        .caller
        .principal_arn
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let name = it.params.get("UserName").unwrap_or(own_name);
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

/// Service-linked roles and those of Identity Center are AWS's own.
fn require_modifiable(role: &Role) -> Result<(), Fault> {
    if role.path.starts_with("/aws-reserved/") || role.path.starts_with("/aws-service-role/") {
        let message = format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            role.name
        );
        return Err(Fault::new(400, "UnmodifiableEntity", message));
    }
    Ok(())
}

pub(super) fn put_trust(
    state: &mut State,
    arn: &str,
    text: &str,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let quota = locate(arn)
        .and_then(|(account, _)| state.accounts.get(&account))
        .map_or(2_048, |it| it.trust_quota);
    require_modifiable(role_mut(state, arn)?)?;
    document::check(text, Kind::Trust)?;
    if document::size(text) > quota {
        return Err(Fault::new(
            409,
            "LimitExceeded",
            format!("Cannot exceed quota for ACLSizePerRole: {quota}"),
        ));
    }
    let bound = state.bind(text).map_err(|name| {
        Fault::malformed(&format!("Invalid principal in policy: \"AWS\":\"{name}\""))
    })?;
    role_mut(state, arn)?
        .trust
        .put(Some(text.to_owned()), bound, now);
    Ok(())
}

pub(super) fn put_role_policy(
    state: &mut State,
    arn: &str,
    policy: &str,
    text: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let role = role_mut(state, arn)?;
    require_modifiable(role)?;
    let name = role.name.clone();
    put_inline(
        &mut role.policies,
        policy,
        text,
        now,
        ROLE_INLINE,
        &format!("role {name}"),
    )
}

fn put_user_policy(state: &mut State, it: &Call<'_>, text: Option<&str>) -> Result<Xml, Fault> {
    let policy = it.params.need("PolicyName")?;
    let user = user_mut(state, it)?;
    let owner = format!("user {}", user.name);
    put_inline(
        &mut user.policies,
        policy,
        text,
        it.now,
        USER_INLINE,
        &owner,
    )
    .map(|()| Xml::default())
}

fn put_inline(
    policies: &mut BTreeMap<String, Doc>,
    name: &str,
    text: Option<&str>,
    now: DateTime<Utc>,
    quota: usize,
    owner: &str,
) -> Result<(), Fault> {
    let Some(text) = text else {
        let doc = policies
            .get_mut(name)
            .filter(|it| it.control(false).is_some());
        doc.ok_or_else(|| Fault::no_such("role policy", name))?
            .put(None, BTreeMap::new(), now);
        return Ok(());
    };
    if name.len() > 128 || check_name(&name.chars().take(64).collect::<String>()).is_err() {
        return Err(Fault::validation(format!(
            "The specified value for policyName is invalid: {name}"
        )));
    }
    document::check(text, Kind::Identity)?;
    let others = policies.iter().filter(|(other, _)| *other != name);
    let others: usize = others
        .filter_map(|(_, doc)| doc.control(false)?.text.as_deref())
        .map(document::size)
        .sum();
    if others + document::size(text) > quota {
        return Err(Fault::new(
            409,
            "LimitExceeded",
            format!("Maximum policy size of {quota} bytes exceeded for {owner}"),
        ));
    }
    policies
        .entry(name.to_owned())
        .or_default()
        .put(Some(text.to_owned()), BTreeMap::new(), now);
    Ok(())
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

pub(super) fn create_user(
    state: &mut State,
    arn: &str,
    key: Option<(&str, &str)>,
    now: DateTime<Utc>,
) {
    let id = state.unique_id("AIDA");
    let Some((account, lower)) = locate(arn) else {
        return;
    };
    let Some(account) = state.accounts.get_mut(&account) else {
        return;
    };
    let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
    let path = arn
        .split_once(":user")
        .and_then(|(_, rest)| rest.strip_suffix(name.as_str()))
        .unwrap_or("/")
        .to_owned();
    let keys = key.map(|(id, secret)| AccessKey {
        id: id.to_owned(),
        secret: secret.to_owned(),
        created_at: now,
    });
    account.users.insert(
        lower,
        User {
            name,
            path,
            id,
            created_at: now,
            keys: keys.into_iter().collect(),
            policies: BTreeMap::new(),
            mfa: None,
        },
    );
}

fn delete_user(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, user) = user(state, it)?;
    if !user.keys.is_empty()
        || user
            .policies
            .values()
            .any(|doc| doc.control(false).is_some())
    {
        return Err(Fault::new(
            409,
            "DeleteConflict",
            "Cannot delete entity, must delete access keys and policies first.",
        ));
    }
    let key = user.name.to_lowercase();
    state
        .accounts
        .get_mut(&it.caller.account)
        .and_then(|account| account.users.remove(&key));
    Ok(Xml::default())
}

fn create_access_key(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let id = state.unique_id("AKIA");
    let secret = hex::encode((0..20).map(|_| rand::random::<u8>()).collect::<Vec<_>>());
    let user = user_mut(state, it)?;
    if user.keys.len() >= 2 {
        return Err(Fault::new(
            409,
            "LimitExceeded",
            "Cannot exceed quota for AccessKeysPerUser: 2",
        ));
    }
    user.keys.push(AccessKey {
        id: id.clone(),
        secret: secret.clone(),
        created_at: it.now,
    });
    let key = Xml::default()
        .leaf("UserName", &user.name)
        .leaf("AccessKeyId", id)
        .leaf("Status", "Active")
        .leaf("SecretAccessKey", secret);
    Ok(Xml::default().node("AccessKey", key))
}

fn list_access_keys(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, user) = user(state, it)?;
    let keys = user.keys.iter().map(|key| {
        Xml::default()
            .leaf("UserName", &user.name)
            .leaf("AccessKeyId", &key.id)
            .leaf("Status", "Active")
            .leaf("CreateDate", stamp(key.created_at))
    });
    Ok(Xml::default()
        .members("AccessKeyMetadata", keys)
        .leaf("IsTruncated", "false"))
}

fn get_role_policy(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, role) = role(state, it)?;
    let name = it.params.need("PolicyName")?;
    let text = text(&role.policies, name, it.stale)?;
    Ok(Xml::default()
        .leaf("RoleName", &role.name)
        .leaf("PolicyName", name)
        .leaf("PolicyDocument", encode(&text)))
}

fn get_user_policy(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, user) = user(state, it)?;
    let name = it.params.need("PolicyName")?;
    let text = text(&user.policies, name, it.stale)?;
    Ok(Xml::default()
        .leaf("UserName", &user.name)
        .leaf("PolicyName", name)
        .leaf("PolicyDocument", encode(&text)))
}

fn text(policies: &BTreeMap<String, Doc>, name: &str, stale: bool) -> Result<String, Fault> {
    let version = policies.get(name).and_then(|doc| doc.control(stale));
    version
        .and_then(|it| it.text.clone())
        .ok_or_else(|| Fault::no_such("role policy", name))
}

fn policy_names(policies: &BTreeMap<String, Doc>, stale: bool) -> Xml {
    let names = policies
        .iter()
        .filter(|(_, doc)| doc.control(stale).is_some())
        .map(|(name, _)| name.clone());
    Xml::default()
        .names("PolicyNames", names)
        .leaf("IsTruncated", "false")
}

fn get_user(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    user(state, it).map(|(account, user)| Xml::default().node("User", show_user(account, user)))
}

fn list_users(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let account = own(state, it)?;
    let users = account.users.values().map(|user| show_user(account, user));
    Ok(Xml::default()
        .members("Users", users)
        .leaf("IsTruncated", "false"))
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

fn show_user(account: &Account, user: &User) -> Xml {
    Xml::default()
        .leaf("Path", &user.path)
        .leaf("UserName", &user.name)
        .leaf("UserId", &user.id)
        .leaf("Arn", account.user_arn(user))
        .leaf("CreateDate", stamp(user.created_at))
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

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
