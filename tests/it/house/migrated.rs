//! A database of the release before people signed in: its rows as `pg_dump` wrote them, filled by
//! that release through its API, and what API and portal had told of them. This release migrates it
//! and is asked the same.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use countersign::db::migrate::{Migrated, migrate};
use serde_json::{Value, json};

use crate::support::TestDb;
use crate::support::api::{Answer, Api};
use crate::support::app::TestApp;
use crate::support::portal::Browser;

/// All of its rows: requests that are pending, half approved, denied and withdrawn; grants that are
/// scheduled, active and ended; an extension that waits.
const ROWS: &str = include_str!("before/rows.sql");
/// When it was left, what its rows are called, its people's tokens, and what it had told.
const TOLD: &str = include_str!("before/told.json");
/// The last of its migrations.
const LAST: i64 = 18;

/// The release's database, migrated.
struct Carried {
    app: TestApp,
    told: Value,
}

impl Carried {
    async fn new() -> Self {
        let db = TestDb::of_release(LAST, ROWS).await;
        assert_eq!(migrate(&db.owner_url).await.unwrap(), Migrated::UpToDate);
        let told: Value = serde_json::from_str(TOLD).unwrap();
        let left: DateTime<Utc> = text(&told["left"]).parse().unwrap();
        let app = TestApp::on(db, left).await.configured(|config| {
            config.roles.admin = vec!["security-admins".to_owned()];
        });
        Self { app, told }
    }

    fn token(&self, name: &str) -> &str {
        text(&self.told["tokens"][name])
    }

    fn request(&self, which: &str) -> &str {
        text(&self.told["requests"][which])
    }

    fn grant(&self, which: &str) -> String {
        format!("/grants/{}", text(&self.told["grants"][which]))
    }

    /// A call by somebody, without a body.
    async fn call(&self, api: &Api, name: &str, method: &str, path: &str) -> Answer {
        api.call(self.token(name), method, path, &json!({})).await
    }

    /// Approves as somebody; the request as it is then.
    async fn approve(&self, api: &Api, name: &str, which: &str) -> Value {
        let path = format!("/requests/{}/approve", self.request(which));
        let answer = self.call(api, name, "POST", &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{which}: {}", answer.body);
        answer.body
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

/// What was told before is told the same; a later release may tell more.
fn assert_told(before: &Value, now: &Value, place: &str) {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            for (key, value) in before {
                let place = format!("{place} {key}");
                assert_told(value, now.get(key).unwrap_or(&Value::Null), &place);
            }
        }
        (Value::Array(before), Value::Array(now)) => {
            assert_eq!(before.len(), now.len(), "{place}");
            for (nth, (before, now)) in before.iter().zip(now).enumerate() {
                assert_told(before, now, &format!("{place} {nth}"));
            }
        }
        _ => assert_eq!(before, now, "{place}"),
    }
}

/// Who asks, and for what.
fn asked(key: &str) -> (&str, &str) {
    key.split_once(' ').unwrap()
}

#[tokio::test]
async fn every_list_and_quorum_of_the_api_is_the_same_after_the_migration() {
    let carried = Carried::new().await;
    let api = carried.app.api().await;
    let told = carried.told["api"].as_object().unwrap();
    assert!(told.len() >= 30);
    for (key, before) in told {
        let (name, path) = asked(key);
        let now = carried.call(&api, name, "GET", path).await;
        assert_told(before, &now.body, key);
    }
    let states: BTreeSet<_> = told
        .iter()
        .filter(|(key, _)| key.starts_with("bob /requests/"))
        .map(|(_, it)| text(&it["state"]))
        .collect();
    let all = ["approved", "denied", "pending", "withdrawn"];
    assert_eq!(states, BTreeSet::from(all));
}

/// What stands between two marks, without tags.
fn between<'a>(
    html: &'a str,
    begins: &'a str,
    ends: &'a str,
) -> impl Iterator<Item = String> + use<'a> {
    let parts = html.split(begins).skip(1);
    parts.map(move |part| {
        let inner = part.split(ends).next().unwrap();
        let mut words = String::new();
        for (nth, piece) in inner.split('<').enumerate() {
            let after = if nth == 0 {
                Some(piece)
            } else {
                piece.split_once('>').map(|it| it.1)
            };
            words = format!("{words} {}", after.unwrap_or_default());
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

/// What a page says: where a request stands, who has approved, who still can, what is listed.
fn facts(html: &str) -> Value {
    // That the same was asked before is told since, with a link.
    let told_since = "<p class=\"note wait\">[^\n]*already</strong>(?s:.*?)</p>";
    let told_since = regex_lite::Regex::new(told_since).unwrap();
    let html = &told_since.replace_all(html, "");
    let mut requests = Vec::new();
    for part in html.split("href=\"/requests/").skip(1) {
        let id = part.split(['"', '#', '/']).next().unwrap();
        if id.starts_with("req_") && !requests.contains(&id) {
            requests.push(id);
        }
    }
    // The word alone: how much is left may be told a second later.
    let states = between(html, "<div class=\"row-state\">", "</div>");
    json!({
        "title": between(html, "<title>", "</title>").next(),
        "approvals": between(html, "aria-labelledby=\"approvals\">", "</section>").collect::<Vec<_>>(),
        "requests": requests,
        "states": states.map(|it| it.split(' ').next().map(str::to_owned)).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn every_page_says_the_same_after_the_migration() {
    let carried = Carried::new().await;
    let portal = carried.app.portal();
    let told = carried.told["pages"].as_object().unwrap();
    assert!(told.len() >= 20);
    for (key, before) in told {
        let (name, path) = asked(key);
        let now = portal.browser(name).await.get(path).await;
        assert_eq!(now.status, StatusCode::OK, "{key}");
        assert_told(before, &facts(&now.body), key);
    }
}

#[tokio::test]
async fn what_was_half_approved_completes_with_the_votes_that_it_had() {
    let carried = Carried::new().await;
    let api = carried.app.api().await;
    let path = format!("/requests/{}/approve", carried.request("half"));
    let again = carried.call(&api, "bob", "POST", &path).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "he has approved");
    let half = carried.approve(&api, "carol", "half").await;
    assert_eq!(half["state"], "approved", "{half}");
    let portal = carried.app.portal();
    let page = format!("/requests/{}", carried.request("half"));
    let page = facts(&portal.browser("bob").await.get(&page).await.body);
    let told = text(&page["approvals"][0]);
    for part in ["Approvals 2 of 2", "Bob Brandt", "Carol Costa"] {
        assert!(told.contains(part), "{told}");
    }
    let grant = format!("/grants/{}", text(&half["grant_id"]));
    let grant = carried.call(&api, "alice", "GET", &grant).await;
    assert_eq!(grant.body["state"], "scheduled");

    let pending = carried.approve(&api, "bob", "pending").await;
    assert_eq!(pending["state"], "approved", "{pending}");
    let until = async || {
        let active = carried.grant("active");
        let active = carried.call(&api, "alice", "GET", &active).await;
        text(&active.body["deadline"])
            .parse::<DateTime<Utc>>()
            .unwrap()
    };
    let before = until().await;
    carried.approve(&api, "carol", "extension").await;
    assert_eq!((until().await - before).num_minutes(), 60);
}

#[tokio::test]
async fn grants_end_tokens_work_and_sessions_are_over() {
    let carried = Carried::new().await;
    let api = carried.app.api().await;
    for (which, state) in [("active", "closing"), ("scheduled", "ended")] {
        let path = format!("{}/end", carried.grant(which));
        let ended = carried.call(&api, "alice", "POST", &path).await;
        assert_eq!(
            ended.status,
            StatusCode::ACCEPTED,
            "{which}: {}",
            ended.body
        );
        assert_eq!(ended.body["state"], state, "{which}: {}", ended.body);
    }
    let ask = json!({"entitlement": "prod-admin", "duration": "PT1H", "justification": "Again"});
    let alice = carried.token("alice");
    let asked = api.call(alice, "POST", "/requests", &ask).await;
    assert_eq!(asked.status, StatusCode::CREATED, "{}", asked.body);

    let portal = carried.app.portal();
    let browser = Browser {
        cookie: text(&carried.told["cookie"]).to_owned(),
        portal: &portal,
    };
    assert_eq!(
        browser.get("/requests").await.place(),
        "/sign-in?next=%2Frequests"
    );
    let people = carried
        .app
        .count("people WHERE groups_known AND email_verified");
    assert_eq!(people.await, carried.app.count("people").await);
    assert_eq!(carried.app.count("people").await, 5);
}
