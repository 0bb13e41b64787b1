//! What a call does: the decision, the effect, the line in the log.

use super::dials::{Call, Incoming};
use super::shared::Shared;
use super::wire::{Fault as Refusal, Xml};
use super::{caller, iam, s3, signin, sts};

/// Authorizes the call, does it, and writes it into the log.
pub(super) fn effect(shared: &Shared, call: &Incoming) -> Result<Xml, Refusal> {
    if call.service == "signin" {
        return signin::effect(shared, call);
    }
    let (timeless, mode) = {
        let dials = shared.dials();
        (dials.timeless.contains(&call.action), dials.mode())
    };
    let mut state = shared.state();
    let mut caller = caller::identify(&state, &call.access_key, &call.service, mode)?;
    caller.timeless = timeless;
    let params = &call.params;
    let (action, now) = (call.action.as_str(), mode.now);
    let result = check_version(call).and_then(|()| match (call.service.as_str(), action) {
        ("sts", "GetCallerIdentity") => Ok(sts::caller_identity(&caller)),
        ("sts", "AssumeRole") => sts::assume_role(&mut state, &caller, params, mode),
        ("sts", "GetSessionToken") => sts::session_token(&mut state, &caller, params, mode),
        ("s3", _) => s3::get_object(&state, &caller, params, mode),
        ("iam", _) => {
            let caller = &caller;
            iam::call(
                &mut state,
                &iam::Call {
                    action,
                    caller,
                    params,
                    mode,
                },
            )
        }
        _ => Err(iam::unknown(action, version(&call.service))),
    });
    let words = ["Get", "List", "Simulate"];
    let reads = action != "GetSessionToken" && words.iter().any(|it| action.starts_with(it));
    let result = result.and_then(|answer| {
        if !reads {
            shared.save(&state)?;
        }
        Ok(answer)
    });
    drop(state);
    let (status, code) = result.as_ref().map_or_else(
        |refusal| (refusal.status, Some(refusal.code.clone())),
        |_| (200, None),
    );
    let on = params.get("RoleName").or_else(|| params.get("UserName"));
    tracing::debug!(action, %caller.arn, status, on = on.unwrap_or_default(), "call");
    shared.dials().log(Call {
        action: action.to_owned(),
        caller: caller.arn,
        params: params.shown(),
        at: now,
        status,
        code,
    });
    result
}

fn version(service: &str) -> &'static str {
    if service == "sts" {
        "2011-06-15"
    } else {
        "2010-05-08"
    }
}

/// The action and the version of the API must be said, as to AWS.
fn check_version(call: &Incoming) -> Result<(), Refusal> {
    if call.service == "s3" {
        return Ok(());
    }
    if call.action.is_empty() {
        let message = "The request must contain the parameter Action";
        return Err(Refusal::new(400, "MissingAction", message));
    }
    match call.params.get("Version") {
        Some(it) if it == version(&call.service) => Ok(()),
        Some(other) => Err(iam::unknown(&call.action, other)),
        None => Err(iam::unknown(&call.action, "NO_VERSION_SPECIFIED")),
    }
}
