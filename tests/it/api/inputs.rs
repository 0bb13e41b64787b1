//! Bad input: a clear answer, and nothing changed.

use serde_json::{Value, json};

use crate::support::api::ask;
use crate::support::app::TestApp;

fn with(field: &str, value: Value) -> Value {
    let mut body = ask();
    body[field] = value;
    body
}

/// Name, content type, body, status, code.
type Case = (
    &'static str,
    (&'static str, &'static str),
    Vec<u8>,
    u16,
    &'static str,
);

/// Body, status, code, and a word that the answer must have.
fn bodies() -> Vec<(&'static str, Value, u16, &'static str, &'static str)> {
    let duration = |text: &str| with("duration", json!(text));
    let said = |text: &str| with("justification", json!(text));
    vec![
        (
            "unknown entitlement",
            with("entitlement", json!("no-such")),
            404,
            "not_found",
            "exist",
        ),
        (
            "entitlement with NUL",
            with("entitlement", json!("a\0b")),
            404,
            "not_found",
            "exist",
        ),
        (
            "zero",
            duration("PT0S"),
            422,
            "duration_out_of_range",
            "from 5 seconds to 8 hours",
        ),
        (
            "negative",
            duration("-PT1H"),
            422,
            "duration_out_of_range",
            "8 hours",
        ),
        (
            "too long",
            duration("PT9H"),
            422,
            "duration_out_of_range",
            "8 hours",
        ),
        (
            "not ISO 8601",
            duration("1 hour"),
            422,
            "invalid_field",
            "PT1H30M",
        ),
        (
            "a bare number",
            duration("3600"),
            422,
            "invalid_field",
            "PT1H30M",
        ),
        (
            "a calendar unit",
            duration("P1M"),
            422,
            "invalid_field",
            "PT1H30M",
        ),
        (
            "parts of a second",
            duration("PT10.5S"),
            422,
            "invalid_field",
            "whole seconds",
        ),
        (
            "overflowing",
            duration("PT99999999999999999999H"),
            422,
            "invalid_field",
            "PT1H30M",
        ),
        (
            "bad duration and NUL",
            json!({"entitlement": "a\0b", "duration": "x", "justification": "x"}),
            404,
            "not_found",
            "does not exist",
        ),
        (
            "bad duration and no justification",
            json!({"entitlement": "prod-admin", "duration": "x", "justification": " "}),
            422,
            "invalid_field",
            "justification",
        ),
        (
            "empty justification",
            said("  \n "),
            422,
            "invalid_field",
            "justification",
        ),
        (
            "10,000 characters",
            said(&"x".repeat(10_000)),
            422,
            "invalid_field",
            "2000",
        ),
        (
            "control character",
            said("a\u{1b}[31mb"),
            422,
            "invalid_field",
            "U+001B",
        ),
        (
            "bidirectional character",
            said("pay \u{202e}bob"),
            422,
            "invalid_field",
            "U+202E",
        ),
        (
            "unknown field",
            with("state", json!("approved")),
            400,
            "invalid_json",
            "state",
        ),
        (
            "missing field",
            json!({"entitlement": "prod-admin"}),
            400,
            "invalid_json",
            "duration",
        ),
        (
            "not an object",
            json!([1, 2]),
            400,
            "invalid_json",
            "does not fit",
        ),
        (
            "start in the past",
            with("starts_at", json!("2001-01-01T00:00:00Z")),
            422,
            "invalid_field",
            "future",
        ),
        (
            "start that is none",
            with("starts_at", json!("tomorrow")),
            400,
            "invalid_json",
            "starts_at",
        ),
        (
            "start in a year that RFC 3339 does not have",
            with("starts_at", json!("+10890-01-01T00:00:00Z")),
            400,
            "invalid_json",
            "0000 to 9999",
        ),
        (
            "another's identity",
            with("principal", json!("arn:aws:iam::111122223333:user/bob")),
            422,
            "invalid_field",
            "identity",
        ),
    ]
}

#[tokio::test]
async fn a_bad_body_is_told_clearly_and_changes_nothing() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    for (name, body, status, code, word) in bodies() {
        let events = service.count("audit_events").await;
        let answer = service.call(&alice, "POST", "/requests", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{name}: {}",
            answer.body
        );
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{name}"
        );
        assert!(
            answer.body.to_string().contains(word),
            "{name}: {}",
            answer.body
        );
        assert_eq!(service.count("requests").await, 0, "{name}");
        let told = i64::from(status != 400);
        assert_eq!(
            service.count("audit_events").await,
            events + told,
            "{name}: a refusal is on record"
        );
    }
}

/// By what is asked for a deadline cannot be moved, and some of it no time can.
#[tokio::test]
async fn a_bad_length_of_an_extension_is_told_and_asks_for_nothing() {
    let service = TestApp::new().await.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let asked = service.call(&alice, "POST", "/requests", &ask()).await;
    let approve = format!("/requests/{}/approve", asked.body["id"].as_str().unwrap());
    let approved = service.call(&bob, "POST", &approve, &json!({})).await;
    service.open_grants().await;
    let extend = format!(
        "/grants/{}/extend",
        approved.body["grant_id"].as_str().unwrap()
    );
    for (duration, code, word) in [
        ("PT0S", "duration_out_of_range", "from PT1S to"),
        ("-PT1H", "duration_out_of_range", "from PT1S to"),
        ("-PT2000000000000H", "duration_out_of_range", "from PT1S to"),
        ("PT2000000000000H", "duration_out_of_range", "from PT1S to"),
        (
            "-PT2562047788015215H",
            "duration_out_of_range",
            "from PT1S to",
        ),
        ("PT99999999999999999999H", "invalid_field", "PT1H30M"),
        ("1 hour", "invalid_field", "PT1H30M"),
    ] {
        let body = json!({"duration": duration, "justification": "It still burns"});
        let answer = service.call(&alice, "POST", &extend, &body).await;
        let told = (answer.status.as_u16(), answer.code());
        assert_eq!(told, (422, code), "{duration}: {}", answer.body);
        assert!(answer.body.to_string().contains(word), "{}", answer.body);
        assert_eq!(service.count("requests").await, 1, "{duration}");
    }
}

#[tokio::test]
async fn what_is_not_json_or_too_large_is_refused() {
    let service = TestApp::new().await.api().await;
    let bearer = format!("Bearer {}", service.token("alice").await);
    let json_type = ("content-type", "application/json");
    let nested = format!("{}{}", "[".repeat(60_000), "]".repeat(100)).into_bytes();
    let cases: [Case; 6] = [
        (
            "a form",
            ("content-type", "application/x-www-form-urlencoded"),
            b"a=b".to_vec(),
            415,
            "unsupported_media_type",
        ),
        (
            "no type",
            ("x-nothing", "x"),
            ask().to_string().into_bytes(),
            415,
            "unsupported_media_type",
        ),
        (
            "1 MB",
            json_type,
            vec![b' '; 1 << 20],
            413,
            "payload_too_large",
        ),
        ("deep nesting", json_type, nested, 400, "invalid_json"),
        (
            "half of it",
            json_type,
            b"{\"entitlement\":".to_vec(),
            400,
            "invalid_json",
        ),
        (
            "not UTF-8",
            json_type,
            b"{\"entitlement\":\"\xff\"}".to_vec(),
            400,
            "invalid_json",
        ),
    ];
    for (name, kind, body, status, code) in cases {
        let answer = service
            .raw(
                "POST",
                "/requests",
                &[("authorization", &bearer), kind],
                body,
            )
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{name}: {}",
            answer.body
        );
    }
    assert_eq!(service.count("requests").await, 0);
}

#[tokio::test]
async fn ids_queries_and_addresses_that_do_not_fit_are_told() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    let grant = "grant_01h455vb4pex5vsknk084sn02q";
    for (method, path, status, code) in [
        ("GET", "/requests/req_short".to_owned(), 400, "invalid_id"),
        ("GET", format!("/requests/{grant}"), 400, "invalid_id"),
        (
            "POST",
            "/requests/%00/approve".to_owned(),
            400,
            "invalid_id",
        ),
        (
            "GET",
            "/requests/req_01h455vb4pex5vsknk084sn02q".to_owned(),
            404,
            "not_found",
        ),
        ("GET", "/requests?limit=0".to_owned(), 422, "invalid_field"),
        (
            "GET",
            "/requests?limit=201".to_owned(),
            422,
            "invalid_field",
        ),
        ("GET", "/requests?cursor=x".to_owned(), 422, "invalid_field"),
        (
            "GET",
            "/requests?state=open".to_owned(),
            422,
            "invalid_field",
        ),
        ("GET", "/requests?sort=up".to_owned(), 400, "invalid_json"),
        (
            "GET",
            "/requests?waiting=true&state=approved".to_owned(),
            422,
            "invalid_field",
        ),
        (
            "GET",
            "/requests?waiting=true&mine=true".to_owned(),
            422,
            "invalid_field",
        ),
        (
            "GET",
            "/audit-events?from=%2B10890-01-01T00:00:00Z".to_owned(),
            400,
            "invalid_json",
        ),
        (
            "GET",
            "/audit-events?to=-0001-01-01T00:00:00Z".to_owned(),
            400,
            "invalid_json",
        ),
        (
            "GET",
            format!("/requests?cursor={}", "a".repeat(9_000)),
            414,
            "uri_too_long",
        ),
        (
            "GET",
            "/audit-events?from=yesterday".to_owned(),
            400,
            "invalid_json",
        ),
        ("GET", "/no-such".to_owned(), 404, "not_found"),
        ("DELETE", "/requests".to_owned(), 405, "method_not_allowed"),
    ] {
        let answer = service.call(&alice, method, &path, &json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{method} {path}: {}",
            answer.body
        );
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_waits_is_pending_and_anothers() {
    let service = TestApp::new().await.api().await;
    let pending = service.ask("prod-admin").await.id;
    let bob = service.token("bob").await;
    for path in [
        "/requests?waiting=true",
        "/requests?waiting=true&state=pending",
    ] {
        let waiting = service.call(&bob, "GET", path, &Value::Null).await;
        assert_eq!(
            waiting.body["items"][0]["id"],
            json!(pending.to_string()),
            "{path}"
        );
    }
    let path = "/requests?waiting=true&state=denied";
    let told = service.call(&bob, "GET", path, &Value::Null).await;
    assert_eq!(told.body["errors"][0]["field"], "state", "{}", told.body);
}

#[tokio::test]
async fn an_answer_says_what_is_stored() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    let start = service.start + chrono::TimeDelta::nanoseconds(60_123_456_789);
    let asked = with("starts_at", json!(start.to_rfc3339()));
    let told = service.call(&alice, "POST", "/requests", &asked).await;
    assert_eq!(told.status, 201, "{}", told.body);
    let starts_at = told.body["starts_at"].as_str().unwrap();
    assert!(starts_at.ends_with(".123456Z"), "{starts_at}");
    let path = format!("/requests/{}", told.body["id"].as_str().unwrap());
    let stored = service.call(&alice, "GET", &path, &Value::Null).await;
    assert_eq!(stored.body, told.body);
}
