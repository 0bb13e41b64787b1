//! The sign-in of the console: tokens for session credentials, and browsers that redeemed one (IAM
//! User Guide, "Enable custom identity broker access to the AWS console").

use chrono::TimeDelta;

use super::caller::{self, identify};
use super::dials::{Call, Incoming};
use super::mode::Mode;
use super::rules::Rule;
use super::shared::Shared;
use super::state::{Holder, Session, Signin, State};
use super::sts;
use super::wire::{Fault, Params, Xml};

/// How long a sign-in token works, for whoever has it and as often as they like.
const TOKEN_LIFE: TimeDelta = TimeDelta::minutes(15);

/// The access key of a call whose credentials, or whose token, are good.
pub(super) fn access_key(state: &State, action: &str, params: &Params) -> Result<String, Fault> {
    if action == "ConsoleLogin" {
        params.need("Destination")?;
        let signin = state.signins.get(params.need("SigninToken")?);
        return signin
            .map(|it| it.access_key.clone())
            .ok_or_else(|| refused("The sign-in token is not valid."));
    }
    let text = params.need("Session")?;
    let session: serde_json::Value =
        serde_json::from_str(text).map_err(|_| refused("Session is not JSON."))?;
    let field = |name: &str| session.get(name).and_then(serde_json::Value::as_str);
    let all = field("sessionId").zip(field("sessionKey"));
    let ((id, key), token) = all
        .zip(field("sessionToken"))
        .ok_or_else(|| refused("Session needs sessionId, sessionKey and sessionToken."))?;
    if caller::secret(state, id, Some(token))? != key {
        return Err(refused("The credentials are not valid."));
    }
    Ok(id.to_owned())
}

fn refused(message: &str) -> Fault {
    Fault::new(400, "InvalidRequest", message)
}

/// Does it, and writes it into the log.
pub(super) fn effect(shared: &Shared, call: &Incoming) -> Result<Xml, Fault> {
    let mode = shared.dials().mode();
    let mut state = shared.state();
    let caller = identify(&state, &call.access_key, "signin", mode)?.arn;
    let result = match call.action.as_str() {
        "GetSigninToken" => token(&mut state, call, mode),
        _ => login(&mut state, &call.params, mode),
    };
    let result = result.and_then(|answer| shared.save(&state).map(|()| answer));
    drop(state);
    shared.dials().log(Call {
        action: call.action.clone(),
        caller,
        params: call.params.shown(),
        at: mode.now,
        status: result.as_ref().map_or_else(|fault| fault.status, |_| 200),
        code: result.as_ref().err().map(|fault| fault.code.clone()),
    });
    result
}

fn random() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// A sign-in token for a role's session. Those that ended are forgotten.
fn token(state: &mut State, call: &Incoming, mode: Mode) -> Result<Xml, Fault> {
    let seconds = call.params.number("SessionDuration", 900..=43_200)?;
    let session = state.sessions.get(&call.access_key).cloned();
    let session = session.filter(|it| matches!(it.holder, Holder::Role { .. }));
    let session = session.ok_or_else(|| refused("These are no credentials of AssumeRole."))?;
    // With DurationSeconds, AssumeRole must be called with long-term credentials, else the call to
    // the federation endpoint fails; SessionDuration was seen to fail like it
    // (synfinatic/aws-sso-cli#1247).
    let timed = session.timed || seconds.is_some();
    if session.chained && timed && mode.rules.hold(Rule::ChainedFederation) {
        return Err(refused(
            "Credentials of role chaining cannot be used with a duration of their own.",
        ));
    }
    let token = random();
    let lives = |it: &Signin| it.made_at + TOKEN_LIFE > mode.now;
    if mode.rules.hold(Rule::SigninTokensEnd) {
        state.signins.retain(|_, it| lives(it));
    }
    state.signins.insert(
        token.clone(),
        Signin {
            made_at: mode.now,
            access_key: call.access_key.clone(),
            session,
            seconds,
        },
    );
    Ok(Xml::text(&token))
}

/// A browser that is signed in from now on: its cookie.
fn login(state: &mut State, params: &Params, mode: Mode) -> Result<Xml, Fault> {
    let signin = state.signins.get(params.need("SigninToken")?);
    let signin = signin.ok_or_else(|| refused("The sign-in token is not valid."))?;
    if signin.made_at + TOKEN_LIFE <= mode.now && mode.rules.hold(Rule::SigninTokensEnd) {
        return Err(refused("The sign-in token has expired."));
    }
    let mut session = signin.session.clone();
    if let Some(seconds) = signin.seconds {
        session.expires_at = mode.now + TimeDelta::seconds(seconds);
    }
    let cookie = random();
    state.browsers.retain(|_, it| it.expires_at > mode.now);
    state.browsers.insert(cookie.clone(), session);
    Ok(Xml::text(&cookie))
}

/// What the console works with: keys that it makes itself, for the session that the browser is
/// signed in with. That its name and its policies stay is inferred, and so is that the keys are
/// issued anew; each can be switched off.
pub(super) fn keys(shared: &Shared, cookie: &str) -> Option<(String, Session)> {
    let mode = shared.dials().mode();
    let mut state = shared.state();
    let old = state.browsers.get(cookie)?.clone();
    if old.expires_at <= mode.now {
        return None;
    }
    let seconds = (old.expires_at - mode.now).num_seconds();
    let new = sts::session(old.holder.clone(), old.mfa, seconds, mode.now);
    let mut session = Session {
        secret: new.secret,
        token: new.token,
        issued_at: new.issued_at,
        ..old.clone()
    };
    if !mode.rules.hold(Rule::ConsoleKeysAreNew) {
        session.issued_at = old.issued_at;
    }
    if let Holder::Role { session_name, .. } = &mut session.holder
        && !mode.rules.hold(Rule::ConsoleKeepsName)
    {
        "console".clone_into(session_name);
    }
    if !mode.rules.hold(Rule::ConsoleKeepsSessionPolicy) {
        session.policy = None;
        session.managed.clear();
    }
    let id = sts::keep(&mut state, session.clone(), mode.now);
    // What fails is logged.
    let _ = shared.save(&state);
    Some((id, session))
}
