//! Roles.

use std::collections::BTreeMap;

use super::documents::{check_trust, encode};
use super::entity::{Call, is_reserved, own, require_modifiable, role, role_mut, stamp};
use super::managed::{check_boundary, show_boundary};
use crate::sandbox::arn::{locate, path_and_name};
use crate::sandbox::doc::Doc;
use crate::sandbox::mode::Mode;
use crate::sandbox::quota;
use crate::sandbox::state::{Account, Policies, Role, State};
use crate::sandbox::wire::{Fault, Xml};

/// A role to be made.
pub(crate) struct NewRole<'a> {
    pub(crate) arn: &'a str,
    pub(crate) trust: &'a str,
    pub(crate) seconds: i64,
    pub(crate) description: &'a str,
    pub(crate) tags: BTreeMap<String, String>,
    /// The ARN of its permissions boundary.
    pub(crate) boundary: Option<&'a str>,
}

/// Makes a role, also one that only AWS could make.
pub(crate) fn create_role(state: &mut State, new: NewRole<'_>, mode: Mode) -> Result<(), Fault> {
    let (path, name) = path_and_name(new.arn);
    quota::name("roleName", &name, 1..=64)?;
    quota::path(&path)?;
    quota::tags(new.tags.len())?;
    let located = locate(new.arn);
    let (account, key) = located.ok_or_else(|| Fault::validation("not an ARN of a role"))?;
    let roles = state.accounts.get(&account).map(|it| &it.roles);
    let roles = roles.ok_or_else(|| Fault::no_such("account", &account))?;
    if roles.contains_key(&key) {
        return Err(Fault::exists("Role", &name));
    }
    let bound = check_trust(state, &account, new.trust, mode.rules)?;
    let mut policies = Policies::default();
    if let Some(arn) = new.boundary {
        check_boundary(state, &account, arn)?;
        policies
            .boundary
            .write(Some(arn), BTreeMap::new(), mode.now);
    }
    let mut trust = Doc::default();
    trust.put(Some(new.trust.to_owned()), bound, mode.now);
    let role = Role {
        name,
        path,
        id: State::unique_id("AROA"),
        created_at: mode.now,
        description: new.description.to_owned(),
        max_session_duration: new.seconds,
        trust,
        policies,
        tags: new.tags,
    };
    let roles = state.accounts.get_mut(&account).map(|it| &mut it.roles);
    roles.and_then(|it| it.insert(key, role));
    Ok(())
}

pub(super) fn create(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let params = it.params;
    let path = params.get("Path").unwrap_or("/");
    quota::path(path)?;
    if is_reserved(path) {
        return Err(Fault::validation(format!(
            "The path {path} is reserved for AWS"
        )));
    }
    let seconds = params.number("MaxSessionDuration", 3_600..=43_200)?;
    let new = NewRole {
        arn,
        trust: params.need("AssumeRolePolicyDocument")?,
        seconds: seconds.unwrap_or(3_600),
        description: params.get("Description").unwrap_or_default(),
        tags: params.tags()?,
        boundary: params.get("PermissionsBoundary"),
    };
    create_role(state, new, it.mode)?;
    get(state, it)
}

pub(super) fn update(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let seconds = it.params.number("MaxSessionDuration", 3_600..=43_200)?;
    let role = role_mut(state, arn)?;
    require_modifiable(role, it.mode.rules)?;
    role.max_session_duration = seconds.unwrap_or(role.max_session_duration);
    if let Some(description) = it.params.get("Description") {
        description.clone_into(&mut role.description);
    }
    Ok(Xml::default())
}

pub(super) fn delete(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, role) = role(state, it)?;
    require_modifiable(role, it.mode.rules)?;
    if let Some(what) = role.policies.first() {
        let message = format!("Cannot delete entity, must {what} policies first.");
        return Err(Fault::new(409, "DeleteConflict", message));
    }
    let key = role.name.to_lowercase();
    let account = state.accounts.get_mut(&it.caller.account);
    account.and_then(|account| account.roles.remove(&key));
    Ok(Xml::default())
}

pub(super) fn tag(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let new = it.params.tags()?;
    let role = role_mut(state, arn)?;
    require_modifiable(role, it.mode.rules)?;
    let mut tags = role.tags.clone();
    let is_new = |key: &String| new.keys().all(|it| it.to_lowercase() != key.to_lowercase());
    tags.retain(|key, _| is_new(key));
    tags.extend(new);
    quota::tags(tags.len())?;
    role.tags = tags;
    Ok(Xml::default())
}

pub(super) fn list_tags(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, role) = role(state, it)?;
    Xml::default().page("Tags", tags(role), it.params)
}

pub(super) fn tags(role: &Role) -> Vec<Xml> {
    let tag = |(key, value)| Xml::default().leaf("Key", key).leaf("Value", value);
    role.tags.iter().map(tag).collect()
}

pub(super) fn get(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (account, role) = role(state, it)?;
    let shown = show(state, account, role, it);
    let shown = show_boundary(shown, &role.policies, it).members("Tags", tags(role));
    Ok(Xml::default().node("Role", shown))
}

pub(super) fn list(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let account = own(state, it)?;
    let prefix = it.params.get("PathPrefix").unwrap_or("/");
    let roles = account.roles.values();
    let roles = roles.filter(|role| role.path.starts_with(prefix));
    let roles = roles.map(|role| show(state, account, role, it)).collect();
    Xml::default().page("Roles", roles, it.params)
}

pub(super) fn show(state: &State, account: &Account, role: &Role, it: &Call<'_>) -> Xml {
    let trust = role.trust.control(it.mode.stale);
    let trust = trust
        .map(|version| state.shown(version))
        .unwrap_or_default();
    let description = Some(role.description.as_str()).filter(|it| !it.is_empty());
    Xml::default()
        .leaf("Path", &role.path)
        .leaf("RoleName", &role.name)
        .leaf("RoleId", &role.id)
        .leaf("Arn", account.role_arn(role))
        .leaf("CreateDate", stamp(role.created_at))
        .leaf("AssumeRolePolicyDocument", encode(&trust, it))
        .maybe("Description", description)
        .leaf("MaxSessionDuration", role.max_session_duration.to_string())
}
