//! How many statements a call takes, who is calling included: as sqlx tells of each.

use std::fmt;
use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::support::api::{Answer, Api, ask};
use crate::support::app::TestApp;

/// The beginnings of the statements of this thread, which is the runtime of the whole test.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn listen(&self) -> (Dispatch, DefaultGuard) {
        // With a second one alive `tracing` asks all of them whether anybody listens, also where
        // another test's thread comes to a statement first; with one it asks that thread alone.
        let second = Dispatch::new(tracing_subscriber::registry());
        let all = tracing_subscriber::registry().with(self.clone());
        (second, tracing::subscriber::set_default(all))
    }

    /// What was asked since the last call. A transaction begins, asks for the time with that, and
    /// ends; when a token was last used is written apart, once a minute.
    fn take(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.0.lock().unwrap());
        let beside = ["BEGIN", "COMMIT", "ROLLBACK", "UPDATE api_tokens"];
        let is_counted = |text: &String| !beside.iter().any(|it| text.starts_with(it));
        asked.into_iter().filter(is_counted).collect()
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Statements {
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

    fn record_str(&mut self, field: &Field, text: &str) {
        if field.name() == "summary" {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

struct Counted {
    service: Api,
    statements: Statements,
}

impl Counted {
    async fn call(&self, who: &str, method: &str, path: &str, body: &Value, most: usize) -> Answer {
        self.statements.take();
        let answer = self.service.call(who, method, path, body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.body);
        let asked = self.statements.take();
        assert!(!asked.is_empty(), "nobody listens");
        assert!(asked.len() <= most, "{method} {path} takes {asked:#?}");
        answer
    }
}

#[tokio::test]
async fn calls_take_no_more_statements_than_they_need() {
    calls_take_few(TestApp::new().await).await;
}

#[tokio::test]
async fn asking_the_database_for_the_time_takes_no_statement_more() {
    calls_take_few(TestApp::new().await.on_time()).await;
}

async fn calls_take_few(app: TestApp) {
    let service = app.api().await;
    let (alice, bob) = (service.token("alice").await, service.token("bob").await);
    let statements = Statements::default();
    let _guard = statements.listen();
    let calls = Counted {
        service,
        statements,
    };
    for (verb, who, body, most) in [
        // Each begins with the caller's own row, which who disables them waits for.
        ("approve", &bob, json!({}), 20),
        ("deny", &bob, json!({"comment": "No."}), 13),
        ("withdraw", &alice, json!({}), 12),
    ] {
        let asked = calls.call(&alice, "POST", "/requests", &ask(), 16).await;
        assert_eq!(asked.status, StatusCode::CREATED);
        let path = format!("/requests/{}", asked.body["id"].as_str().unwrap());
        calls.call(&bob, "GET", &path, &Value::Null, 8).await;
        let decide = format!("{path}/{verb}");
        let decided = calls.call(who, "POST", &decide, &body, most).await;
        let Some(grant) = decided.body["grant_id"].as_str() else {
            continue;
        };
        let path = format!("/grants/{grant}");
        calls.call(&alice, "GET", &path, &Value::Null, 3).await;
        calls.service.open_grants().await;
        let end = format!("{path}/end");
        calls.call(&alice, "POST", &end, &json!({}), 6).await;
        // It closes: what keeps AWS from following is told as well.
        let look = calls.call(&alice, "GET", &path, &Value::Null, 3).await;
        assert_eq!(look.body["state"], "closing");
    }
}
