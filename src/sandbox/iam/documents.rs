//! The trust policy and the inline policies: put, read and measured.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Call, check_name, role, role_mut};
use crate::sandbox::document::{self, Kind};
use crate::sandbox::knobs::locate;
use crate::sandbox::state::{Doc, Role, State};
use crate::sandbox::wire::{Fault, Xml};

/// Inline policies of one role or user together, without white space (IAM quotas).
const ROLE_INLINE: usize = 10_240;
/// Likewise of one user.
pub(super) const USER_INLINE: usize = 2_048;

/// RFC 3986: everything but the unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Service-linked roles and those of Identity Center are AWS's own.
pub(super) fn require_modifiable(role: &Role) -> Result<(), Fault> {
    if role.path.starts_with("/aws-reserved/") || role.path.starts_with("/aws-service-role/") {
        let message = format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            role.name
        );
        return Err(Fault::new(400, "UnmodifiableEntity", message));
    }
    Ok(())
}

pub(in crate::sandbox) fn put_trust(
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

pub(in crate::sandbox) fn put_role_policy(
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

pub(super) fn put_inline(
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

pub(super) fn get_role_policy(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, role) = role(state, it)?;
    let name = it.params.need("PolicyName")?;
    let text = text(&role.policies, name, it.stale)?;
    Ok(Xml::default()
        .leaf("RoleName", &role.name)
        .leaf("PolicyName", name)
        .leaf("PolicyDocument", encode(&text)))
}

pub(super) fn text(
    policies: &BTreeMap<String, Doc>,
    name: &str,
    stale: bool,
) -> Result<String, Fault> {
    let version = policies.get(name).and_then(|doc| doc.control(stale));
    version
        .and_then(|it| it.text.clone())
        .ok_or_else(|| Fault::no_such("role policy", name))
}

pub(super) fn policy_names(policies: &BTreeMap<String, Doc>, stale: bool) -> Xml {
    let names = policies
        .iter()
        .filter(|(_, doc)| doc.control(stale).is_some())
        .map(|(name, _)| name.clone());
    Xml::default()
        .names("PolicyNames", names)
        .leaf("IsTruncated", "false")
}

pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
