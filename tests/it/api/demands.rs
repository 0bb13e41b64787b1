//! What calls tell of MFA and of external IDs, and whom.

use serde_json::{Value, json};

use crate::support::api::ask;
use crate::support::app::TestApp;
use crate::support::catalog::Catalog;

const ID: &str = "vendor-7f3d2a8e";

#[tokio::test]
async fn an_external_id_is_told_to_who_sends_it_and_who_decides() {
    let asks = |catalog: &mut Catalog| {
        let more = &mut catalog.entitlement("prod-admin").more;
        more.insert("mfa".to_owned(), true.into());
        more.insert("external_id".to_owned(), ID.into());
    };
    let company = TestApp::with(asks).await;
    let service = company.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let asked = service.call(&alice, "POST", "/requests", &ask()).await.body;
    let path = format!("/requests/{}", asked["id"].as_str().unwrap());
    let approve = format!("{path}/approve");
    let approved = service.call(&bob, "POST", &approve, &json!({})).await.body;
    let grant = format!("/grants/{}", approved["grant_id"].as_str().unwrap());
    company.open_grants().await;
    for body in [&asked, &approved] {
        assert_eq!(
            (&body["mfa"], &body["external_id"]),
            (&json!(true), &json!(ID))
        );
    }
    for (who, told) in [
        ("alice", json!(ID)),
        ("bob", json!(ID)),
        ("otto", Value::Null),
        ("ada", Value::Null),
    ] {
        let token = service.token(who).await;
        for path in [path.as_str(), &grant, "/requests", "/grants"] {
            let body = service.call(&token, "GET", path, &Value::Null).await.body;
            let body = body["items"].get(0).unwrap_or(&body);
            if body.get("id").is_none() {
                // bob has no grants of his own.
                continue;
            }
            assert_eq!(body["mfa"], true, "{who} {path}");
            assert_eq!(body["external_id"], told, "{who} {path}");
        }
    }
    let open = service.call(&alice, "GET", &grant, &Value::Null).await.body;
    let names = open["session_names"].as_array().unwrap();
    assert_eq!(names.len(), 1, "H8: not the console's: {names:?}");
    let offered = service.call(&alice, "GET", "/entitlements", &Value::Null);
    let offered = offered.await.body;
    let offered = offered["items"].as_array().unwrap();
    let offered = offered.iter().find(|it| it["name"] == "prod-admin");
    let offered = offered.unwrap();
    assert_eq!(offered["mfa"], true);
    assert_eq!(offered.get("external_id"), None);
}
