//! A fault of ours, and a database that is busy: what people are told, and what they can name to
//! those who run it.

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{Method, Request, StatusCode};
use axum::routing::get;
use countersign::error::Error;
use countersign::web::{Route, SIGN_IN};
use serde_json::json;
use sqlx::Connection;

use crate::support::api::ask;
use crate::support::app::TestApp;
use crate::support::log::{LOG, has_line};
use crate::support::portal::{ORIGIN, Portal};

/// Whether a line tells of an error under this id.
fn tells(id: &str) -> bool {
    has_line(&["ERROR", id])
}

async fn as_owner(url: &str, sql: &'static str) {
    let mut owner = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut owner).await.unwrap();
}

const BREAK: &str = "ALTER TABLE entitlements RENAME TO away";

#[tokio::test]
async fn a_fault_is_in_the_log_under_the_id_that_the_page_shows() {
    LazyLock::force(&LOG);
    let portal = TestApp::new().await.portal();
    let alice = portal.browser("alice").await;
    as_owner(&portal.db.owner_url, BREAK).await;
    let broken = alice.get("/entitlements/prod-admin").await;
    assert_eq!(broken.status, StatusCode::INTERNAL_SERVER_ERROR);
    let id = broken.header("x-request-id");
    assert!(!id.is_empty() && tells(id), "{id}");
    let shown = format!("<span class=\"mono\">{id}</span>");
    assert!(broken.body.contains(&shown), "{}", broken.body);

    let request = alice
        .request(Method::GET, "/entitlements/prod-admin")
        .header("x-request-id", "from-the-proxy-1");
    let sent = portal.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(sent.header("x-request-id"), "from-the-proxy-1");
    assert!(tells("from-the-proxy-1"));
}

#[tokio::test]
async fn a_fault_of_the_api_is_in_the_log_under_its_request_id() {
    LazyLock::force(&LOG);
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    as_owner(&service.db.owner_url, BREAK).await;
    let broken = service
        .call(&alice, "GET", "/entitlements", &serde_json::Value::Null)
        .await;
    assert_eq!((broken.status.as_u16(), broken.code()), (500, "internal"));
    assert!(tells(broken.header("x-request-id")));
}

#[tokio::test]
async fn what_the_audit_log_cannot_hold_is_a_line_of_the_log() {
    LazyLock::force(&LOG);
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    for (token, body, status) in [("csn_forged", json!({}), "401"), (&alice, json!([]), "400")] {
        let refused = service.call(token, "POST", "/requests", &body).await;
        assert_eq!(refused.status.as_str(), status);
        let id = refused.header("x-request-id");
        let words = [id, "POST", "/api/v1/requests", status];
        assert!(!id.is_empty() && has_line(&words), "{status}");
    }
    let portal = TestApp::new().await.portal();
    let stranger = portal.send(Request::get("/no-such-page").body(Body::empty()).unwrap());
    let id = stranger.await.header("x-request-id").to_owned();
    assert!(has_line(&[&id, "GET", "/no-such-page", "404"]));
}

#[tokio::test]
async fn a_busy_database_is_told_with_when_to_try_again() {
    let portal = TestApp::new().await.portal();
    let alice = portal.browser("alice").await;
    as_owner(
        &portal.db.owner_url,
        "CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$;
         CREATE TRIGGER busy BEFORE INSERT ON requests FOR EACH ROW EXECUTE FUNCTION busy()",
    )
    .await;
    let answer = alice
        .post(
            "/entitlements/prod-admin",
            &[("duration", "60s"), ("justification", "Why not")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header(RETRY_AFTER), "2");
    assert!(answer.body.contains("Countersign is busy"));
}

#[tokio::test]
async fn what_postgres_says_of_being_busy_is_no_fault() {
    let portal = TestApp::new().await.portal();
    for (state, code) in [
        ("40001", "busy"),
        ("40P01", "busy"),
        ("53300", "busy"),
        ("57P01", "busy"),
        ("57P02", "busy"),
        ("57P03", "busy"),
        ("08006", "busy"),
        ("25006", "busy"),
        ("25P03", "busy"),
        ("53100", "busy"),
        ("53200", "busy"),
        ("55P03", "busy"),
        ("57014", "busy"),
        ("42501", "internal"),
    ] {
        let sql = format!("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$");
        let failed = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        let error = failed.execute(&portal.db.pool).await.unwrap_err();
        assert_eq!(Error::from(error).about().code, code, "{state}");
    }
    for error in [Error::Busy, Error::Internal("x".into())] {
        assert!(!error.about().detail.contains("Nothing was changed"));
    }
}

#[tokio::test]
async fn a_page_that_breaks_down_is_told_and_logged() {
    const BROKEN: &[Route] = &[Route {
        path: SIGN_IN,
        methods: &[("GET", None)],
        handler: || get(async || -> &'static str { panic!("a test of panics") }),
    }];
    LazyLock::force(&LOG);
    let portal = Portal::with(TestApp::new().await, ORIGIN, BROKEN);
    let told = portal.stranger().get("/sign-in").await;
    assert_eq!(told.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(told.body.contains("<h1>Something went wrong"));
    assert!(!told.body.contains("a test of panics"));
    let id = told.header("x-request-id");
    assert!(!id.is_empty() && has_line(&["ERROR", id, "a test of panics"]));
}

#[tokio::test]
async fn a_call_that_breaks_down_is_told_and_logged() {
    LazyLock::force(&LOG);
    // A request would lapse after the end of time.
    let company = TestApp::new().await;
    let company = company.configured(|config| config.requests.expire_after = Duration::MAX);
    let service = company.api().await;
    let alice = service.token("alice").await;
    let told = service.call(&alice, "POST", "/requests", &ask()).await;
    assert_eq!((told.status.as_u16(), told.code()), (500, "internal"));
    assert_eq!(told.header("content-type"), "application/problem+json");
    let id = told.header("x-request-id");
    assert!(has_line(&["ERROR", id, "broke down"]), "{id}");
}
