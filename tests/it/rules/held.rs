//! Asking for what one has, or waits for, says so.

use chrono::TimeDelta;
use countersign::app::approve::approve;
use countersign::app::end::end;
use countersign::app::find;
use countersign::app::submit::{NewRequest, submit};
use serde_json::{Value, json};

use crate::support::api;
use crate::support::app::{TestApp, ask};
use crate::support::catalog::{Person, user_arn};

#[tokio::test]
async fn whoever_looks_at_an_entitlement_is_told_what_they_have_of_it() {
    let company = TestApp::new().await;
    let alice = company.ctx("alice").await;
    let first = company.ask("prod-admin").await;
    let other = company.ask("prod-root").await;
    let held = async || find::held(&alice, first.entitlement).await.unwrap();
    let waiting = held().await;
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!((waiting[0].request, waiting[0].window), (first.id, None));
    let shown = approve(&company.ctx("bob").await, first.id, None, None).await;
    let grant = shown.unwrap().grant.unwrap();
    let having = held().await;
    assert_eq!(having.len(), 1, "{having:?}");
    assert_eq!(having[0].grant, Some(grant.id));
    assert_eq!(having[0].window, Some((grant.starts_at, grant.deadline)));
    company.open_grants().await;
    assert_eq!(held().await, having);
    let bob = company.ctx("bob").await;
    assert_eq!(find::held(&bob, first.entitlement).await.unwrap(), []);
    let of_other = find::held(&alice, other.entitlement).await.unwrap();
    assert_eq!(of_other.len(), 1, "of each entitlement its own");
    end(&alice, grant.id, None).await.unwrap();
    assert_eq!(held().await, [], "what closes leads nowhere");
}

#[tokio::test]
async fn what_is_over_by_now_is_not_held() {
    let company = TestApp::new().await;
    let alice = company.ctx("alice").await;
    let first = company.ask("prod-admin").await;
    let second = company.ask("prod-admin").await;
    let bob = company.ctx("bob").await;
    approve(&bob, second.id, None, None).await.unwrap();
    company.open_grants().await;
    let held = async || find::held(&alice, first.entitlement).await.unwrap().len();
    assert_eq!(held().await, 2);
    company.later(TimeDelta::minutes(16));
    assert_eq!(held().await, 1, "its deadline is over");
    company.later(TimeDelta::days(9));
    assert_eq!(held().await, 0, "nobody can decide it any more");
}

#[tokio::test]
async fn the_answer_to_an_ask_tells_what_there_is_of_the_same() {
    let service = TestApp::new().await.api().await;
    let alice = service.token("alice").await;
    let asked = async |body: Value| {
        let answer = service.call(&alice, "POST", "/requests", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body
    };
    let first = asked(api::ask()).await;
    assert_eq!(first["already"], json!([]));
    let second = asked(api::ask()).await;
    let waits =
        json!({"request_id": first["id"], "grant_id": null, "starts_at": null, "deadline": null});
    assert_eq!(second["already"], json!([waits]));
    let bob = service.token("bob").await;
    let path = format!("/requests/{}/approve", first["id"].as_str().unwrap());
    let approved = service.call(&bob, "POST", &path, &json!({})).await;
    assert_eq!(approved.body["already"], json!([]), "it is decided");
    let path = format!("/requests/{}", second["id"].as_str().unwrap());
    let now = service.call(&bob, "GET", &path, &Value::Null).await;
    let already = &now.body["already"][0];
    assert_eq!(already["grant_id"], approved.body["grant_id"]);
    assert_eq!(already["deadline"], "2027-01-15T08:15:00Z");
    let other = asked(
        json!({"entitlement": "prod-root", "duration": "PT15M", "justification": "Another one"}),
    );
    assert_eq!(other.await["already"], json!([]));
}

#[tokio::test]
async fn another_identity_is_another_ask_and_another_account_is_the_same_human() {
    let two = ["alice", "ops/alice2"].map(user_arn).to_vec();
    let company = TestApp::with(|it| {
        it.person("alice").principals = two;
        it.people.push(Person {
            groups: vec!["developers".to_owned()],
            principals: vec![user_arn("zoe")],
            ..Person::named("zoe")
        });
        it.join("zoe", "alice");
    })
    .await;
    let alice = company.ctx("alice").await;
    let asks = async |name: &str| {
        let new = NewRequest {
            principal: Some(user_arn(name)),
            ..ask("prod-admin")
        };
        submit(&alice, new).await.unwrap().request()
    };
    let (first, other) = (asks("alice").await, asks("ops/alice2").await);
    let of = async |id| find::request(&alice, id).await.unwrap().held;
    assert_eq!(of(first.id).await, []);
    assert_eq!(of(other.id).await, []);
    let again = asks("alice").await;
    let told: Vec<_> = of(again.id).await.iter().map(|it| it.request).collect();
    assert_eq!(told, [first.id]);
    let zoe = company.ctx("zoe").await;
    let told = find::held(&zoe, first.entitlement).await.unwrap();
    let told: Vec<_> = told.iter().map(|it| it.request).collect();
    assert_eq!(told, [again.id, other.id, first.id], "the latest first");
}
