//! A portal on a database of its own, with an AWS that does not answer, and browsers that talk to
//! it.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::MethodRouter;
use countersign::app::{self, App};
use countersign::aws::Aws;
use countersign::clock::Clock;
use countersign::config::Config;
use countersign::demo;
use countersign::web::{self, Settings, commands};
use tower::ServiceExt;

use crate::support::app::{TestApp, no_limits};
use crate::support::{TestDb, another};

pub const FORM: &str = "application/x-www-form-urlencoded";
pub const ORIGIN: &str = "http://127.0.0.1:8080";

fn people() -> String {
    let person = |name: &str, group: &str| {
        format!(
            "[[people]]\nissuer = \"demo\"\nsubject = \"{name}\"\nname = \"{name}\"\nemail = \"{name}@example.com\"\ngroups = [\"{group}\"]\n\
             principals = [\"arn:aws:iam::111122223333:user/{name}\"]\n"
        )
    };
    [
        ("alice", "engineers"),
        ("bob", "sre-leads"),
        ("carol", "sre-leads"),
        ("dave", "admins"),
        ("erin", "auditors"),
        ("mallory", "sales"),
    ]
    .map(|(name, group)| person(name, group))
    .concat()
}

const OFFER: &str = r#"
[[accounts]]
id = "111122223333"
name = "Production"
[[entitlements]]
name = "prod-admin"
description = "Everything in production."
role_arn = "arn:aws:iam::111122223333:role/prod-admin"
method = "trust_policy"
min_duration = "PT5S"
max_duration = "PT8H"
requester_group = "engineers"
approver_group = "sre-leads"
needed = 1
"#;

/// What there is to ask for, and who there is.
pub fn catalog() -> String {
    format!("{OFFER}{}", people())
}

/// The portal.
pub struct Portal {
    pub db: TestDb,
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

impl Portal {
    pub async fn new() -> Self {
        Self::with(ORIGIN, demo::sign_in::people()).await
    }

    pub async fn with(public_url: &str, sign_in: MethodRouter<web::Portal>) -> Self {
        let db = TestDb::new().await;
        let aws = Aws::with(
            "http://127.0.0.1:9",
            "AKIA",
            "secret",
            Duration::from_millis(50),
        )
        .await;
        let mut config = Config::default();
        config.aws.propagation_margin = Duration::ZERO;
        config.limits = no_limits();
        config.roles.admin = vec!["admins".to_owned()];
        config.roles.auditor = vec!["auditors".to_owned()];
        let app = App::new(db.pool.clone(), Clock::Database, aws.clone(), &config);
        let admin = App::new(db.catalog().await, Clock::Database, aws, &config);
        app::catalog::apply(&admin, &catalog(), "test")
            .await
            .unwrap();
        admin.close().await;
        Self::of(db, app, public_url, sign_in)
    }

    /// The portal of an application that is there.
    pub fn of(db: TestDb, app: App, public_url: &str, sign_in: MethodRouter<web::Portal>) -> Self {
        let aws = commands::Aws {
            endpoint_url: None,
            region: "us-east-1".to_owned(),
        };
        let settings = Settings {
            public_url: public_url.to_owned(),
            aws,
        };
        Self {
            db,
            router: web::router(app, settings, sign_in),
        }
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

    /// The same of a small company.
    pub fn at(company: &TestApp) -> Self {
        let (db, app) = (company.db.clone(), company.app.clone());
        Self::of(db, app, ORIGIN, demo::sign_in::people())
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

    /// What the worker would have made of every grant.
    pub async fn open_grants(&self) {
        let sql = "UPDATE grants SET state = 'active', opening_at = approved_at, opened_at = approved_at, sent_until = deadline";
        sqlx::raw_sql(sql).execute(&self.db.pool).await.unwrap();
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
