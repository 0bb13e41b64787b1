//! Who there is, for admins; and what others see of somebody who has left.

use axum::http::StatusCode;
use chrono::TimeDelta;
use countersign::app::disable;
use countersign::app::find::ListedPerson;
use countersign::ids::PersonId;
use countersign::web::page::{Frame, Here, Me};
use countersign::web::people::{People, Person};
use countersign::web::request::RequestPage;

use super::facts::*;
use super::samples::{errors, frame, second_voice};
use crate::support::app::TestApp;

/// A request on which somebody has voted who has left.
pub fn vote_of_leaver() -> RequestPage {
    let mut page = second_voice();
    for voice in &mut page.decisions {
        voice.counts = false;
    }
    page
}

/// Somebody of whom there is everything.
fn listed(n: u128, name: &str, disabled: bool) -> ListedPerson {
    ListedPerson {
        id: PersonId::from_uuid(uuid(n)),
        name: name.into(),
        email: format!(
            "{}@example.com",
            name.split(' ').next().unwrap().to_lowercase()
        ),
        issuer: "https://login.example.com/realms/staff".into(),
        subject: "f:8c1d3c3e-9a43-4f0e-8a6c-2f3f2a6f4d11:alice".into(),
        disabled_at: disabled.then(|| now() - minutes(90)),
        disabled_by: disabled.then(|| "Ada Admin".into()),
        others: vec!["Alice Archer, alice of https://old.example.com".into()],
        alike: vec![],
        sessions: 2,
        tokens: 1,
        machines: 1,
        requests: 1,
        grants: 3,
    }
}

fn admin() -> Frame {
    let frame = frame(Here::People, "Ada Admin", 0);
    let me = frame.me.map(|me| Me {
        sees_all: true,
        sees_people: true,
        ..me
    });
    Frame { me, ..frame }
}

pub fn people() -> People {
    let hostile = ListedPerson {
        email: String::new(),
        alike: vec![
            HOSTILE.into(),
            "Bob Brandt, bob of https://login.example.com".into(),
        ],
        others: vec![],
        ..listed(5, HOSTILE, false)
    };
    People {
        frame: admin(),
        q: HOSTILE.into(),
        people: vec![
            listed(4, "Alice Archer", false),
            listed(7, "Bob Brandt", true),
            hostile,
        ],
        next: Some("/admin/people?cursor=x".into()),
    }
}

pub fn nobody_found() -> People {
    People {
        people: vec![],
        next: None,
        ..people()
    }
}

pub fn person() -> Person {
    Person {
        frame: admin(),
        person: listed(4, "Alice Archer", false),
        is_me: false,
        reason: String::new(),
        errors: vec![],
    }
}

pub fn person_wrong() -> Person {
    let alike = vec!["Alice Archer, alice of https://old.example.com".into()];
    Person {
        person: ListedPerson {
            alike,
            others: vec![],
            ..listed(4, HOSTILE, false)
        },
        reason: HOSTILE.into(),
        errors: errors("reason", "must contain at least one letter or digit"),
        ..person()
    }
}

pub fn person_disabled() -> Person {
    Person {
        person: listed(4, "Alice Archer", true),
        ..person()
    }
}

pub fn person_me() -> Person {
    Person {
        is_me: true,
        ..person()
    }
}

#[tokio::test]
async fn an_admin_finds_somebody_disables_them_and_enables_them_again() {
    let portal = TestApp::new().await.portal();
    let request = portal.asked().await;
    let (ada, alice) = (portal.browser("ada").await, portal.browser("alice").await);
    let home = ada.get("/").await;
    assert!(home.body.contains("href=\"/admin/people\""));
    assert!(!alice.get("/").await.body.contains("/admin/people"));

    let found = ada.get("/admin/people?q=ALICE%40").await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.body);
    assert!(!found.body.contains("Mallory"), "{}", found.body);
    let id = portal.ctx("alice").await.person.id;
    let path = format!("/admin/people/{id}");
    assert!(found.body.contains(&path), "{}", found.body);
    assert!(found.body.contains("2 sessions") && found.body.contains("0 open grants"));

    let page = ada.get(&path).await;
    for consequence in [
        "2 sessions end, 0 API tokens are revoked.",
        "0 machines that they answer for end.",
        "1 request that waits is withdrawn.",
        "0 grants end: AWS is asked to close each at once.",
        "Their approvals of requests that still wait count no more.",
    ] {
        assert!(
            page.body.contains(consequence),
            "{consequence}: {}",
            page.body
        );
    }
    let blank = ada
        .post(&format!("{path}/disable"), &[("reason", " ")])
        .await;
    assert_eq!(blank.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(blank.body.contains("Reason must say why"), "{}", blank.body);
    assert_eq!(alice.get("/requests").await.status, StatusCode::OK);

    let done = ada
        .post(&format!("{path}/disable"), &[("reason", "Left")])
        .await;
    assert_eq!(
        (done.status, done.place()),
        (StatusCode::SEE_OTHER, path.as_str())
    );
    let page = ada.get(&path).await;
    assert!(
        page.body.contains("Disabled") && page.body.contains("by Ada"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("What has ended stays so"),
        "{}",
        page.body
    );
    assert_eq!(
        alice.get("/requests").await.place(),
        "/sign-in?next=%2Frequests"
    );
    let refused = portal
        .stranger()
        .post(
            "/sign-in",
            &[("person", "alice@example.com"), ("next", "/")],
        )
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
    assert!(refused.body.contains("disabled") && refused.body.contains("ask an admin"));
    // Who could have decided sees why nobody can any more.
    let bob = portal.browser("bob").await;
    let seen = bob.get(&request).await;
    let told = "Withdrawn, since Alice's account was disabled";
    assert!(seen.body.contains(told), "{}", seen.body);
    assert!(
        seen.body
            .contains("It was withdrawn: its requester&#39;s account was disabled")
    );

    let twice = ada
        .post(&format!("{path}/disable"), &[("reason", "Left")])
        .await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    let back = ada.post(&format!("{path}/enable"), &[]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.body);
    portal.browser("alice").await;
}

#[tokio::test]
async fn others_see_nobody_and_disable_nobody() {
    let portal = TestApp::new().await.portal();
    let id = portal.ctx("alice").await.person.id;
    for name in ["bob", "otto", "mallory"] {
        let browser = portal.browser(name).await;
        for path in ["/admin/people".to_owned(), format!("/admin/people/{id}")] {
            let page = browser.get(&path).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{name} {path}");
            assert!(!page.body.contains("alice@example.com"), "{name} {path}");
        }
        let form = [("reason", "Left")];
        let path = format!("/admin/people/{id}/disable");
        let refused = browser.post(&path, &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{name}");
    }
    let ada = portal.browser("ada").await;
    let own = portal.ctx("ada").await.person.id;
    let page = ada.get(&format!("/admin/people/{own}")).await;
    assert!(page.body.contains("Another admin has to disable you"));
    let path = format!("/admin/people/{own}/disable");
    let refused = ada.post(&path, &[("reason", "Left")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(portal.done("person.disabled").await, 0);
}

#[tokio::test]
async fn a_vote_that_counts_no_more_is_told_as_that() {
    let portal = TestApp::new().await.portal();
    let request = portal.ask("prod-root").await.id;
    let carol = portal.browser("carol").await;
    let path = format!("/requests/{request}");
    let choice = [("choice", "approve")];
    carol.post(&format!("{path}/decide"), &choice).await;
    let bob = portal.browser("bob").await;
    assert!(
        bob.get(&path)
            .await
            .body
            .contains("<strong>1</strong> of 2")
    );
    let done = disable::by_command(&portal.admin, "test", "carol@example.com", None);
    done.await.unwrap();
    portal.later(TimeDelta::seconds(1));
    let page = bob.get(&path).await;
    assert!(
        page.body.contains("<strong>0</strong> of 2"),
        "{}",
        page.body
    );
    assert!(page.body.contains("counts no more"), "{}", page.body);
    assert!(
        !page.body.contains("Can still decide: Bob, Carol"),
        "{}",
        page.body
    );
}
