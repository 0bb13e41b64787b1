//! A history as it is lived: what was approved, who has which session, what is going on, and a
//! worker that comes whenever the target is due.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use chrono::{DateTime, Utc};
use countersign::ids::{GrantId, PersonId};
use countersign::policy::Margins;
use countersign::sandbox::LateWrite;
use countersign::worker::Worker;
use sqlx::{Executor as _, Row as _};

use super::minutes;
use crate::policy::plane::Dice;
use crate::support::rows::ROLE;
use crate::support::stage::Stage;

/// The defaults of production.
pub const MARGINS: Margins = crate::policy::PRODUCTION;

/// What a restore brings back of a target.
pub const COLUMNS: &str = "revision, condition, due_at, lease_token, lease_expires_at, attempts, last_error, last_error_at, guard_restores,
    missing_since, safe_since, kept";

/// What went wrong.
pub type Violation = String;

pub struct Person {
    pub name: &'static str,
    pub arn: String,
    pub id: PersonId,
    pub sts: aws_sdk_sts::Client,
}

/// A grant as people approved it and were told of it, whatever became of its row.
pub struct Approved {
    pub id: GrantId,
    pub person: usize,
    /// The user and the role that were there.
    pub principal: String,
    pub role_id: String,
    pub starts: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    /// When its end was announced.
    pub announced: Option<DateTime<Utc>>,
    /// The database went back to before it was as open as it was in AWS.
    pub forgotten: bool,
}

pub struct Session {
    pub principal: String,
    pub role_id: String,
    pub name: String,
    pub issued: DateTime<Utc>,
    /// The trust policy that let him in, where somebody had moved dates in it.
    pub beyond: Option<String>,
    pub iam: aws_sdk_iam::Client,
}

pub struct Life {
    pub stage: Stage,
    pub dice: Dice,
    pub people: Vec<Person>,
    pub approved: Vec<Approved>,
    pub sessions: Vec<Session>,
    /// When something that nobody can help was last going on, by what it is.
    pub troubles: BTreeMap<&'static str, DateTime<Utc>>,
    /// What has stood in AWS, the oldest first.
    pub trusts: Vec<String>,
    pub guards: Vec<String>,
    /// Trust policies with dates that somebody moved, and those that looks have shown.
    pub moved: BTreeSet<String>,
    pub seen: BTreeSet<String>,
    /// What a hand has left of the guard.
    pub guard_by_hand: Option<Option<String>>,
    /// `CreateDate` of the users and roles that were created again, by their unique ids.
    pub created: BTreeMap<String, DateTime<Utc>>,
    /// How long a session AWS gives, in seconds.
    pub longest: i32,
    pub armed: Vec<LateWrite>,
    pub armed_until: Option<DateTime<Utc>>,
    pub lates: Vec<(DateTime<Utc>, LateWrite)>,
    /// The worker that is there, and how often it has come.
    pub worker: Option<(Worker, usize)>,
    pub stale_until: Option<DateTime<Utc>>,
    pub normalised: bool,
    pub down_until: DateTime<Utc>,
    pub backups: Vec<DateTime<Utc>>,
    /// The ends that were looked at, so that each is judged once.
    pub ends: BTreeSet<GrantId>,
    /// Whether no grant was opening or closing when the worker rested.
    pub is_settled: bool,
    /// What happened, for people who look into a violation.
    pub log: Vec<String>,
}

impl Person {
    /// Of the user who has the name now.
    pub fn unique_id(&self, stage: &Stage) -> Option<String> {
        stage.cloud.knobs().unique_id(&self.arn)
    }
}

impl Life {
    pub async fn new() -> Self {
        let mut stage = Stage::new().await;
        stage.margins = MARGINS;
        let mut people = Vec::new();
        for name in ["alice", "bobby", "carol"] {
            let arn = stage.cloud.create_user(name);
            let id = stage.rows.person(name).await;
            let key = format!("AKIA{}", name.to_uppercase());
            let config = aws_sdk_sts::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("us-east-1"))
                .endpoint_url(stage.cloud.endpoint())
                .credentials_provider(Credentials::new(key, "secret", None, None, "test"));
            people.push(Person {
                name,
                arn,
                id,
                sts: aws_sdk_sts::Client::from_conf(config.build()),
            });
        }
        // Nobody's user or role is as young as the first request.
        stage.advance(minutes(60));
        let now = stage.now();
        let mut life = Self {
            stage,
            dice: Dice(0),
            people,
            approved: Vec::new(),
            sessions: Vec::new(),
            troubles: BTreeMap::new(),
            trusts: Vec::new(),
            guards: Vec::new(),
            moved: BTreeSet::new(),
            seen: BTreeSet::new(),
            guard_by_hand: None,
            created: BTreeMap::new(),
            longest: 43_200,
            armed: Vec::new(),
            armed_until: None,
            lates: Vec::new(),
            worker: None,
            stale_until: None,
            normalised: false,
            down_until: now,
            backups: Vec::new(),
            ends: BTreeSet::new(),
            is_settled: true,
            log: Vec::new(),
        };
        life.note_documents();
        life
    }

    /// What went wrong in a history, with everything that happened in it. Whatever happened: in the
    /// end everything is over.
    pub async fn lived(
        history: impl AsyncFnOnce(&mut Self) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let mut life = Self::new().await;
        let mut went = history(&mut life).await;
        if went.is_ok() {
            went = life.come_to_an_end().await;
        }
        went.map_err(|v| format!("{v}\n{}", life.log.join("\n")))
    }

    async fn come_to_an_end(&mut self) -> Result<(), Violation> {
        self.calm().await;
        let latest = self.approved.iter().map(|a| a.deadline).max();
        let latest = latest.map_or(self.now(), |at| at.max(self.now()));
        self.pass_time(latest - self.now() + minutes(45)).await?;
        self.all_is_over().await
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.stage.now()
    }

    pub fn say(&mut self, text: String) {
        let at = self.now().format("%d %H:%M:%S");
        self.log.push(format!("{at} {text}"));
    }

    /// Something is going on until then that the liveness of grants cannot be asked for.
    pub fn trouble(&mut self, what: &'static str, until: DateTime<Utc>) {
        let known = self.troubles.entry(what).or_insert(until);
        *known = until.max(*known);
    }

    /// `None` while there is no role.
    pub fn trust(&self) -> Option<String> {
        self.stage.cloud.knobs().trust(ROLE)
    }

    pub fn role_id(&self) -> Option<String> {
        self.stage.cloud.knobs().unique_id(ROLE)
    }

    pub fn is_armed(&self) -> bool {
        self.armed_until.is_some()
    }

    pub async fn make_due(&self) {
        let sql = format!(
            "UPDATE targets SET due_at = least(due_at, coalesce(lease_expires_at, '{}'))",
            self.now()
        );
        self.stage.rows.as_owner(&sql).await;
    }

    /// Keeps what stands in AWS now.
    pub fn note_documents(&mut self) {
        let (trust, guard) = (self.trust(), self.stage.cloud.guard());
        let new = trust.filter(|text| !self.trusts.contains(text));
        self.trusts.extend(new);
        if self.guard_by_hand.as_ref().is_some_and(|it| *it != guard) {
            self.guard_by_hand = None;
        }
        let new = guard.filter(|text| !self.guards.contains(text));
        self.guards.extend(new);
    }

    /// Keeps when AWS says that the user or role was created.
    pub fn note_created(&mut self, arn: &str) {
        let id = self.stage.cloud.knobs().unique_id(arn).unwrap();
        self.created.insert(id, self.stage.aws_now());
    }

    pub async fn due(&self) -> Option<DateTime<Utc>> {
        let row = self
            .stage
            .rows
            .owner
            .fetch_one("SELECT due_at FROM targets");
        row.await.unwrap().get("due_at")
    }

    /// The grants that there are, and their states.
    pub async fn grants(&self) -> BTreeMap<GrantId, GrantRow> {
        let sql = r#"SELECT g.id, g.state, cause, closing_at, ended_at, sent_until FROM grants g JOIN parts p ON p."grant" = g.id"#;
        let rows = self.stage.rows.owner.fetch_all(sql).await.unwrap();
        let row = |row: &sqlx::postgres::PgRow| {
            let grant = GrantRow {
                state: row.get("state"),
                cause: row.get("cause"),
                closing_at: row.get("closing_at"),
                ended_at: row.get("ended_at"),
                sent_until: row.get("sent_until"),
            };
            (GrantId::from_uuid(row.get("id")), grant)
        };
        rows.iter().map(row).collect()
    }

    /// What AWS was told, as far as the database knows.
    pub async fn sent(&self) -> BTreeMap<GrantId, Option<DateTime<Utc>>> {
        let rows = self.grants().await.into_iter();
        rows.map(|(id, row)| (id, row.sent_until)).collect()
    }
}

/// A grant's row, as far as the judge looks at it.
pub struct GrantRow {
    pub state: String,
    pub cause: Option<String>,
    pub closing_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub sent_until: Option<DateTime<Utc>>,
}
