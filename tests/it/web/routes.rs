//! Every route of the portal's own table, with a path to try and a form that goes with it.

use axum::body::Body;
use axum::http::{Method, StatusCode};
use countersign::demo::sign_in::PEOPLE;
use countersign::domain::audit::verb::Verb;
use countersign::web::{ASSETS, BY_PROVIDER, NO_SIGN_IN, ROUTES, Route, SIGN_IN};

use super::access::{filled, identity, leaver, revocation, session, stage, talked};
use crate::support::app::TestApp;
use crate::support::portal::{ORIGIN, Portal};

/// One method of one path.
pub struct Tried {
    pub method: &'static str,
    /// What is on record when it was done.
    pub verb: Option<Verb>,
    /// As the router spells it.
    pub route: &'static str,
    /// `R` is alice's pending request, `G` her grant, `S` a session of hers, `T` a token of hers,
    /// `I` an identity that she has linked, `D` a delegation of hers, `M` a machine of bob's, `V` a
    /// revocation of nothing, `P` erin, who is disabled where she is to be enabled.
    pub path: String,
}

type Methods = &'static [(&'static str, Option<Verb>)];

fn paths(sign_in: &[Route]) -> Vec<(&'static str, Methods)> {
    let table = ROUTES.iter().chain(sign_in).chain([&ASSETS]);
    table.map(|it| (it.path, it.methods)).collect()
}

fn path(route: &str) -> String {
    let name = if route == ASSETS.path {
        "nothing.css"
    } else {
        "prod-admin"
    };
    let id = match route.split('/').nth(1) {
        Some("me") if route.starts_with("/me/tokens") => "T",
        Some("me") if route.starts_with("/me/identities") => "I",
        Some("me") if route.starts_with("/me/delegations") => "D",
        Some("me") => "S",
        Some("admin") if route.starts_with("/admin/people") => "P",
        Some("admin") => "M",
        Some("grants") => "G",
        Some("revocations") => "V",
        _ => "R",
    };
    route.replace("{name}", name).replace("{id}", id)
}

/// Everything that the demo's portal answers.
pub fn all() -> Vec<Tried> {
    let each = |(route, methods): (&'static str, Methods)| {
        methods.iter().map(move |(method, verb)| Tried {
            method,
            verb: *verb,
            route,
            path: path(route),
        })
    };
    paths(PEOPLE).into_iter().flat_map(each).collect()
}

/// The form that goes with a path.
pub fn form(path: &str) -> Vec<(&'static str, &'static str)> {
    if path.ends_with("/decide") {
        vec![("choice", "approve")]
    } else if path.ends_with("/answer") {
        vec![("text", "checkout-dlq")]
    } else if path.starts_with("/entitlements/") {
        vec![("duration", "60s"), ("justification", "Because.")]
    } else if path.ends_with("/extend") {
        vec![("duration", "1m"), ("justification", "Because.")]
    } else if path == "/revocations" {
        vec![("account", "999988887777"), ("reason", "Because.")]
    } else if path.ends_with("/disable") {
        vec![("reason", "Because.")]
    } else if path.ends_with("/probe") {
        vec![("grant", "grant_00000000000000000000000000")]
    } else if path == "/admin/machines" {
        vec![
            ("name", "deploys"),
            ("owner", "bob@example.com"),
            ("scopes", "request:create"),
            ("entitlements", "prod-admin"),
        ]
    } else if path.ends_with("/owner") {
        vec![("owner", "carol@example.com")]
    } else if path.ends_with("/tokens") {
        vec![
            ("name", "laptop"),
            ("expires_in", "PT24H"),
            ("scopes", "request:read"),
        ]
    } else if path == "/me/identities" {
        vec![("signed", "{}")]
    } else if path == "/me/delegations" {
        vec![
            ("delegate", "dave@example.com"),
            ("until", "2027-01-20T08:00"),
        ]
    } else if path == SIGN_IN {
        vec![("person", "bob@example.com"), ("next", "/")]
    } else {
        vec![]
    }
}

#[tokio::test]
async fn each_path_takes_its_own_methods_and_no_other() {
    for way in [PEOPLE, NO_SIGN_IN, BY_PROVIDER] {
        let portal = Portal::with(TestApp::new().await, ORIGIN, way);
        let stranger = portal.stranger();
        for (route, methods) in paths(way) {
            for method in [
                "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY",
            ] {
                let name = if method == "HEAD" { "GET" } else { method };
                let is_listed = methods.iter().any(|(it, _)| *it == name);
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let sent = stranger
                    .request(method, &path(route))
                    .header("sec-fetch-site", "same-origin");
                let answer = portal.send(sent.body(Body::empty()).unwrap()).await;
                assert_eq!(
                    answer.status != StatusCode::METHOD_NOT_ALLOWED,
                    is_listed,
                    "{name} {route}: {}",
                    answer.status
                );
            }
        }
    }
}

#[test]
fn each_method_that_changes_something_names_what_is_on_record_afterwards() {
    for it in all() {
        let reads = it.method == "GET";
        assert_eq!(it.verb.is_none(), reads, "{} {}", it.method, it.route);
    }
}

#[tokio::test]
async fn whatever_is_done_leaves_its_event() {
    let mut done = 0;
    for it in all() {
        let Some(verb) = it.verb else { continue };
        // All of them: more than one event.
        if it.route == "/me/sessions/end-all" {
            continue;
        }
        // Two need another grant, and AWS: see console_link.rs and probes.rs. The third leaves a
        // request of its own: see extensions.rs. A link needs AWS: see identities.
        if matches!(verb, Verb::Fetch | Verb::Probe | Verb::Extend | Verb::Link) {
            continue;
        }
        let action = verb.action().as_str();
        let (portal, request, grant) = stage().await;
        // An active one, so that ending it is a closing.
        portal.open_grants().await;
        let who = match it.route {
            "/requests/{id}/decide" | "/requests/{id}/withdraw-approval" => "bob",
            "/revocations" | "/revocations/{id}/lift" | "/admin/machines" => "ada",
            "/admin/machines/{id}/owner" => "ada",
            route if route.starts_with("/admin/people") => "ada",
            "/admin/machines/{id}/tokens" | "/admin/machines/{id}/end" => "bob",
            _ => "alice",
        };
        let browser = portal.browser(who).await;
        portal
            .change(|catalog| catalog.account("999988887777").name = "Spare".to_owned())
            .await;
        let revoked = match it.route {
            "/revocations/{id}/lift" => revocation(&portal).await,
            _ => String::new(),
        };
        let path = it.path.replace('R', &request).replace('G', &grant);
        let path = path.replace('V', &revoked);
        let path = path.replace('S', &session(&portal).await);
        let path = path.replace('P', &leaver(&portal, it.route).await);
        let path = path.replace('I', &identity(&portal).await);
        let path = filled(&portal, &path).await;
        let path = talked(&portal, &path).await;
        let before = portal.done(action).await;
        let answer = browser.post(&path, &form(&path)).await;
        // What is shown once is on the page that answers.
        let is_shown = verb == Verb::CreateToken;
        let wanted = if is_shown {
            StatusCode::OK
        } else {
            StatusCode::SEE_OTHER
        };
        assert_eq!(answer.status, wanted, "{path}: {}", answer.body);
        assert_eq!(portal.done(action).await, before + 1, "{action} of {path}");
        done += 1;
    }
    assert!(done >= 6);
}
