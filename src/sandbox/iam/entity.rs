//! One call, and the account, role or user that it is about.

use chrono::{DateTime, Utc};

use crate::sandbox::arn::{locate, path_and_name};
use crate::sandbox::caller::Caller;
use crate::sandbox::mode::Mode;
use crate::sandbox::rules::{Rule, Rules};
use crate::sandbox::state::{Account, Role, State, User};
use crate::sandbox::wire::{Fault, Params};

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) action: &'a str,
    pub(crate) caller: &'a Caller,
    pub(crate) params: &'a Params,
    pub(crate) mode: Mode,
}

pub(super) fn own<'a>(state: &'a State, it: &Call<'_>) -> Result<&'a Account, Fault> {
    state
        .accounts
        .get(&it.caller.account)
        .ok_or_else(|| Fault::no_such("account", &it.caller.account))
}

pub(super) fn role<'a>(state: &'a State, it: &Call<'_>) -> Result<(&'a Account, &'a Role), Fault> {
    let name = it.params.need("RoleName")?;
    let account = own(state, it)?;
    let role = account
        .roles
        .get(&name.to_lowercase())
        .ok_or_else(|| Fault::no_such("role", name))?;
    Ok((account, role))
}

pub(super) fn role_mut<'a>(state: &'a mut State, arn: &str) -> Result<&'a mut Role, Fault> {
    let found = locate(arn)
        .and_then(|(account, name)| state.accounts.get_mut(&account)?.roles.get_mut(&name));
    found.ok_or_else(|| Fault::no_such("role", &path_and_name(arn).1))
}

/// Whether only AWS may make roles of that path.
pub(super) fn is_reserved(path: &str) -> bool {
    path.starts_with("/aws-reserved/") || path.starts_with("/aws-service-role/")
}

/// Service-linked roles and those of Identity Center are AWS's own.
pub(super) fn require_modifiable(role: &Role, rules: Rules) -> Result<(), Fault> {
    if is_reserved(&role.path) && rules.hold(Rule::ProtectedRoles) {
        let message = format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            role.name
        );
        return Err(Fault::new(400, "UnmodifiableEntity", message));
    }
    Ok(())
}

/// The named user, or the caller where none is named.
pub(super) fn user<'a>(state: &'a State, it: &Call<'_>) -> Result<(&'a Account, &'a User), Fault> {
    let account = own(state, it)?;
    let (_, own_name) = path_and_name(&it.caller.principal_arn);
    let name = it.params.get("UserName").unwrap_or(&own_name);
    let user = account
        .users
        .get(&name.to_lowercase())
        .ok_or_else(|| Fault::no_such("user", name))?;
    Ok((account, user))
}

/// The user of an ARN.
pub(super) fn user_of<'a>(state: &'a mut State, arn: &str) -> Result<&'a mut User, Fault> {
    let found = locate(arn)
        .and_then(|(account, name)| state.accounts.get_mut(&account)?.users.get_mut(&name));
    found.ok_or_else(|| Fault::no_such("user", &path_and_name(arn).1))
}

pub(super) fn user_mut<'a>(state: &'a mut State, it: &Call<'_>) -> Result<&'a mut User, Fault> {
    let key = user(state, it)?.1.name.to_lowercase();
    let account = state.accounts.get_mut(&it.caller.account);
    account
        .and_then(|it| it.users.get_mut(&key))
        .ok_or_else(|| Fault::no_such("user", &key))
}

pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
