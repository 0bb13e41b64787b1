//! Answers that only come about when something is unusual, each by its code.

use serde_json::{Value, json};

use crate::support::api::ask;
use crate::support::app::TestApp;
use crate::support::catalog::user_arn;

#[tokio::test]
async fn whoever_has_several_identities_in_the_account_names_one() {
    let service = TestApp::new().await.api().await;
    let two = ["alice", "ops/alice2"].map(user_arn).to_vec();
    service
        .change(|it| it.person("alice").principals = two)
        .await;
    let alice = service.token("alice").await;
    let told = service.call(&alice, "POST", "/requests", &ask()).await;
    assert_eq!(told.status, 422, "{}", told.body);
    assert_eq!(told.code(), "principal_ambiguous");
    let field = &told.body["errors"][0];
    assert_eq!(field["field"], "principal", "{}", told.body);
    assert_eq!(field["code"], "principal_ambiguous", "{}", told.body);
    assert_eq!(service.count("requests").await, 0);
    let mut named = ask();
    named["principal"] = json!("arn:aws:iam::111122223333:user/ops/alice2");
    let told = service.call(&alice, "POST", "/requests", &named).await;
    assert_eq!(told.status, 201, "{}", told.body);
    assert_eq!(told.body["principal_arn"], named["principal"]);
}

#[tokio::test]
async fn a_second_voice_of_the_same_person_is_stale() {
    let service = TestApp::new().await.api().await;
    let request = service.ask("prod-root").await;
    let bob = service.token("bob").await;
    let path = format!("/requests/{}/approve", request.id);
    let first = service.call(&bob, "POST", &path, &json!({})).await;
    assert_eq!((first.status.as_u16(), first.code()), (200, "-"));
    let second = service.call(&bob, "POST", &path, &json!({})).await;
    assert_eq!(
        (second.status.as_u16(), second.code()),
        (409, "already_decided")
    );
    assert_eq!(service.count("decisions").await, 1);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_busy_and_says_when_to_try_again() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    service.pool().close().await;
    for (method, path) in [("GET", "/requests"), ("POST", "/requests")] {
        let told = service.call(&alice, method, path, &ask()).await;
        assert_eq!(told.status, 503, "{}", told.body);
        assert_eq!((told.code(), told.header("retry-after")), ("busy", "2"));
        assert_eq!(told.header("content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn a_fault_of_ours_tells_nothing_of_the_inside() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    let request = service.ask("prod-admin").await.id;
    let hidden = "ALTER TABLE decisions RENAME TO hidden";
    service.as_owner(hidden).await;
    let path = format!("/requests/{request}");
    for (method, path) in [("GET", path.clone()), ("POST", format!("{path}/withdraw"))] {
        let told = service.call(&alice, method, &path, &json!({})).await;
        assert_eq!(told.status, 500, "{}", told.body);
        assert_eq!(told.code(), "internal", "{}", told.body);
        assert!(!told.header("x-request-id").is_empty());
        let text = told.body.to_string().to_lowercase();
        for inside in ["decisions", "relation", "sqlx", "postgres", "select"] {
            assert!(!text.contains(inside), "{inside}: {text}");
        }
    }
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_every_verb_and_nothing_is_done() {
    let service = TestApp::new().await.api().await;
    let company: &TestApp = &service;
    let request = company.ask("prod-admin").await.id;
    let other = company.ask("prod-admin").await.id;
    let carol = service.token("carol").await;
    let approve = format!("/requests/{other}/approve");
    let approved = service.call(&carol, "POST", &approve, &json!({})).await;
    let grant = approved.body["grant_id"].as_str().unwrap();
    let events = company.count("audit_events").await;
    for (who, path) in [
        ("bob", format!("/requests/{request}/approve")),
        ("bob", format!("/requests/{request}/deny")),
        ("alice", format!("/requests/{request}/withdraw")),
        ("alice", format!("/grants/{grant}/end")),
        ("alice", format!("/grants/{grant}/credentials")),
        ("alice", format!("/grants/{grant}/console-link")),
    ] {
        let token = service.token(who).await;
        let events = company.count("audit_events").await;
        for body in [json!({"why": "x"}), json!({"state": "approved"})] {
            let told = service.call(&token, "POST", &path, &body).await;
            assert_eq!(told.status, 400, "{path}: {}", told.body);
            assert_eq!(told.code(), "invalid_json", "{path}");
            let field = body.as_object().unwrap().keys().next().unwrap();
            let detail = told.body["detail"].as_str().unwrap();
            assert!(detail.contains(field.as_str()), "{path}: {detail}");
        }
        assert_eq!(company.count("audit_events").await, events, "{path}");
    }
    assert_eq!(company.count("audit_events").await, events + 6);
    let bob = service.token("bob").await;
    let path = format!("/requests/{request}");
    let now = service.call(&bob, "GET", &path, &Value::Null).await;
    assert_eq!(now.body["state"], "pending", "{}", now.body);
    let path = format!("/grants/{grant}");
    let now = service.call(&carol, "GET", &path, &Value::Null).await;
    assert_eq!(now.body["state"], "scheduled", "{}", now.body);
}
