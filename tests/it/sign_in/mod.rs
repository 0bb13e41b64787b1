//! Signing in to the portal through a provider, and being signed out by it.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

mod catalog;
mod configured;
mod groups;
mod leavers;
mod logout;
mod people;
mod provider;
mod sessions;
mod template;
mod tokens;
mod way;

use std::collections::HashMap;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use chrono::{DateTime, Utc};
use countersign::config::Config;
use countersign::web::BY_PROVIDER;
use serde_json::{Value, json};

use crate::support::another;
use crate::support::app::TestApp;
use crate::support::portal::{Answer, Browser, ORIGIN, Portal};
use crate::support::provider::Provider;

/// A change of claims; the number is the time of the clock, in seconds.
type Change = fn(&mut Value, i64);

/// A portal whose people sign in with a provider.
struct World {
    provider: Provider,
    portal: Portal,
}

/// A browser that has set out to the provider.
#[derive(Clone)]
struct Flow {
    /// Its cookie for this attempt.
    cookie: String,
    /// What it was sent to the provider with.
    asked: HashMap<String, String>,
}

impl Flow {
    fn asked(&self, name: &str) -> &str {
        self.asked.get(name).map_or("", String::as_str)
    }
}

impl World {
    async fn new() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let provider = Provider::start().await;
        let app = TestApp::new().await.configured(|config| {
            config.oidc.issuer = Some(provider.issuer.clone());
            config.oidc.client_id = Some("countersign".to_owned());
            config.server.public_url = Some(ORIGIN.to_owned());
            change(config);
        });
        Self {
            portal: Portal::with(app, ORIGIN, BY_PROVIDER),
            provider,
        }
    }

    /// Sets out, to come back to `next`.
    async fn start(&self, next: &str) -> Flow {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        self.set_out(&query).await
    }

    /// Sets out with what stands behind `?` on the button.
    async fn set_out(&self, query: &str) -> Flow {
        let stranger = self.portal.stranger();
        let answer = stranger.get(&format!("/sign-in/start?{query}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let (_, query) = answer.place().split_once('?').unwrap();
        Flow {
            cookie: pair(&answer, "countersign-signin="),
            asked: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.portal.clock.given().unwrap()
    }

    /// What a provider says of alice who comes with this flow.
    fn claims(&self, flow: &Flow) -> Value {
        let now = self.now().timestamp();
        json!({
            "iss": self.provider.issuer,
            "aud": "countersign",
            "sub": "alice-1",
            "nonce": flow.asked("nonce"),
            "iat": now,
            "exp": now + 300,
            "name": "Alice Archer",
            "email": "alice@example.com",
            "email_verified": true,
            "groups": ["developers"],
            "sid": "at-the-provider",
        })
    }

    /// Comes back with a code for these claims.
    async fn come_back(&self, flow: &Flow, claims: &Value) -> Answer {
        let token = self.provider.key.sign(claims);
        self.come_back_with(flow, &token).await
    }

    /// Comes back with a code for this token.
    async fn come_back_with(&self, flow: &Flow, token: &str) -> Answer {
        let code = self.provider.code(token);
        let state = flow.asked("state");
        self.call_back(flow, &[("code", &code), ("state", state)])
            .await
    }

    async fn call_back(&self, flow: &Flow, query: &[(&str, &str)]) -> Answer {
        // Each from an address of its own: failures of one are counted.
        let [.., a, b, c] = another().to_be_bytes();
        self.call_back_from([10, a, b, c], flow, query).await
    }

    async fn call_back_from(
        &self,
        address: [u8; 4],
        flow: &Flow,
        query: &[(&str, &str)],
    ) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("/sign-in/callback?{query}"))
            .header(COOKIE, &flow.cookie)
            .header("user-agent", "Firefox of alice");
        let mut request = request.body(Body::empty()).unwrap();
        let peer = ConnectInfo(SocketAddr::from((address, 40_000)));
        request.extensions_mut().insert(peer);
        self.portal.send(request).await
    }

    /// A browser in which alice has signed in.
    async fn alice(&self) -> Browser<'_> {
        let flow = self.start("/").await;
        let answer = self.come_back(&flow, &self.claims(&flow)).await;
        self.browser(&answer)
    }

    /// The browser that got this answer.
    fn browser(&self, answer: &Answer) -> Browser<'_> {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        Browser {
            portal: &self.portal,
            cookie: pair(answer, "countersign="),
        }
    }

    /// Codes and checks of the sign-ins that were refused, the oldest first.
    async fn refused(&self) -> Vec<(String, Option<String>)> {
        let rows = sqlx::query_as(
            "SELECT code, details->>'check' FROM audit_events WHERE action = 'session.refused' ORDER BY id",
        );
        rows.fetch_all(&self.portal.db.pool).await.unwrap()
    }

    /// Asserts that this was refused with that code, that nobody was signed in, and that the last
    /// event says so; gives the check that has failed.
    async fn assert_refused(&self, answer: &Answer, status: u16, code: &str) -> Option<String> {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        assert!(answer.body.contains(code), "{}", answer.body);
        assert!(!set_cookies(answer).any(|it| it.starts_with("countersign=")));
        let refused = self.refused().await;
        let (told, check) = refused.last().cloned().unwrap();
        assert_eq!(told, code);
        check
    }
}

fn set_cookies(answer: &Answer) -> impl Iterator<Item = &str> {
    let all = answer.headers.get_all(SET_COOKIE).iter();
    all.map(|it| it.to_str().unwrap())
}

/// The cookie that an answer sets, as a browser sends it.
fn pair(answer: &Answer, begins: &str) -> String {
    let mut all = set_cookies(answer);
    let set = all.find(|it| it.starts_with(begins)).unwrap();
    set.split(';').next().unwrap().to_owned()
}
