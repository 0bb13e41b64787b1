//! Pages for those who send too much, and for those who click twice.

use std::num::NonZeroU32;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use countersign::config::Limits;

use crate::support::app::TestApp;
use crate::support::portal::{Browser, Portal};

async fn portal(limits: Limits) -> Portal {
    let company = TestApp::new().await;
    company.configured(|it| it.limits = limits).portal()
}

#[tokio::test]
async fn wrong_cookies_are_told_to_come_again_later() {
    let portal = portal(Limits {
        peer_per_minute: NonZeroU32::MIN,
        ..Limits::default()
    })
    .await;
    let alice = portal.browser("alice").await;
    assert_eq!(alice.get("/requests").await.status, StatusCode::OK);
    let forged = |n: u32| Browser {
        portal: &portal,
        cookie: format!("countersign={n:064x}"),
    };
    for n in 0..2 {
        assert_eq!(
            forged(n).get("/requests").await.status,
            StatusCode::SEE_OTHER
        );
    }
    let told = forged(2).get("/requests").await;
    assert_eq!(told.status, StatusCode::TOO_MANY_REQUESTS, "{}", told.body);
    assert_ne!(told.header(RETRY_AFTER), "");
    assert!(told.body.contains("rate_limited"), "{}", told.body);
    assert_eq!(alice.get("/requests").await.status, StatusCode::OK);
}

#[tokio::test]
async fn whoever_calls_too_often_gets_a_page_that_says_so() {
    let portal = portal(Limits {
        person_per_minute: NonZeroU32::MIN,
        ..Limits::default()
    })
    .await;
    let alice = portal.browser("alice").await;
    assert_eq!(alice.get("/requests").await.status, StatusCode::OK);
    let told = alice.get("/requests").await;
    assert_eq!(told.status, StatusCode::TOO_MANY_REQUESTS, "{}", told.body);
    assert_ne!(told.header(RETRY_AFTER), "");
    assert!(
        told.body.contains("This is too much at once"),
        "{}",
        told.body
    );
}

#[tokio::test]
async fn a_double_click_makes_one_request_and_leads_to_it_twice() {
    let company = TestApp::new().await;
    let portal = company.portal();
    let alice = portal.browser("alice").await;
    let form = [
        ("duration", "3600s"),
        ("justification", "Orders are stuck."),
    ];
    let click = async || alice.post("/entitlements/prod-admin", &form).await;
    let (one, two) = tokio::join!(click(), click());
    for answer in [&one, &two] {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    }
    assert_eq!(one.place(), two.place());
    assert_eq!(company.count("requests").await, 1);
}
