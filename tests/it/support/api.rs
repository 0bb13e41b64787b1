//! The API of a test's application, on a port of its own.

use std::net::SocketAddr;
use std::ops::Deref;

use axum::Router;
use chrono::TimeDelta;
use countersign::api;
use countersign::app::tokens::{self, Wanted};
use countersign::domain::scope::Scopes;
use reqwest::{Client, Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::another;
use super::app::{TestApp, wanted};
use crate::api::schema;

/// An application that listens; its people have tokens.
pub struct Api {
    app: TestApp,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("-")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }
}

impl Deref for Api {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl Api {
    pub async fn of(app: TestApp) -> Self {
        let router = Router::new().nest("/api/v1", api::router(app.app.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { app, address }
    }

    /// Scheme, host and port.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token of that person's with every scope.
    pub async fn token(&self, name: &str) -> String {
        self.token_with(name, Scopes::ALL).await
    }

    /// A token of that person's with these scopes.
    pub async fn token_with(&self, name: &str, scopes: Scopes) -> String {
        let email = format!("{name}@example.com");
        let wanted = Wanted {
            scopes,
            ..wanted("test", TimeDelta::days(1))
        };
        let made = tokens::create(&self.admin, "test", &email, wanted);
        made.await.unwrap().1.expose_secret().to_owned()
    }

    /// Sends what it is given, as it is. Whatever comes of it must be what the OpenAPI document
    /// says.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let url = format!("http://{}/api/v1{path}", self.address);
        let sent: Method = method.parse().unwrap();
        let mut request = Client::new().request(sent, url).body(body.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let said = answer.bytes().await.unwrap();
        let answer = Answer {
            status,
            headers,
            body: serde_json::from_slice(&said).unwrap_or(Value::Null),
        };
        schema::hold(method, path, &body, &answer);
        answer
    }

    /// A call with a token and, unless it is a GET, a JSON body.
    pub async fn call(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let body = if method == "GET" {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        self.raw(
            method,
            path,
            &[
                ("authorization", &bearer),
                ("content-type", "application/json"),
            ],
            body,
        )
        .await
    }
}

/// A good ask, in other words each time.
pub fn ask() -> Value {
    let why = format!("The database is on fire, alarm {}", another());
    json!({"entitlement": "prod-admin", "duration": "PT15M", "justification": why})
}
