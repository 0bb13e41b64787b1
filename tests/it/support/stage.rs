//! Workers, a cloud, and one clock for both, which stands until it is moved.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use countersign::aws::Clouds;
use countersign::clock::Clock;
use countersign::ids::GrantId;
use countersign::policy::Margins;
use countersign::worker::{Settings, Worker};
use sqlx::{Executor as _, Row as _};
use tokio::sync::Notify;

use super::app::TestApp;
use super::cloud::Cloud;
use super::rows::{GrantRow, Rows};
use super::{TestDb, wait};

/// A hand-written trust policy that a parser would not give back as it is.
pub const FOREIGN: &str = "{\n  \"Version\" : \"2012-10-17\",\n  \"Statement\":[ {\"Effect\":\"Allow\", \"Sid\":\"Caf\\u0065\",\"Principal\":{\"Service\":[\"ec2.amazonaws.com\"]},\n    \"Action\":\"sts:AssumeRole\"} ]\n}";

pub struct Stage {
    pub rows: Rows,
    pub cloud: Cloud,
    pub clock: Clock,
    pub margins: Margins,
    /// How long an AWS call may take.
    pub timeout: Duration,
    /// How long a target belongs to a worker; longer than a call may take.
    pub lease: Duration,
    /// The access key that the workers use.
    pub key: &'static str,
    now: std::sync::Mutex<DateTime<Utc>>,
    /// How far AWS's clock is ahead of the database's.
    ahead: TimeDelta,
}

impl Stage {
    /// P = 0, L = 15 minutes, δ = 5 seconds.
    pub async fn new() -> Self {
        Self::with_trust(FOREIGN).await
    }

    pub async fn with_trust(trust: &str) -> Self {
        let cloud = Cloud::start(trust, Self::start()).await;
        Self::with_cloud(cloud).await
    }

    /// When it begins.
    pub fn start() -> DateTime<Utc> {
        "2026-01-05T09:00:00Z".parse().unwrap()
    }

    /// With that AWS.
    pub async fn with_cloud(cloud: Cloud) -> Self {
        let app = TestApp::at(Self::start()).await;
        Self::of(Rows::new(app).await, cloud, Self::start())
    }

    fn of(rows: Rows, cloud: Cloud, start: DateTime<Utc>) -> Self {
        Self {
            clock: rows.app.clock.clone(),
            rows,
            cloud,
            margins: Margins {
                propagation: TimeDelta::zero(),
                unanswered: TimeDelta::minutes(15),
                clock: TimeDelta::seconds(5),
                watch: TimeDelta::minutes(5),
            },
            timeout: Duration::from_secs(10),
            lease: Duration::from_secs(60),
            key: "AKIACOUNTERSIGN",
            now: std::sync::Mutex::new(start),
            ahead: TimeDelta::zero(),
        }
    }

    /// With rows and a cloud that are there already.
    pub async fn carried(db: TestDb, cloud: Cloud, now: DateTime<Utc>) -> Self {
        let app = TestApp::on(db, now).await;
        Self::of(Rows::carried(app).await, cloud, now)
    }

    /// Waits until somebody on this database waits for a row that somebody else has locked.
    pub async fn waits_for_a_lock(&self) {
        self.waits_for_locks(1).await;
    }

    /// The same of so many at once.
    pub async fn waits_for_locks(&self, count: i64) {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut admin = self.rows.app.db.superuser().await;
        wait::until_async(&format!("{count} wait for a lock"), async || {
            let row = admin.fetch_one(waiting).await.unwrap();
            row.get::<i64, _>(0) >= count
        })
        .await;
    }

    pub fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap()
    }

    pub fn advance(&self, by: TimeDelta) {
        let mut now = self.now.lock().unwrap();
        *now += by;
        self.clock.set(*now);
        self.cloud.knobs().set_clock(*now + self.ahead);
    }

    /// From now on AWS's clock is so far ahead.
    pub fn set_ahead(&mut self, ahead: TimeDelta) {
        self.ahead = ahead;
        self.advance(TimeDelta::zero());
    }

    /// What time it is by AWS's clock.
    pub fn aws_now(&self) -> DateTime<Utc> {
        self.now() + self.ahead
    }

    pub async fn worker(&self) -> Worker {
        self.worker_woken_by(Arc::default()).await
    }

    pub async fn worker_woken_by(&self, wake: Arc<Notify>) -> Worker {
        let endpoint = self.cloud.endpoint();
        let aws = Clouds::with(&endpoint, self.key, "secret", self.timeout).await;
        let settings = Settings {
            poll: Duration::from_secs(60),
            lease: self.lease,
            concurrency: 4,
            open_attempts: 8,
            margins: self.margins,
        };
        Worker::new(
            self.rows.pool.clone(),
            self.clock.clone(),
            aws,
            settings,
            wake,
        )
    }

    /// A new worker works until nothing is due.
    pub async fn work(&self) {
        self.worker().await.run_until_idle().await.unwrap();
    }

    /// Moves the clock and works.
    pub async fn pass(&self, by: TimeDelta) {
        self.advance(by);
        self.work().await;
    }

    /// A new person with an IAM user of that name, and an approved grant for `minutes`.
    pub async fn approve(&self, name: &str, minutes: i64) -> GrantId {
        let arn = self.cloud.create_user(name);
        let person = self.rows.person(name).await;
        self.rows
            .approve(person, &arn, self.now(), TimeDelta::minutes(minutes))
            .await
    }

    /// The same, opened.
    pub async fn open(&self, name: &str, minutes: i64) -> GrantId {
        let grant = self.approve(name, minutes).await;
        self.work().await;
        assert_eq!(self.state(grant).await, "active");
        grant
    }

    pub async fn revoke(&self, grant: GrantId) {
        self.rows.revoke(grant, self.now()).await;
    }

    pub async fn state(&self, grant: GrantId) -> String {
        self.rows.state(grant).await
    }

    pub async fn grant(&self, grant: GrantId) -> GrantRow {
        self.rows.grant(grant).await
    }

    /// How many statements of ours the trust policy holds.
    pub fn statements(&self) -> usize {
        self.cloud.trust().matches("\"Sid\":\"Countersign").count()
    }

    /// Whether the guard lists the grant as live.
    pub fn listed(&self, grant: GrantId) -> bool {
        self.cloud
            .guard()
            .is_some_and(|guard| guard.contains(&grant.to_string()))
    }
}
