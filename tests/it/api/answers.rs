//! What good calls answer.

use serde_json::{Value, json};

use crate::support::api::ask;
use crate::support::app::TestApp;

#[tokio::test]
async fn ask_approve_and_end() {
    let service = TestApp::new().await.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let asked = service.call(&alice, "POST", "/requests", &ask()).await;
    assert_eq!(asked.status, 201);
    assert_eq!(
        (
            &asked.body["state"],
            &asked.body["grant_id"],
            &asked.body["target_checked"]
        ),
        (&json!("pending"), &Value::Null, &json!(false))
    );
    let path = format!("/requests/{}", asked.body["id"].as_str().unwrap());

    let own = service
        .call(&alice, "POST", &format!("{path}/approve"), &json!({}))
        .await;
    assert_eq!((own.status.as_u16(), own.code()), (403, "self_approval"));
    let approved = service
        .call(
            &bob,
            "POST",
            &format!("{path}/approve"),
            &json!({"comment": "go"}),
        )
        .await;
    assert_eq!(
        (approved.status.as_u16(), &approved.body["state"]),
        (200, &json!("approved"))
    );
    for verb in ["approve", "deny"] {
        let late = service
            .call(
                &bob,
                "POST",
                &format!("{path}/{verb}"),
                &json!({"comment": "late"}),
            )
            .await;
        assert_eq!((late.status.as_u16(), late.code()), (409, "wrong_state"));
        assert!(
            late.body["detail"].as_str().unwrap().contains("approved"),
            "{}",
            late.body
        );
    }

    let grant = format!("/grants/{}", approved.body["grant_id"].as_str().unwrap());
    let shown = service.call(&alice, "GET", &grant, &Value::Null).await;
    assert_eq!(
        (&shown.body["state"], &shown.body["request_id"]),
        (&json!("scheduled"), &asked.body["id"])
    );
    let ended = service
        .call(&alice, "POST", &format!("{grant}/end"), &json!({}))
        .await;
    assert_eq!(
        (
            ended.status.as_u16(),
            &ended.body["state"],
            &ended.body["cause"]
        ),
        (202, &json!("ended"), &json!("released"))
    );
    let again = service
        .call(&alice, "POST", &format!("{grant}/end"), &json!({}))
        .await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "wrong_state"));
}

#[tokio::test]
async fn a_denial_needs_a_comment_and_a_withdrawal_is_final() {
    let service = TestApp::new().await.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let path = |it: &Value| format!("/requests/{}", it["id"].as_str().unwrap());
    let first = service.call(&alice, "POST", "/requests", &ask()).await;
    let bare = service
        .call(
            &bob,
            "POST",
            &format!("{}/deny", path(&first.body)),
            &json!({}),
        )
        .await;
    assert_eq!(
        (bare.status.as_u16(), bare.code()),
        (422, "comment_required")
    );
    let denied = service
        .call(
            &bob,
            "POST",
            &format!("{}/deny", path(&first.body)),
            &json!({"comment": "no"}),
        )
        .await;
    assert_eq!(
        (denied.status.as_u16(), &denied.body["state"]),
        (200, &json!("denied"))
    );

    let second = service.call(&alice, "POST", "/requests", &ask()).await;
    let withdrawn = service
        .call(
            &alice,
            "POST",
            &format!("{}/withdraw", path(&second.body)),
            &json!({}),
        )
        .await;
    assert_eq!(
        (withdrawn.status.as_u16(), &withdrawn.body["state"]),
        (200, &json!("withdrawn"))
    );
}

#[tokio::test]
async fn pages_give_every_row_once() {
    let service = TestApp::new().await.api().await;
    let (alice, otto) = (service.token("alice").await, service.token("otto").await);
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(service.call(&alice, "POST", "/requests", &ask()).await.body["id"].clone());
    }
    made.reverse();
    for (token, path) in [
        (&alice, "/requests?mine=true"),
        (&otto, "/requests?state=pending"),
        (&otto, "/audit-events?action=request.submitted"),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = service
                .call(
                    token,
                    "GET",
                    &format!("{path}&limit=3{cursor}"),
                    &Value::Null,
                )
                .await;
            for item in page.body["items"].as_array().unwrap() {
                seen.push(item.get("subject").unwrap_or(&item["id"]).clone());
            }
            match page.body["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, made, "{path}");
    }
}

#[tokio::test]
async fn answers_carry_the_callers_request_id_and_are_not_cached() {
    let service = TestApp::new().await.api().await;
    let bearer = format!("Bearer {}", service.token("alice").await);
    let answer = service
        .raw(
            "GET",
            "/people/me",
            &[("authorization", &bearer), ("x-request-id", "abc-1")],
            Vec::new(),
        )
        .await;
    assert_eq!(
        (
            answer.header("x-request-id"),
            answer.header("cache-control"),
            answer.header("x-content-type-options")
        ),
        ("abc-1", "no-store", "nosniff")
    );
    assert_eq!(
        answer.body["principals"],
        json!(["arn:aws:iam::111122223333:user/alice"])
    );
    let cookie = service
        .raw(
            "GET",
            "/people/me",
            &[("cookie", "countersign=x")],
            Vec::new(),
        )
        .await;
    assert_eq!(cookie.status, 401, "cookies are not looked at");
    assert!(!cookie.header("x-request-id").is_empty());
}

#[tokio::test]
async fn verbs_that_need_no_words_need_no_body() {
    let service = TestApp::new().await.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let post = async |token: &str, path: &str, kind: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend((!kind.is_empty()).then_some(("content-type", kind)));
        service
            .raw("POST", path, &headers, body.as_bytes().to_vec())
            .await
    };
    let asked = async || {
        let answer = service.call(&alice, "POST", "/requests", &ask()).await;
        format!("/requests/{}", answer.body["id"].as_str().unwrap())
    };
    let (first, second) = (asked().await, asked().await);
    let (approve, withdraw) = (format!("{first}/approve"), format!("{second}/withdraw"));
    for (kind, body, status) in [
        ("", "{}", 415),
        ("text/plain", "", 415),
        ("application/json", "", 400),
        ("", "", 200),
    ] {
        let (approved, withdrawn) = (
            post(&bob, &approve, kind, body).await,
            post(&alice, &withdraw, kind, body).await,
        );
        assert_eq!(approved.status, status, "{kind} {}", approved.body);
        assert_eq!(withdrawn.status, status, "{kind} {}", withdrawn.body);
    }
    let granted = service.call(&alice, "GET", &first, &Value::Null).await;
    let end = format!("/grants/{}/end", granted.body["grant_id"].as_str().unwrap());
    let ended = post(&alice, &end, "application/json", "null").await;
    assert_eq!(ended.status, 202, "{}", ended.body);
    let deny = format!("{}/deny", asked().await);
    for (token, path) in [(&bob, deny.as_str()), (&alice, "/requests")] {
        let answer = post(token, path, "", "").await;
        assert_eq!(answer.status, 415, "{path}: {}", answer.body);
    }
}
