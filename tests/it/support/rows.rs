//! What the verbs would have left in the database.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::db::due;
use countersign::ids::{EntitlementId, GrantId, PersonId, PrincipalId, RequestId, TargetId};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor, PgPool, Row};

use super::app::TestApp;
use super::catalog::{ACCOUNT, Account, Catalog, Entitlement, Person};
pub use crate::sandbox::ROLE;
use crate::support::parts::FOLLOW;

/// A catalog with one role, and people who may ask for it.
#[derive(Debug)]
pub struct Rows {
    pub app: TestApp,
    /// As the application, for the workers.
    pub pool: PgPool,
    /// As the database's owner: rows of the catalog are nothing for the application.
    pub owner: PgPool,
    pub target: TargetId,
    entitlement: EntitlementId,
    approver: PersonId,
}

/// A grant's row, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRow {
    pub state: String,
    pub cause: Option<String>,
    pub sent_until: Option<DateTime<Utc>>,
    pub console_since: Option<DateTime<Utc>>,
    pub guard_until: Option<DateTime<Utc>>,
    pub guard_gone_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
}

impl Rows {
    pub async fn new(app: TestApp) -> Self {
        let owner = PgPool::connect_lazy(&app.db.owner_url).unwrap();
        app.change(|catalog| *catalog = one_role()).await;
        let id = async |table| {
            let sql = format!("SELECT id FROM {table} LIMIT 1");
            let row = owner.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql)));
            row.await.unwrap().get("id")
        };
        Self {
            pool: app.db.pool.clone(),
            target: TargetId::from_uuid(id("targets").await),
            entitlement: EntitlementId::from_uuid(id("entitlements").await),
            approver: person(&owner, "bob").await,
            owner,
            app,
        }
    }

    /// The one role that is there, with everything that belongs to it.
    pub async fn carried(app: TestApp) -> Self {
        let owner = PgPool::connect_lazy(&app.db.owner_url).unwrap();
        let row = owner.fetch_one("SELECT id, target, (SELECT id FROM people WHERE name = 'bob') AS bob FROM entitlements");
        let row = row.await.unwrap();
        Self {
            pool: app.db.pool.clone(),
            target: TargetId::from_uuid(row.get("target")),
            entitlement: EntitlementId::from_uuid(row.get("id")),
            approver: PersonId::from_uuid(row.get("bob")),
            owner,
            app,
        }
    }

    /// A person in the group that may ask.
    pub async fn person(&self, name: &str) -> PersonId {
        let alone = Catalog {
            people: vec![somebody(name, "developers")],
            ..Catalog::default()
        };
        self.app.apply(&alone.render()).await.unwrap();
        person(&self.owner, name).await
    }

    async fn pending(
        &self,
        person: PersonId,
        principal_arn: &str,
        needed: i32,
        at: DateTime<Utc>,
        length: TimeDelta,
    ) -> RequestId {
        let (request, principal) = (RequestId::new(), PrincipalId::new());
        let terms = json!({
            "name": "prod-admin", "description": "", "account": ACCOUNT, "account_name": "prod", "role_arn": ROLE, "method": "trust_policy",
            "min_duration_seconds": 300, "max_duration_seconds": 43200, "requester_group": "developers",
            "stages": [{"groups": [{"group": "leads", "needed": needed}]}], "version": 1
        });
        let (person, seconds) = (person.uuid(), length.num_seconds());
        let sql = format!(
            "INSERT INTO principals (id, person, account, arn) VALUES ('{}', '{person}', '{ACCOUNT}', '{principal_arn}')
             ON CONFLICT (lower(arn), lower(coalesce(role_session_name, ''))) WHERE ended_at IS NULL AND conflict_with IS NULL
             DO UPDATE SET person = excluded.person;
             INSERT INTO requests (id, person, principal, principal_arn, entitlement, target, terms, justification, duration_seconds,
                                   target_checked, state, submitted_at, expires_at)
             SELECT '{}', '{person}', id, '{principal_arn}', '{}', '{}', '{terms}', 'a reason', {seconds}, false, 'pending',
                    '{at}', '{at}'::timestamptz + interval '1 day'
             FROM principals WHERE person = '{person}' AND arn = '{principal_arn}'",
            principal.uuid(), request.uuid(), self.entitlement.uuid(), self.target.uuid());
        self.run(sql).await;
        request
    }

    /// An approved request's grant, scheduled, its target due: what `approve` leaves. The ids of
    /// AWS are not known yet.
    pub async fn approve(
        &self,
        person: PersonId,
        principal_arn: &str,
        at: DateTime<Utc>,
        length: TimeDelta,
    ) -> GrantId {
        self.approve_by(&["bob"], 1, person, principal_arn, at, length)
            .await
    }

    /// The same by other approvers than bob, of whom so many are needed.
    pub async fn approve_by(
        &self,
        approvers: &[&str],
        needed: i32,
        person: PersonId,
        principal_arn: &str,
        at: DateTime<Utc>,
        length: TimeDelta,
    ) -> GrantId {
        let request = self
            .pending(person, principal_arn, needed, at, length)
            .await
            .uuid();
        for name in approvers {
            self.run(voice(request, name, "approve", at)).await;
        }
        let grant = GrantId::new();
        let console = principal_arn.rsplit('/').next().unwrap();
        let (person, target, until) = (person.uuid(), self.target.uuid(), at + length);
        let sql = format!(
            "UPDATE requests SET state = 'approved', closed_at = '{at}', version = 2 WHERE id = '{request}';
             INSERT INTO grants (id, request, target, person, method, principal_arn, grant_name, console_name, state, starts_at, deadline, approved_at)
             VALUES ('{}', '{request}', '{target}', '{person}', 'trust_policy', '{principal_arn}', '{grant}', '{console}', 'scheduled', '{at}', '{until}', '{at}'); {FOLLOW}",
            grant.uuid());
        let mut tx = self.pool.begin().await.unwrap();
        tx.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        due::make_due(&mut tx, self.target, at).await.unwrap();
        tx.commit().await.unwrap();
        grant
    }

    /// The person is in no group any more.
    pub async fn leave(&self, name: &str) {
        let sql = format!("UPDATE people SET groups = '{{}}' WHERE name = '{name}'");
        self.run(sql).await;
    }

    /// A no on the grant's request.
    pub async fn deny(&self, grant: GrantId, name: &str, at: DateTime<Utc>) {
        let sql = format!("SELECT request FROM grants WHERE id = '{}'", grant.uuid());
        let row = self.pool.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql)));
        let request = row.await.unwrap().get("request");
        // As one who was before the approval that counted.
        let sql = format!(
            "ALTER TABLE decisions DISABLE TRIGGER decisions_of_stage; {}; ALTER TABLE decisions ENABLE TRIGGER decisions_of_stage",
            voice(request, name, "deny", at)
        );
        self.run(sql).await;
    }

    /// What `end` leaves when the approver revokes.
    pub async fn revoke(&self, grant: GrantId, at: DateTime<Utc>) {
        let mut tx = self.pool.begin().await.unwrap();
        tx.execute(sqlx::raw_sql(AssertSqlSafe(format!(
            "UPDATE grants SET state = 'closing', closing_at = '{at}', cause = 'revoked', closing_by = '{}' WHERE id = '{}' AND state IN ('opening', 'active')",
            self.approver.uuid(), grant.uuid())))).await.unwrap();
        let never_opened = format!(
            "UPDATE grants SET state = 'ended', closing_at = '{at}', cause = 'revoked', closing_by = '{by}', ended_at = '{at}'
             WHERE id = '{id}' AND state = 'scheduled';
             UPDATE names n SET guard_gone_at = '{at}' FROM grants g
             WHERE g.id = n.\"grant\" AND g.id = '{id}' AND g.state = 'ended' AND g.opening_at IS NULL; {FOLLOW}",
            by = self.approver.uuid(),
            id = grant.uuid()
        );
        tx.execute(sqlx::raw_sql(AssertSqlSafe(never_opened)))
            .await
            .unwrap();
        due::make_due(&mut tx, self.target, at).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub async fn run(&self, sql: String) {
        run(&self.owner, sql).await;
    }

    /// SQL as nobody of the product may send it: a restore, a clock that was wrong.
    pub async fn as_owner(&self, sql: &str) {
        run(&self.owner, sql.to_owned()).await;
    }

    pub async fn grant(&self, grant: GrantId) -> GrantRow {
        let sql = format!(
            "SELECT g.*, p.sent_until, p.restores, n.guard_until, n.guard_gone_at, c.since AS console_since
             FROM grants g LEFT JOIN parts p ON p.\"grant\" = g.id
             LEFT JOIN names n ON n.\"grant\" = g.id AND n.name = g.grant_name
             LEFT JOIN names c ON c.\"grant\" = g.id AND c.name = g.console_name
             WHERE g.id = '{}'",
            grant.uuid()
        );
        let row = self
            .pool
            .fetch_one(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .unwrap();
        GrantRow {
            state: row.get("state"),
            cause: row.get("cause"),
            sent_until: row.get("sent_until"),
            console_since: row.get("console_since"),
            guard_until: row.get("guard_until"),
            guard_gone_at: row.get("guard_gone_at"),
            ended_at: row.get("ended_at"),
        }
    }

    /// The state of a grant.
    pub async fn state(&self, grant: GrantId) -> String {
        self.grant(grant).await.state
    }

    /// The actions on record for a grant, in order.
    pub async fn told(&self, grant: GrantId) -> Vec<String> {
        let sql = format!("SELECT action FROM audit_events WHERE subject = '{grant}' ORDER BY id");
        let rows = self
            .pool
            .fetch_all(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .unwrap();
        rows.iter().map(|row| row.get("action")).collect()
    }

    /// The hand-written trust policies that were kept.
    pub async fn kept(&self) -> Vec<String> {
        let sql = "SELECT document FROM foreign_documents WHERE kind = 'trust' ORDER BY seen_at";
        let rows = self.pool.fetch_all(sql).await.unwrap();
        rows.iter().map(|row| row.get("document")).collect()
    }

    /// A column of the target's row, as text.
    pub async fn target(&self, column: &str) -> Option<String> {
        let sql = format!(
            "SELECT {column}::text AS value FROM targets WHERE id = '{}'",
            self.target.uuid()
        );
        let row = self
            .pool
            .fetch_one(sqlx::raw_sql(AssertSqlSafe(sql)))
            .await
            .unwrap();
        row.get("value")
    }
}

fn voice(request: uuid::Uuid, name: &str, verdict: &str, at: DateTime<Utc>) -> String {
    format!(
        "INSERT INTO decisions (id, request, seq, revision, person, verdict, comment, duration_seconds, channel, at)
         SELECT gen_random_uuid(), r.id, (SELECT count(*) + 1 FROM decisions d WHERE d.request = r.id), 1, p.id, '{verdict}', 'a reason',
                CASE '{verdict}' WHEN 'approve' THEN r.duration_seconds END, 'portal', '{at}'
         FROM requests r, people p WHERE r.id = '{request}' AND p.name = '{name}'"
    )
}

/// bob and olga decide on `prod-admin`.
fn one_role() -> Catalog {
    let account = Account {
        name: "prod".to_owned(),
        ..Account::default()
    };
    let entitlement = Entitlement {
        min_duration: "PT5M".to_owned(),
        max_duration: "PT12H".to_owned(),
        approver_group: "leads".to_owned(),
        ..Entitlement::named("prod-admin")
    };
    Catalog {
        accounts: vec![account],
        people: ["bob", "olga"].map(|it| somebody(it, "leads")).to_vec(),
        entitlements: vec![entitlement],
    }
}

/// Somebody whose name the tests' SQL can name.
fn somebody(name: &str, group: &str) -> Person {
    Person {
        name: name.to_owned(),
        groups: vec![group.to_owned()],
        ..Person::named(name)
    }
}

async fn person(pool: &PgPool, name: &str) -> PersonId {
    let sql = format!("SELECT id FROM people WHERE name = '{name}'");
    let row = pool.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql)));
    PersonId::from_uuid(row.await.unwrap().get("id"))
}

async fn run(pool: &PgPool, sql: String) {
    pool.execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .unwrap();
}
