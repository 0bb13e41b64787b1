//! What calls answer where no role is opened.

use serde_json::{Value, json};

use crate::support::api::ask;
use crate::support::app::TestApp;
use crate::support::catalog::{Entitlement, allowing, user_arn};

#[tokio::test]
async fn no_role_and_no_session_name_is_told_of() {
    let attached = Entitlement::attaching("prod-admin", &allowing("s3:GetObject"));
    let company = TestApp::with(|it| *it.entitlement("prod-admin") = attached).await;
    let service = company.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let get = async |path: &str| service.call(&alice, "GET", path, &Value::Null).await.body;
    let offered = get("/entitlements").await;
    let offered = offered["items"].as_array().unwrap();
    let offered = offered
        .iter()
        .find(|it| it["name"] == "prod-admin")
        .unwrap();
    let asked = service.call(&alice, "POST", "/requests", &ask()).await.body;
    let path = format!("/requests/{}", asked["id"].as_str().unwrap());
    let approve = format!("{path}/approve");
    let approved = service.call(&bob, "POST", &approve, &json!({})).await.body;
    let grant = format!("/grants/{}", approved["grant_id"].as_str().unwrap());
    let scheduled = get(&grant).await;
    company.open_grants().await;
    let open = get(&grant).await;
    assert_eq!(
        (&open["state"], &open["session_names"]),
        (&json!("active"), &json!([]))
    );
    for body in [offered, &asked, &get(&path).await, &scheduled, &open] {
        let told = (&body["method"], &body["role_arn"]);
        assert_eq!(told, (&json!("attach"), &Value::Null), "{body}");
    }
    assert_eq!(asked["account"], "111122223333");
    assert_eq!(open["principal_arn"], user_arn("alice"));
    let path = format!("{grant}/credentials");
    let keys = service.call(&alice, "POST", &path, &json!({})).await;
    assert_eq!(keys.code(), "not_fetched");
}
