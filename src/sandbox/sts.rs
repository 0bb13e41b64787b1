//! STS: AssumeRole, GetSessionToken, GetCallerIdentity.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::caller::Caller;
use super::evaluate::{Decision, Naming, Request, decide_trust};
use super::knobs::locate;
use super::state::{Holder, Session, State, Version, account_of};
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
    let seconds = params
        .number("DurationSeconds", 900..=129_600)?
        .unwrap_or(43_200);
    let mfa = second_factor(state, caller, params)?;
    let holder = Holder::User {
        account: caller.account.clone(),
        id: caller.principal_id.clone(),
    };
    let (_, xml) = issue(state, holder, mfa, seconds, now);
    Ok(Xml::default().node("Credentials", xml))
}

pub(super) fn assume_role(
    state: &mut State,
    caller: &Caller,
    params: &Params,
    now: DateTime<Utc>,
    delay: TimeDelta,
) -> Result<Xml, Fault> {
    let role_arn = params.need("RoleArn")?;
    let session_name = params.need("RoleSessionName")?;
    check_name("roleSessionName", session_name)?;
    let source_identity = params.get("SourceIdentity").map(str::to_owned);
    if let Some(identity) = &source_identity {
        check_name("sourceIdentity", identity)?;
    }
    let seconds = params.number("DurationSeconds", 900..=43_200)?;
    let mfa = second_factor(state, caller, params)?;
    let refuse = |explicitly| Fault::denied(&caller.arn, "sts:AssumeRole", role_arn, explicitly);
    let located = locate(role_arn);
    let account = located
        .as_ref()
        .and_then(|(account, _)| state.accounts.get(account));
    let role = account
        .zip(located.as_ref())
        .and_then(|(it, (_, name))| it.roles.get(name));
    let (Some(account), Some(role)) = (account, role) else {
        return Err(refuse(false));
    };
    if account.role_arn(role) != role_arn {
        return Err(refuse(false));
    }
    let trust = role.trust.data(now, delay).ok_or_else(|| refuse(false))?;
    let mut context = caller.context(now);
    context.set("sts:RoleSessionName", session_name);
    if let Some(external_id) = params.get("ExternalId") {
        context.set("sts:ExternalId", external_id);
    }
    if let Some(identity) = &source_identity {
        context.set("sts:SourceIdentity", identity.as_str());
    }
    if mfa {
        context.set("aws:MultiFactorAuthPresent", "true");
    }
    let mut actions = vec!["sts:AssumeRole"];
    if source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    for action in actions {
        let own = caller.decide(action, role_arn, &context);
        let request = Request {
            action,
            resource: role_arn,
            context: &context,
        };
        let (trusted, naming) = decide_trust(
            trust.text.as_deref().unwrap_or_default(),
            &request,
            |name| names(caller, trust, name),
        );
        if own == Decision::ExplicitlyDenied || trusted == Decision::ExplicitlyDenied {
            return Err(refuse(true));
        }
        // Naming the caller exactly is enough in its own account; naming the account, or crossing accounts, needs its own policies too.
        let alone = naming == Naming::Exactly && caller.account == account.id;
        if trusted != Decision::Allowed || !(alone || own == Decision::Allowed) {
            return Err(refuse(false));
        }
    }
    let seconds = duration(seconds, role.max_session_duration, caller)?;
    let (arn, id) = (
        format!(
            "arn:aws:sts::{}:assumed-role/{}/{session_name}",
            account.id, role.name
        ),
        format!("{}:{session_name}", role.id),
    );
    let holder = Holder::Role {
        account: account.id.clone(),
        id: role.id.clone(),
        session_name: session_name.to_owned(),
        source_identity: source_identity.clone(),
    };
    let (_, credentials) = issue(state, holder, mfa, seconds, now);
    let user = Xml::default().leaf("AssumedRoleId", id).leaf("Arn", arn);
    Ok(Xml::default()
        .node("AssumedRoleUser", user)
        .node("Credentials", credentials)
        .maybe("SourceIdentity", source_identity.as_deref()))
}

/// How an entry of a trust policy names the caller. ARNs count by the unique id that they were bound to when the policy was written.
fn names(caller: &Caller, trust: &Version, name: &str) -> Naming {
    if name == "*" || name == caller.arn {
        return Naming::Exactly;
    }
    if let Some(account) = account_of(name) {
        return if account == caller.account {
            Naming::Account
        } else {
            Naming::None
        };
    }
    let is_session = name.contains(":assumed-role/");
    match trust.bound.get(name) {
        Some(id) if *id == caller.principal_id && !is_session => Naming::Exactly,
        _ => Naming::None,
    }
}

fn duration(asked: Option<i64>, role_max: i64, caller: &Caller) -> Result<i64, Fault> {
    let seconds = asked.unwrap_or(3_600);
    if seconds > role_max {
        return Err(Fault::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let chained = caller.is_role;
    if chained && seconds > CHAINED {
        return Err(Fault::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    Ok(seconds)
}

fn check_name(field: &str, text: &str) -> Result<(), Fault> {
    let fits = (2..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b));
    if fits {
        return Ok(());
    }
    Err(Fault::validation(format!(
        "1 validation error detected: Value '{text}' at '{field}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]* and have length between 2 and 64"
    )))
}

/// Whether the call proves the caller's second factor: its own device and the code that it shows.
fn second_factor(state: &State, caller: &Caller, params: &Params) -> Result<bool, Fault> {
    let refuse = || {
        Fault::new(
            403,
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code.",
        )
    };
    let already = caller
        .session
        .as_ref()
        .is_some_and(|it| it.mfa && !caller.is_role);
    let (Some(serial), Some(code)) = (params.get("SerialNumber"), params.get("TokenCode")) else {
        return if params.get("SerialNumber").is_some() || params.get("TokenCode").is_some() {
            Err(refuse())
        } else {
            Ok(already)
        };
    };
    let users = state
        .accounts
        .get(&caller.account)
        .into_iter()
        .flat_map(|it| it.users.values());
    let device = users
        .into_iter()
        .find(|it| it.id == caller.principal_id)
        .and_then(|it| it.mfa.as_ref());
    match device {
        Some(device) if device.serial == serial && device.code == code => Ok(true),
        _ => Err(refuse()),
    }
}

/// Token times are whole seconds.
fn issue(
    state: &mut State,
    holder: Holder,
    mfa: bool,
    seconds: i64,
    now: DateTime<Utc>,
) -> (String, Xml) {
    let id = state.unique_id("ASIA");
    let [secret, token] = [30, 96].map(|length| {
        hex::encode(
            (0..length)
                .map(|_| rand::random::<u8>())
                .collect::<Vec<_>>(),
        )
    });
    let expires_at = now.trunc_subsecs(0) + TimeDelta::seconds(seconds);
    let xml = Xml::default()
        .leaf("AccessKeyId", &id)
        .leaf("SecretAccessKey", &secret)
        .leaf("SessionToken", &token)
        .leaf(
            "Expiration",
            expires_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        );
    state
        .sessions
        .retain(|_, it| it.expires_at + TimeDelta::days(1) > now);
    state.sessions.insert(
        id.clone(),
        Session {
            secret,
            token,
            issued_at: now.trunc_subsecs(0),
            expires_at,
            mfa,
            holder,
        },
    );
    (id, xml)
}
