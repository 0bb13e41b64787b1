//! What was so when somebody asked, and is so no more: groups that were left, an AWS that did not
//! answer.

use std::time::Duration;

use countersign::config::Config;
use countersign::sandbox::When;
use countersign::worker::Settings;
use serde_json::json;

use crate::sandbox;
use crate::support::api::{Api, ask};
use crate::support::app::TestApp;

async fn submit(service: &Api, entitlement: &str) -> String {
    let alice = service.token("alice").await;
    let mut body = ask();
    body["entitlement"] = json!(entitlement);
    let answer = service.call(&alice, "POST", "/requests", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

/// Status and code of an approval.
async fn approve(service: &Api, name: &str, request: &str) -> (u16, String) {
    let token = service.token(name).await;
    let path = format!("/requests/{request}/approve");
    let answer = service.call(&token, "POST", &path, &json!({})).await;
    (answer.status.as_u16(), answer.code().to_owned())
}

fn told(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_requester_who_left_the_group_gets_no_approval() {
    let service = TestApp::new().await.api().await;
    let company: &TestApp = &service;
    let (first, second) = (
        submit(&service, "prod-admin").await,
        submit(&service, "prod-root").await,
    );
    company
        .change(|it| it.regroup("alice", &["approvers"]))
        .await;
    for request in [&first, &second] {
        let said = approve(&service, "bob", request).await;
        assert_eq!(said, told(409, "not_eligible"));
        assert_eq!(
            company.events(request, "request.approved", "refused").await,
            1
        );
        let bob = service.token("bob").await;
        let path = format!("/requests/{request}");
        let now = service.call(&bob, "GET", &path, &json!({})).await.body;
        assert_eq!(
            (&now["state"], &now["version"]),
            (&json!("pending"), &json!(1))
        );
    }
    assert_eq!(company.count("decisions").await, 0);
    assert_eq!(company.count("grants").await, 0);

    let (bob, path) = (
        service.token("bob").await,
        format!("/requests/{first}/deny"),
    );
    let comment = json!({"comment": "You have left the team"});
    let denied = service.call(&bob, "POST", &path, &comment).await;
    assert_eq!(denied.status, 200, "{}", denied.body);
    company
        .change(|it| it.regroup("alice", &["developers"]))
        .await;
    assert_eq!(approve(&service, "bob", &second).await.0, 200);
}

#[tokio::test]
async fn an_approver_who_left_the_group_has_no_voice() {
    let service = TestApp::new().await.api().await;
    let company: &TestApp = &service;
    let (one, two) = (
        submit(&service, "prod-admin").await,
        submit(&service, "prod-root").await,
    );
    assert_eq!(approve(&service, "bob", &two).await.0, 200);
    company.change(|it| it.regroup("bob", &[])).await;
    assert_eq!(approve(&service, "bob", &one).await, told(404, "not_found"));
    // What they decided they may still see.
    assert_eq!(approve(&service, "bob", &two).await, told(403, "forbidden"));
    for request in [&one, &two] {
        assert_eq!(
            company.events(request, "request.approved", "refused").await,
            1
        );
    }
    assert_eq!(company.count("decisions").await, 1);
    assert_eq!(company.count("grants").await, 0);
    assert_eq!(approve(&service, "carol", &one).await.0, 200);
}

#[tokio::test]
async fn an_aws_that_hangs_keeps_nobody_waiting_and_is_asked_again_at_opening() {
    for is_gone in [false, true] {
        let aws = sandbox::start(r#"{"Version":"2012-10-17","Statement":[]}"#).await;
        let company = TestApp::new().await;
        // Nothing but the limit of the look itself can end it.
        let company = company.with_aws(&aws, Duration::from_hours(1)).await;
        let service = company.api().await;
        let held = aws.knobs().hold("GetRole", 1, When::BeforeEffect);
        let asked = tokio::time::timeout(Duration::from_secs(60), submit(&service, "prod-admin"));
        let request = asked.await.expect("an answer without AWS");
        assert!(held.is_reached());
        let (bob, path) = (service.token("bob").await, format!("/requests/{request}"));
        let shown = service.call(&bob, "GET", &path, &json!({})).await.body;
        assert_eq!(shown["target_checked"], false, "{shown}");

        if is_gone {
            aws.knobs().delete_role(sandbox::ROLE);
        }
        assert_eq!(approve(&service, "bob", &request).await.0, 200);
        work(&service).await;
        if is_gone {
            // One answer that it is not there may be wrong.
            let settings = Settings::from(&Config::default());
            service.later(settings.margins.missing());
            work(&service).await;
        }
        let alice = service.token("alice").await;
        let grants = service.call(&alice, "GET", "/grants", &json!({})).await;
        let grant = &grants.body["items"][0];
        let wanted = if is_gone { "failed" } else { "active" };
        assert_eq!(grant["state"], wanted, "{grant}");
        assert_eq!(grant["opened_at"].is_null(), is_gone, "{grant}");
    }
}

/// A worker works until nothing is due.
async fn work(company: &TestApp) {
    let settings = Settings {
        lease: Duration::from_hours(3),
        ..Settings::from(&Config::default())
    };
    let worker = company.worker_with(settings);
    worker.run_until_idle().await.unwrap();
}
