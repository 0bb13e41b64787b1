//! What was typed survives a sign-in, without a script as well; and what is wrong with a form is
//! told at once.

use axum::http::StatusCode;
use chrono::TimeDelta;
use countersign::app::sign_in::tidy;
use countersign::ids::DraftId;

use crate::support::app::TestApp;
use crate::support::portal::{Answer, Browser, Portal};

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
const NOTE: &str = "before you signed in is here again. Nothing has been sent";

/// A browser whose session is over.
async fn away<'a>(portal: &'a Portal, name: &str) -> Browser<'a> {
    let browser = portal.browser(name).await;
    browser.post("/me/sessions/end-all", &[]).await;
    browser
}

/// What the address of the sign-in says, to which a browser was sent.
fn sent_with(sent: &Answer) -> Vec<(String, String)> {
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let query = sent.place().strip_prefix("/sign-in?").unwrap();
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// The draft to which a browser was sent.
fn draft(sent: &Answer) -> String {
    let [(next, _), (draft, id)] = &sent_with(sent)[..] else {
        panic!("{}", sent.place());
    };
    assert_eq!((next.as_str(), draft.as_str()), ("next", "draft"));
    id.clone()
}

/// Signs in as the page says that a browser was sent to, and follows it to the form.
async fn sign_in(portal: &Portal, name: &str, sent: &Answer) -> (String, Answer) {
    let fields = sent_with(sent);
    let page = portal.stranger().get(sent.place()).await;
    let email = format!("{name}@example.com");
    let mut form = vec![("person", email.as_str())];
    for (name, value) in &fields {
        let hidden = format!("name=\"{name}\" value=\"{value}\"");
        assert!(page.body.contains(&hidden), "{hidden}: {}", page.body);
        form.push((name, value));
    }
    let signed_in = portal.stranger().post("/sign-in", &form).await;
    let mut place = signed_in.place().to_owned();
    let browser = Browser {
        cookie: cookie(&signed_in),
        portal,
    };
    let mut page = browser.get(&place).await;
    // What only takes a form leads on to the page that has it.
    while page.status == StatusCode::SEE_OTHER {
        place = page.place().to_owned();
        page = browser.get(place.split('#').next().unwrap()).await;
    }
    (place, page)
}

fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").split(';').next();
    set.unwrap().to_owned()
}

#[tokio::test]
async fn an_ask_survives_a_sign_in_and_nothing_is_sent() {
    let portal = TestApp::new().await.portal();
    let sent = away(&portal, "alice").await.post(ASK, &TYPED).await;
    for (_, text) in TYPED {
        assert!(!sent.place().contains(text), "{text}: {}", sent.place());
    }
    let (place, page) = sign_in(&portal, "alice", &sent).await;
    assert_eq!(place, format!("{ASK}?draft={}", draft(&sent)));
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    for kept in [
        "value=\"other\" checked",
        "value=\"14m\"",
        "A &#34;reason&#34; &#38; more: ünïcode + 100 %\nand a line</textarea>",
        "value=\"INC-7\"",
        "value=\"2030-01-02T03:04\"",
        NOTE,
    ] {
        assert!(page.body.contains(kept), "{kept}: {}", page.body);
    }
    let done = "request.submitted";
    assert_eq!(
        (portal.done(done).await, portal.refusals().await.len()),
        (0, 0)
    );
    // It is of that form, and of no other.
    let alice = portal.browser("alice").await;
    for other in [
        format!("/entitlements/prod-root?draft={}", draft(&sent)),
        ASK.to_owned(),
    ] {
        let page = alice.get(&other).await;
        assert_eq!(page.status, StatusCode::OK, "{other}");
        assert!(!page.body.contains(NOTE), "{other}: {}", page.body);
    }
}

#[tokio::test]
async fn a_decision_survives_a_sign_in_but_for_the_choice() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let said = [("choice", "approve"), ("comment", "Go & watch.")];
    let bob = away(&portal, "bob").await;
    let sent = bob.post(&format!("{page}/decide"), &said).await;
    let (place, shown) = sign_in(&portal, "bob", &sent).await;
    assert!(place.starts_with(&page), "{place}");
    let comment = "Go &#38; watch.</textarea>";
    assert!(shown.body.contains(comment), "{}", shown.body);
    assert!(shown.body.contains(NOTE), "{}", shown.body);
    for choice in ["approve", "deny", "ask"] {
        let chosen = format!("value=\"{choice}\" checked");
        assert!(!shown.body.contains(&chosen), "{}", shown.body);
    }
    assert_eq!(portal.done("request.approved").await, 0);
    // A choice alone is nothing that could be kept.
    let bob = away(&portal, "bob").await;
    let said = [("choice", "approve"), ("comment", " ")];
    let sent = bob.post(&format!("{page}/decide"), &said).await;
    assert_eq!(sent_with(&sent).len(), 1, "{}", sent.place());
}

#[tokio::test]
async fn what_was_typed_for_a_grant_survives_too_and_is_shown_where_its_form_is_gone() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let bob = portal.browser("bob").await;
    let approve = [("choice", "approve")];
    bob.post(&format!("{page}/decide"), &approve).await;
    portal.open_grants().await;
    let shown = bob.get(&page).await.body;
    let grant = shown.split("action=\"/grants/").nth(1).unwrap();
    let grant = format!("/grants/{}", grant.split('/').next().unwrap());

    let longer = [("duration", "20m"), ("justification", "Still at it")];
    let alice = away(&portal, "alice").await;
    let sent = alice.post(&format!("{grant}/extend"), &longer).await;
    let (place, shown) = sign_in(&portal, "alice", &sent).await;
    assert!(place.starts_with(&page), "{place}");
    for kept in ["value=\"20m\"", "Still at it</textarea>", NOTE] {
        assert!(shown.body.contains(kept), "{kept}: {}", shown.body);
    }

    let alice = away(&portal, "alice").await;
    let reason = [("reason", "Done here")];
    let sent = alice.post(&format!("{grant}/end"), &reason).await;
    let (place, shown) = sign_in(&portal, "alice", &sent).await;
    for kept in ["value=\"Done here\"", NOTE] {
        assert!(shown.body.contains(kept), "{kept}: {}", shown.body);
    }
    let told = [
        portal.done("grant.closing").await,
        portal.done("request.submitted").await,
    ];
    assert_eq!(told, [0, 1]);

    bob.post(&format!("{grant}/end"), &[]).await;
    let alice = portal.browser("alice").await;
    let shown = alice.get(place.split('#').next().unwrap()).await.body;
    assert!(shown.contains("What you had typed") && shown.contains("Done here"));
    assert!(!shown.contains(NOTE), "{shown}");
}

#[tokio::test]
async fn a_revocation_survives_a_sign_in() {
    let portal = TestApp::new().await.portal();
    let ada = away(&portal, "ada").await;
    let typed = [("account", "111122223333"), ("reason", "Keys were lost")];
    let sent = ada.post("/revocations", &typed).await;
    let (_, shown) = sign_in(&portal, "ada", &sent).await;
    for kept in ["value=\"111122223333\"", "Keys were lost</textarea>", NOTE] {
        assert!(shown.body.contains(kept), "{kept}: {}", shown.body);
    }
    assert_eq!(portal.count("revocations").await, 0);
}

#[tokio::test]
async fn only_what_came_with_a_session_of_ours_is_kept() {
    let portal = TestApp::new().await.portal();
    let mut stranger = portal.stranger();
    for cookie in ["", "countersign=", "countersign=not-ours"] {
        stranger.cookie = cookie.to_owned();
        let sent = stranger.post(ASK, &TYPED).await;
        let plain = "/sign-in?next=%2Fentitlements%2Fprod-admin";
        assert_eq!(sent.place(), plain, "{cookie}");
    }
    assert_eq!(portal.count("drafts").await, 0);
    // Idle for too long is as over as ended.
    let idle = portal.browser("alice").await;
    portal.later(TimeDelta::minutes(31));
    let sent = idle.post(ASK, &TYPED).await;
    assert_eq!(sent_with(&sent).len(), 2, "{}", sent.place());
    assert_eq!(portal.count("drafts").await, 1);
}

#[tokio::test]
async fn another_person_sees_nothing_and_signing_in_they_drop_it() {
    let app = TestApp::with(|it| it.regroup("carol", &["developers"])).await;
    let portal = app.portal();
    let sent = away(&portal, "alice").await.post(ASK, &TYPED).await;
    let shown = format!("{ASK}?draft={}", draft(&sent));
    // carol may ask for it as well.
    let carol = portal.browser("carol").await.get(&shown).await;
    assert_eq!(carol.status, StatusCode::OK);
    assert!(!carol.body.contains(NOTE), "{}", carol.body);
    assert_eq!(portal.count("drafts").await, 1, "a look drops nothing");
    let (_, page) = sign_in(&portal, "carol", &sent).await;
    assert!(!page.body.contains("INC-7"), "{}", page.body);
    assert_eq!(portal.count("drafts").await, 0);
    let alice = portal.browser("alice").await.get(&shown).await;
    assert!(!alice.body.contains(NOTE), "{}", alice.body);
}

#[tokio::test]
async fn it_is_kept_for_an_hour() {
    let portal = TestApp::new().await.portal();
    let alice = away(&portal, "alice").await;
    let sent = alice.post(ASK, &TYPED).await;
    let shown = format!("{ASK}?draft={}", draft(&sent));
    portal.later(TimeDelta::minutes(60) - TimeDelta::seconds(1));
    tidy(&portal.app).await.unwrap();
    let page = portal.browser("alice").await.get(&shown).await;
    assert!(page.body.contains(NOTE), "{}", page.body);
    portal.later(TimeDelta::minutes(60));
    let page = portal.browser("alice").await.get(&shown).await;
    assert!(!page.body.contains(NOTE), "{}", page.body);
    assert_eq!(portal.count("drafts").await, 1);
    tidy(&portal.app).await.unwrap();
    assert_eq!(portal.count("drafts").await, 0);
}

#[tokio::test]
async fn what_is_too_long_is_not_kept_and_nobody_has_more_than_ten() {
    let portal = TestApp::new().await.portal();
    let alice = away(&portal, "alice").await;
    let long = "Ж".repeat(8 * 1024);
    let sent = alice.post(ASK, &[("justification", &long)]).await;
    assert_eq!(sent_with(&sent).len(), 1, "{}", sent.place());
    let mut last = String::new();
    for nth in 0..12 {
        let why = format!("Try {nth}");
        let sent = alice.post(ASK, &[("justification", &why)]).await;
        last = draft(&sent);
    }
    assert_eq!(portal.count("drafts").await, 10);
    let page = portal.browser("alice").await;
    let page = page.get(&format!("{ASK}?draft={last}")).await;
    assert!(page.body.contains("Try 11</textarea>"), "{}", page.body);
}

#[tokio::test]
async fn an_address_that_names_no_draft_shows_an_empty_form() {
    let portal = TestApp::new().await.portal();
    let alice = portal.browser("alice").await;
    for what in ["", "nonsense", &DraftId::new().to_string()] {
        let page = alice.get(&format!("{ASK}?draft={what}")).await;
        assert_eq!(page.status, StatusCode::OK, "{what}");
        assert!(!page.body.contains(NOTE), "{what}: {}", page.body);
    }
    // What stands in the address itself fills in nothing.
    let page = alice
        .get(&format!("{ASK}?justification=Call+555-0100"))
        .await;
    assert!(!page.body.contains("555-0100"), "{}", page.body);
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
