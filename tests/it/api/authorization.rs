//! Who gets what from each route; every route of the API's own table has to be here.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use countersign::api::{self, ROUTES};
use countersign::app::approve::approve;
use countersign::app::revoke::{self, NewRevocation};
use countersign::app::{ask_question, disable, enable, find, tokens};
use countersign::domain::audit::verb::Verb;
use countersign::ids::RequestId;
use serde_json::{Value, json};

use crate::support::api::{Api, ask};
use crate::support::app::{TestApp, wanted};

const CALLERS: [&str; 9] = [
    "nobody", "forged", "expired", "revoked", "alice", "bob", "otto", "mallory", "ada",
];

/// What each route answers: without a token that works, to alice (who asked), bob (who may decide),
/// otto (an auditor), mallory (nobody) and ada (an admin). The request is pending; the grant is
/// another's, scheduled.
fn expected() -> BTreeMap<(&'static str, &'static str), [u16; 6]> {
    BTreeMap::from([
        (("GET", "/requests"), [401, 200, 200, 200, 200, 200]),
        (("POST", "/requests"), [401, 201, 404, 404, 404, 404]),
        (("GET", "/requests/{id}"), [401, 200, 200, 200, 404, 200]),
        (
            ("POST", "/requests/{id}/approve"),
            [401, 403, 200, 403, 404, 403],
        ),
        (
            ("POST", "/requests/{id}/deny"),
            [401, 403, 200, 403, 404, 403],
        ),
        (
            ("POST", "/requests/{id}/withdraw"),
            [401, 200, 403, 403, 404, 403],
        ),
        // The approval is bob's.
        (
            ("POST", "/requests/{id}/withdraw-approval"),
            [401, 409, 200, 409, 404, 409],
        ),
        (
            ("POST", "/requests/{id}/ask"),
            [401, 403, 200, 403, 404, 403],
        ),
        (
            ("POST", "/requests/{id}/answer"),
            [401, 200, 403, 403, 404, 403],
        ),
        (("GET", "/grants"), [401, 200, 200, 200, 200, 200]),
        (("GET", "/grants/{id}"), [401, 200, 200, 200, 404, 200]),
        (("POST", "/grants/{id}/end"), [401, 202, 202, 403, 404, 202]),
        // The grant is not open yet.
        (
            ("POST", "/grants/{id}/extend"),
            [401, 409, 403, 403, 404, 403],
        ),
        // The grant is one that is not fetched.
        (
            ("POST", "/grants/{id}/credentials"),
            [401, 409, 403, 403, 404, 403],
        ),
        (
            ("POST", "/grants/{id}/console-link"),
            [401, 409, 403, 403, 404, 403],
        ),
        // And one that is not tried.
        (
            ("POST", "/grants/{id}/probe"),
            [401, 403, 403, 403, 404, 409],
        ),
        (("GET", "/revocations"), [401, 403, 403, 200, 403, 200]),
        (("POST", "/revocations"), [401, 403, 403, 403, 403, 202]),
        (("GET", "/revocations/{id}"), [401, 404, 404, 200, 404, 200]),
        (
            ("GET", "/revocations/{id}/grants"),
            [401, 404, 404, 200, 404, 200],
        ),
        (
            ("POST", "/revocations/{id}/lift"),
            [401, 404, 404, 403, 404, 200],
        ),
        (("GET", "/entitlements"), [401, 200, 200, 200, 200, 200]),
        (("GET", "/people/me"), [401, 200, 200, 200, 200, 200]),
        (
            ("POST", "/people/{id}/disable"),
            [401, 403, 403, 403, 403, 200],
        ),
        (
            ("POST", "/people/{id}/enable"),
            [401, 403, 403, 403, 403, 200],
        ),
        (("GET", "/tokens"), [401, 200, 200, 200, 200, 200]),
        // A token of alice's.
        (
            ("POST", "/tokens/{id}/revoke"),
            [401, 200, 404, 404, 404, 200],
        ),
        (("GET", "/audit-events"), [401, 200, 200, 200, 200, 200]),
        (("GET", "/openapi.json"), [200, 200, 200, 200, 200, 200]),
    ])
}

pub fn body_for(path: &str) -> Value {
    match path {
        "/requests" => ask(),
        "/revocations" => json!({"account": "999988887777", "reason": "Because."}),
        path if path.ends_with("/extend") => {
            json!({"duration": "PT1M", "justification": "Because."})
        }
        path if path.ends_with("/ask") || path.ends_with("/answer") => json!({"text": "Which?"}),
        path if path.ends_with("/deny") => json!({"comment": "not today"}),
        path if path.ends_with("/disable") => json!({"reason": "Because."}),
        _ => json!({}),
    }
}

/// A fresh pending request of alice's, with what the last step of the path needs: bob's approval,
/// one of two, or a question of his.
pub async fn asked(app: &TestApp, path: &str) -> RequestId {
    let bob = app.ctx("bob").await;
    if path.ends_with("/withdraw-approval") {
        let id = app.ask("prod-root").await.id;
        approve(&bob, id, None, None).await.unwrap();
        return id;
    }
    let id = app.ask("prod-admin").await.id;
    if path.ends_with("/answer") {
        ask_question::ask(&bob, id, "Which?").await.unwrap();
    }
    id
}

/// A path with a fresh pending request of alice's, a fresh grant of hers, a fresh revocation, or
/// erin, who is disabled where she is to be enabled.
pub async fn place(service: &Api, path: &str) -> String {
    if path.starts_with("/people/{id}") {
        let erin = "erin@example.com";
        // However the try before went.
        if path.ends_with("/enable") {
            let _ = disable::by_command(&service.admin, "test", erin, None).await;
        } else {
            let _ = enable::by_command(&service.admin, "test", erin).await;
        }
        let id = service.ctx("erin").await.person.id;
        return path.replace("{id}", &id.to_string());
    }
    if path.starts_with("/revocations") {
        // Of an account in which nothing is: it holds nobody up.
        service
            .change(|catalog| catalog.account("999988887777").name = "Spare".to_owned())
            .await;
        if !path.contains("{id}") {
            return path.to_owned();
        }
        let new = NewRevocation {
            account: Some("999988887777".to_owned()),
            reason: "Because.".to_owned(),
            ..NewRevocation::default()
        };
        let ada = service.ctx("ada").await;
        let begun = revoke::revoke(&ada, new).await.unwrap();
        // What follows from it by itself has happened then.
        revoke::carry_on(&service.app, begun.id).await.unwrap();
        return path.replace("{id}", &begun.id.to_string());
    }
    if path.starts_with("/tokens") {
        let day = wanted("test", TimeDelta::days(1));
        let made = tokens::create(&service.admin, "test", "alice@example.com", day);
        return path.replace("{id}", &made.await.unwrap().0.to_string());
    }
    let request = asked(service, path).await;
    if path.starts_with("/grants") {
        let carol = service.ctx("carol").await;
        approve(&carol, request, None, None).await.unwrap();
        let alice = service.ctx("alice").await;
        let grant = find::request(&alice, request).await.unwrap().grant.unwrap();
        return path.replace("{id}", &grant.id.to_string());
    }
    path.replace("{id}", &request.to_string())
}

async fn token(service: &Api, caller: &str) -> String {
    match caller {
        "nobody" => String::new(),
        "forged" => format!("csn_{}", "0".repeat(64)),
        "revoked" => {
            let day = wanted("test", TimeDelta::days(1));
            let made = tokens::create(&service.admin, "test", "bob@example.com", day);
            let (id, token) = made.await.unwrap();
            tokens::revoke(&service.admin, "test", id).await.unwrap();
            secrecy::ExposeSecret::expose_secret(&token).to_owned()
        }
        "expired" => {
            service.later(TimeDelta::zero());
            let token = service.token("bob").await;
            service.later(TimeDelta::days(2));
            token
        }
        person => service.token(person).await,
    }
}

#[tokio::test]
async fn each_route_answers_each_caller_as_it_should() {
    let expected = expected();
    let service = TestApp::new().await.api().await;
    for route in ROUTES {
        for (method, ..) in route.methods {
            let wanted = expected
                .get(&(*method, route.path))
                .unwrap_or_else(|| panic!("{method} {} is not in the table", route.path));
            for caller in CALLERS {
                let token = token(&service, caller).await;
                let path = place(&service, route.path).await;
                let answer = service
                    .call(&token, method, &path, &body_for(route.path))
                    .await;
                let column = ["alice", "bob", "otto", "mallory", "ada"]
                    .iter()
                    .position(|it| *it == caller)
                    .map_or(0, |at| at + 1);
                assert_eq!(
                    answer.status.as_u16(),
                    wanted[column],
                    "{method} {} as {caller}: {}",
                    route.path,
                    answer.body
                );
                if answer.status == 401 {
                    assert_eq!(
                        (answer.code(), answer.header("www-authenticate")),
                        ("unauthenticated", "Bearer")
                    );
                }
            }
        }
    }
    let known: usize = ROUTES.iter().map(|it| it.methods.len()).sum();
    assert_eq!(
        known,
        expected.len(),
        "the table names a route that is gone"
    );
}

#[tokio::test]
async fn every_refusal_of_a_route_that_changes_something_is_on_record() {
    let service = TestApp::new().await.api().await;
    let mallory = service.token("mallory").await;
    let mut changing = 0;
    for route in ROUTES {
        for (method, verb, _) in route.methods {
            if *method == "GET" {
                assert_eq!(*verb, None, "GET {} changes nothing", route.path);
                continue;
            }
            let verb = verb.unwrap_or_else(|| panic!("{method} {} names no verb", route.path));
            let action = verb.action().as_str();
            let path = place(&service, route.path).await;
            let subject = path.split('/').nth(2).unwrap_or(match route.path {
                "/revocations" => "999988887777",
                _ => "prod-admin",
            });
            let subject = subject.to_owned();
            let before = service.count("audit_events").await;
            let answer = service
                .call(&mallory, method, &path, &body_for(route.path))
                .await;
            // That there are revocations is no secret, nor that there are people.
            let is_known = path == "/revocations" || path.starts_with("/people/");
            let wanted = if is_known { 403 } else { 404 };
            assert_eq!(answer.status, wanted, "{method} {path}");
            assert_eq!(
                service.events(&subject, action, "refused").await,
                1,
                "{action} on {subject}"
            );
            assert_eq!(service.count("audit_events").await, before + 1);
            changing += 1;
        }
    }
    assert!(changing >= 5);
}

#[tokio::test]
async fn each_path_takes_its_own_methods_and_no_other() {
    let service = TestApp::new().await.api().await;
    for route in ROUTES {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY",
        ] {
            let name = if method == "HEAD" { "GET" } else { method };
            let is_listed = route.methods.iter().any(|(it, ..)| *it == name);
            let path = route.path.replace("{id}", "x");
            let answer = service.raw(method, &path, &[], Vec::new()).await;
            assert_eq!(
                answer.status != 405,
                is_listed,
                "{method} {}: {}",
                route.path,
                answer.status
            );
        }
    }
}

#[tokio::test]
async fn whatever_is_done_leaves_its_event() {
    let service = TestApp::new().await.api().await;
    let company: &TestApp = &service;
    let mut done = 0;
    for route in ROUTES {
        for (method, verb, _) in route.methods {
            let Some(verb) = verb else { continue };
            // Two need another grant, and AWS: see worker/fetches.rs and worker/probes.rs. The
            // third leaves a request of its own: see worker/extensions.rs.
            if matches!(verb, Verb::Fetch | Verb::Probe | Verb::Extend) {
                continue;
            }
            let action = verb.action().as_str();
            let path = place(&service, route.path).await;
            // An active one, so that ending it is a closing.
            company.open_grants().await;
            let subject = path.split('/').nth(2).unwrap_or_default().to_owned();
            let who = match route.path {
                "/requests/{id}/approve" | "/requests/{id}/deny" | "/requests/{id}/ask" => "bob",
                "/requests/{id}/withdraw-approval" => "bob",
                "/revocations" | "/revocations/{id}/lift" => "ada",
                "/people/{id}/disable" | "/people/{id}/enable" => "ada",
                _ => "alice",
            };
            let token = service.token(who).await;
            let before = company.count("audit_events").await;
            let answer = service
                .call(&token, method, &path, &body_for(route.path))
                .await;
            assert!(answer.status.is_success(), "{path}: {}", answer.body);
            let subject = match answer.body["id"].as_str() {
                Some(id) if subject.is_empty() => id.to_owned(),
                _ => subject,
            };
            let told = company.events(&subject, action, "success").await;
            assert_eq!(told, 1, "{action} on {subject}");
            let mut more = 1;
            if route.path == "/revocations" {
                // And that nothing of it is left open.
                let id = subject.parse().unwrap();
                revoke::carry_on(&company.app, id).await.unwrap();
                more += 1;
            }
            assert_eq!(company.count("audit_events").await, before + more, "{path}");
            done += 1;
        }
    }
    assert!(done >= 5);
}

#[test]
fn the_openapi_document_describes_exactly_these_routes() {
    let document = serde_json::to_value(api::document()).unwrap();
    let mut described = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described.extend(
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    let mut routes: Vec<_> = ROUTES
        .iter()
        .flat_map(|it| {
            it.methods
                .iter()
                .map(|(method, ..)| format!("{method} {}", it.path))
        })
        .collect();
    described.sort();
    routes.sort();
    assert_eq!(described, routes);
    insta::assert_json_snapshot!(document);
}
