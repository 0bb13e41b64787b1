//! The product as a client sees it: over HTTP, with a token. When a grant has come to a state is
//! read from the database, by one query for all that wait, since clients that ask again and again
//! would be most of what is measured; the state itself is then asked for once, over HTTP.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign::ids::GrantId;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::Outcome;
use crate::catalog::{ROLES, approver, requester, role, token};

/// How often is looked whether a grant has come to its state.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

type Waiting = HashMap<(Uuid, &'static str), oneshot::Sender<Result<(), String>>>;

/// Everybody's client. Cheap to clone.
#[derive(Clone)]
pub struct Product(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    api: String,
    /// What is asked for twice in the same words is one request.
    next: AtomicUsize,
    waiting: Arc<Mutex<Waiting>>,
    watcher: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// What the environment calls a proxy is none of ours: nothing leaves the machine.
pub fn local_http() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    // unwrap: TLS is not asked for anything that could fail
    client.build().unwrap()
}

impl Product {
    pub fn new(url: &str, admin: PgPool) -> Self {
        let waiting = Arc::<Mutex<Waiting>>::default();
        Self(Arc::new(Inner {
            http: local_http(),
            api: format!("{url}/api/v1"),
            next: AtomicUsize::new(0),
            watcher: tokio::spawn(watch(Arc::clone(&waiting), admin)),
            waiting,
        }))
    }

    /// Ask, approve, opened, end, ended. Tells how long the approval took.
    pub async fn lifecycle(&self, client: usize) -> Outcome<Duration> {
        let request = self.ask(client, None).await?;
        let (grant, took) = self.approve(client, &request).await?;
        self.reaches(client, &grant, "active").await?;
        self.end(client, &grant).await?;
        self.reaches(client, &grant, "ended").await?;
        Ok(took)
    }

    /// Ask for tomorrow, approve, end: AWS is only looked at. Tells how long the approval took.
    pub async fn decisions(&self, client: usize, tomorrow: &str) -> Outcome<Duration> {
        let request = self.ask(client, Some(tomorrow)).await?;
        let (grant, took) = self.approve(client, &request).await?;
        self.end(client, &grant).await?;
        Ok(took)
    }

    pub async fn ask(&self, client: usize, starts_at: Option<&str>) -> Outcome<String> {
        let nth = self.0.next.load(Ordering::Relaxed);
        self.ask_for(client, &role("role", nth % ROLES), starts_at)
            .await
    }

    pub async fn ask_for(
        &self,
        client: usize,
        entitlement: &str,
        starts_at: Option<&str>,
    ) -> Outcome<String> {
        let nth = self.0.next.fetch_add(1, Ordering::Relaxed);
        let ask = json!({
            "entitlement": entitlement,
            "duration": "PT1H",
            "justification": format!("Measuring, for the {nth}th time."),
            "starts_at": starts_at,
        });
        let request = self.post(&requester(client), "/requests", &ask, 201).await;
        text(&request?, "id")
    }

    pub async fn approve(&self, client: usize, request: &str) -> Outcome<(String, Duration)> {
        let path = format!("/requests/{request}/approve");
        let started = Instant::now();
        let approved = self.post(&approver(client), &path, &json!({}), 200).await?;
        let took = started.elapsed();
        Ok((text(&approved, "grant_id")?, took))
    }

    /// Fetches its credentials, and tells nothing of them.
    pub async fn fetch(&self, client: usize, grant: &str) -> Outcome<()> {
        let path = format!("/grants/{grant}/credentials");
        self.post(&requester(client), &path, &json!({}), 200)
            .await
            .map(drop)
    }

    pub async fn end(&self, client: usize, grant: &str) -> Outcome<()> {
        let path = format!("/grants/{grant}/end");
        self.post(&requester(client), &path, &json!({}), 202)
            .await
            .map(drop)
    }

    /// Waits until the grant is there, and has the API say so.
    pub async fn reaches(&self, client: usize, grant: &str, state: &'static str) -> Outcome<()> {
        let (tell, told) = oneshot::channel();
        let id = grant.parse::<GrantId>()?.uuid();
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((id, state), tell);
        tokio::time::timeout(PATIENCE, told)
            .await
            .map_err(|_| format!("{grant} is not {state} after a minute"))???;
        let answer = self
            .0
            .http
            .get(format!("{}/grants/{grant}", self.0.api))
            .bearer_auth(token(&requester(client)));
        let answer: Value = answer.send().await?.json().await?;
        if answer["state"] != state {
            return Err(format!("not {state}: {answer}").into());
        }
        Ok(())
    }

    async fn post(&self, who: &str, path: &str, body: &Value, status: u16) -> Outcome<Value> {
        let call = self.0.http.post(format!("{}{path}", self.0.api));
        let answer = call.bearer_auth(token(who)).json(body).send().await?;
        let told = answer.status().as_u16();
        let answer: Value = answer.json().await?;
        if told != status {
            return Err(format!("{path} for {who}: {told} {answer}").into());
        }
        Ok(answer)
    }
}

fn text(answer: &Value, field: &str) -> Outcome<String> {
    let text = answer[field].as_str().map(ToOwned::to_owned);
    text.ok_or_else(|| format!("no {field} in {answer}").into())
}

/// Tells those that wait. A grant that is over will come to no other state.
async fn watch(waiting: Arc<Mutex<Waiting>>, admin: PgPool) {
    let of = || waiting.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        tokio::time::sleep(LOOK).await;
        let ids: Vec<Uuid> = of().keys().map(|(id, _)| *id).collect();
        if ids.is_empty() {
            continue;
        }
        let states = sqlx::query_as("SELECT id, state FROM grants WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(&admin);
        let states: Vec<(Uuid, String)> = states.await.unwrap_or_default();
        for (id, state) in states {
            let mut waiting = of();
            let due: Vec<_> = waiting.keys().filter(|it| it.0 == id).copied().collect();
            for key in due {
                let over = state == "ended" || state == "failed";
                if (state == key.1 || over)
                    && let Some(tell) = waiting.remove(&key)
                {
                    let wrong = format!("{id} is {state}, not {}", key.1);
                    let _ = tell.send(if state == key.1 { Ok(()) } else { Err(wrong) });
                }
            }
        }
    }
}
