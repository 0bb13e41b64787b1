//! The portal of a test's application, and browsers that talk to it.

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use countersign::authn::oidc::RelyingParty;
use countersign::demo;
use countersign::web::{self, Settings, commands};
use tower::ServiceExt;

use super::another;
use super::app::TestApp;

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const ORIGIN: &str = "http://127.0.0.1:8080";

/// An application with pages.
pub struct Portal {
    app: TestApp,
    pub router: Router,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: impl axum::http::header::AsHeaderName) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn place(&self) -> &str {
        self.header(LOCATION)
    }
}

impl Deref for Portal {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl Portal {
    /// At [`ORIGIN`], with the sign-in of the demo.
    pub fn of(app: TestApp) -> Self {
        Self::with(app, ORIGIN, demo::sign_in::PEOPLE)
    }

    pub fn with(app: TestApp, public_url: &str, sign_in: &[web::Route]) -> Self {
        let aws = commands::Aws {
            endpoint_url: None,
            region: "us-east-1".to_owned(),
        };
        let settings = Settings {
            public_url: public_url.to_owned(),
            aws,
            provider: RelyingParty::new(&app.config).map(Arc::new),
        };
        let router = web::router(app.app.clone(), settings, sign_in);
        Self { app, router }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// A browser that is not signed in.
    pub const fn stranger(&self) -> Browser<'_> {
        Browser {
            portal: self,
            cookie: String::new(),
        }
    }

    /// A browser in which that person has signed in.
    pub async fn browser(&self, name: &str) -> Browser<'_> {
        let mut browser = self.stranger();
        let answer = browser
            .post(
                "/sign-in",
                &[("person", &format!("{name}@example.com")), ("next", "/")],
            )
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        browser.cookie = answer
            .header(SET_COOKIE)
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        browser
    }

    /// alice asks for an hour; the page of her request.
    pub async fn asked(&self) -> String {
        let why = format!("Orders are stuck, alarm {}.", another());
        let asked = [("duration", "3600s"), ("justification", why.as_str())];
        let answer = self
            .browser("alice")
            .await
            .post("/entitlements/prod-admin", &asked)
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        answer.place().to_owned()
    }

    /// Actions and codes of the refusals on record, the oldest first.
    pub async fn refusals(&self) -> Vec<(String, String)> {
        let rows = sqlx::query!(
            r#"SELECT action, code AS "code!" FROM audit_events WHERE outcome = 'refused' ORDER BY id"#
        );
        let rows = rows.fetch_all(&self.db.pool).await.unwrap();
        rows.into_iter().map(|row| (row.action, row.code)).collect()
    }

    /// How many events there are of an action that was done.
    pub async fn done(&self, action: &str) -> i64 {
        let rows = sqlx::query_scalar!(
            r#"SELECT count(*) AS "n!" FROM audit_events WHERE outcome = 'success' AND action = $1"#,
            action
        );
        rows.fetch_one(&self.db.pool).await.unwrap()
    }
}

/// What a browser sends with each request.
pub struct Browser<'a> {
    pub portal: &'a Portal,
    pub cookie: String,
}

impl Browser<'_> {
    pub fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(COOKIE, &self.cookie)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.portal
            .send(self.request(Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    /// Sends a form from one of our own pages.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .request(Method::POST, path)
            .header("sec-fetch-site", "same-origin")
            .header(CONTENT_TYPE, FORM);
        self.portal
            .send(request.body(Body::from(body)).unwrap())
            .await
    }
}
