//! Addresses and forms that no page of ours made: an answer as a page, and a log that can be read.

use axum::http::StatusCode;

use crate::support::app::TestApp;

const ASK: [(&str, &str); 2] = [("duration", "60s"), ("justification", "Why not")];

#[tokio::test]
async fn a_name_that_is_none_is_on_record_as_plain_text() {
    let portal = TestApp::new().await.portal();
    let alice = portal.browser("alice").await;
    let long = "x".repeat(5000);
    for (name, subject) in [
        ("%00", "-"),
        ("a%00b", "ab"),
        (&long, &long[..63]),
        ("pay%E2%80%AEbob%0A", "paybob"),
    ] {
        let answer = alice.post(&format!("/entitlements/{name}"), &ASK).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{subject}");
        let log = alice.get("/audit?action=request.submitted").await.body;
        let told = format!("<td class=\"mono id\">{subject}</td>");
        assert_eq!(log.matches(&told).count(), 1, "{subject}: {log}");
    }
    assert_eq!(portal.refusals().await.len(), 4);
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_answered_with_a_page() {
    let portal = TestApp::new().await.portal();
    let alice = portal.browser("alice").await;
    for (path, status) in [
        ("/audit?foo=1", 400),
        ("/audit?action=a&action=b", 400),
        ("/requests?cursor=a&cursor=b", 400),
        ("/waiting?cursor=a&cursor=b", 400),
        ("/entitlements/%ff", 404),
        ("/requests/%ff", 404),
        ("/requests/%ff/decide", 404),
        ("/grants/%ff", 404),
    ] {
        let answer = alice.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(
            answer.body.contains("<h1>") && answer.body.contains("Sign out"),
            "{path}: {}",
            answer.body
        );
    }
    let posted = alice.post("/entitlements/%ff", &ASK).await;
    assert_eq!(posted.status, StatusCode::NOT_FOUND);
    assert!(posted.body.contains("<h1>"), "{}", posted.body);
    let twice = portal.stranger().get("/sign-in?next=a&next=b").await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);
    assert!(twice.body.contains("<h1>"), "{}", twice.body);
}

#[tokio::test]
async fn a_form_without_a_choice_denies_nothing() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let path = format!("{page}/decide");
    let bob = portal.browser("bob").await;
    for choice in ["", "maybe"] {
        let answer = bob.post(&path, &[("choice", choice)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{choice}");
        assert!(answer.body.contains("choice-error"), "{}", answer.body);
        let mallory = portal.browser("mallory").await;
        let hidden = mallory.post(&path, &[("choice", choice)]).await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{choice}");
    }
    assert_eq!(portal.refusals().await, []);
}
