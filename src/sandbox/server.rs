//! One request through the sandbox: the signature, the knobs, the decision and its effect, the
//! answer.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State as Shares};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::response::Response;

use super::arn::locate;
use super::dials::{Fault, Incoming, Plan, What, When};
use super::effect::effect;
use super::rules::Rule;
use super::shared::Shared;
use super::wire::{Fault as Refusal, Params, Xml};
use super::{caller, sigv4, wire};

/// What comes of a call.
pub(super) enum Outcome {
    Answer(Result<Xml, Refusal>),
    /// The connection breaks.
    Broken,
}

pub(super) async fn handle(Shares(shared): Shares<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = uuid::Uuid::now_v7().to_string();
    let refuse = |refusal| wire::answer("iam", "", &request_id, Err(refusal));
    let Ok(body) = axum::body::to_bytes(body, 1 << 20).await else {
        return refuse(Refusal::new(
            413,
            "RequestEntityTooLarge",
            "Request too large",
        ));
    };
    let call = match authenticate(&shared, &parts, &body) {
        Ok(call) => call,
        Err(refusal) => return refuse(refusal),
    };
    match serve(&shared, &call).await {
        Outcome::Answer(result) => {
            let mut answer = wire::answer(&call.service, &call.action, &request_id, result);
            date(&shared, &mut answer);
            answer
        }
        Outcome::Broken => broken(),
    }
}

/// A `Date` of our own, where the knob asks for one.
#[expect(
    clippy::disallowed_methods,
    reason = "the SDKs sign by this, and signatures are judged by real time"
)]
fn date(shared: &Shared, answer: &mut Response) {
    let ahead = shared.dials().date_ahead;
    let date = (chrono::Utc::now() + ahead).format("%a, %d %b %Y %H:%M:%S GMT");
    if !ahead.is_zero()
        && let Ok(date) = date.to_string().parse()
    {
        answer.headers_mut().insert(header::DATE, date);
    }
}

/// An answer that never becomes whole: the connection is cut.
pub(super) fn broken() -> Response {
    let cut = async { Err::<&[u8], _>(io::Error::from(io::ErrorKind::ConnectionReset)) };
    Response::new(Body::from_stream(futures_util::stream::once(cut)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signature's age is measured against real time, so that stepping the clock breaks no SDK"
)]
fn authenticate(shared: &Shared, parts: &Parts, body: &[u8]) -> Result<Incoming, Refusal> {
    let claim = sigv4::claim(parts, chrono::Utc::now())?;
    if !["iam", "sts", "s3"].contains(&claim.service.as_str()) {
        let service = &claim.service;
        let message = format!("Credential should be scoped to correct service, not '{service}'.");
        return Err(Refusal::new(403, "SignatureDoesNotMatch", message));
    }
    let token = claim.token.as_deref();
    let secret = caller::secret(&shared.state(), &claim.access_key, token)?;
    if shared.dials().rules.hold(Rule::Signatures) {
        sigv4::verify(&claim, &secret, parts, body)?;
    }
    if claim.service == "s3" {
        return Ok(Incoming {
            access_key: claim.access_key,
            action: "GetObject".to_owned(),
            params: Params::of_object(parts.uri.path()),
            service: claim.service,
        });
    }
    let params = Params::parse(if parts.method == Method::GET {
        parts.uri.query().unwrap_or_default().as_bytes()
    } else {
        body
    });
    Ok(Incoming {
        action: params.get("Action").unwrap_or_default().to_owned(),
        access_key: claim.access_key,
        service: claim.service,
        params,
    })
}

/// The knobs before, the effect, the knobs after.
pub(super) async fn serve(shared: &Shared, call: &Incoming) -> Outcome {
    let (account, owner) = accounts(shared, call);
    wait(shared, &account, &owner).await;
    if shared.dials().fails([&account, &owner]) {
        let refusal = Refusal::new(400, "ServiceFailure", "The request has failed.");
        return Outcome::Answer(Err(refusal));
    }
    if shared.dials().throttles(&call.service, &account) {
        let refusal = Refusal::new(400, "Throttling", "Rate exceeded");
        return Outcome::Answer(Err(refusal));
    }
    let plans = shared.dials().arriving(&call.action, &owner);
    for plan in &plans {
        if let What::Late(slot) = &plan.what {
            let mut slot = slot
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            *slot = Some(call.clone());
            return Outcome::Broken;
        }
    }
    if let Some(end) = obey_all(&plans, When::BeforeEffect).await {
        return end;
    }
    if *shared.stopped.borrow() {
        return Outcome::Broken;
    }
    let result = effect(shared, call);
    let is_garbled = plans
        .iter()
        .any(|plan| matches!(plan.what, What::Fail(Fault::Garbled)));
    let result = if is_garbled {
        result.map(Xml::garbled)
    } else {
        result
    };
    let end = obey_all(&plans, When::AfterEffect).await;
    end.unwrap_or(Outcome::Answer(result))
}

/// The account of the caller, and that of what the call is about; empty where no knob asks.
fn accounts(shared: &Shared, call: &Incoming) -> (String, String) {
    if !shared.dials().knows_accounts() {
        return (String::new(), String::new());
    }
    let account = caller::account_of(&shared.state(), &call.access_key).unwrap_or_default();
    let role = call.params.get("RoleArn").and_then(locate);
    let owner = role.map_or_else(|| account.clone(), |(owner, _)| owner);
    (account, owner)
}

/// As long as the account takes that the call is about, the `owner`; without an end where it, or
/// the caller's, does not answer.
async fn wait(shared: &Shared, account: &str, owner: &str) {
    let (silent, latency) = {
        let dials = shared.dials();
        let silent = |account| dials.lines.get(account).is_some_and(|it| it.silent);
        let latency = dials.lines.get(owner).map(|it| it.latency);
        (silent(account) || silent(owner), latency)
    };
    if silent {
        return std::future::pending().await;
    }
    if let Some(latency) = latency {
        tokio::time::sleep(latency).await;
    }
}

async fn obey_all(plans: &[Plan], when: When) -> Option<Outcome> {
    for plan in plans.iter().filter(|it| it.when == when) {
        if let Some(end) = obey(&plan.what).await {
            return Some(end);
        }
    }
    None
}

/// Does what the plan says; `None` to go on.
async fn obey(what: &What) -> Option<Outcome> {
    match what {
        What::Hold { reached, released } => {
            reached.send_replace(true);
            let _ = released.clone().wait_for(|it| *it).await;
            None
        }
        What::Fail(Fault::Error {
            status,
            code,
            message,
        }) => {
            let refusal = Refusal::new(*status, code, message.as_str());
            Some(Outcome::Answer(Err(refusal)))
        }
        What::Fail(Fault::DropConnection) => Some(Outcome::Broken),
        What::Fail(Fault::NeverAnswer) => std::future::pending().await,
        What::Fail(Fault::Garbled) | What::Late(_) => None,
    }
}
