//! The audit log as it is listed: each filter gives what it says and nothing else, and pages leave
//! nothing out.

use std::collections::BTreeSet;

use countersign::ids::EventId;
use serde_json::{Value, json};

use crate::support::api::{Api, ask};
use crate::support::app::TestApp;

/// A handful of steps by several people, some of them refused.
async fn lived() -> Api {
    let service = TestApp::new().await.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let (carol, mallory) = (service.token("carol").await, service.token("mallory").await);
    let post = async |token: &str, path: String, body: Value| {
        service.call(token, "POST", &path, &body).await.body
    };
    let mut asked = Vec::new();
    for _ in 0..5 {
        let request = post(&alice, "/requests".to_owned(), ask()).await;
        asked.push(format!("/requests/{}", request["id"].as_str().unwrap()));
    }
    post(&alice, format!("{}/approve", asked[0]), json!({})).await;
    post(&mallory, format!("{}/approve", asked[0]), json!({})).await;
    post(
        &bob,
        format!("{}/approve", asked[0]),
        json!({"comment": "go"}),
    )
    .await;
    post(&bob, format!("{}/deny", asked[1]), json!({"comment": "no"})).await;
    post(&alice, format!("{}/withdraw", asked[2]), json!({})).await;
    for request in &asked[3..] {
        let approved = post(&carol, format!("{request}/approve"), json!({})).await;
        let grant = approved["grant_id"].as_str().unwrap();
        post(
            &alice,
            format!("/grants/{grant}/end"),
            json!({"reason": "done"}),
        )
        .await;
        post(&carol, format!("/grants/{grant}/end"), json!({})).await;
    }
    service
}

async fn list(service: &Api, token: &str, path: &str) -> Vec<Value> {
    let page = service.call(token, "GET", path, &Value::Null).await;
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    page.body["items"].as_array().unwrap().clone()
}

async fn events(service: &Api, token: &str, filter: &str) -> Vec<Value> {
    let path = format!("/audit-events?limit=200{filter}");
    list(service, token, &path).await
}

/// The milliseconds in an event's id.
fn made_at(event: &Value) -> i64 {
    let id: EventId = event["id"].as_str().unwrap().parse().unwrap();
    i64::try_from(id.uuid().as_u128() >> 80).unwrap()
}

#[tokio::test]
async fn each_filter_gives_what_it_says_and_nothing_else() {
    let service = lived().await;
    for who in ["otto", "alice", "mallory"] {
        let token = service.token(who).await;
        let all = events(&service, &token, "").await;
        assert!(all.len() < 200);
        for (filter, field) in [
            ("action", "/action"),
            ("actor", "/actor/id"),
            ("subject", "/subject"),
        ] {
            let of = |event: &Value| event.pointer(field).unwrap().as_str().unwrap().to_owned();
            let values: BTreeSet<_> = all.iter().map(of).collect();
            assert!(values.len() > 1 || who == "mallory", "{who} {filter}");
            for value in values {
                let wanted: Vec<_> = all.iter().filter(|it| of(it) == value).cloned().collect();
                let encoded = value.replace(' ', "%20");
                let found = events(&service, &token, &format!("&{filter}={encoded}")).await;
                assert_eq!(found, wanted, "{who} {filter}={value}");
            }
            let none = events(&service, &token, &format!("&{filter}=nothing")).await;
            assert_eq!(none, Vec::<Value>::new(), "{who} {filter}");
        }
    }
}

#[tokio::test]
async fn a_span_of_time_begins_with_its_first_moment_and_ends_before_its_last() {
    let service = lived().await;
    let otto = service.token("otto").await;
    let all = events(&service, &otto, "").await;
    let moment = |millis| {
        let at = chrono::DateTime::from_timestamp_millis(millis).unwrap();
        at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    };
    let times: Vec<_> = all.iter().map(made_at).collect();
    // The newest come first.
    let (from, to) = (times[times.len() * 2 / 3], times[times.len() / 3]);
    assert!(from < to, "{times:?}");
    for (filter, from, to) in [
        (format!("&from={}", moment(from)), from, i64::MAX),
        (format!("&to={}", moment(to)), 0, to),
        (
            format!("&from={}&to={}", moment(from), moment(to)),
            from,
            to,
        ),
        (
            format!("&from={}&to={}", moment(to), moment(from)),
            to,
            from,
        ),
    ] {
        let inside = |it: &&Value| (from..to).contains(&made_at(it));
        let wanted: Vec<_> = all.iter().filter(inside).cloned().collect();
        assert_eq!(events(&service, &otto, &filter).await, wanted, "{filter}");
        assert!(wanted.len() < all.len());
    }
}

#[tokio::test]
async fn an_event_tells_who_did_what_through_what_and_with_which_outcome() {
    let service = lived().await;
    let otto = service.token("otto").await;
    let told = |event: &Value| {
        let text = |pointer: &str| event.pointer(pointer).unwrap().as_str().unwrap_or("-");
        let fields = [
            "/actor/kind",
            "/actor/name",
            "/channel",
            "/outcome",
            "/code",
        ];
        fields.map(|it| text(it).to_owned()).join(" ")
    };
    for (action, wanted) in [
        (
            "request.approved",
            vec![
                "person Carol api success -",
                "person Carol api success -",
                "person Bob api success -",
                "person Mallory api refused not_found",
                "person Alice api refused self_approval",
            ],
        ),
        ("request.denied", vec!["person Bob api success -"]),
        ("request.withdrawn", vec!["person Alice api success -"]),
        (
            "grant.closing",
            vec!["person Carol api refused wrong_state"; 2],
        ),
        ("grant.ended", vec!["person Alice api success -"; 2]),
        ("catalog.applied", vec!["machine test cli success -"]),
    ] {
        let found = events(&service, &otto, &format!("&action={action}")).await;
        let found: Vec<_> = found.iter().map(told).collect();
        assert_eq!(found, wanted, "{action}");
    }
    let denied = events(&service, &otto, "&action=request.denied").await;
    assert_eq!(denied[0]["details"]["comment"], "no", "{denied:?}");
}

#[tokio::test]
async fn pages_of_grants_and_events_together_are_the_whole() {
    let service = lived().await;
    for who in ["otto", "alice"] {
        let token = service.token(who).await;
        for path in ["/grants?", "/grants?mine=true&", "/audit-events?"] {
            let whole = list(&service, &token, &format!("{path}limit=200")).await;
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("{path}limit=2{cursor}");
                let page = service.call(&token, "GET", &path, &Value::Null).await;
                let items = page.body["items"].as_array().unwrap();
                assert!(items.len() <= 2, "{path}");
                seen.extend(items.iter().cloned());
                match page.body["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert_eq!(seen, whole, "{who} {path}");
            let has_none = who == "otto" && path.contains("mine");
            assert!(whole.len() > 2 || has_none, "{who} {path}: {whole:?}");
        }
    }
}
