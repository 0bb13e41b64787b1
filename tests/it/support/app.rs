//! The world of a test: a small company on a database of its own, with an AWS that does not answer
//! until it is given one, and a clock that stands until it is moved.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::app::caller::Credential;
use countersign::app::catalog::{self, Applied, CatalogError};
use countersign::app::ctx::{App, Ctx};
use countersign::app::find::RequestView;
use countersign::app::sign_in;
use countersign::app::submit::{NewRequest, submit};
use countersign::app::tokens::Wanted;
use countersign::aws::Clouds;
use countersign::clock::Clock;
use countersign::config::{Config, Limits};
use countersign::domain::audit::Channel;
use countersign::domain::request::Request;
use countersign::domain::scope::Scopes;
use countersign::error::Error;
use countersign::sandbox::Sandbox;
use countersign::worker::{Settings, Worker};
use sqlx::{AssertSqlSafe, PgPool};

use super::api::Api;
use super::catalog::Catalog;
use super::cloud::as_ourselves;
use super::portal::Portal;
use super::{TestDb, another};
use crate::sandbox;
use crate::support::parts::FOLLOW;

/// Cheap to clone: a clone is the same application until it is given another AWS or other settings.
#[derive(Debug, Clone)]
pub struct TestApp {
    pub db: TestDb,
    pub app: App,
    /// With the rights to write the catalog and tokens.
    pub admin: App,
    pub clock: Clock,
    pub start: DateTime<Utc>,
    pub config: Config,
    catalog: Arc<Mutex<Catalog>>,
}

impl TestApp {
    /// The company as it is.
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The company with a change.
    pub async fn with(change: impl FnOnce(&mut Catalog)) -> Self {
        let app = Self::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap()).await;
        app.change(|catalog| {
            *catalog = Catalog::company();
            change(catalog);
        })
        .await;
        app
    }

    /// Nobody and nothing yet, at that time.
    pub async fn at(start: DateTime<Utc>) -> Self {
        Self::on(TestDb::new().await, start).await
    }

    /// What a database holds that was migrated, at that time.
    pub async fn on(db: TestDb, start: DateTime<Utc>) -> Self {
        let clock = Clock::fixed(start);
        // The discard port: nothing listens there, and nobody need wait for a second try.
        let patience = Duration::from_millis(50);
        let aws = Clouds::with("http://127.0.0.1:9", "AKIA", "secret", patience).await;
        let config = config();
        Self {
            app: App::new(db.pool.clone(), clock.clone(), aws.clone(), &config),
            admin: App::new(db.catalog().await, clock.clone(), aws, &config),
            db,
            clock,
            start,
            config,
            catalog: Arc::default(),
        }
    }

    /// Another process on the same database, with other limits.
    pub fn with_limits(&self, limits: Limits) -> App {
        self.clone().configured(|config| config.limits = limits).app
    }

    /// With an AWS that answers; a call may take as long as `patience`.
    pub async fn with_aws(self, aws: &Sandbox, patience: Duration) -> Self {
        let (key, secret) = sandbox::key("admin");
        let aws = Clouds::with(&aws.url(), &key, &secret, patience).await;
        warm_up(&aws).await;
        self.anew(aws)
    }

    /// With that AWS.
    pub fn with_clouds(self, aws: Clouds) -> Self {
        self.anew(aws)
    }

    /// With other settings.
    pub fn configured(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        let aws = self.app.clouds().clone();
        self.anew(aws)
    }

    /// By the clock of the database.
    pub fn on_time(mut self) -> Self {
        self.clock = Clock::Database;
        let aws = self.app.clouds().clone();
        self.anew(aws)
    }

    fn anew(self, aws: Clouds) -> Self {
        let [app, admin] = [&self.app, &self.admin].map(|it| {
            let (pool, clock, aws) = (it.pool().clone(), self.clock.clone(), aws.clone());
            App::new(pool, clock, aws, &self.config)
        });
        Self { app, admin, ..self }
    }

    /// The catalog, to be changed without being applied.
    pub fn catalog(&self) -> Catalog {
        self.catalog.lock().unwrap().clone()
    }

    /// From now on the catalog is another.
    pub async fn change(&self, change: impl FnOnce(&mut Catalog)) {
        let mut catalog = self.catalog();
        change(&mut catalog);
        self.apply(&catalog.render()).await.unwrap();
        *self.catalog.lock().unwrap() = catalog;
    }

    /// Applies a file, whatever the catalog is.
    pub async fn apply(&self, text: &str) -> Result<Applied, CatalogError> {
        catalog::apply(&self.admin, text, "test").await
    }

    /// Its API, which listens and gives tokens.
    pub async fn api(&self) -> Api {
        Api::of(self.clone()).await
    }

    /// Its portal, with browsers.
    pub fn portal(&self) -> Portal {
        Portal::of(self.clone())
    }

    /// A worker of it.
    pub fn worker(&self) -> Worker {
        self.worker_with(Settings::from(&self.config))
    }

    /// A worker of it with other settings.
    pub fn worker_with(&self, settings: Settings) -> Worker {
        let app = &self.app;
        let (pool, clock, aws) = (
            app.pool().clone(),
            app.clock().clone(),
            app.clouds().clone(),
        );
        Worker::new(pool, clock, aws, settings, app.wake())
    }

    /// Runs SQL as the database's owner.
    pub async fn as_owner(&self, sql: &str) {
        self.db.as_owner(sql).await;
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
            credential: Credential::SESSION,
        }
    }

    /// alice asks.
    pub async fn ask(&self, entitlement: &str) -> Request {
        let asked = submit(&self.ctx("alice").await, ask(entitlement)).await;
        asked.unwrap().request()
    }

    /// What the worker would have made of every grant that is to open.
    pub async fn open_grants(&self) {
        let sql = "UPDATE grants SET state = 'active', opening_at = approved_at, opened_at = approved_at WHERE state IN ('scheduled', 'opening')";
        sqlx::raw_sql(AssertSqlSafe(format!("{sql}; {FOLLOW}")))
            .execute(self.pool())
            .await
            .unwrap();
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

/// How many approvals count on a request, in all of its stages.
pub fn have(seen: &RequestView) -> i16 {
    seen.stages.iter().map(|it| it.have).sum()
}

/// The code of what a verb answers, as a person is told it; `-` where it does not refuse.
pub fn code<T>(answer: Result<T, Error>) -> &'static str {
    answer.err().map_or("-", |error| error.told_code())
}

/// The settings of a test: AWS takes everything over at once, and nobody meets a limit.
pub fn config() -> Config {
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
        machine_per_minute: NonZeroU32::MAX,
        peer_per_minute: NonZeroU32::MAX,
        asks_per_hour: NonZeroU32::MAX,
        pending_per_person: NonZeroU32::MAX,
        pending_per_entitlement: NonZeroU32::MAX,
    }
}

/// A client's first call takes long; a verb's own look has two seconds.
async fn warm_up(aws: &Clouds) {
    // Somebody who is not there: what is would be remembered.
    let [role, user] =
        ["role", "user"].map(|kind| format!("arn:aws:iam::111122223333:{kind}/nobody"));
    let account = as_ourselves(aws, &role).await;
    let _ = countersign::aws::check(&account, &role, Some(&user)).await;
}

/// A token of that name for that long, with every scope.
pub fn wanted(name: &str, expires_in: TimeDelta) -> Wanted {
    Wanted {
        name: name.to_owned(),
        expires_in,
        scopes: Scopes::ALL,
        unread: Vec::new(),
    }
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
