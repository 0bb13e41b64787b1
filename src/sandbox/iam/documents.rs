//! Trust policies, inline policies and the policies of buckets.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::entity::{Call, require_modifiable, role, role_mut, user, user_of};
use crate::sandbox::arn::locate;
use crate::sandbox::doc::Doc;
use crate::sandbox::document::{self, Kind};
use crate::sandbox::mode::Mode;
use crate::sandbox::quota;
use crate::sandbox::rules::{Rule, Rules};
use crate::sandbox::state::State;
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
    let mut text = text.to_owned();
    if it.mode.collapsed {
        text = document::collapsed(&text);
    }
    if it.mode.normalised {
        text = document::normalised(&text);
    }
    let encoded = if it.mode.bare_plus {
        BARE_PLUS
    } else {
        ENCODED
    };
    utf8_percent_encode(&text, encoded).to_string()
}

/// Refuses what is no document of its kind.
pub(super) fn check(text: &str, kind: Kind, rules: Rules) -> Result<(), Fault> {
    if rules.hold(Rule::Documents) {
        return document::check(text, kind);
    }
    Ok(())
}

/// The unique ids of the principals that a document names; refuses one that is not there.
fn bind(state: &State, text: &str, rules: Rules) -> Result<BTreeMap<String, String>, Fault> {
    if !rules.hold(Rule::KnownPrincipals) {
        return Ok(state.bind_known(text));
    }
    state.bind(text).map_err(|name| {
        Fault::malformed(&format!("Invalid principal in policy: \"AWS\":\"{name}\""))
    })
}

/// Refuses a trust policy that IAM would not take; the unique ids of its principals.
pub(super) fn check_trust(
    state: &State,
    account: &str,
    text: &str,
    rules: Rules,
) -> Result<BTreeMap<String, String>, Fault> {
    let quota = state
        .accounts
        .get(account)
        .map_or(quota::TRUST, |it| it.trust_quota);
    check(text, Kind::Trust, rules)?;
    quota::trust(text, rules.quota(Rule::TrustQuota, quota))?;
    bind(state, text, rules)
}

/// Replaces the trust policy of a role.
pub(crate) fn put_trust(state: &mut State, arn: &str, text: &str, mode: Mode) -> Result<(), Fault> {
    require_modifiable(role_mut(state, arn)?, mode.rules)?;
    let (account, _) = locate(arn).unwrap_or_default();
    let bound = check_trust(state, &account, text, mode.rules)?;
    let trust = &mut role_mut(state, arn)?.trust;
    trust.put(Some(text.to_owned()), bound, mode.now);
    Ok(())
}

pub(super) fn update_trust(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let text = it.params.need("PolicyDocument")?;
    put_trust(state, arn, text, it.mode).map(|()| Xml::default())
}

/// Puts or, without a text, deletes an inline policy of a role.
pub(crate) fn put_role_policy(
    state: &mut State,
    arn: &str,
    policy: &str,
    text: Option<&str>,
    mode: Mode,
) -> Result<(), Fault> {
    let role = role_mut(state, arn)?;
    require_modifiable(role, mode.rules)?;
    let Some(text) = text else {
        return delete(&mut role.policies.inline, "role", policy, mode);
    };
    let owner = format!("role {}", role.name);
    let inline = Inline {
        name: policy,
        text,
        quota: quota::ROLE_INLINE,
        owner: &owner,
    };
    put(&mut role.policies.inline, &inline, mode)
}

/// Puts or, without a text, deletes an inline policy of a user.
pub(crate) fn put_user_policy(
    state: &mut State,
    arn: &str,
    policy: &str,
    text: Option<&str>,
    mode: Mode,
) -> Result<(), Fault> {
    let user = user_of(state, arn)?;
    let Some(text) = text else {
        return delete(&mut user.policies.inline, "user", policy, mode);
    };
    let owner = format!("user {}", user.name);
    let inline = Inline {
        name: policy,
        text,
        quota: quota::USER_INLINE,
        owner: &owner,
    };
    put(&mut user.policies.inline, &inline, mode)
}

/// Puts or, without a text, deletes the policy of a bucket.
pub(crate) fn put_bucket_policy(
    state: &mut State,
    bucket: &str,
    text: Option<&str>,
    mode: Mode,
) -> Result<(), Fault> {
    let mut bound = BTreeMap::new();
    if let Some(text) = text {
        check(text, Kind::Bucket, mode.rules)?;
        bound = bind(state, text, mode.rules)?;
    }
    let bucket = state.bucket_mut(bucket).ok_or_else(no_such_bucket)?;
    bucket.policy.write(text, bound, mode.now);
    Ok(())
}

fn no_such_bucket() -> Fault {
    Fault::new(404, "NoSuchBucket", "The specified bucket does not exist")
}

pub(super) fn put_of_role(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let (name, text) = (policy_name(it.params)?, it.params.need("PolicyDocument")?);
    put_role_policy(state, arn, name, Some(text), it.mode).map(|()| Xml::default())
}

pub(super) fn delete_of_role(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let name = policy_name(it.params)?;
    put_role_policy(state, arn, name, None, it.mode).map(|()| Xml::default())
}

pub(super) fn put_of_user(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let (name, text) = (policy_name(it.params)?, it.params.need("PolicyDocument")?);
    put_user_policy(state, arn, name, Some(text), it.mode).map(|()| Xml::default())
}

pub(super) fn delete_of_user(state: &mut State, it: &Call<'_>, arn: &str) -> Result<Xml, Fault> {
    let name = policy_name(it.params)?;
    put_user_policy(state, arn, name, None, it.mode).map(|()| Xml::default())
}

pub(super) fn get_of_role(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, role) = role(state, it)?;
    let answer = Xml::default().leaf("RoleName", &role.name);
    get(&role.policies.inline, "role", it, answer)
}

pub(super) fn get_of_user(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    let (_, user) = user(state, it)?;
    let answer = Xml::default().leaf("UserName", &user.name);
    get(&user.policies.inline, "user", it, answer)
}

pub(super) fn list_of_role(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    names(&role(state, it)?.1.policies.inline, it)
}

pub(super) fn list_of_user(state: &State, it: &Call<'_>) -> Result<Xml, Fault> {
    names(&user(state, it)?.1.policies.inline, it)
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

fn put(policies: &mut BTreeMap<String, Doc>, it: &Inline<'_>, mode: Mode) -> Result<(), Fault> {
    quota::name("policyName", it.name, 1..=128)?;
    check(it.text, Kind::Identity, mode.rules)?;
    let others = policies.iter().filter(|(name, _)| *name != it.name);
    let others = others.filter_map(|(_, doc)| doc.control(false)?.text.as_deref());
    let quota = mode.rules.quota(Rule::InlineQuota, it.quota);
    quota::inline(others, it.text, quota, it.owner)?;
    let doc = policies.entry(it.name.to_owned()).or_default();
    doc.write(Some(it.text), BTreeMap::new(), mode.now);
    Ok(())
}

fn delete(
    policies: &mut BTreeMap<String, Doc>,
    owner: &str,
    name: &str,
    mode: Mode,
) -> Result<(), Fault> {
    let doc = policies.get_mut(name);
    let doc = doc.filter(|it| it.control(false).is_some());
    doc.ok_or_else(|| Fault::no_such(&format!("{owner} policy"), name))?
        .write(None, BTreeMap::new(), mode.now);
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
