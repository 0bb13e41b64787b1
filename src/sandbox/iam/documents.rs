//! Trust policies and inline policies.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::entity::{Call, require_modifiable, role, role_mut, user, user_mut};
use crate::sandbox::arn::locate;
use crate::sandbox::document::{self, Kind};
use crate::sandbox::quota;
use crate::sandbox::state::{Doc, State};
use crate::sandbox::wire::{Fault, Params, Xml};

/// RFC 3986: everything but the unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const BARE_PLUS: &AsciiSet = &ENCODED.remove(b'+');

/// A document as it is read.
pub(super) fn encode(text: &str, it: &Call<'_>) -> String {
    let text = if it.mode.normalised {
        document::normalised(text)
    } else {
        text.to_owned()
    };
    let encoded = if it.mode.bare_plus {
        BARE_PLUS
    } else {
        ENCODED
    };
    utf8_percent_encode(&text, encoded).to_string()
}

/// Refuses a trust policy that IAM would not take; the unique ids of its principals.
pub(super) fn check_trust(
    state: &State,
    account: &str,
    text: &str,
) -> Result<BTreeMap<String, String>, Fault> {
    let quota = state
        .accounts
        .get(account)
        .map_or(quota::TRUST, |it| it.trust_quota);
    document::check(text, Kind::Trust)?;
    quota::trust(text, quota)?;
    state.bind(text).map_err(|name| {
        Fault::malformed(&format!("Invalid principal in policy: \"AWS\":\"{name}\""))
    })
}

/// Replaces the trust policy of a role.
pub(crate) fn put_trust(
    state: &mut State,
    arn: &str,
    text: &str,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    require_modifiable(role_mut(state, arn)?)?;
    let (account, _) = locate(arn).unwrap_or_default();
    let bound = check_trust(state, &account, text)?;
    let trust = &mut role_mut(state, arn)?.trust;
    trust.put(Some(text.to_owned()), bound, now);
    Ok(())
}

pub(super) fn update_trust(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let text = it.params.need("PolicyDocument")?;
    put_trust(state, arn, text, it.mode.now).map(|()| Xml::default())
}

/// Puts or, without a text, deletes an inline policy of a role.
pub(crate) fn put_role_policy(
    state: &mut State,
    arn: &str,
    policy: &str,
    text: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let role = role_mut(state, arn)?;
    require_modifiable(role)?;
    let Some(text) = text else {
        return delete(&mut role.policies, "role", policy, now);
    };
    let owner = format!("role {}", role.name);
    let inline = Inline {
        name: policy,
        text,
        quota: quota::ROLE_INLINE,
        owner: &owner,
    };
    put(&mut role.policies, &inline, now)
}

pub(super) fn put_of_role(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let (name, text) = (policy_name(it.params)?, it.params.need("PolicyDocument")?);
    put_role_policy(state, arn, name, Some(text), it.mode.now).map(|()| Xml::default())
}

pub(super) fn delete_of_role(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let name = policy_name(it.params)?;
    put_role_policy(state, arn, name, None, it.mode.now).map(|()| Xml::default())
}

pub(super) fn put_of_user(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (name, text) = (policy_name(it.params)?, it.params.need("PolicyDocument")?);
    let user = user_mut(state, it)?;
    let owner = format!("user {}", user.name);
    let inline = Inline {
        name,
        text,
        quota: quota::USER_INLINE,
        owner: &owner,
    };
    put(&mut user.policies, &inline, it.mode.now).map(|()| Xml::default())
}

pub(super) fn delete_of_user(state: &mut State, it: &Call<'_>) -> Result<Xml, Fault> {
    let name = policy_name(it.params)?;
    let policies = &mut user_mut(state, it)?.policies;
    delete(policies, "user", name, it.mode.now).map(|()| Xml::default())
}

pub(super) fn get_of_role(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, role) = role(state, it)?;
    let answer = Xml::default().leaf("RoleName", &role.name);
    get(&role.policies, "role", it, answer)
}

pub(super) fn get_of_user(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, user) = user(state, it)?;
    let answer = Xml::default().leaf("UserName", &user.name);
    get(&user.policies, "user", it, answer)
}

pub(super) fn list_of_role(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    names(&role(state, it)?.1.policies, it)
}

pub(super) fn list_of_user(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    names(&user(state, it)?.1.policies, it)
}

fn policy_name(params: &Params) -> Result<&str, Fault> {
    let name = params.need("PolicyName")?;
    quota::name("policyName", name, 1..=128).map(|()| name)
}

/// An inline policy to be put, and how much its owner ("role prod-admin") may have.
struct Inline<'a> {
    name: &'a str,
    text: &'a str,
    quota: usize,
    owner: &'a str,
}

fn put(
    policies: &mut BTreeMap<String, Doc>,
    it: &Inline<'_>,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    document::check(it.text, Kind::Identity)?;
    let others = policies.iter().filter(|(name, _)| *name != it.name);
    let others = others.filter_map(|(_, doc)| doc.control(false)?.text.as_deref());
    quota::inline(others, it.text, it.quota, it.owner)?;
    let doc = policies.entry(it.name.to_owned()).or_default();
    if doc.is_new() {
        // What a stale read shows: there was nothing.
        doc.put(None, BTreeMap::new(), now);
    }
    doc.put(Some(it.text.to_owned()), BTreeMap::new(), now);
    Ok(())
}

fn delete(
    policies: &mut BTreeMap<String, Doc>,
    owner: &str,
    name: &str,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let doc = policies.get_mut(name);
    let doc = doc.filter(|it| it.control(false).is_some());
    doc.ok_or_else(|| Fault::no_such(&format!("{owner} policy"), name))?
        .put(None, BTreeMap::new(), now);
    Ok(())
}

fn get(
    policies: &BTreeMap<String, Doc>,
    owner: &str,
    it: &Call<'_>,
    answer: Xml,
) -> Result<Xml, Fault> {
    let name = policy_name(it.params)?;
    let version = policies
        .get(name)
        .and_then(|doc| doc.control(it.mode.stale));
    let text = version
        .and_then(|it| it.text.as_deref())
        .ok_or_else(|| Fault::no_such(&format!("{owner} policy"), name))?;
    Ok(answer
        .leaf("PolicyName", name)
        .leaf("PolicyDocument", encode(text, it)))
}

fn names(policies: &BTreeMap<String, Doc>, it: &Call<'_>) -> Result<Xml, Fault> {
    let there = policies
        .iter()
        .filter(|(_, doc)| doc.control(it.mode.stale).is_some());
    let names = there.map(|(name, _)| Xml::text(name)).collect();
    Xml::default().page("PolicyNames", names, it.params)
}
