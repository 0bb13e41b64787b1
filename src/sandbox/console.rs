//! The federation endpoint and a small console, as a browser and a federation broker see them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shares;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde_json::json;

use super::dials::Incoming;
use super::effect::effect;
use super::server::{Outcome, broken, serve};
use super::shared::Shared;
use super::signin;
use super::state::Session;
use super::wire::{Fault, Params, escape};

/// The cookie of a browser that is signed in.
const COOKIE: &str = "console";

/// `getSigninToken` and `login`, with their parameters in the query or in a form.
pub(super) async fn federation(
    Shares(shared): Shares<Arc<Shared>>,
    parts: Parts,
    body: Bytes,
) -> Response {
    let params = Params::parse(if parts.method == Method::GET {
        parts.uri.query().unwrap_or_default().as_bytes()
    } else {
        &body
    });
    let action = match params.get("Action") {
        Some("getSigninToken") => "GetSigninToken",
        Some("login") => "ConsoleLogin",
        _ => {
            return refuse(&Fault::new(
                400,
                "InvalidRequest",
                "There is no such Action.",
            ));
        }
    };
    let access_key = signin::access_key(&shared.state(), action, &params);
    let call = match access_key {
        Ok(access_key) => Incoming {
            access_key,
            service: "signin".to_owned(),
            action: action.to_owned(),
            params,
        },
        Err(fault) => return refuse(&fault),
    };
    match serve(&shared, &call).await {
        Outcome::Answer(Err(fault)) => refuse(&fault),
        Outcome::Answer(Ok(token)) if action == "GetSigninToken" => {
            axum::Json(json!({ "SigninToken": token.to_string() })).into_response()
        }
        Outcome::Answer(Ok(cookie)) => {
            let cookie = format!("{COOKIE}={cookie}; Path=/console; HttpOnly; SameSite=Lax");
            // Wherever the caller wants to go, there is one page.
            ([(header::SET_COOKIE, cookie)], Redirect::to("/console")).into_response()
        }
        Outcome::Broken => broken(),
    }
}

fn refuse(fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, format!("{}: {}", fault.code, fault.message)).into_response()
}

fn signed_in(shared: &Shared, headers: &HeaderMap) -> Option<(String, Session)> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut cookies = cookies.filter_map(|it| it.to_str().ok());
    let cookie = cookies.find_map(|all| {
        let mut all = all.split(';').filter_map(|it| it.trim().split_once('='));
        all.find(|(name, _)| *name == COOKIE).map(|it| it.1)
    })?;
    signin::keys(shared, cookie)
}

fn signed_out() -> Response {
    let text = "<!doctype html><title>Console</title><p>You are not signed in.";
    (StatusCode::UNAUTHORIZED, Html(text)).into_response()
}

/// The keys that the console works with at this moment.
pub(super) async fn keys(Shares(shared): Shares<Arc<Shared>>, headers: HeaderMap) -> Response {
    let Some((id, session)) = signed_in(&shared, &headers) else {
        return signed_out();
    };
    axum::Json(json!({
        "AccessKeyId": id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": session.expires_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }))
    .into_response()
}

/// One page: who is signed in and until when, and whether an ordinary call works.
pub(super) async fn page(Shares(shared): Shares<Arc<Shared>>, headers: HeaderMap) -> Response {
    let Some((access_key, session)) = signed_in(&shared, &headers) else {
        return signed_out();
    };
    let ask = |service: &str, action: &str, version: &str| {
        let params = Params::parse(format!("Version={version}").as_bytes());
        let call = Incoming {
            access_key: access_key.clone(),
            service: service.to_owned(),
            action: action.to_owned(),
            params,
        };
        effect(&shared, &call)
    };
    let who = ask("sts", "GetCallerIdentity", "2011-06-15").map(|it| it.to_string());
    let who = who.unwrap_or_default();
    let arn = who
        .split_once("<Arn>")
        .and_then(|(_, it)| it.split_once('<'));
    let arn = arn.map_or("", |it| it.0);
    let works = match ask("iam", "ListUsers", "2010-05-08") {
        Ok(_) => "iam:ListUsers works".to_owned(),
        Err(fault) => fault.message,
    };
    let works = escape(&works);
    let until = session.expires_at.format("%Y-%m-%d %H:%M:%S UTC");
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Console</title>\
         <h1>The console of an AWS that is none</h1><p>Signed in as <code>{arn}</code> until {until}.\
         <p>{works}"
    ))
    .into_response()
}
