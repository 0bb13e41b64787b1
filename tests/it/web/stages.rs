//! Deciding in stages, shortening, taking back and asking, with the forms of the page.

use axum::http::StatusCode;
use chrono::TimeDelta;
use countersign::app::find;
use countersign::ids::RequestId;

use crate::app::staged::stages;
use crate::support::another;
use crate::support::app::TestApp;
use crate::support::portal::{Answer, Portal};

/// alice asks for an hour of it; the page of her request.
async fn asked(portal: &Portal, entitlement: &str) -> String {
    let why = format!("Orders are stuck, alarm {}.", another());
    let form = [("duration", "3600s"), ("justification", why.as_str())];
    let alice = portal.browser("alice").await;
    let sent = alice
        .post(&format!("/entitlements/{entitlement}"), &form)
        .await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    sent.place().to_owned()
}

async fn page(portal: &Portal, who: &str, page: &str) -> String {
    portal.browser(who).await.get(page).await.body
}

async fn sent(portal: &Portal, who: &str, place: &str, form: &[(&str, &str)]) -> Answer {
    portal.browser(who).await.post(place, form).await
}

fn holds(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(page.contains(text), "{text}: {page}");
    }
}

fn lacks(page: &str, texts: &[&str]) {
    for text in texts {
        assert!(!page.contains(text), "{text}: {page}");
    }
}

const TAKE_BACK: &str = "Take my approval back";

#[tokio::test]
async fn a_request_goes_through_its_stages_on_the_page() {
    let portal = TestApp::with(stages(1, 2)).await.portal();
    let url = asked(&portal, "prod-change").await;
    let decide = format!("{url}/decide");
    let yes = [("choice", "approve")];
    let dave = page(&portal, "dave", &url).await;
    lacks(&dave, &["Your decision", TAKE_BACK]);
    holds(&dave, &["Stage 2", "Waits for the stage before"]);
    let early = sent(&portal, "dave", &decide, &yes).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    holds(&early.body, &["Others decide first"]);
    for who in ["bob", "dave"] {
        let voted = sent(&portal, who, &decide, &yes).await;
        assert_eq!(voted.status, StatusCode::SEE_OTHER, "{}", voted.body);
    }
    let half = page(&portal, "bob", &url).await;
    holds(&half, &[TAKE_BACK, "value=\"deny\"", "Stage 2 is open"]);
    lacks(&half, &["value=\"approve\"", "value=\"ask\""]);
    let back = format!("{url}/withdraw-approval");
    let taken = sent(&portal, "bob", &back, &[("comment", "Wait.")]).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.body);
    let reopened = page(&portal, "carol", &url).await;
    holds(
        &reopened,
        &[
            "Bob took their approval back",
            "Wait.",
            "Stage 1 is open again",
        ],
    );
    for who in ["carol", "erin"] {
        sent(&portal, who, &decide, &yes).await;
    }
    assert_eq!(portal.count("grants").await, 1);
    // Nothing is open yet: dave takes his back, and the grant is over.
    let waiting = page(&portal, "dave", &url).await;
    holds(&waiting, &[TAKE_BACK, "ends it before it opens"]);
    sent(&portal, "dave", &back, &[]).await;
    let over = page(&portal, "alice", &url).await;
    holds(&over, &["<title>Ended:", "Dave took their approval back"]);
    let again = sent(&portal, "dave", &back, &[("comment", "Once more.")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    holds(&again.body, &["have taken that back already", "Once more."]);
}

#[tokio::test]
async fn an_approver_shortens_it_and_what_does_not_fit_stays_typed() {
    let portal = TestApp::new().await.portal();
    let url = asked(&portal, "prod-root").await;
    let decide = format!("{url}/decide");
    let review = page(&portal, "bob", &url).await;
    holds(
        &review,
        &[
            "1 h, as asked",
            "value=\"1800s\"",
            "name=\"revision\" value=\"1\"",
        ],
    );
    lacks(&review, &["value=\"3600s\"", "value=\"7200s\""]);
    for (length, told) in [
        ("a while", "must be a length of time"),
        ("2h", "must be from 5 s"),
    ] {
        let form = [
            ("choice", "approve"),
            ("comment", "Go & watch."),
            ("duration", "other"),
            ("other", length),
            ("revision", "1"),
        ];
        let wrong = sent(&portal, "bob", &decide, &form).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{length}");
        let typed = format!("value=\"{length}\"");
        let kept = [
            told,
            &typed,
            "value=\"other\" checked",
            "Go &#38; watch.</textarea>",
        ];
        holds(&wrong.body, &kept);
    }
    let form = [
        ("choice", "approve"),
        ("duration", "1800s"),
        ("revision", "1"),
    ];
    sent(&portal, "bob", &decide, &form).await;
    let next = page(&portal, "carol", &url).await;
    holds(
        &next,
        &[
            "30 min, as others approved",
            "Bob approved (1 of 2), for 30 min at most",
        ],
    );
    lacks(&next, &["value=\"1800s\""]);
    let form = [
        ("choice", "approve"),
        ("duration", "other"),
        ("other", "10m"),
        ("revision", "2"),
    ];
    sent(&portal, "carol", &decide, &form).await;
    let id: RequestId = url.trim_start_matches("/requests/").parse().unwrap();
    let alice = portal.ctx("alice").await;
    let grant = find::request(&alice, id).await.unwrap().grant.unwrap();
    assert_eq!(grant.deadline - grant.starts_at, TimeDelta::minutes(10));
}

#[tokio::test]
async fn who_looked_before_it_changed_is_shown_what_changed_and_decides_nothing() {
    let portal = TestApp::new().await.portal();
    let url = asked(&portal, "prod-root").await;
    let decide = format!("{url}/decide");
    let form = [
        ("choice", "approve"),
        ("duration", "1800s"),
        ("revision", "1"),
    ];
    sent(&portal, "bob", &decide, &form).await;
    sent(
        &portal,
        "dave",
        &decide,
        &[("choice", "ask"), ("comment", "Which <queue>?")],
    )
    .await;
    sent(
        &portal,
        "alice",
        &format!("{url}/answer"),
        &[("text", "checkout-dlq")],
    )
    .await;
    let old = |revision| {
        [
            ("choice", "approve"),
            ("comment", "Go & watch."),
            ("duration", "other"),
            ("other", "45m"),
            ("revision", revision),
        ]
    };
    let stale = sent(&portal, "carol", &decide, &old("1")).await;
    assert_eq!(
        stale.status,
        StatusCode::PRECONDITION_FAILED,
        "{}",
        stale.body
    );
    holds(
        &stale.body,
        &[
            "What has changed since you looked",
            "Bob approved it for 30 min at most.",
            "Dave asked: Which &#60;queue&#62;?",
            "Alice answered: checkout-dlq",
            "Go &#38; watch.</textarea>",
            "value=\"45m\"",
            "name=\"revision\" value=\"4\"",
        ],
    );
    lacks(&stale.body, &["value=\"approve\" checked"]);
    // Whoever has seen the question is told of the answer alone.
    let stale = sent(&portal, "carol", &decide, &old("3")).await;
    holds(&stale.body, &["Alice answered: checkout-dlq"]);
    lacks(&stale.body, &["approved it for 30 min", "Dave asked: "]);
    assert_eq!(portal.done("request.approved").await, 1);
    assert_eq!(portal.count("grants").await, 0);
    let now = [("choice", "approve"), ("revision", "4")];
    let done = sent(&portal, "carol", &decide, &now).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
}

#[tokio::test]
async fn a_question_is_asked_and_answered_on_the_page() {
    let portal = TestApp::new().await.portal();
    let url = asked(&portal, "prod-admin").await;
    let (decide, answer) = (format!("{url}/decide"), format!("{url}/answer"));
    lacks(&page(&portal, "alice", &url).await, &["Your answer"]);
    let none = sent(
        &portal,
        "bob",
        &decide,
        &[("choice", "ask"), ("comment", " ")],
    )
    .await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    holds(
        &none.body,
        &["id=\"comment-error\"", "value=\"ask\" checked"],
    );
    let form = [("choice", "ask"), ("comment", "Which queue?")];
    let done = sent(&portal, "bob", &decide, &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let open = page(&portal, "carol", &url).await;
    holds(
        &open,
        &[
            "Which queue?",
            "Alice has not answered yet",
            "value=\"approve\"",
        ],
    );
    lacks(&open, &["value=\"ask\"", "Your answer"]);
    let second = [("choice", "ask"), ("comment", "And why?")];
    let second = sent(&portal, "carol", &decide, &second).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    holds(
        &second.body,
        &["One question waits at a time", "And why?</textarea>"],
    );
    holds(&page(&portal, "alice", &url).await, &["Your answer"]);
    let wrong = sent(&portal, "alice", &answer, &[("text", "\u{202e}x")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    holds(
        &wrong.body,
        &["id=\"answer-error\"", "\u{202e}x</textarea>"],
    );
    let done = sent(&portal, "alice", &answer, &[("text", "checkout-dlq")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let told = page(&portal, "carol", &url).await;
    holds(&told, &["checkout-dlq", "value=\"ask\"", "Alice answered"]);
    let late = sent(&portal, "alice", &answer, &[("text", "Or another")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    holds(&late.body, &["What you had typed", "Or another"]);
}

#[tokio::test]
async fn the_catalog_page_tells_what_can_never_be_approved() {
    let portal = TestApp::with(|catalog| {
        stages(1, 1)(catalog);
        catalog.regroup("bob", &[]);
        catalog.regroup("carol", &[]);
    })
    .await
    .portal();
    let told = page(&portal, "otto", "/catalog").await;
    holds(
        &told,
        &[
            "prod-change",
            "nobody is in A, 2 people are in B",
            "Can never be approved",
        ],
    );
    holds(&told, &["one approval from A, then one approval from B"]);
    let refused = portal.browser("bob").await.get("/catalog").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let url = asked(&portal, "prod-change").await;
    let asked = page(&portal, "alice", &url).await;
    holds(
        &asked,
        &["With the people that there are it cannot be approved"],
    );
}
