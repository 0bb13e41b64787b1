//! Calls that are too many: told to come again later, and nothing is asked of the database for
//! them.

use std::num::NonZeroU32;

use countersign::config::Limits;
use serde_json::json;

use crate::support::api::{Api, ask};
use crate::support::app::TestApp;

/// A service with those limits.
async fn service(limits: Limits) -> Api {
    let app = TestApp::new().await;
    app.configured(|it| it.limits = limits).api().await
}

#[tokio::test]
async fn wrong_tokens_are_refused_without_asking_the_database() {
    let service = service(Limits {
        peer_per_minute: NonZeroU32::MIN,
        ..Limits::default()
    })
    .await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let me = async |token: &str| service.call(token, "GET", "/people/me", &json!({})).await;
    assert_eq!(me(&alice).await.status, 200);
    let wrong = |n: u32| format!("csn_{n:064x}");
    // The second one shuts the door for the rest of the minute.
    for n in 0..2 {
        assert_eq!(me(&wrong(n)).await.status, 401);
    }
    let told = me(&wrong(2)).await;
    assert_eq!((told.status.as_u16(), told.code()), (429, "rate_limited"));
    assert_eq!(told.header("content-type"), "application/problem+json");
    let wait: u32 = told.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(me(&bob).await.status, 429, "nobody knows yet that it works");
    assert_eq!(me(&alice).await.status, 200, "it has worked just now");
    let hidden = "ALTER TABLE api_tokens RENAME TO hidden";
    service.as_owner(hidden).await;
    assert_eq!(me(&wrong(3)).await.status, 429, "the database is not asked");
    assert_eq!(me(&alice).await.status, 500, "the database is asked");
}

#[tokio::test]
async fn whoever_calls_too_often_is_told_when_to_come_again_but_may_always_end_a_grant() {
    let service = service(Limits {
        person_per_minute: NonZeroU32::MIN,
        ..Limits::default()
    })
    .await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let asked = service.call(&alice, "POST", "/requests", &ask()).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    let path = format!("/requests/{}/approve", asked.body["id"].as_str().unwrap());
    let approved = service.call(&bob, "POST", &path, &json!({})).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
    for (method, path) in [("GET", "/people/me"), ("POST", "/requests")] {
        let told = service.call(&alice, method, path, &ask()).await;
        assert_eq!((told.status.as_u16(), told.code()), (429, "rate_limited"));
        assert_ne!(told.header("retry-after"), "");
    }
    let grant = approved.body["grant_id"].as_str().unwrap();
    let path = format!("/grants/{grant}/end");
    let ended = service.call(&alice, "POST", &path, &json!({})).await;
    assert_eq!(ended.status, 202, "{}", ended.body);
}

/// Others at the same address try tokens that do not work; hers has not been used for a while.
#[tokio::test]
async fn whoever_ends_a_grant_is_let_in_from_an_address_that_is_shut() {
    let service = service(Limits {
        peer_per_minute: NonZeroU32::MIN,
        ..Limits::default()
    })
    .await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let request = service.ask("prod-admin").await.id;
    let path = format!("/requests/{request}/approve");
    let approved = service.call(&bob, "POST", &path, &json!({})).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
    let wrong = |n: u32| format!("csn_{n:064x}");
    for n in 0..2 {
        let (token, path) = (wrong(n), "/people/me");
        let told = service.call(&token, "GET", path, &json!({})).await;
        assert_eq!(told.status, 401);
    }
    let me = service.call(&alice, "GET", "/people/me", &json!({})).await;
    assert_eq!(me.status, 429, "the address is shut");
    let grant = approved.body["grant_id"].as_str().unwrap();
    let path = format!("/grants/{grant}/end");
    let told = service.call(&wrong(3), "POST", &path, &json!({})).await;
    assert_eq!(told.status, 401);
    let ended = service.call(&alice, "POST", &path, &json!({})).await;
    assert_eq!(ended.status, 202, "{}", ended.body);
}

#[tokio::test]
async fn the_same_ask_again_is_answered_with_the_first_request() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    let new = ask();
    let first = service.call(&alice, "POST", "/requests", &new).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let again = service.call(&alice, "POST", "/requests", &new).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_eq!(again.body, first.body);
}
