//! Disabling and enabling people over HTTP.

use countersign::domain::scope::Scopes;
use serde_json::{Value, json};

use crate::support::api::ask;
use crate::support::app::TestApp;
use crate::support::machines::{self, Machine};

/// Attack 7: a leaver's token, which would work for weeks.
#[tokio::test]
async fn the_token_of_whoever_is_disabled_works_no_more_at_once() {
    let service = TestApp::new().await.api().await;
    let (ada, bob) = (service.token("ada").await, service.token("bob").await);
    let id = service.ctx("bob").await.person.id.to_string();
    let me = service.call(&bob, "GET", "/people/me", &Value::Null).await;
    assert_eq!(me.status, 200);
    let path = format!("/people/{id}/disable");
    let done = service
        .call(&ada, "POST", &path, &json!({"reason": "Left"}))
        .await;
    assert_eq!(done.status, 200, "{}", done.body);
    let at = "2027-01-15T08:00:00Z";
    let expected = json!({"id": id, "name": "Bob", "email": "bob@example.com", "status": "disabled",
        "disabled_at": at, "sessions": 0, "tokens": 0, "machines": 0, "requests": 0, "grants": 0, "other_accounts": []});
    assert_eq!(done.body, expected);
    for (method, path) in [
        ("GET", "/people/me"),
        ("GET", "/requests"),
        ("POST", "/requests"),
    ] {
        let told = service.call(&bob, method, path, &ask()).await;
        assert_eq!(
            (told.status.as_u16(), told.code()),
            (401, "unauthenticated")
        );
    }
    let again = service
        .call(&ada, "POST", &path, &json!({"reason": "Left"}))
        .await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "wrong_state"));
    let detail = again.body["detail"].as_str().unwrap();
    assert!(detail.contains("this person is disabled"), "{detail}");

    let path = format!("/people/{id}/enable");
    let done = service.call(&ada, "POST", &path, &json!({})).await;
    assert_eq!(
        (done.status.as_u16(), done.body["status"].as_str()),
        (200, Some("active"))
    );
    let told = service.call(&bob, "GET", "/people/me", &Value::Null).await;
    assert_eq!(told.status, 401, "it stays revoked");
}

/// A machine of theirs, by its token too; that of somebody else works on.
#[tokio::test]
async fn the_machines_of_whoever_is_disabled_end_with_them() {
    let service = TestApp::new().await.api().await;
    let ada = service.token("ada").await;
    let mut tokens = Vec::new();
    for owner in ["bob", "carol"] {
        let machine = Machine::of(owner).made(&service).await;
        let token = machines::token(&service, owner, machine, Scopes::OF_MACHINES).await;
        tokens.push((machine, token));
    }
    let works = async |token: &str| {
        let told = service.call(token, "GET", "/requests", &Value::Null).await;
        told.status.as_u16()
    };
    let [(of_bob, bobs), (_, carols)] = &tokens[..] else {
        panic!("two")
    };
    assert_eq!((works(bobs).await, works(carols).await), (200, 200));
    let id = service.ctx("bob").await.person.id;
    let path = format!("/people/{id}/disable");
    let left = json!({"reason": "Left"});
    let done = service.call(&ada, "POST", &path, &left).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!((works(bobs).await, works(carols).await), (401, 200));
    let sql = "SELECT count(*) FROM audit_events WHERE action = 'machine.ended' AND subject = $1";
    let ended = sqlx::query_scalar::<_, i64>(sql).bind(of_bob.to_string());
    assert_eq!(ended.fetch_one(service.pool()).await.unwrap(), 1);
    // Nor does it come back with them: it has no token, and gets none.
    let path = format!("/people/{id}/enable");
    let back = service.call(&ada, "POST", &path, &json!({})).await;
    assert_eq!(back.body["machines"], 0, "{}", back.body);
    assert_eq!(works(bobs).await, 401);
}

#[tokio::test]
async fn a_reason_is_needed_and_nothing_else_is_taken() {
    let service = TestApp::new().await.api().await;
    let ada = service.token("ada").await;
    let id = service.ctx("bob").await.person.id;
    let path = format!("/people/{id}/disable");
    for (body, status, code) in [
        (json!({}), 422, "invalid_field"),
        (json!({"reason": "  "}), 422, "invalid_field"),
        (json!({"reason": "Left", "by": "me"}), 400, "invalid_json"),
    ] {
        let told = service.call(&ada, "POST", &path, &body).await;
        assert_eq!(
            (told.status.as_u16(), told.code()),
            (status, code),
            "{body}"
        );
    }
    let path = format!("/people/{}/disable", "person_zzz");
    let told = service
        .call(&ada, "POST", &path, &json!({"reason": "Left"}))
        .await;
    assert_eq!((told.status.as_u16(), told.code()), (400, "invalid_id"));
    let own = service.ctx("ada").await.person.id;
    for verb in ["disable", "enable"] {
        let path = format!("/people/{own}/{verb}");
        let body = if verb == "disable" {
            json!({"reason": "Left"})
        } else {
            json!({})
        };
        let told = service.call(&ada, "POST", &path, &body).await;
        assert_eq!((told.status.as_u16(), told.code()), (403, "forbidden"));
    }
}

/// Attack 2, as it is told over HTTP.
#[tokio::test]
async fn two_accounts_of_one_human_are_refused_as_one() {
    let service = TestApp::with(|catalog| {
        catalog.regroup("alba", &["approvers"]);
        catalog.join("alba", "alice");
        catalog.join("carol", "bob");
    })
    .await
    .api()
    .await;
    let request = service.ask("prod-root").await.id;
    let path = format!("/requests/{request}/approve");
    for (who, status, code) in [
        ("alba", 403, "self_approval"),
        ("bob", 200, "-"),
        ("carol", 409, "already_decided"),
    ] {
        let token = service.token(who).await;
        let told = service.call(&token, "POST", &path, &json!({})).await;
        assert_eq!((told.status.as_u16(), told.code()), (status, code), "{who}");
    }
}
