//! What was typed survives a sign-in, without a script as well; and what is wrong with a form is
//! told at once.

use axum::http::StatusCode;

use crate::support::app::TestApp;
use crate::support::portal::{Answer, Portal};

const ASK: &str = "/entitlements/prod-admin";
const TYPED: [(&str, &str); 5] = [
    ("duration", "other"),
    ("other", "14m"),
    (
        "justification",
        "A \"reason\" & more: ünïcode + 100 %\nand a line",
    ),
    ("ticket", "INC-7"),
    ("starts_at", "2030-01-02T03:04"),
];

/// Signs in where a browser was sent to, and follows it to the page.
async fn sign_in(portal: &Portal, name: &str, sent: &Answer) -> (String, Answer) {
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let query = sent.place().strip_prefix("/sign-in?").unwrap();
    let fields: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let [(key, next)] = fields.as_slice() else {
        panic!("{query}");
    };
    assert_eq!(key, "next");
    let email = format!("{name}@example.com");
    let fields = [("person", email.as_str()), ("next", next)];
    let signed_in = portal.stranger().post("/sign-in", &fields).await;
    let place = signed_in.place().to_owned();
    assert_eq!(place, *next);
    let page = portal.browser(name).await.get(&place).await;
    (place, page)
}

#[tokio::test]
async fn an_ask_survives_a_sign_in_and_nothing_is_sent() {
    let portal = TestApp::new().await.portal();
    let sent = portal.stranger().post(ASK, &TYPED).await;
    let (_, page) = sign_in(&portal, "alice", &sent).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    for kept in [
        "value=\"other\" checked",
        "value=\"14m\"",
        "A &#34;reason&#34; &#38; more: ünïcode + 100 %\nand a line</textarea>",
        "value=\"INC-7\"",
        "value=\"2030-01-02T03:04\"",
        "Nothing has been sent",
    ] {
        assert!(page.body.contains(kept), "{kept}: {}", page.body);
    }
    let done = "request.submitted";
    assert_eq!(
        (portal.done(done).await, portal.refusals().await.len()),
        (0, 0)
    );
}

#[tokio::test]
async fn a_decision_survives_a_sign_in_but_for_the_choice() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let said = [("choice", "approve"), ("comment", "Go & watch.")];
    let sent = portal
        .stranger()
        .post(&format!("{page}/decide"), &said)
        .await;
    let (place, shown) = sign_in(&portal, "bob", &sent).await;
    assert!(place.starts_with(&page), "{place}");
    assert!(
        shown.body.contains("Go &#38; watch.</textarea>"),
        "{}",
        shown.body
    );
    assert!(
        shown.body.contains("Nothing has been sent"),
        "{}",
        shown.body
    );
    assert!(!shown.body.contains("\" checked>"), "{}", shown.body);
    assert_eq!(portal.done("request.approved").await, 0);
}

#[tokio::test]
async fn a_text_that_is_too_long_for_an_address_loses_its_end_and_shows_it() {
    let portal = TestApp::new().await.portal();
    let long = "Ж".repeat(2_000);
    let fields = [("duration", "60s"), ("justification", long.as_str())];
    let sent = portal.stranger().post(ASK, &fields).await;
    let (place, page) = sign_in(&portal, "alice", &sent).await;
    assert!(place.len() <= 4_000, "{}", place.len());
    assert!(page.body.contains("ЖЖЖ…</textarea>"), "{}", page.body);
}

#[tokio::test]
async fn an_address_leads_nowhere_else_and_a_form_from_elsewhere_leads_nowhere() {
    let portal = TestApp::new().await.portal();
    for path in ["//evil.example/entitlements/x", "/entitlements/%2F%2Fevil"] {
        let sent = portal.stranger().post(path, &TYPED).await;
        let place = sent.place();
        assert!(
            place.is_empty()
                || place == "/sign-in"
                || place.starts_with("/sign-in?next=%2Fentitlements%2F"),
            "{path}: {place}"
        );
    }
    let request = portal
        .stranger()
        .request(axum::http::Method::POST, ASK)
        .header("sec-fetch-site", "cross-site")
        .header("content-type", crate::support::portal::FORM)
        .body(axum::body::Body::from("justification=x"))
        .unwrap();
    assert_eq!(portal.send(request).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_form_is_told_at_once() {
    let portal = TestApp::new().await.portal();
    let alice = portal.browser("alice").await;
    let wrong = [
        ("duration", "other"),
        ("other", "3 fortnights"),
        ("justification", " "),
        ("ticket", "a\u{202e}b"),
        ("starts_at", "soon"),
    ];
    let answer = alice.post(ASK, &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let summary = "id=\"errors\" tabindex=\"-1\" autofocus";
    assert!(answer.body.contains(summary), "{}", answer.body);
    let mut after = answer
        .body
        .find("4 things to put right")
        .expect("all of them");
    for field in ["duration", "justification", "ticket", "starts_at"] {
        let link = format!("href=\"#{field}\"");
        let at = answer.body.find(&link).expect(field);
        assert!(at > after, "{field} is not in the order of the form");
        after = at;
        let beside = format!("id=\"{field}-error\"");
        assert!(answer.body.contains(&beside), "{field}: {}", answer.body);
    }
    let page = portal.asked().await;
    let bob = portal.browser("bob").await;
    let said = [("comment", "a\u{202e}b")];
    let answer = bob.post(&format!("{page}/decide"), &said).await;
    for link in ["href=\"#choice\"", "href=\"#comment\""] {
        assert!(answer.body.contains(link), "{link}: {}", answer.body);
    }
    let answer = alice.get("/audit?from=yesterday&to=tomorrow").await;
    for beside in ["id=\"from-error\"", "id=\"to-error\""] {
        assert!(answer.body.contains(beside), "{beside}: {}", answer.body);
    }
}
