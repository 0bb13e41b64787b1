//! The form for a later deadline, and the pages of the request that comes of it.

use axum::http::StatusCode;

use crate::support::app::TestApp;
use crate::support::portal::Portal;

/// alice's active grant: its request's place and its own.
async fn active(portal: &Portal) -> (String, String) {
    let granted = portal.asked().await;
    let bob = portal.browser("bob").await;
    bob.post(&format!("{granted}/decide"), &[("choice", "approve")])
        .await;
    portal.open_grants().await;
    let grant = sqlx::query_scalar!("SELECT grant_name FROM grants")
        .fetch_one(&portal.db.pool)
        .await
        .unwrap();
    (granted, format!("/grants/{grant}"))
}

#[tokio::test]
async fn a_person_asks_for_more_and_sees_that_it_waits() {
    let portal = TestApp::new().await.portal();
    let (first, grant) = active(&portal).await;
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    let page = alice.get(&first).await.body;
    assert!(page.contains("Ask for the extension"), "{page}");
    let others = bob.get(&first).await.body;
    assert!(!others.contains("Ask for the extension"));
    let form = [("duration", "45m"), ("justification", "It still <burns>")];
    let asked = alice.post(&format!("{grant}/extend"), &form).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.body);
    let extension = asked.place().to_owned();
    assert!(extension.starts_with("/requests/req_"), "{extension}");
    let page = alice.get(&first).await.body;
    assert!(page.contains("An extension waits for a decision"), "{page}");
    assert!(page.contains(&format!("href=\"{extension}\"")));
    assert!(!page.contains("Ask for the extension"), "one at a time");
    let review = bob.get(&extension).await.body;
    for text in [
        "It still &#60;burns&#62;",
        "by 45 min: until",
        "moves the deadline by 45 min, to",
        "Alice asked for 45 min more",
        "the first request",
    ] {
        assert!(review.contains(text), "{text}: {review}");
    }
    let approved = bob
        .post(&format!("{extension}/decide"), &[("choice", "approve")])
        .await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER, "{}", approved.body);
    let page = alice.get(&first).await.body;
    assert!(page.contains("Extended: the deadline is"), "{page}");
    assert!(page.contains("Ask for the extension"), "and once more");
}

#[tokio::test]
async fn what_was_typed_for_more_stays() {
    let portal = TestApp::new().await.portal();
    let (_, grant) = active(&portal).await;
    let alice = portal.browser("alice").await;
    for (duration, justification, told) in [
        ("soon", "Because.", "Duration must be a length of time"),
        ("9h", "Because.", "Duration must be from PT1S to"),
        (
            "-PT2000000000000H",
            "Because.",
            "Duration must be from PT1S to",
        ),
        ("5m", " ", "Justification must not be empty"),
    ] {
        let form = [("duration", duration), ("justification", justification)];
        let answer = alice.post(&format!("{grant}/extend"), &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
        let typed = format!("name=\"duration\" value=\"{duration}\"");
        assert!(answer.body.contains(&typed), "{}", answer.body);
        let is_open = answer
            .body
            .contains("<details class=\"extend\" id=\"extend\" open>");
        assert!(is_open, "{}", answer.body);
    }
}
