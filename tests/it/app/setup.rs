//! A small company on a database of its own, with an AWS that does not answer.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::app::ctx::{App, Ctx};
use countersign::app::submit::{NewRequest, submit};
use countersign::app::{catalog, sign_in};
use countersign::aws::Aws;
use countersign::clock::Clock;
use countersign::config::{Config, Limits};
use countersign::domain::audit::Channel;
use countersign::domain::request::Request;
use countersign::sandbox::Sandbox;
use sqlx::{AssertSqlSafe, PgPool};

use crate::sandbox;
use crate::support::{TestDb, another};

/// Everybody: alice asks; bob, carol, dave and erin approve; ada is an admin, otto an auditor,
/// mallory nobody.
pub const CATALOG: &str = r#"
[[accounts]]
id = "111122223333"
name = "Production"

[[people]]
issuer = "demo"
subject = "alice"
name = "Alice"
email = "alice@example.com"
groups = ["developers", "approvers"]
principals = ["arn:aws:iam::111122223333:user/alice"]
[[people]]
issuer = "demo"
subject = "bob"
name = "Bob"
email = "bob@example.com"
groups = ["approvers"]
[[people]]
issuer = "demo"
subject = "carol"
name = "Carol"
email = "carol@example.com"
groups = ["approvers"]
[[people]]
issuer = "demo"
subject = "dave"
name = "Dave"
email = "dave@example.com"
groups = ["approvers"]
[[people]]
issuer = "demo"
subject = "erin"
name = "Erin"
email = "erin@example.com"
groups = ["approvers"]
[[people]]
issuer = "demo"
subject = "ada"
name = "Ada"
email = "ada@example.com"
groups = ["admins"]
[[people]]
issuer = "demo"
subject = "otto"
name = "Otto"
email = "otto@example.com"
groups = ["auditors"]
[[people]]
issuer = "demo"
subject = "mallory"
name = "Mallory"
email = "mallory@example.com"

[[entitlements]]
name = "prod-admin"
description = "Everything in production."
role_arn = "arn:aws:iam::111122223333:role/prod-admin"
method = "trust_policy"
min_duration = "PT5S"
max_duration = "PT8H"
requester_group = "developers"
approver_group = "approvers"
needed = 1
[[entitlements]]
name = "prod-root"
description = "Needs two."
role_arn = "arn:aws:iam::111122223333:role/prod-root"
method = "trust_policy"
min_duration = "PT5S"
max_duration = "PT1H"
requester_group = "developers"
approver_group = "approvers"
needed = 2
"#;

pub struct Company {
    pub db: TestDb,
    pub app: App,
    /// With the rights to write the catalog and tokens.
    pub admin: App,
    pub clock: Clock,
    pub start: DateTime<Utc>,
}

impl Company {
    pub async fn new() -> Self {
        let db = TestDb::new().await;
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let clock = Clock::fixed(start);
        // The discard port: nothing listens there, and nobody need wait for a second try.
        let patience = Duration::from_millis(50);
        let aws = Aws::with("http://127.0.0.1:9", "AKIA", "secret", patience).await;
        let app = App::new(db.pool.clone(), clock.clone(), aws.clone(), &config());
        let admin = App::new(db.catalog().await, clock.clone(), aws, &config());
        catalog::apply(&admin, CATALOG, "test").await.unwrap();
        Self {
            db,
            app,
            admin,
            clock,
            start,
        }
    }

    /// Another process on the same database, with other limits.
    pub fn with_limits(&self, limits: Limits) -> App {
        let config = Config { limits, ..config() };
        let (pool, aws) = (self.db.pool.clone(), self.app.aws().clone());
        App::new(pool, self.clock.clone(), aws, &config)
    }

    /// With an AWS that answers; a call may take as long as `patience`.
    pub async fn with_aws(self, aws: &Sandbox, patience: Duration) -> Self {
        let (key, secret) = sandbox::key("admin");
        let aws = Aws::with(&aws.url(), &key, &secret, patience).await;
        warm_up(&aws).await;
        let app = App::new(self.db.pool.clone(), self.clock.clone(), aws, &config());
        Self { app, ..self }
    }

    /// With an AWS that may need so long to take a change over.
    pub fn with_propagation(self, margin: Duration) -> Self {
        self.configured(|config| config.aws.propagation_margin = margin)
    }

    /// With other settings.
    pub fn configured(self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let (pool, aws) = (self.db.pool.clone(), self.app.aws().clone());
        let app = App::new(pool, self.clock.clone(), aws, &config);
        Self { app, ..self }
    }

    /// The catalog with `from` as `to`.
    pub async fn rewrite(&self, from: &str, to: &str) {
        assert!(CATALOG.contains(from), "{from}");
        let text = CATALOG.replacen(from, to, 1);
        catalog::apply(&self.admin, &text, "test").await.unwrap();
    }

    /// Runs SQL as the database's owner.
    pub async fn as_owner(&self, sql: &str) {
        self.db.as_owner(sql).await;
    }

    /// The person's groups are these from now on.
    pub async fn regroup(&self, name: &str, groups: &[&str]) {
        let (before, after) = split_groups(name);
        let text = format!("{before}{groups:?}{after}");
        catalog::apply(&self.admin, &text, "test").await.unwrap();
    }

    pub fn pool(&self) -> &PgPool {
        &self.db.pool
    }

    pub fn later(&self, by: TimeDelta) {
        self.clock.set(self.start + by);
    }

    pub async fn ctx(&self, name: &str) -> Ctx {
        let people = sign_in::people(&self.app).await.unwrap();
        let person = people
            .into_iter()
            .find(|it| it.name.eq_ignore_ascii_case(name));
        Ctx {
            app: self.app.clone(),
            person: person.unwrap(),
            channel: Channel::Api,
        }
    }

    /// alice asks.
    pub async fn ask(&self, entitlement: &str) -> Request {
        let asked = submit(&self.ctx("alice").await, ask(entitlement)).await;
        asked.unwrap().request()
    }

    /// What the worker would have made of every scheduled grant.
    pub async fn open_grants(&self) {
        let sql = "UPDATE grants SET state = 'active', opening_at = approved_at, opened_at = approved_at, sent_until = deadline WHERE state = 'scheduled'";
        sqlx::raw_sql(sql).execute(self.pool()).await.unwrap();
    }

    /// How many rows the audit log has of `action` with `outcome` on `subject`.
    pub async fn events(&self, subject: impl ToString, action: &str, outcome: &str) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM audit_events WHERE subject = $1 AND action = $2 AND outcome = $3",
        )
        .bind(subject.to_string())
        .bind(action)
        .bind(outcome)
        .fetch_one(self.pool())
        .await
        .unwrap()
    }

    pub async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(self.pool())
            .await
            .unwrap()
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.aws.propagation_margin = Duration::ZERO;
    config.roles.admin = vec!["admins".to_owned()];
    config.roles.auditor = vec!["auditors".to_owned()];
    config.limits = no_limits();
    config
}

/// Limits that no test reaches by the way.
pub fn no_limits() -> Limits {
    Limits {
        person_per_minute: NonZeroU32::MAX,
        peer_per_minute: NonZeroU32::MAX,
        asks_per_hour: NonZeroU32::MAX,
        pending_per_person: NonZeroU32::MAX,
        pending_per_entitlement: NonZeroU32::MAX,
    }
}

/// A client's first call takes long; a verb's own look has two seconds.
pub async fn warm_up(aws: &Aws) {
    // Somebody who is not there: what is would be remembered.
    let [role, user] =
        ["role", "user"].map(|kind| format!("arn:aws:iam::111122223333:{kind}/nobody"));
    let _ = countersign::aws::check(aws, &role, &user).await;
}

/// The catalog before and after the groups of somebody.
fn split_groups(name: &str) -> (&'static str, &'static str) {
    let lead = format!("email = \"{name}@example.com\"\ngroups = ");
    let (before, rest) = CATALOG.split_once(&lead).unwrap();
    let before = &CATALOG[..before.len() + lead.len()];
    (before, &rest[rest.find('\n').unwrap()..])
}

/// A good ask, in other words each time.
pub fn ask(entitlement: &str) -> NewRequest {
    NewRequest {
        entitlement: entitlement.to_owned(),
        duration_seconds: 900,
        justification: format!("The database is on fire, alarm {}", another()),
        ..NewRequest::default()
    }
}
