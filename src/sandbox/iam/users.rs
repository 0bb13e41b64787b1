//! Users, their access keys, and the account in numbers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::entity::{Call, own, stamp, user, user_mut, user_of};
use super::managed::{check_boundary, show_boundary};
use crate::sandbox::arn::{locate, path_and_name};
use crate::sandbox::quota;
use crate::sandbox::state::{AccessKey, Account, Policies, State, User};
use crate::sandbox::wire::{Fault, Xml};

/// Makes a user; one of the same name is replaced, as by deleting it first.
pub(crate) fn create_user(
    state: &mut State,
    arn: &str,
    key: Option<(&str, &str)>,
    now: DateTime<Utc>,
) {
    let Some((account, lower)) = locate(arn) else {
        return;
    };
    let Some(account) = state.accounts.get_mut(&account) else {
        return;
    };
    let (path, name) = path_and_name(arn);
    let key = key.map(|(id, secret)| AccessKey {
        id: id.to_owned(),
        secret: secret.to_owned(),
        created_at: now,
    });
    let user = User {
        name,
        path,
        id: State::unique_id("AIDA"),
        created_at: now,
        keys: key.into_iter().collect(),
        policies: Policies::default(),
        mfa: None,
    };
    account.users.insert(lower, user);
}

pub(super) fn create(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let name = it.params.need("UserName")?;
    quota::name("userName", name, 1..=64)?;
    quota::path(it.params.get("Path").unwrap_or("/"))?;
    if user(state, it).is_ok() {
        return Err(Fault::exists("User", name));
    }
    if let Some(boundary) = it.params.get("PermissionsBoundary") {
        check_boundary(state, &it.caller.account, boundary)?;
    }
    create_user(state, arn, None, it.mode.now);
    if let Some(boundary) = it.params.get("PermissionsBoundary") {
        let policies = &mut user_of(state, arn)?.policies;
        let none = BTreeMap::new();
        policies.boundary.write(Some(boundary), none, it.mode.now);
    }
    get(state, it)
}

pub(super) fn delete(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    it.params.need("UserName")?;
    let (_, user) = user(state, it)?;
    let policies = user.policies.first();
    let what = match policies {
        _ if !user.keys.is_empty() => Some("delete access keys"),
        Some("delete") => Some("delete policies"),
        Some(_) => Some("detach all policies"),
        None if user.mfa.is_some() => Some("delete MFA device"),
        None => None,
    };
    if let Some(what) = what {
        let message = format!("Cannot delete entity, must {what} first.");
        return Err(Fault::new(409, "DeleteConflict", message));
    }
    let key = user.name.to_lowercase();
    let account = state.accounts.get_mut(&it.caller.account);
    account.and_then(|account| account.users.remove(&key));
    Ok(Xml::default())
}

pub(super) fn get(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (account, user) = user(state, it)?;
    let shown = show_boundary(show(account, user), &user.policies, it);
    Ok(Xml::default().node("User", shown))
}

pub(super) fn list(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let account = own(state, it)?;
    let prefix = it.params.get("PathPrefix").unwrap_or("/");
    let users = account.users.values();
    let users = users.filter(|user| user.path.starts_with(prefix));
    let users = users.map(|user| show(account, user)).collect();
    Xml::default().page("Users", users, it.params)
}

pub(super) fn show(account: &Account, user: &User) -> Xml {
    Xml::default()
        .leaf("Path", &user.path)
        .leaf("UserName", &user.name)
        .leaf("UserId", &user.id)
        .leaf("Arn", account.user_arn(user))
        .leaf("CreateDate", stamp(user.created_at))
}

pub(super) fn create_key(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let user = user_mut(state, it)?;
    quota::keys(user.keys.len())?;
    let key = AccessKey {
        id: State::unique_id("AKIA"),
        secret: hex::encode(rand::random::<[u8; 20]>()),
        created_at: it.mode.now,
    };
    let shown = show_key(user, &key)
        .leaf("CreateDate", stamp(key.created_at))
        .leaf("SecretAccessKey", &key.secret);
    user.keys.push(key);
    Ok(Xml::default().node("AccessKey", shown))
}

pub(super) fn delete_key(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let id = it.params.need("AccessKeyId")?;
    let keys = &mut user_mut(state, it)?.keys;
    let before = keys.len();
    keys.retain(|key| key.id != id);
    if keys.len() == before {
        let message = format!("The Access Key with id {id} cannot be found.");
        return Err(Fault::new(404, "NoSuchEntity", message));
    }
    Ok(Xml::default())
}

pub(super) fn list_keys(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, user) = user(state, it)?;
    let show = |key| show_key(user, key).leaf("CreateDate", stamp(key.created_at));
    let keys = user.keys.iter().map(show).collect();
    Xml::default().page("AccessKeyMetadata", keys, it.params)
}

fn show_key(user: &User, key: &AccessKey) -> Xml {
    Xml::default()
        .leaf("UserName", &user.name)
        .leaf("AccessKeyId", &key.id)
        .leaf("Status", "Active")
}

/// Only numbers that hold here: what there is, and the quotas that are enforced.
pub(super) fn account_summary(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let account = own(state, it)?;
    let devices = account.users.values().filter(|it| it.mfa.is_some()).count();
    let managed = account.managed.values();
    let policies = managed.filter(|it| it.doc.control(false).is_some()).count();
    let all = [
        ("AccessKeysPerUserQuota", quota::KEYS),
        ("AssumeRolePolicySizeQuota", account.trust_quota),
        ("AttachedPoliciesPerRoleQuota", quota::ATTACHED),
        ("AttachedPoliciesPerUserQuota", quota::ATTACHED),
        ("MFADevices", devices),
        ("Policies", policies),
        ("RolePolicySizeQuota", quota::ROLE_INLINE),
        ("Roles", account.roles.len()),
        ("UserPolicySizeQuota", quota::USER_INLINE),
        ("Users", account.users.len()),
    ];
    let entry = |(key, value): (&str, usize)| {
        let value = value.to_string();
        Xml::default().leaf("key", key).leaf("value", value)
    };
    let map = all.into_iter().map(entry);
    let map = map.fold(Xml::default(), |map, it| map.node("entry", it));
    Ok(Xml::default().node("SummaryMap", map))
}
