//! STS: AssumeRole, GetSessionToken, GetCallerIdentity.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::arn::{self, account_of, locate};
use super::caller::Caller;
use super::context::Context;
use super::document::{self, Kind};
use super::evaluate::{Decision, Naming, Request, decide_trust};
use super::quota;
use super::state::{Account, Holder, Role, Session, State, Version};
use super::wire::{Fault, Params, Xml};

/// Chained sessions last an hour at most (STS API Reference, AssumeRole).
const CHAINED: i64 = 3_600;

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
    now: DateTime<Utc>,
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
    let session = session(holder, mfa, seconds.unwrap_or(43_200), now);
    let credentials = issue(state, session, now);
    Ok(Xml::default().node("Credentials", credentials))
}

/// What AssumeRole is asked for, each field good by itself.
struct Ask<'a> {
    role_arn: &'a str,
    session_name: &'a str,
    external_id: Option<&'a str>,
    source_identity: Option<&'a str>,
    policy: Option<&'a str>,
    tags: BTreeMap<String, String>,
    seconds: Option<i64>,
    mfa: bool,
}

impl<'a> Ask<'a> {
    fn read(state: &State, caller: &'a Caller, params: &'a Params) -> Result<Self, Fault> {
        params.without(&["PolicyArns.", "TransitiveTagKeys.", "ProvidedContexts."])?;
        let ask = Self {
            role_arn: params.need("RoleArn")?,
            session_name: params.need("RoleSessionName")?,
            external_id: params.get("ExternalId"),
            source_identity: params.get("SourceIdentity"),
            policy: params.get("Policy"),
            tags: params.tags()?,
            seconds: params.number("DurationSeconds", 900..=43_200)?,
            mfa: false,
        };
        quota::name("roleSessionName", ask.session_name, 2..=64)?;
        quota::tags(ask.tags.len())?;
        if let Some(identity) = ask.source_identity {
            quota::name("sourceIdentity", identity, 2..=64)?;
        }
        if let Some(id) = ask.external_id {
            check_external_id(id)?;
        }
        if let Some(policy) = ask.policy {
            if policy.chars().count() > quota::SESSION_POLICY {
                let constraint = "Member must have length less than or equal to 2048";
                return Err(Fault::constraint("policy", policy, constraint));
            }
            document::check(policy, Kind::Identity)?;
        }
        // The source identity goes on through role chaining, and cannot be changed there.
        let source_identity = match (caller.source_identity(), ask.source_identity) {
            (Some(before), Some(asked)) if before != asked => {
                let action = "sts:SetSourceIdentity";
                return Err(Fault::denied(&caller.arn, action, ask.role_arn, ""));
            }
            (before, asked) => before.or(asked),
        };
        let mfa = second_factor(state, caller, params)?;
        Ok(Self {
            source_identity,
            mfa,
            ..ask
        })
    }

    /// The keys of this request, beside those of every request.
    fn context(&self, caller: &Caller, role: &Role, now: DateTime<Utc>) -> Context {
        let mut context = caller.context(now);
        context.set("sts:RoleSessionName", self.session_name);
        if let Some(id) = self.external_id {
            context.set("sts:ExternalId", id);
        }
        if let Some(identity) = self.source_identity {
            context.set("sts:SourceIdentity", identity);
        }
        if self.mfa {
            context.set("aws:MultiFactorAuthPresent", "true");
            if context.get("aws:MultiFactorAuthAge").is_none() {
                context.set("aws:MultiFactorAuthAge", "0");
            }
        }
        for (key, value) in &self.tags {
            context.set(&format!("aws:RequestTag/{key}"), value.as_str());
        }
        if !self.tags.is_empty() {
            context.set_all("aws:TagKeys", self.tags.keys().cloned().collect());
        }
        for (key, value) in &role.tags {
            context.set(&format!("aws:ResourceTag/{key}"), value.as_str());
            context.set(&format!("iam:ResourceTag/{key}"), value.as_str());
        }
        context
    }

    /// The actions that must be allowed.
    fn actions(&self) -> Vec<&'static str> {
        let mut actions = vec!["sts:AssumeRole"];
        if self.source_identity.is_some() {
            actions.push("sts:SetSourceIdentity");
        }
        if !self.tags.is_empty() {
            actions.push("sts:TagSession");
        }
        actions
    }
}

pub(super) fn assume_role(
    state: &mut State,
    caller: &Caller,
    params: &Params,
    now: DateTime<Utc>,
    delay: TimeDelta,
) -> Result<Xml, Fault> {
    let ask = Ask::read(state, caller, params)?;
    let found = locate(ask.role_arn).and_then(|(account, name)| {
        let account = state.accounts.get(&account)?;
        let role = account.roles.get(&name)?;
        (account.role_arn(role) == ask.role_arn).then_some((account, role))
    });
    // A role that is not there is refused like one that does not trust the caller.
    let refused = || Fault::denied(&caller.arn, "sts:AssumeRole", ask.role_arn, "");
    let (account, role) = found.ok_or_else(refused)?;
    let trust = role.trust.data(now, delay).ok_or_else(refused)?;
    let context = ask.context(caller, role, now);
    for action in ask.actions() {
        authorize(caller, action, &ask, account, trust, &context)?;
    }
    let seconds = duration(ask.seconds, role.max_session_duration, caller)?;
    let (account, name) = (&account.id, &role.name);
    let (session_name, id) = (
        ask.session_name,
        format!("{}:{}", role.id, ask.session_name),
    );
    let arn = arn::of_session(account, name, session_name);
    let holder = Holder::Role {
        account: account.clone(),
        id: role.id.clone(),
        session_name: session_name.to_owned(),
        source_identity: ask.source_identity.map(str::to_owned),
    };
    let session = Session {
        policy: ask.policy.map(str::to_owned),
        tags: ask.tags.clone(),
        ..session(holder, ask.mfa, seconds, now)
    };
    let credentials = issue(state, session, now);
    let user = Xml::default().leaf("AssumedRoleId", id).leaf("Arn", arn);
    Ok(Xml::default()
        .node("AssumedRoleUser", user)
        .node("Credentials", credentials)
        .maybe("SourceIdentity", ask.source_identity))
}

/// Whether the trust policy, and the caller's own policies where they are needed, allow the action
/// on the role.
fn authorize(
    caller: &Caller,
    action: &str,
    ask: &Ask<'_>,
    account: &Account,
    trust: &Version,
    context: &Context,
) -> Result<(), Fault> {
    let resource = ask.role_arn;
    let refuse = |why| Err(Fault::denied(&caller.arn, action, resource, why));
    let request = Request {
        action,
        resource,
        context,
    };
    let text = trust.text.as_deref().unwrap_or_default();
    let (trusted, naming) = decide_trust(text, &request, |name| names(caller, trust, name));
    let own = caller.decide(action, resource, context);
    if own == Decision::ExplicitlyDenied {
        return refuse("with an explicit deny in an identity-based policy");
    }
    if trusted == Decision::ExplicitlyDenied {
        return refuse("with an explicit deny in a resource-based policy");
    }
    // To hand a source identity on, the caller's own policies must allow it as well.
    let handing_on = action == "sts:SetSourceIdentity" && caller.is_role;
    let enough = match naming {
        _ if handing_on || caller.account != account.id => false,
        Naming::Session => true,
        Naming::Exactly => caller.session_policy(action, resource, context) == Decision::Allowed,
        Naming::Account | Naming::None => false,
    };
    if trusted == Decision::Allowed && (enough || own == Decision::Allowed) {
        Ok(())
    } else {
        refuse("")
    }
}

/// How an entry of a trust policy names the caller. ARNs count by the unique id that they were
/// bound to when the policy was written.
fn names(caller: &Caller, trust: &Version, name: &str) -> Naming {
    if name == "*" {
        return Naming::Exactly;
    }
    if let Some(account) = account_of(name) {
        return if account == caller.account {
            Naming::Account
        } else {
            Naming::None
        };
    }
    if trust.bound.get(name) != Some(&caller.principal_id) {
        return Naming::None;
    }
    match name.contains(":assumed-role/") {
        true if name == caller.arn => Naming::Session,
        true => Naming::None,
        false => Naming::Exactly,
    }
}

fn duration(asked: Option<i64>, role_max: i64, caller: &Caller) -> Result<i64, Fault> {
    let seconds = asked.unwrap_or(3_600);
    if seconds > role_max {
        return Err(Fault::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if caller.is_role && seconds > CHAINED {
        return Err(Fault::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    Ok(seconds)
}

fn check_external_id(id: &str) -> Result<(), Fault> {
    let fits = (2..=1_224).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b));
    if fits {
        return Ok(());
    }
    let constraint = "Member must have length between 2 and 1224 and satisfy regular expression pattern: \
    [\\w+=,.@:\\/-]*";
    Err(Fault::constraint("externalId", id, constraint))
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
        Some(device) if serial == Some(&device.serial) && code == Some(&device.code) => Ok(true),
        _ => Err(Fault::new(
            403,
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        )),
    }
}

/// A new session. Token times are whole seconds.
fn session(holder: Holder, mfa: bool, seconds: i64, now: DateTime<Utc>) -> Session {
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
    }
}

/// Keeps the session and hands its keys out. Those that ended a day ago are forgotten.
fn issue(state: &mut State, session: Session, now: DateTime<Utc>) -> Xml {
    let id = State::unique_id("ASIA");
    let expires_at = session.expires_at.format("%Y-%m-%dT%H:%M:%SZ");
    let xml = Xml::default()
        .leaf("AccessKeyId", &id)
        .leaf("SecretAccessKey", &session.secret)
        .leaf("SessionToken", &session.token)
        .leaf("Expiration", expires_at.to_string());
    let day = TimeDelta::days(1);
    state.sessions.retain(|_, it| it.expires_at + day > now);
    state.sessions.insert(id, session);
    xml
}
