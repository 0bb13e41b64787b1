//! A provider that is silent, broken or another than it should be: nobody is signed in, who is
//! stays so, and the page says what to do.

use axum::http::StatusCode;
use chrono::TimeDelta;
use countersign::web::BY_PROVIDER;
use serde_json::json;

use super::World;
use crate::support::portal::{Answer, ORIGIN, Portal};

/// Sets out with a relying party that knows nothing of its provider yet.
async fn start_anew(world: &World) -> Answer {
    let app = (*world.portal).clone();
    let portal = Portal::with(app, ORIGIN, BY_PROVIDER);
    portal.stranger().get("/sign-in/start").await
}

fn assert_unreachable(answer: &Answer, name: &str) {
    assert_eq!(
        answer.status,
        StatusCode::BAD_GATEWAY,
        "{name}: {}",
        answer.body
    );
    assert!(answer.body.contains("provider_unreachable"), "{name}");
}

#[tokio::test]
async fn a_description_that_is_not_the_issuers_own_or_not_safe_is_not_used() {
    let world = World::new().await;
    let own = world.provider.issuer.clone();
    assert_eq!(start_anew(&world).await.status, StatusCode::SEE_OTHER);
    for (name, wrong) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", json!(format!("{own}/"))),
        ("issuer", json!(null)),
        (
            "authorization_endpoint",
            json!("http://192.0.2.1/authorize"),
        ),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!(null)),
        ("token_endpoint", json!("http://192.0.2.1/token")),
        ("token_endpoint", json!("file:///etc/passwd")),
        ("jwks_uri", json!("http://192.0.2.1/keys")),
        ("jwks_uri", json!(null)),
    ] {
        let world = World::new().await;
        world.provider.describes(name, wrong.clone());
        assert_unreachable(&start_anew(&world).await, &format!("{name} {wrong}"));
    }
}

#[tokio::test]
async fn answers_that_are_no_answers_are_refused_and_the_next_good_one_is_taken() {
    let world = World::new().await;
    let large = format!(r#"{{"issuer":"{}"}}"#, "x".repeat(1 << 20));
    for (name, status, body) in [
        (
            "an error",
            StatusCode::INTERNAL_SERVER_ERROR,
            b"{}".to_vec(),
        ),
        ("a redirect", StatusCode::FOUND, b"{}".to_vec()),
        ("no JSON", StatusCode::OK, b"<html>".to_vec()),
        ("no object", StatusCode::OK, b"[]".to_vec()),
        ("nothing", StatusCode::OK, Vec::new()),
        ("more than is read", StatusCode::OK, large.into_bytes()),
    ] {
        world.provider.breaks(Some((status, body)));
        assert_unreachable(&start_anew(&world).await, name);
    }
    world.provider.breaks(None);
    assert_eq!(start_anew(&world).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_provider_that_goes_away_keeps_nobody_out_who_is_in() {
    let world = World::new().await;
    let alice = world.alice().await;
    let flow = world.start("/").await;
    let down = Some((StatusCode::SERVICE_UNAVAILABLE, b"{}".to_vec()));
    world.provider.breaks(down);
    let answer = world.come_back(&flow, &world.claims(&flow)).await;
    world
        .assert_refused(&answer, 502, "provider_unreachable")
        .await;
    assert_eq!(alice.get("/requests").await.status, StatusCode::OK);
    let page = world.portal.stranger().get("/sign-in").await;
    assert_eq!(page.status, StatusCode::OK, "the page asks nobody");
    // Nothing but a new start is needed when it is back.
    world.provider.breaks(None);
    world.alice().await;
}

#[tokio::test]
async fn what_the_token_endpoint_refuses_is_told_by_kind() {
    let world = World::new().await;
    for (error, words) in [
        ("invalid_client", "as it is configured"),
        ("invalid_grant", "its own code"),
    ] {
        let flow = world.start("/").await;
        let body = json!({ "error": error, "error_description": "tell nobody" });
        let code = world.provider.answers(StatusCode::UNAUTHORIZED, body);
        let query = [("code", code.as_str()), ("state", flow.asked("state"))];
        let answer = world.call_back(&flow, &query).await;
        world.assert_refused(&answer, 400, "sign_in_refused").await;
        assert!(answer.body.contains(words), "{error}: {}", answer.body);
        assert!(!answer.body.contains("tell nobody"));
    }
}

/// Nobody waits in a line for a provider that does not answer: after the first has found that out,
/// the next ones are told at once.
#[tokio::test]
async fn who_comes_after_a_failure_is_told_so_without_asking() {
    let world = World::new().await;
    let down = Some((StatusCode::SERVICE_UNAVAILABLE, b"{}".to_vec()));
    world.provider.breaks(down);
    for _ in 0..5 {
        let answer = world.portal.stranger().get("/sign-in/start").await;
        assert_unreachable(&answer, "while it is down");
    }
    assert_eq!(world.provider.calls(), 1);
    world.provider.breaks(None);
    let answer = world.portal.stranger().get("/sign-in/start").await;
    assert_unreachable(&answer, "a moment later");
    world.portal.later(TimeDelta::seconds(10));
    world.start("/").await;
    assert_eq!(world.provider.calls(), 2);
}
