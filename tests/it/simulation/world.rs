//! The world of a simulation: the company, two replicas of the worker, what goes wrong, and
//! everything that people were told.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use countersign::app::ctx::Ctx;
use countersign::aws::Clouds;
use countersign::domain::entitlement::Method;
use countersign::ids::{GrantId, RequestId, RevocationId};
use countersign::sandbox::{Hold, Knobs, LateWrite};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::company::{NAMES, ROLES, founded};
use super::replicas::Replica;
use crate::policy::PRODUCTION;
use crate::policy::plane::Dice;
use crate::support::app::TestApp;
use crate::support::catalog::user_arn;
use crate::support::cloud::Keys;
use crate::support::stage::Stage;

/// What went wrong.
pub type Violation = String;

/// The margins of production.
pub const P: TimeDelta = PRODUCTION.propagation;

/// Somebody who asks, with an IAM user of the first account.
pub struct Person {
    pub name: &'static str,
    pub arn: String,
    ctx: Ctx,
    pub keys: Keys,
}

/// A role with its owner's text, and what has stood there.
pub struct Role {
    pub arn: &'static str,
    pub account: &'static str,
    /// The trust policy as its owner wrote it.
    pub foreign: String,
    /// Whether somebody else than the service has written it since.
    pub is_edited: bool,
    /// How long a session AWS gives, in seconds.
    pub longest: i32,
    /// What has stood there, the oldest first.
    pub trusts: Vec<String>,
    pub guards: Vec<String>,
    /// Trust policies with dates that somebody moved.
    pub moved: BTreeSet<String>,
    /// What a hand has left of the guard.
    pub guard_by_hand: Option<Option<String>>,
}

/// A grant as people approved it and were told of it, whatever became of its row.
#[derive(Debug, Clone)]
pub struct Approved {
    pub id: GrantId,
    pub person: usize,
    pub method: Method,
    /// ARN of the role, or of the user that carries its policy alone.
    pub on: String,
    /// Unique id of the user, or the name of who needs none.
    pub principal: String,
    /// Unique id of the role, where there is one.
    pub role_id: Option<String>,
    pub starts: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
    /// Its deadlines before it was extended: those of a database that has gone back since.
    pub earlier: Vec<DateTime<Utc>>,
    /// When its end was announced.
    pub announced: Option<DateTime<Utc>>,
}

/// What waits for a decision.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    pub person: usize,
    pub request: RequestId,
    /// The role that is to be opened, if one is.
    pub role: Option<usize>,
}

/// Keys that somebody has, and by which grants they were come by.
pub struct Session {
    pub principal: String,
    pub role: usize,
    pub role_id: String,
    pub name: String,
    pub issued: DateTime<Utc>,
    /// By a trust policy or a policy with a date that somebody had moved.
    pub beyond: bool,
    pub keys: Keys,
    pub until: DateTime<Utc>,
    /// How often it was denied.
    pub denied: u8,
}

/// How often something could have been found out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judged {
    /// A live grant was used.
    pub worked: usize,
    /// A session was denied that had to be.
    pub denied: usize,
    /// A write was stopped before anybody knew of it.
    pub writes: usize,
}

/// What goes wrong in a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Any,
    /// Workers alone, so that all that is approved has to work.
    Workers,
    /// The last account goes silent again and again.
    Silence,
}

/// What goes wrong at present.
#[derive(Default)]
pub struct Faults {
    /// Writes that will lose their answer, and those that are to land yet, with their accounts.
    pub armed: Vec<(&'static str, LateWrite)>,
    pub armed_until: Option<DateTime<Utc>>,
    pub lates: Vec<(DateTime<Utc>, &'static str, LateWrite)>,
    pub stale_until: Option<DateTime<Utc>>,
    /// Until when the last account answers nothing.
    pub silent_until: Option<DateTime<Utc>>,
    /// The accounts whose trust policies may be shorter than they were.
    pub tight: BTreeSet<usize>,
}

pub struct World {
    pub stage: Stage,
    pub app: TestApp,
    pub dice: Dice,
    pub kind: Kind,
    pub people: Vec<Person>,
    bob: Ctx,
    ada: Ctx,
    pub roles: Vec<Role>,
    pub replicas: Vec<Replica>,
    pub approved: Vec<Approved>,
    pub pending: Vec<Pending>,
    pub holds: Vec<RevocationId>,
    pub sessions: Vec<Session>,
    /// When something that nobody can help was last going on at a target, by what it is.
    pub troubles: BTreeMap<(String, &'static str), DateTime<Utc>>,
    pub faults: Faults,
    pub backups: Vec<DateTime<Utc>>,
    /// What has stood in people's policies of ours, by user and name, the oldest first.
    pub policies: BTreeMap<(String, String), Vec<String>>,
    /// Where hands have been since the service looked last, and since when.
    pub unseen: BTreeMap<String, DateTime<Utc>>,
    /// `CreateDate` of the users and roles that were created again, by their unique ids.
    pub created: BTreeMap<String, DateTime<Utc>>,
    /// The ends that were looked at, so that each is judged once.
    pub ends: BTreeSet<GrantId>,
    pub is_settled: bool,
    /// Calls of the dead, which never come to anything.
    pub dead: Vec<Hold>,
    /// Of the database, as it stands in the names of policies.
    pub installation: String,
    /// How often AWS was called for people since its clients are there.
    pub calls: u32,
    /// What happened, for people who look into a violation.
    pub log: Vec<String>,
    pub judged: Judged,
}

/// A grant's row, as far as the judge looks at it.
pub struct GrantRow {
    pub state: String,
    pub cause: Option<String>,
    pub closing_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub deadline: DateTime<Utc>,
}

impl Kind {
    /// Of each five seeds three.
    const fn of(seed: u64) -> Self {
        match seed % 5 {
            0 => Self::Silence,
            1 => Self::Workers,
            _ => Self::Any,
        }
    }
}

impl GrantRow {
    pub fn is_over(&self) -> bool {
        self.state == "ended" || self.state == "failed"
    }

    pub fn is_open(&self) -> bool {
        self.state == "opening" || self.state == "active"
    }
}

impl World {
    pub async fn new(seed: u64) -> Self {
        let (stage, app, roles) = founded().await;
        let mut people = Vec::new();
        for name in NAMES {
            people.push(Person {
                name,
                arn: user_arn(name),
                ctx: app.ctx(name).await,
                keys: stage.cloud.keys(name),
            });
        }
        let mut world = Self {
            dice: Dice(seed),
            kind: Kind::of(seed),
            bob: app.ctx("bob").await,
            ada: app.ctx("ada").await,
            people,
            roles,
            replicas: Vec::new(),
            approved: Vec::new(),
            pending: Vec::new(),
            holds: Vec::new(),
            sessions: Vec::new(),
            troubles: BTreeMap::new(),
            faults: Faults::default(),
            backups: Vec::new(),
            policies: BTreeMap::new(),
            unseen: BTreeMap::new(),
            created: BTreeMap::new(),
            ends: BTreeSet::new(),
            is_settled: true,
            dead: Vec::new(),
            installation: String::new(),
            calls: u32::MAX,
            log: Vec::new(),
            judged: Judged::default(),
            stage,
            app,
        };
        let installation = world.column("SELECT id FROM installation".to_owned()).await;
        world.installation.clone_from(&installation[0]);
        for _ in 0..2 {
            let replica = world.replica().await;
            world.replicas.push(replica);
        }
        world.note_documents();
        world
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.stage.now()
    }

    pub fn knobs(&self) -> Knobs {
        self.stage.cloud.knobs().clone()
    }

    pub fn say(&mut self, text: impl AsRef<str>) {
        let at = self.now().format("%d %H:%M:%S");
        self.log.push(format!("{at} {}", text.as_ref()));
    }

    /// Something is going on at a target until then that the liveness of grants cannot be asked
    /// for.
    pub fn trouble(&mut self, on: &str, what: &'static str, until: DateTime<Utc>) {
        let known = self.troubles.entry((on.to_owned(), what)).or_insert(until);
        *known = until.max(*known);
    }

    /// Somebody else writes to what is ours; as long as nobody looks, nobody can know.
    pub fn hand(&mut self, on: &str, what: &'static str) {
        self.trouble(on, what, self.now());
        self.unseen.insert(on.to_owned(), self.stage.aws_now());
    }

    /// The same at every role and user of an account.
    pub fn trouble_in(&mut self, account: &str, what: &'static str, until: DateTime<Utc>) {
        let all = self.targets().into_iter();
        for on in all.filter(|on| on.contains(&format!(":{account}:"))) {
            self.trouble(&on, what, until);
        }
    }

    /// The same at every role and user.
    pub fn trouble_everywhere(&mut self, what: &'static str, until: DateTime<Utc>) {
        for on in self.targets() {
            self.trouble(&on, what, until);
        }
    }

    /// ARNs of everything that has documents of ours.
    pub fn targets(&self) -> Vec<String> {
        let users = self.people.iter().map(|person| person.arn.clone());
        users.chain(ROLES.map(str::to_owned)).collect()
    }

    pub fn unique_id(&self, arn: &str) -> Option<String> {
        self.stage.cloud.knobs().unique_id(arn)
    }

    /// The index of a role.
    pub fn role_of(&self, arn: &str) -> Option<usize> {
        self.roles.iter().position(|role| role.arn == arn)
    }

    pub fn trust(&self, role: usize) -> Option<String> {
        self.stage.cloud.knobs().trust(ROLES[role])
    }

    pub fn guard(&self, role: usize) -> Option<String> {
        let name = countersign::aws::GUARD_NAME;
        self.stage.cloud.knobs().role_policy(ROLES[role], name)
    }

    /// Somebody, with clients of AWS that have not spent their pace yet.
    async fn as_now(&mut self, ctx: &Ctx) -> Ctx {
        self.calls = self.calls.saturating_add(1);
        if self.calls > 6 {
            let (endpoint, timeout) = (self.stage.cloud.endpoint(), self.stage.timeout);
            let clouds = Clouds::with(&endpoint, self.stage.key, "secret", timeout).await;
            self.app = self.app.clone().with_clouds(clouds);
            self.calls = 0;
        }
        Ctx {
            app: self.app.app.clone(),
            ..ctx.clone()
        }
    }

    pub async fn person(&mut self, nth: usize) -> Ctx {
        let ctx = self.people[nth].ctx.clone();
        self.as_now(&ctx).await
    }

    /// Who decides.
    pub async fn bob(&mut self) -> Ctx {
        let ctx = self.bob.clone();
        self.as_now(&ctx).await
    }

    /// The admin.
    pub async fn ada(&mut self) -> Ctx {
        let ctx = self.ada.clone();
        self.as_now(&ctx).await
    }

    /// The grants that there are.
    pub async fn rows(&self) -> BTreeMap<GrantId, GrantRow> {
        let sql = "SELECT id, state, cause, closing_at, ended_at, deadline FROM grants";
        let rows = self.stage.rows.owner.fetch_all(sql).await.unwrap();
        let row = |row: &sqlx::postgres::PgRow| {
            let grant = GrantRow {
                state: row.get("state"),
                cause: row.get("cause"),
                closing_at: row.get("closing_at"),
                ended_at: row.get("ended_at"),
                deadline: row.get("deadline"),
            };
            (GrantId::from_uuid(row.get("id")), grant)
        };
        rows.iter().map(row).collect()
    }

    /// The first column of what the SQL finds.
    pub async fn column(&self, sql: String) -> Vec<String> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql));
        let rows = self.stage.rows.owner.fetch_all(rows).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn due(&self) -> Option<DateTime<Utc>> {
        let sql = "SELECT min(due_at) AS due FROM targets";
        let row = self.stage.rows.owner.fetch_one(sql).await.unwrap();
        row.get("due")
    }

    /// Keeps what stands in AWS now.
    pub fn note_documents(&mut self) {
        for nth in 0..self.roles.len() {
            let (trust, guard) = (self.trust(nth), self.guard(nth));
            let role = &mut self.roles[nth];
            role.trusts
                .extend(trust.filter(|it| !role.trusts.contains(it)));
            if role.guard_by_hand.as_ref().is_some_and(|it| *it != guard) {
                role.guard_by_hand = None;
            }
            role.guards
                .extend(guard.filter(|it| !role.guards.contains(it)));
        }
        let knobs = self.knobs();
        for ((user, name), texts) in &mut self.policies {
            if let Some(text) = knobs.user_policy(user, name)
                && !texts.contains(&text)
            {
                texts.push(text);
            }
        }
    }
}
