//! From a form to a page: sign-in, asking, deciding, ending, and what is typed wrong.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE};
use axum::http::{Method, StatusCode};
use countersign::web::{self, assets};

use crate::support::app::TestApp;
use crate::support::portal::{FORM, Portal};

const ASK: &str = "/entitlements/prod-admin";

#[tokio::test]
async fn the_path_from_asking_to_ending() {
    let portal = TestApp::new().await.portal();
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    assert!(
        alice
            .get("/")
            .await
            .body
            .contains("Ask<span class=\"unseen\"> for prod-admin")
    );
    let page = portal.asked().await;
    assert!(
        bob.get("/waiting")
            .await
            .body
            .contains("prod-admin for Alice")
    );
    let review = bob.get(&page).await.body;
    assert!(
        review.contains("<title>Pending: prod-admin for Alice") && review.contains("Send decision"),
        "{review}"
    );
    assert!(!alice.get(&page).await.body.contains("Send decision"));
    let decided = bob
        .post(
            &format!("{page}/decide"),
            &[("choice", "approve"), ("comment", "Go <b>on</b>.")],
        )
        .await;
    assert_eq!(
        (decided.status, decided.place()),
        (StatusCode::SEE_OTHER, page.as_str())
    );
    let granted = alice.get(&page).await.body;
    assert!(
        granted.contains("<title>Scheduled: prod-admin"),
        "{granted}"
    );
    assert!(
        granted.contains("Bob approved (1 of 1)")
            && granted.contains("Go &#60;b&#62;on&#60;/b&#62;."),
        "{granted}"
    );
    let grant = sqlx::query_scalar!("SELECT grant_name FROM grants")
        .fetch_one(&portal.db.pool)
        .await
        .unwrap();
    let session = format!("RoleSessionName={grant}");
    assert!(!granted.contains(&session), "{granted}");
    assert!(
        alice
            .get(&format!("/grants/{grant}"))
            .await
            .place()
            .starts_with(&page)
    );
    let ended = alice
        .post(&format!("/grants/{grant}/end"), &[("reason", "Done.")])
        .await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.body);
    let over = alice.get(&page).await.body;
    assert!(
        over.contains("<title>Ended: prod-admin") && over.contains("It was never open."),
        "{over}"
    );
}

#[tokio::test]
async fn what_was_typed_stays_when_it_does_not_fit() {
    let portal = TestApp::new().await.portal();
    let alice = portal.browser("alice").await;
    let typed = [
        ("duration", "other"),
        ("other", "9h"),
        ("justification", "A \"reason\" & more"),
        ("ticket", "INC-1"),
        ("starts_at", "2020-01-01T00:00"),
    ];
    let answer = alice.post(ASK, &typed).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for kept in [
        "value=\"9h\"",
        "A &#34;reason&#34; &#38; more</textarea>",
        "value=\"INC-1\"",
        "value=\"2020-01-01T00:00\"",
        "value=\"other\" checked",
    ] {
        assert!(
            answer.body.contains(kept),
            "{kept} is gone: {}",
            answer.body
        );
    }
    for wrong in [
        "<title>Error: Ask for prod-admin",
        "href=\"#duration\"",
        "id=\"duration-error\"",
        "id=\"starts_at-error\"",
    ] {
        assert!(answer.body.contains(wrong), "{wrong}: {}", answer.body);
    }
}

#[tokio::test]
async fn bad_input_has_a_clear_answer_and_changes_nothing() {
    let portal = TestApp::new().await.portal();
    let alice = portal.browser("alice").await;
    let long = "x".repeat(10_000);
    let refused: [(&[(&str, &str)], u16); 12] = [
        (&[("duration", "0s"), ("justification", "why")], 422),
        (&[("duration", "-60s"), ("justification", "why")], 422),
        (
            &[
                ("duration", "other"),
                ("other", "P1Y"),
                ("justification", "why"),
            ],
            422,
        ),
        (
            &[
                ("duration", "other"),
                ("other", "99999999999999999999h"),
                ("justification", "why"),
            ],
            422,
        ),
        (&[("duration", ""), ("justification", "why")], 422),
        (&[("duration", "60s"), ("justification", "")], 422),
        (&[("duration", "60s"), ("justification", &long)], 422),
        (&[("duration", "60s"), ("justification", "a\u{202e}b")], 422),
        (&[("duration", "60s"), ("justification", "a\0b")], 422),
        (
            &[
                ("duration", "60s"),
                ("justification", "why"),
                ("starts_at", "tomorrow"),
            ],
            422,
        ),
        (
            &[
                ("duration", "60s"),
                ("justification", "why"),
                ("principal", "arn:aws:iam::111122223333:user/bob"),
            ],
            422,
        ),
        (
            &[
                ("duration", "60s"),
                ("justification", "why"),
                ("admin", "true"),
            ],
            422,
        ),
    ];
    for (fields, status) in refused {
        let answer = alice.post(ASK, fields).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{fields:?}: {}",
            answer.body
        );
    }
    let sent = |kind: &str, body: String| {
        let request = alice
            .request(Method::POST, ASK)
            .header("sec-fetch-site", "same-origin")
            .header(CONTENT_TYPE, kind);
        request.body(Body::from(body)).unwrap()
    };
    let wrong_kind = portal.send(sent("application/json", "{}".to_owned())).await;
    assert_eq!(wrong_kind.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = portal
        .send(sent(FORM, format!("justification={}", "x".repeat(1 << 20))))
        .await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    for (path, status) in [
        ("/requests/req_1", 400),
        ("/requests/grant_00000000000000000000000000", 400),
        ("/requests?cursor=x", 400),
        ("/requests/req_00000000000000000000000000", 404),
        ("/entitlements/unknown", 404),
        ("/nothing", 404),
        ("/audit?from=yesterday", 422),
        ("/audit?from=%2B10890-01-01T00:00", 422),
        ("/audit?to=-0001-01-01T00:00", 422),
        ("/audit?from=0000-01-01T00:00&to=9999-12-31T23:59", 200),
        ("/audit?cursor=1", 400),
        ("/audit?action=%00", 200),
        ("/sign-out", 405),
    ] {
        let answer = alice.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert!(answer.body.contains("<h1>"), "{path} has no page");
    }
    assert_eq!(portal.done("request.submitted").await, 0);
}

#[tokio::test]
async fn deciding_too_late_names_the_state() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let (bob, carol) = (portal.browser("bob").await, portal.browser("carol").await);
    bob.post(
        &format!("{page}/decide"),
        &[("choice", "deny"), ("comment", "Not now.")],
    )
    .await;
    let late = carol
        .post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(
        late.body.contains("this request is denied"),
        "{}",
        late.body
    );
}

#[tokio::test]
async fn an_approver_who_did_not_decide_can_look_at_a_grant_and_end_it() {
    let portal = TestApp::new().await.portal();
    let page = portal.asked().await;
    let (bob, carol) = (portal.browser("bob").await, portal.browser("carol").await);
    bob.post(&format!("{page}/decide"), &[("choice", "approve")])
        .await;
    assert!(carol.get(&page).await.body.contains("Cancel<"));
    let grant = sqlx::query_scalar!("SELECT grant_name FROM grants")
        .fetch_one(&portal.db.pool)
        .await
        .unwrap();
    let ended = carol.post(&format!("/grants/{grant}/end"), &[]).await;
    assert_eq!(carol.get(ended.place()).await.status, StatusCode::OK);
    let again = carol.post(&format!("/grants/{grant}/end"), &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.body.contains("this grant is ended"), "{}", again.body);
}

#[tokio::test]
async fn a_session_is_new_with_each_sign_in_and_ends_with_sign_out() {
    let portal = TestApp::new().await.portal();
    let (first, second) = (portal.browser("alice").await, portal.browser("alice").await);
    assert_ne!(first.cookie, second.cookie);
    let out = first.post("/sign-out", &[]).await;
    assert_eq!(
        out.header(SET_COOKIE),
        "countersign=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    );
    assert_eq!(first.get("/").await.place(), "/sign-in");
    assert_eq!(second.get("/").await.status, StatusCode::OK);
    let stored = sqlx::query_scalar!("SELECT token_hash FROM sessions")
        .fetch_all(&portal.db.pool)
        .await
        .unwrap();
    let token = second.cookie.split_once('=').unwrap().1;
    assert!(token.len() >= 22 && stored.iter().all(|hash| hash != token.as_bytes()));
}

#[tokio::test]
async fn sign_in_leads_to_the_place_that_was_asked_for_if_it_is_ours() {
    let portal = TestApp::new().await.portal();
    let to = async |next: &str| {
        let answer = portal
            .stranger()
            .post("/sign-in", &[("person", "bob@example.com"), ("next", next)])
            .await;
        answer.place().to_owned()
    };
    assert_eq!(to("/waiting").await, "/waiting");
    for evil in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "",
    ] {
        assert_eq!(to(evil).await, "/", "{evil}");
    }
    let nobody = portal
        .stranger()
        .post(
            "/sign-in",
            &[("person", "nobody@example.com"), ("next", "/")],
        )
        .await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn serve_has_no_sign_in_by_choice() {
    let portal = Portal::with(
        TestApp::new().await,
        "https://countersign.example.com",
        web::NO_SIGN_IN,
    );
    let chosen = portal
        .stranger()
        .post(
            "/sign-in",
            &[("person", "alice@example.com"), ("next", "/")],
        )
        .await;
    assert_eq!(chosen.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(chosen.header(SET_COOKIE), "");
    let page = portal.stranger().get("/sign-in").await;
    assert!(
        page.body.contains("countersign token create"),
        "{}",
        page.body
    );
    assert_eq!(portal.done("session.started").await, 0);
}

#[tokio::test]
async fn each_answer_keeps_itself_to_itself() {
    let portal = Portal::with(
        TestApp::new().await,
        "https://countersign.example.com",
        countersign::demo::sign_in::PEOPLE,
    );
    let stranger = portal.stranger();
    for path in [
        "/",
        "/sign-in",
        "/nothing",
        assets::css(),
        "/assets/nothing",
    ] {
        let answer = stranger.get(path).await;
        let policy = answer.header(CONTENT_SECURITY_POLICY);
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            "same-origin",
            "{path}"
        );
        assert!(
            answer
                .header("strict-transport-security")
                .starts_with("max-age="),
            "{path}"
        );
        let cached = answer.header(CACHE_CONTROL);
        assert_eq!(
            cached.contains("immutable"),
            path == assets::css(),
            "{path}: {cached}"
        );
        assert_eq!(
            cached == "no-store",
            path != assets::css(),
            "{path}: {cached}"
        );
    }
    let signed_in = stranger
        .post(
            "/sign-in",
            &[("person", "alice@example.com"), ("next", "/")],
        )
        .await;
    let cookie = signed_in.header(SET_COOKIE);
    assert!(
        cookie.starts_with("__Host-countersign=")
            && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
}
