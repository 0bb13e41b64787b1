//! Who gets what from each route, and what is on record afterwards.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};

use chrono::TimeDelta;
use countersign::app::delegations::{self, Wanted, delegate};
use countersign::app::disable;
use countersign::app::revoke::{self, NewRevocation};
use countersign::app::tokens;
use countersign::ids::{PrincipalId, SessionId};
use countersign::web::{ASSETS, SIGN_IN};

use super::routes::{self, Tried, form};
use crate::api::authorization::asked;
use crate::support::app::{TestApp, wanted};
use crate::support::machines::Machine;
use crate::support::portal::{FORM, Portal};

const GONE: &str = "req_00000000000000000000000000";
const GONE_GRANT: &str = "grant_00000000000000000000000000";

/// A portal with a pending request and an approved one of alice's; the ids of the request and of
/// the other one's grant.
pub async fn stage() -> (Portal, String, String) {
    let portal = TestApp::new().await.portal();
    let granted = portal.asked().await;
    let bob = portal.browser("bob").await;
    let answer = bob
        .post(&format!("{granted}/decide"), &[("choice", "approve")])
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let grant = sqlx::query_scalar!(r#"SELECT grant_name FROM grants"#)
        .fetch_one(&portal.db.pool)
        .await
        .unwrap();
    let pending = portal.asked().await;
    (
        portal,
        pending.trim_start_matches("/requests/").to_owned(),
        grant,
    )
}

/// A revocation of an account in which nothing is: it holds nobody up.
pub async fn revocation(portal: &Portal) -> String {
    portal
        .change(|catalog| catalog.account("999988887777").name = "Spare".to_owned())
        .await;
    let new = NewRevocation {
        account: Some("999988887777".to_owned()),
        reason: "Because.".to_owned(),
        ..NewRevocation::default()
    };
    let begun = revoke::revoke(&portal.ctx("ada").await, new).await;
    let id = begun.unwrap().id;
    // What follows from it by itself has happened then.
    revoke::carry_on(&portal.app, id).await.unwrap();
    id.to_string()
}

/// A session of alice's in another browser.
pub async fn session(portal: &Portal) -> String {
    portal.browser("alice").await;
    let id = sqlx::query_scalar!(
        r#"SELECT s.id AS "id: SessionId" FROM sessions s JOIN people p ON p.id = s.person
           WHERE p.name = 'Alice' AND s.ended_at IS NULL ORDER BY s.id DESC LIMIT 1"#
    );
    id.fetch_one(&portal.db.pool).await.unwrap().to_string()
}

/// erin, who is disabled where the route is to enable her.
pub async fn leaver(portal: &Portal, route: &str) -> String {
    if route.ends_with("/enable") {
        let done = disable::by_command(&portal.admin, "test", "erin@example.com", None);
        done.await.unwrap();
    }
    portal.ctx("erin").await.person.id.to_string()
}

/// An AWS identity that alice has linked herself, in an account where nothing may be asked for.
pub async fn identity(portal: &Portal) -> String {
    portal
        .change(|catalog| catalog.account("999988887777").name = "Spare".to_owned())
        .await;
    let id = PrincipalId::new();
    let sql = format!(
        "INSERT INTO principals (id, person, account, arn, source, unique_id, verified_at)
         SELECT '{}', id, '999988887777', 'arn:aws:iam::999988887777:user/{id}', 'linked', 'AIDAALICE', now()
         FROM people WHERE name = 'Alice'",
        id.uuid()
    );
    portal.as_owner(&sql).await;
    id.to_string()
}

/// With a token of alice's, or a machine of bob's, where the path names one.
pub async fn filled(portal: &Portal, path: &str) -> String {
    if path.contains("/T/") {
        let made = tokens::create(
            &portal.admin,
            "test",
            "alice@example.com",
            wanted("test", TimeDelta::days(1)),
        );
        return path.replace('T', &made.await.unwrap().0.to_string());
    }
    if path.contains("/D/") {
        let wanted = Wanted {
            to: "dave@example.com".to_owned(),
            until: Some(portal.start + TimeDelta::days(3)),
            ..Wanted::default()
        };
        let alice = portal.ctx("alice").await;
        let made = match delegations::own(&alice).await.unwrap().first() {
            Some(made) => made.id,
            None => delegate(&alice, wanted).await.unwrap(),
        };
        return path.replace('D', &made.to_string());
    }
    if path.contains("/M/") {
        let machine = Machine::of("bob").made(portal).await;
        return path.replace('M', &machine.to_string());
    }
    path.to_owned()
}

/// With a request on which bob has said what the last step of the path needs.
pub async fn talked(portal: &Portal, path: &str) -> String {
    let (kind, verb) = path.rsplit_once('/').unwrap_or_default();
    if kind.starts_with("/requests/") && ["answer", "withdraw-approval"].contains(&verb) {
        let id = asked(portal, path).await;
        return format!("/requests/{id}/{verb}");
    }
    path.to_owned()
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_sign_in_and_nothing_is_done() {
    let (portal, request, grant) = stage().await;
    let revoked = revocation(&portal).await;
    let signed_in = session(&portal).await;
    let erin = leaver(&portal, "").await;
    let linked = identity(&portal).await;
    let stranger = portal.stranger();
    for Tried {
        method,
        route,
        path,
        ..
    } in routes::all()
    {
        if route == SIGN_IN || route == ASSETS.path {
            continue;
        }
        let path = path.replace('R', &request).replace('G', &grant);
        let path = path.replace('V', &revoked);
        let path = path.replace('S', &signed_in).replace('P', &erin);
        let path = path.replace('I', &linked);
        let path = filled(&portal, &path).await;
        let answer = if method == "GET" {
            stranger.get(&path).await
        } else {
            stranger.post(&path, &form(&path)).await
        };
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{method} {path}");
        assert!(
            answer.place().starts_with("/sign-in"),
            "{method} {path}: {}",
            answer.place()
        );
    }
    assert_eq!(
        stranger.get("/requests?cursor=x").await.place(),
        "/sign-in?next=%2Frequests%3Fcursor%3Dx"
    );
    assert_eq!(
        (
            portal.done("request.approved").await,
            portal.done("grant.closing").await
        ),
        (1, 0)
    );
}

/// Each person on each route; where something is done, on a stage of their own, since it changes
/// what the next one may do.
#[tokio::test]
async fn who_gets_what() {
    let mut told = String::new();
    let shared = stage().await;
    for Tried {
        method,
        route,
        path,
        ..
    } in routes::all()
    {
        let _ = write!(told, "{method:4} {path:26}");
        for name in ["alice", "bob", "ada", "otto", "mallory"] {
            let own = if method == "GET" {
                None
            } else {
                Some(stage().await)
            };
            let (portal, request, grant) = own.as_ref().unwrap_or(&shared);
            let browser = portal.browser(name).await;
            let path = path.replace('R', request).replace('G', grant);
            let path = path.replace('V', &revocation(portal).await);
            let path = path.replace('S', &session(portal).await);
            let who = if method == "GET" { "" } else { route };
            let path = path.replace('P', &leaver(portal, who).await);
            let path = path.replace('I', &identity(portal).await);
            let path = filled(portal, &path).await;
            let path = talked(portal, &path).await;
            let answer = if method == "GET" {
                browser.get(&path).await
            } else {
                browser.post(&path, &form(&path)).await
            };
            let _ = write!(told, " {name} {}", answer.status.as_u16());
            if answer.status.is_client_error() && method == "POST" {
                assert_eq!(
                    portal.refusals().await.len(),
                    1,
                    "{name} {path} left no refusal"
                );
            }
        }
        told.push('\n');
    }
    insta::assert_snapshot!(told.trim_end());
}

#[tokio::test]
async fn each_refused_form_is_on_record() {
    let (portal, request, grant) = stage().await;
    let (alice, bob) = (portal.browser("alice").await, portal.browser("bob").await);
    alice
        .post(
            &format!("/requests/{request}/decide"),
            &[("choice", "approve")],
        )
        .await;
    bob.post(
        &format!("/requests/{request}/decide"),
        &[("choice", "deny"), ("comment", " ")],
    )
    .await;
    bob.post(&format!("/requests/{request}/withdraw"), &[])
        .await;
    bob.post(
        &format!("/requests/{GONE}/decide"),
        &[("choice", "approve")],
    )
    .await;
    alice.post(&format!("/grants/{GONE_GRANT}/end"), &[]).await;
    alice
        .post(&format!("/grants/{grant}/end"), &[("reason", "\u{202e}")])
        .await;
    alice
        .post(
            "/entitlements/prod-admin",
            &[("duration", "0s"), ("justification", "Why not")],
        )
        .await;
    alice
        .post(
            "/entitlements/prod-admin",
            &[("duration", "a while"), ("justification", "Why not")],
        )
        .await;
    bob.post(
        "/entitlements/prod-admin",
        &[("duration", "60s"), ("justification", "Why not")],
    )
    .await;
    let told = portal.refusals().await;
    let told: Vec<_> = told
        .iter()
        .map(|(action, code)| (action.as_str(), code.as_str()))
        .collect();
    let expected = [
        ("request.approved", "self_approval"),
        ("request.denied", "comment_required"),
        ("request.withdrawn", "forbidden"),
        ("request.approved", "not_found"),
        ("grant.closing", "not_found"),
        ("grant.closing", "invalid_field"),
        ("request.submitted", "duration_out_of_range"),
        ("request.submitted", "invalid_field"),
        ("request.submitted", "not_found"),
    ];
    assert_eq!(told, expected);
    assert_eq!(portal.done("request.submitted").await, 2);
}

#[tokio::test]
async fn what_is_not_for_somebody_to_see_says_nothing_of_itself() {
    let (portal, request, grant) = stage().await;
    let mallory = portal.browser("mallory").await;
    for path in [
        format!("/requests/{request}"),
        format!("/grants/{grant}"),
        "/entitlements/prod-admin".to_owned(),
    ] {
        let answer = mallory.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        for secret in ["Alice", "alice", "Orders are stuck", "111122223333"] {
            assert!(!answer.body.contains(secret), "{path} tells {secret}");
        }
    }
    let audit = mallory.get("/audit").await;
    assert!(
        !audit.body.contains("request.submitted</td>") && audit.body.contains("session.started"),
        "{}",
        audit.body
    );
}

#[tokio::test]
async fn a_form_from_elsewhere_is_refused_and_nothing_is_done() {
    let (portal, request, _) = stage().await;
    let bob = portal.browser("bob").await;
    let path = format!("/requests/{request}/decide");
    let elsewhere: [&[(&str, &str)]; 5] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", crate::support::portal::ORIGIN),
        ],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ];
    for headers in elsewhere {
        let mut sent = bob.request(Method::POST, &path).header(CONTENT_TYPE, FORM);
        for (name, value) in headers {
            sent = sent.header(*name, *value);
        }
        let answer = portal
            .send(sent.body(Body::from("choice=approve")).unwrap())
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.body.contains("cross_site"), "{headers:?}");
    }
    assert_eq!(portal.done("request.approved").await, 1);
    let ours = bob
        .request(Method::POST, &path)
        .header(CONTENT_TYPE, FORM)
        .header("origin", crate::support::portal::ORIGIN);
    let answer = portal
        .send(ours.body(Body::from("choice=approve")).unwrap())
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(portal.done("request.approved").await, 2);
}

#[tokio::test]
async fn reading_decides_nothing() {
    let (portal, request, grant) = stage().await;
    let bob = portal.browser("bob").await;
    for method in [Method::GET, Method::HEAD] {
        for path in [
            format!("/requests/{request}/decide?choice=approve"),
            format!("/requests/{request}/withdraw"),
            format!("/grants/{grant}/end"),
            "/entitlements/prod-admin?duration=60s&justification=x".to_owned(),
            "/sign-out".to_owned(),
        ] {
            portal
                .send(
                    bob.request(method.clone(), &path)
                        .body(Body::empty())
                        .unwrap(),
                )
                .await;
        }
    }
    let told = [
        portal.done("request.approved").await,
        portal.done("grant.closing").await,
        portal.done("session.ended").await,
    ];
    assert_eq!(told, [1, 0, 0]);
    assert_eq!(bob.get("/").await.status, StatusCode::OK);
}
