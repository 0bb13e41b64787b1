//! AssumeRole: who may, for how long, and what the session is.

use super::ask::Ask;
use super::{issue, needed, session};
use crate::sandbox::admit::{self, admit};
use crate::sandbox::arn::{self, locate};
use crate::sandbox::caller::Caller;
use crate::sandbox::doc::Version;
use crate::sandbox::mode::Mode;
use crate::sandbox::rules::{Rule, Rules};
use crate::sandbox::state::{Account, Holder, Role, Session, State};
use crate::sandbox::wire::{Fault, Params, Xml};

/// Chained sessions last an hour at most (STS API Reference, AssumeRole). Those that a session of
/// GetSessionToken asks for were seen to count among them (mmmorris1975/aws-runas#11).
const CHAINED: i64 = 3_600;
/// How much of the most that a session token may have is used without policies and tags, in
/// percent. AWS does not tell; this is a number of our own.
const TOKEN: usize = 10;

pub(crate) fn assume_role(
    state: &mut State,
    caller: &Caller,
    params: &Params,
    mode: Mode,
) -> Result<Xml, Fault> {
    let ask = Ask::read(state, caller, params, mode.rules)?;
    let found = locate(ask.role_arn).and_then(|(account, name)| {
        let account = state.accounts.get(&account)?;
        let role = account.roles.get(&name)?;
        (account.role_arn(role) == ask.role_arn).then_some((account, role))
    });
    // A role that is not there is refused like one that does not trust the caller.
    let refused = || Fault::denied(&caller.arn, "sts:AssumeRole", ask.role_arn, "");
    let (account, role) = found.ok_or_else(refused)?;
    let trust = role.trust.data(mode.now, mode.delay).ok_or_else(refused)?;
    for action in ask.actions(mode.rules) {
        authorize(caller, action, &ask, (account, role, trust), mode)?;
    }
    check_managed(&ask, account)?;
    let packed = ask.packed(mode.packed, mode.rules)?;
    let seconds = duration(ask.seconds, role.max_session_duration, caller, mode.rules)?;
    let id = format!("{}:{}", role.id, ask.session_name);
    let arn = arn::of_session(&account.id, &role.name, ask.session_name);
    let holder = Holder::Role {
        account: account.id.clone(),
        id: role.id.clone(),
        session_name: ask.session_name.to_owned(),
        source_identity: ask.source_identity.map(str::to_owned),
    };
    let session = Session {
        policy: ask.policy.map(str::to_owned),
        managed: ask.managed.clone(),
        tags: ask.tags.clone(),
        transitive: ask.transitive.clone(),
        chained: caller.session.is_some(),
        timed: ask.seconds.is_some(),
        ..session(holder, ask.mfa, seconds, mode.now)
    };
    let credentials = issue(state, session, mode.now);
    let user = Xml::default().leaf("AssumedRoleId", id).leaf("Arn", arn);
    let used = TOKEN + packed.unwrap_or_default() * (100 - TOKEN) / 100;
    let packed = packed.map(|percent| percent.to_string());
    Ok(Xml::default()
        .node("AssumedRoleUser", user)
        .node("Credentials", credentials)
        .maybe("PackedPolicySize", packed.as_deref())
        .leaf("SessionTokenUtilization", used.to_string())
        .maybe("SourceIdentity", ask.source_identity))
}

/// Whether the trust policy, and the caller's own policies where they are needed, allow the action
/// on the role.
fn authorize(
    caller: &Caller,
    action: &str,
    ask: &Ask<'_>,
    (account, role, trust): (&Account, &Role, &Version),
    mode: Mode,
) -> Result<(), Fault> {
    let context = ask.context(caller, action, role, mode);
    let admitted = admit(&admit::Ask {
        caller,
        action,
        resource: ask.role_arn,
        owner: &account.id,
        policy: Some(trust),
        own_context: &ask.own_context(&context, mode.rules),
        context: &context,
        needed: needed(caller, action),
    });
    admitted.map_err(|why| Fault::denied(&caller.arn, action, ask.role_arn, &why))
}

/// Managed session policies are of the role's account, or AWS's. The code of a refusal is inferred.
fn check_managed(ask: &Ask<'_>, account: &Account) -> Result<(), Fault> {
    match ask.managed.iter().find(|arn| !account.has_managed(arn)) {
        Some(arn) => Err(Fault::validation(format!(
            "The policy {arn} does not exist in the account of the role, or cannot be attached."
        ))),
        None => Ok(()),
    }
}

fn duration(
    asked: Option<i64>,
    role_max: i64,
    caller: &Caller,
    rules: Rules,
) -> Result<i64, Fault> {
    let seconds = asked.unwrap_or(3_600);
    if seconds > role_max && rules.hold(Rule::MaxSessionDuration) {
        return Err(Fault::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if caller.session.is_some() && seconds > CHAINED && rules.hold(Rule::ChainedHour) {
        return Err(Fault::validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    Ok(seconds)
}
