//! STS: AssumeRole, GetSessionToken, GetCallerIdentity.

mod ask;
mod assume;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::admit::Needed;
use super::caller::Caller;
use super::mode::Mode;
use super::rules::Rule;
use super::state::{Holder, Session, State};
use super::wire::{Fault, Params, Xml};

pub(super) use ask::leave_own_keys;
pub(super) use assume::assume_role;

/// Whose word an action needs, whatever else is said: a role is there for whom its trust policy
/// names. To hand a source identity on, the caller's own policies must allow it as well.
pub(super) fn needed(caller: &Caller, action: &str) -> Needed {
    match action {
        "sts:SetSourceIdentity" if caller.is_role => Needed::Both,
        _ if action.starts_with("sts:") => Needed::Resource,
        _ => Needed::Either,
    }
}

pub(super) fn caller_identity(caller: &Caller) -> Xml {
    Xml::default()
        .leaf("Arn", &caller.arn)
        .leaf("UserId", &caller.user_id)
        .leaf("Account", &caller.account)
}

pub(super) fn session_token(
    state: &mut State,
    caller: &Caller,
    params: &Params,
    mode: Mode,
) -> Result<Xml, Fault> {
    if caller.session.is_some() {
        return Err(Fault::new(
            403,
            "AccessDenied",
            "Cannot call GetSessionToken with session credentials",
        ));
    }
    let seconds = params.number("DurationSeconds", 900..=129_600)?;
    let mfa = second_factor(state, caller, params)?;
    let holder = Holder::User {
        account: caller.account.clone(),
        id: caller.principal_id.clone(),
    };
    let session = session(holder, mfa, seconds.unwrap_or(43_200), mode.now);
    let credentials = issue(state, session, mode.now);
    Ok(Xml::default().node("Credentials", credentials))
}

/// Whether the call proves the caller's second factor: its own device and the code that it shows. A
/// user's session that was issued with one has it already; a role's session has no device.
fn second_factor(state: &State, caller: &Caller, params: &Params) -> Result<bool, Fault> {
    let (serial, code) = (params.get("SerialNumber"), params.get("TokenCode"));
    if serial.is_none() && code.is_none() {
        let session = caller.session.as_ref();
        return Ok(!caller.is_role && session.is_some_and(|it| it.mfa));
    }
    let account = state.accounts.get(&caller.account);
    let user = account.and_then(|it| it.users.values().find(|it| it.id == caller.principal_id));
    match user.and_then(|it| it.mfa.as_ref()) {
        Some(_) if !caller.rules.hold(Rule::SecondFactor) => Ok(true),
        Some(device) if serial == Some(&device.serial) && code == Some(&device.code) => Ok(true),
        _ => Err(Fault::new(
            403,
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        )),
    }
}

/// A new session. Token times are whole seconds.
pub(super) fn session(holder: Holder, mfa: bool, seconds: i64, now: DateTime<Utc>) -> Session {
    let random = |length| {
        let bytes = (0..length).map(|_| rand::random::<u8>());
        hex::encode(bytes.collect::<Vec<_>>())
    };
    let issued_at = now.trunc_subsecs(0);
    Session {
        secret: random(20),
        token: random(96),
        issued_at,
        expires_at: issued_at + TimeDelta::seconds(seconds),
        mfa,
        holder,
        policy: None,
        tags: BTreeMap::new(),
        managed: Vec::new(),
        transitive: BTreeSet::new(),
        chained: false,
        timed: false,
    }
}

/// Keeps the session and hands its keys out.
fn issue(state: &mut State, session: Session, now: DateTime<Utc>) -> Xml {
    let expires_at = session.expires_at.format("%Y-%m-%dT%H:%M:%SZ");
    let xml = Xml::default()
        .leaf("SecretAccessKey", &session.secret)
        .leaf("SessionToken", &session.token)
        .leaf("Expiration", expires_at.to_string());
    xml.leaf("AccessKeyId", keep(state, session, now))
}

/// Keeps the session; its access key id. Those that ended a day ago are forgotten.
pub(super) fn keep(state: &mut State, session: Session, now: DateTime<Utc>) -> String {
    let id = State::unique_id("ASIA");
    let day = TimeDelta::days(1);
    state.sessions.retain(|_, it| it.expires_at + day > now);
    state.sessions.insert(id.clone(), session);
    id
}
