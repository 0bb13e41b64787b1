//! A cookie that is no session's, and a page that cannot be made.

use axum::http::StatusCode;
use chrono::TimeDelta;

use crate::support::app::TestApp;
use crate::support::portal::Browser;

#[tokio::test]
async fn a_forged_or_expired_cookie_leads_to_sign_in_and_nothing_is_done() {
    let company = TestApp::new().await;
    let portal = company.portal();
    let signed_in = portal.browser("bob").await;
    let token = signed_in.cookie.trim_start_matches("countersign=");
    let request = company.ask("prod-admin").await.id;
    let assert_refused = async |cookie: String| {
        let browser = Browser {
            portal: &portal,
            cookie,
        };
        let seen = browser.get("/requests").await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", browser.cookie);
        assert_eq!(seen.place(), "/sign-in?next=%2Frequests");
        let path = format!("/requests/{request}/decide");
        let done = browser.post(&path, &[("choice", "approve")]).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", browser.cookie);
        assert_eq!(
            done.place(),
            format!("/sign-in?next=%2Frequests%2F{request}%2Fdecide")
        );
    };
    for forged in [
        String::new(),
        token[1..].to_owned(),
        format!("{token}0"),
        token.to_uppercase(),
        "0".repeat(token.len()),
    ] {
        assert_refused(format!("countersign={forged}")).await;
    }
    assert_refused(format!("__Host-countersign={token}")).await;
    assert_eq!(signed_in.get("/requests").await.status, StatusCode::OK);
    company.later(TimeDelta::days(1));
    assert_refused(signed_in.cookie.clone()).await;
    assert_eq!(company.count("decisions").await, 0);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_cookie_names() {
    let company = TestApp::new().await;
    let portal = company.portal();
    let old = portal.browser("bob").await;
    let elsewhere = portal.browser("bob").await;
    let form = [("person", "alice@example.com"), ("next", "/")];
    let again = old.post("/sign-in", &form).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.body);
    let copied = old.get("/requests").await;
    assert_eq!(copied.place(), "/sign-in?next=%2Frequests");
    assert_eq!(elsewhere.get("/requests").await.status, StatusCode::OK);
    let bob = company.ctx("bob").await.person.id.to_string();
    assert_eq!(company.events(&bob, "session.ended", "success").await, 1);
    // A cookie of no session is nothing to end.
    old.post("/sign-in", &form).await;
    assert_eq!(portal.done("session.ended").await, 1);
    assert_eq!(portal.done("session.started").await, 4);
}

#[tokio::test]
async fn a_page_that_cannot_be_made_tells_nothing_of_the_inside() {
    let company = TestApp::new().await;
    let portal = company.portal();
    let alice = portal.browser("alice").await;
    let hidden = "ALTER TABLE requests RENAME TO hidden";
    company.as_owner(hidden).await;
    for answer in [
        alice.get("/").await,
        alice.get("/requests").await,
        alice
            .post(
                "/entitlements/prod-admin",
                &[("duration", "60s"), ("justification", "why")],
            )
            .await,
    ] {
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.body.contains("<h1>Something went wrong"));
        let text = answer.body.to_lowercase();
        for inside in ["relation", "sqlx", "postgres", "select"] {
            assert!(!text.contains(inside), "{inside}: {text}");
        }
    }
    portal.db.pool.close().await;
    let busy = alice.get("/").await;
    assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(busy.body.contains("<h1>Countersign is busy"));
}
