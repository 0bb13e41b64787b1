//! Users and their access keys.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::documents::{USER_INLINE, encode, put_inline, text};
use super::{Call, own, stamp};
use crate::sandbox::knobs::locate;
use crate::sandbox::state::{AccessKey, Account, State, User};
use crate::sandbox::wire::{Fault, Xml};

/// The named user, or the caller where none is named.
pub(super) fn user<'a>(state: &'a State, it: &Call<'_>) -> Result<(&'a Account, &'a User), Fault> {
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

pub(super) fn user_mut<'a>(state: &'a mut State, it: &Call<'_>) -> Result<&'a mut User, Fault> {
    let key = user(state, it)?.1.name.to_lowercase();
    let account = state.accounts.get_mut(&it.caller.account);
    account
        .and_then(|it| it.users.get_mut(&key))
        .ok_or_else(|| Fault::no_such("user", &key))
}

pub(super) fn put_user_policy(
    state: &mut State,
    it: &Call<'_>,
    text: Option<&str>,
) -> Result<Xml, Fault> {
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

pub(in crate::sandbox) fn create_user(
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

pub(super) fn delete_user(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
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

pub(super) fn create_access_key(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
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

pub(super) fn list_access_keys(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
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

pub(super) fn get_user_policy(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, user) = user(state, it)?;
    let name = it.params.need("PolicyName")?;
    let text = text(&user.policies, name, it.stale)?;
    Ok(Xml::default()
        .leaf("UserName", &user.name)
        .leaf("PolicyName", name)
        .leaf("PolicyDocument", encode(&text)))
}

pub(super) fn get_user(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    user(state, it).map(|(account, user)| Xml::default().node("User", show_user(account, user)))
}

pub(super) fn list_users(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let account = own(state, it)?;
    let users = account.users.values().map(|user| show_user(account, user));
    Ok(Xml::default()
        .members("Users", users)
        .leaf("IsTruncated", "false"))
}

pub(super) fn show_user(account: &Account, user: &User) -> Xml {
    Xml::default()
        .leaf("Path", &user.path)
        .leaf("UserName", &user.name)
        .leaf("UserId", &user.id)
        .leaf("Arn", account.user_arn(user))
        .leaf("CreateDate", stamp(user.created_at))
}
