//! Groups that the provider told too long ago count for no token.

use chrono::TimeDelta;
use countersign::app::tokens;
use countersign::domain::scope::Scopes;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::api::{Api, ask};
use crate::support::app::{TestApp, wanted};
use crate::support::machines::{self, Machine};

const MONTH: TimeDelta = TimeDelta::days(30);
const WEEK: TimeDelta = TimeDelta::days(7);

async fn long_token(service: &Api, name: &str) -> String {
    let email = format!("{name}@example.com");
    let made = tokens::create(&service.admin, "test", &email, wanted("test", MONTH));
    made.await.unwrap().1.expose_secret().to_owned()
}

/// A leaver's token of ninety days; a group lost, and no sign-in since.
#[tokio::test]
async fn attack_7_a_token_goes_by_no_groups_that_were_told_a_week_ago() {
    let service = TestApp::new().await.api().await;
    let ada = long_token(&service, "ada").await;
    let (alice, bob) = (
        long_token(&service, "alice").await,
        long_token(&service, "bob").await,
    );
    let told = format!("UPDATE people SET groups_at = '{}'", service.start);
    service.as_owner(&told).await;
    service.later(WEEK - TimeDelta::seconds(1));
    let call = async |token: &str, method: &str, path: &str, body: &Value| {
        let answer = service.call(token, method, path, body).await;
        (
            answer.status.as_u16(),
            answer.code().to_owned(),
            answer.body,
        )
    };
    let made = call(&alice, "POST", "/requests", &ask()).await;
    assert_eq!(made.0, 201, "{}", made.2);
    let request = made.2["id"].as_str().unwrap().to_owned();
    let other = call(&alice, "POST", "/requests", &ask()).await.2;
    let approve = format!("/requests/{}/approve", other["id"].as_str().unwrap());
    let approved = call(&bob, "POST", &approve, &json!({})).await;
    assert_eq!(approved.0, 200, "{}", approved.2);
    let grant = approved.2["grant_id"].as_str().unwrap().to_owned();

    service.later(WEEK + TimeDelta::seconds(1));
    let approve = format!("/requests/{request}/approve");
    for (token, method, path) in [
        (&bob, "POST", approve.as_str()),
        (&bob, "GET", "/requests"),
        (&alice, "POST", "/requests"),
        (&alice, "GET", "/entitlements"),
    ] {
        let body = if path == "/requests" {
            ask()
        } else {
            json!({})
        };
        let refused = call(token, method, path, &body).await;
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (409, "groups_stale"),
            "{method} {path}"
        );
    }
    // What is one's own can be given back all the same; what is others' by a group cannot be ended.
    let end = format!("/grants/{grant}/end");
    let refused = call(&bob, "POST", &end, &json!({})).await;
    assert_eq!((refused.0, refused.1.as_str()), (403, "forbidden"));
    assert_eq!(call(&alice, "POST", &end, &json!({})).await.0, 202);
    let withdraw = format!("/requests/{request}/withdraw");
    assert_eq!(call(&alice, "POST", &withdraw, &json!({})).await.0, 200);
    // Nor is anybody an admin by then: another's token is none that they know of.
    let id = tokens::list(&service.admin).await.unwrap()[0].id;
    let refused = call(&ada, "POST", &format!("/tokens/{id}/revoke"), &json!({})).await;
    assert_eq!((refused.0, refused.1.as_str()), (404, "not_found"));
    // They sign in once, and the token works on.
    let signed_in = format!("UPDATE people SET groups_at = '{}'", service.start + WEEK);
    service.as_owner(&signed_in).await;
    assert_eq!(call(&alice, "POST", "/requests", &ask()).await.0, 201);
    // Never told is not known either.
    service
        .as_owner("UPDATE people SET groups_known = false")
        .await;
    let refused = call(&alice, "POST", "/requests", &ask()).await;
    assert_eq!((refused.0, refused.1.as_str()), (409, "groups_stale"));
}

#[tokio::test]
async fn nobody_is_asked_for_whose_groups_were_told_too_long_ago() {
    let app = TestApp::new().await;
    let app = app.configured(|it| it.oidc.groups_max_age = std::time::Duration::from_mins(60));
    let service = app.api().await;
    let machine = Machine::of("bob").made(&service).await;
    let token = machines::token(&service, "bob", machine, Scopes::OF_MACHINES).await;
    let told = format!("UPDATE people SET groups_at = '{}'", service.start);
    service.as_owner(&told).await;
    let asked = async || {
        let mut body = ask();
        body["on_behalf_of"] = json!("alice@example.com");
        let answer = service.call(&token, "POST", "/requests", &body).await;
        (answer.status.as_u16(), answer.code().to_owned())
    };
    service.later(TimeDelta::minutes(59));
    assert_eq!(asked().await.0, 201);
    service.later(TimeDelta::minutes(60));
    assert_eq!(asked().await, (409, "groups_stale".to_owned()));
}
