//! A verb answers with what it did: the same that a look shows afterwards.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::api::ask;
use crate::support::app::TestApp;

#[tokio::test]
async fn a_verb_answers_as_a_look_at_what_it_did() {
    let service = TestApp::new().await.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    for (who, verb, body, has_grant) in [
        (&bob, "approve", json!({}), true),
        (&bob, "deny", json!({"comment": "No."}), false),
        (&alice, "withdraw", json!({}), false),
    ] {
        let asked = service.call(&alice, "POST", "/requests", &ask()).await;
        let path = format!("/requests/{}", asked.body["id"].as_str().unwrap());
        let look = service.call(&alice, "GET", &path, &Value::Null).await;
        assert_eq!(asked.body, look.body, "the ask");
        let form = format!("{path}/{verb}");
        let did = service.call(who, "POST", &form, &body).await;
        assert_eq!(did.status, StatusCode::OK, "{verb}");
        let look = service.call(&alice, "GET", &path, &Value::Null).await;
        assert_eq!(did.body, look.body, "{verb}");
        assert_eq!(did.body["grant_id"].is_string(), has_grant, "{verb}");
    }
}

#[tokio::test]
async fn the_same_ask_is_answered_with_its_grant() {
    let service = TestApp::new().await.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let ask = ask();
    let asked = service.call(&alice, "POST", "/requests", &ask).await;
    let path = format!("/requests/{}", asked.body["id"].as_str().unwrap());
    let approve = format!("{path}/approve");
    let approved = service.call(&bob, "POST", &approve, &json!({})).await;
    let again = service.call(&alice, "POST", "/requests", &ask).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.body, approved.body);
    assert!(again.body["grant_id"].is_string());
}

#[tokio::test]
async fn an_end_tells_at_once_what_keeps_aws_from_following() {
    let service = TestApp::new().await.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    for (failing, delayed_by) in [(false, Value::Null), (true, json!("throttled"))] {
        let asked = service.call(&alice, "POST", "/requests", &ask()).await;
        let approve = format!("/requests/{}/approve", asked.body["id"].as_str().unwrap());
        let approved = service.call(&bob, "POST", &approve, &json!({})).await;
        let path = format!("/grants/{}", approved.body["grant_id"].as_str().unwrap());
        service.open_grants().await;
        let failure = if failing {
            "UPDATE targets SET attempts = 3, last_error = 'throttled', last_error_at = '2026-01-01T00:00:00Z'"
        } else {
            "UPDATE targets SET attempts = 0"
        };
        service.as_owner(failure).await;
        let look = service.call(&alice, "GET", &path, &Value::Null).await;
        assert_eq!(look.body["delayed_by"], Value::Null, "while it is active");
        let end = format!("{path}/end");
        let ended = service.call(&alice, "POST", &end, &json!({})).await;
        assert_eq!(ended.body["delayed_by"], delayed_by);
        let look = service.call(&alice, "GET", &path, &Value::Null).await;
        assert_eq!(ended.body, look.body);
    }
}
