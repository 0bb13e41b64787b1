//! The pages of revocations.

use axum::http::StatusCode;

use crate::support::app::TestApp;
use crate::support::portal::Portal;

async fn portal() -> Portal {
    let app = TestApp::with(|catalog| catalog.regroup("amy", &["admins"])).await;
    app.portal()
}

#[tokio::test]
async fn an_admin_ends_everything_of_a_person_and_lifts_the_hold() {
    let portal = portal().await;
    let granted = portal.asked().await;
    let bob = portal.browser("bob").await;
    bob.post(&format!("{granted}/decide"), &[("choice", "approve")])
        .await;
    let waiting = portal.asked().await;
    portal.open_grants().await;
    let ada = portal.browser("ada").await;
    let list = ada.get("/revocations").await;
    assert!(list.body.contains("There has been none."));
    assert!(list.body.contains("aria-current=\"page\""));
    let form = [
        ("person", "alice@example.com"),
        ("role", ""),
        ("account", ""),
        ("everything", ""),
        ("reason", "A <laptop> was stolen"),
    ];
    let begun = ada.post("/revocations", &form).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
    let place = begun.place().to_owned();
    let id = place.trim_start_matches("/revocations/").parse().unwrap();
    countersign::app::revoke::carry_on(&portal.app, id)
        .await
        .unwrap();
    let page = ada.get(&place).await;
    for text in [
        "Everything of Alice",
        "A &#60;laptop&#62; was stolen",
        "1 of 1 grant wait for AWS.",
        "Something of it may still work",
        "prod-admin for Alice",
        "Lift the hold",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    let refused = bob
        .post(&format!("{waiting}/decide"), &[("choice", "approve")])
        .await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("until an admin lifts that"));
    let lifted = ada.post(&format!("{place}/lift"), &[]).await;
    assert_eq!(lifted.status, StatusCode::SEE_OTHER, "{}", lifted.body);
    let page = ada.get(&place).await;
    assert!(page.body.contains("Lifted by Ada"), "{}", page.body);
    assert!(!page.body.contains("Lift the hold"));
    let again = ada.post(&format!("{place}/lift"), &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.body.contains("This was not done"));
    let approved = bob
        .post(&format!("{waiting}/decide"), &[("choice", "approve")])
        .await;
    assert_eq!(approved.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_was_typed_stays_and_the_word_everything_is_typed_out() {
    let portal = portal().await;
    let ada = portal.browser("ada").await;
    for (everything, reason, told) in [
        (
            "Everything",
            "Now",
            "Everything is typed out, or left empty",
        ),
        ("", "Now", "What is to be ended: exactly one of"),
        ("everything", " ", "Reason must not be empty"),
    ] {
        let form = [("everything", everything), ("reason", reason)];
        let answer = ada.post("/revocations", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(told), "{told}: {}", answer.body);
        let typed = format!("value=\"{everything}\" maxlength=\"20\"");
        assert!(answer.body.contains(&typed), "{}", answer.body);
    }
    assert_eq!(portal.count("revocations").await, 0);
    let form = [("everything", "everything"), ("reason", "Now")];
    let begun = ada.post("/revocations", &form).await;
    let place = begun.place().to_owned();
    let id = place.trim_start_matches("/revocations/").parse().unwrap();
    countersign::app::revoke::carry_on(&portal.app, id)
        .await
        .unwrap();
    assert!(ada.get(&place).await.body.contains("Ask to lift it"));
    ada.post(&format!("{place}/lift"), &[]).await;
    let page = ada.get(&place).await.body;
    assert!(page.contains("Ada asked to lift it"), "{page}");
    assert!(
        !page.contains("<button type=\"submit\">Lift"),
        "not by herself"
    );
    let amy = portal.browser("amy").await;
    assert!(amy.get(&place).await.body.contains("Lift the hold"));
    amy.post(&format!("{place}/lift"), &[]).await;
    let page = ada.get(&place).await.body;
    assert!(page.contains("Lifted by Amy, as Ada had asked"), "{page}");
}

#[tokio::test]
async fn auditors_look_and_nobody_else_is_led_there() {
    let portal = portal().await;
    for (name, sees) in [
        ("ada", true),
        ("otto", true),
        ("alice", false),
        ("mallory", false),
    ] {
        let browser = portal.browser(name).await;
        let home = browser.get("/").await.body;
        assert_eq!(home.contains("href=\"/revocations\""), sees, "{name}");
        let list = browser.get("/revocations").await;
        let wanted = if sees {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(list.status, wanted, "{name}");
        let has_form = list.body.contains("End all of it, and hold it");
        assert_eq!(has_form, name == "ada", "{name}");
    }
}
