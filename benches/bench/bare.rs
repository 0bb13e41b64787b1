//! The least that a lifecycle can be: its rows in six transactions, each with its audit row, and
//! the nine calls that a guarded grant needs. Rows and documents are as large as the product's;
//! nobody is signed in, nothing is authorized, planned or found again after a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use countersign::ids::{EventId, GrantId, RequestId};
use countersign::policy::document::sid;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Outcome;
use crate::aws::{self, GUARD};
use crate::catalog::{ACCOUNT, PEOPLE, ROLES, approver, requester, role, role_arn, user_arn};
use crate::world::World;

/// The bare driver. Cheap to clone.
#[derive(Clone)]
pub struct Bare(Arc<Inner>);

struct Inner {
    pool: PgPool,
    aws: aws_sdk_iam::Client,
    next: AtomicUsize,
    requesters: Vec<(Uuid, Uuid)>,
    approvers: Vec<Uuid>,
    entitlements: Vec<(Uuid, Uuid)>,
}

/// One grant on its way.
struct Life {
    request: Uuid,
    grant: GrantId,
    role: String,
    target: Uuid,
    entitlement: Uuid,
    requester: (Uuid, Uuid),
    user: String,
    approver: Uuid,
    terms: Value,
}

impl Bare {
    pub async fn new(world: &World) -> Outcome<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(32)
            .connect(&world.main.app_url)
            .await?;
        let people = "SELECT p.id, i.id FROM people p JOIN principals i ON i.person = p.id WHERE p.subject = $1";
        let (mut requesters, mut approvers, mut entitlements) = (vec![], vec![], vec![]);
        for nth in 0..PEOPLE {
            let found = sqlx::query_as(people).bind(requester(nth));
            requesters.push(found.fetch_one(&pool).await?);
            let found = sqlx::query_scalar("SELECT id FROM people WHERE subject = $1");
            approvers.push(found.bind(approver(nth)).fetch_one(&pool).await?);
        }
        for nth in 0..ROLES {
            let found = sqlx::query_as("SELECT id, target FROM entitlements WHERE name = $1");
            entitlements.push(found.bind(role("bare", nth)).fetch_one(&pool).await?);
        }
        Ok(Self(Arc::new(Inner {
            pool,
            aws: aws::client(&world.sandbox.url),
            next: AtomicUsize::new(0),
            requesters,
            approvers,
            entitlements,
        })))
    }

    /// Tells how long the transaction of the approval took.
    pub async fn lifecycle(&self, client: usize) -> Outcome<Duration> {
        let life = self.life(client);
        self.submit(&life).await?;
        let took = self.approve(&life, false).await?;
        self.step(&life, OPENING, "grant.opening").await?;
        self.open(&life).await?;
        self.step(&life, ACTIVE, "grant.opened").await?;
        self.step(&life, CLOSING, "grant.closing").await?;
        self.close(&life).await?;
        self.step(&life, ENDED, "grant.ended").await?;
        Ok(took)
    }

    /// The three transactions of a grant that is ended before it starts.
    pub async fn decisions(&self, client: usize) -> Outcome<Duration> {
        let life = self.life(client);
        self.submit(&life).await?;
        let took = self.approve(&life, true).await?;
        self.step(&life, NEVER_OPENED, "grant.ended").await?;
        Ok(took)
    }

    fn life(&self, client: usize) -> Life {
        let nth = self.0.next.fetch_add(1, Ordering::Relaxed) % ROLES;
        let (entitlement, target) = self.0.entitlements[nth];
        let role = role("bare", nth);
        let terms = json!({
            "name": role, "description": "", "account": ACCOUNT, "account_name": "Production", "role_arn": role_arn(&role),
            "method": "trust_policy", "min_duration_seconds": 5, "max_duration_seconds": 28_800, "requester_group": "engineers",
            "stages": [{"groups": [{"group": "sre-leads", "needed": 1}]}], "version": 1,
        });
        Life {
            request: RequestId::new().uuid(),
            grant: GrantId::new(),
            role,
            target,
            entitlement,
            requester: self.0.requesters[client],
            user: requester(client),
            approver: self.0.approvers[client],
            terms,
        }
    }

    async fn submit(&self, life: &Life) -> Outcome<()> {
        let mut tx = self.0.pool.begin().await?;
        let ask = "INSERT INTO requests (id, person, principal, principal_arn, entitlement, target, terms, justification, duration_seconds,
                 target_checked, state, submitted_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 3600, true, 'pending', now(), now() + interval '1 day')";
        sqlx::query(ask)
            .bind(life.request)
            .bind(life.requester.0)
            .bind(life.requester.1)
            .bind(user_arn(&life.user))
            .bind(life.entitlement)
            .bind(life.target)
            .bind(&life.terms)
            .bind(format!("Measuring, as {}.", life.grant))
            .execute(&mut *tx)
            .await?;
        life.event(&mut tx, "request.submitted").await?;
        Ok(tx.commit().await?)
    }

    async fn approve(&self, life: &Life, tomorrow: bool) -> Outcome<Duration> {
        let started = Instant::now();
        let mut tx = self.0.pool.begin().await?;
        let lock = "SELECT state FROM requests WHERE id = $1 FOR UPDATE";
        let _: String = sqlx::query_scalar(lock)
            .bind(life.request)
            .fetch_one(&mut *tx)
            .await?;
        let voice = "INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at) VALUES (gen_random_uuid(), $1, 1, 1, $2, 'approve', 3600, 'api', now())";
        sqlx::query(voice)
            .bind(life.request)
            .bind(life.approver)
            .execute(&mut *tx)
            .await?;
        let approved =
            "UPDATE requests SET state = 'approved', version = 2, closed_at = now() WHERE id = $1";
        sqlx::query(approved)
            .bind(life.request)
            .execute(&mut *tx)
            .await?;
        let grant = r#"WITH made AS (
                 INSERT INTO grants (id, request, target, person, method, principal_arn, grant_name, console_name, state, starts_at, deadline, approved_at)
                 SELECT $1, $2, $3, $4, 'trust_policy', $5, $6, $7, 'scheduled', at, at + interval '1 hour', now()
                 FROM (SELECT date_trunc('second', now()) + make_interval(days => $8)) it (at)),
             part AS (
                 INSERT INTO parts (id, "grant", target, kind, state) VALUES (gen_random_uuid(), $1, $3, 'statement', 'waiting'))
             INSERT INTO names (target, name, "grant", since) VALUES ($3, $6, $1, now())"#;
        sqlx::query(grant)
            .bind(life.grant.uuid())
            .bind(life.request)
            .bind(life.target)
            .bind(life.requester.0)
            .bind(user_arn(&life.user))
            .bind(life.grant.to_string())
            .bind(&life.user)
            .bind(i32::from(tomorrow))
            .execute(&mut *tx)
            .await?;
        // The row of the queue is written, as a verb writes it; it does not become due, since
        // nobody is to take it.
        sqlx::query("UPDATE targets SET attempts = 0 WHERE id = $1")
            .bind(life.target)
            .execute(&mut *tx)
            .await?;
        life.event(&mut tx, "request.approved").await?;
        tx.commit().await?;
        Ok(started.elapsed())
    }

    async fn step(&self, life: &Life, sql: &'static str, action: &str) -> Outcome<()> {
        let mut tx = self.0.pool.begin().await?;
        sqlx::query(sql)
            .bind(life.grant.uuid())
            .execute(&mut *tx)
            .await?;
        life.event(&mut tx, action).await?;
        Ok(tx.commit().await?)
    }

    /// Six calls: who it is for, the role as it is, the guard and the statement, each read back.
    async fn open(&self, life: &Life) -> Outcome<()> {
        let aws = &self.0.aws;
        aws.get_user().user_name(&life.user).send().await?;
        let role = &life.role;
        aws.get_role().role_name(role).send().await?;
        let until = deadline();
        self.put_guard(life, &guard(life, Some(&until))).await?;
        let read = aws.get_role_policy().role_name(role);
        read.policy_name(GUARD).send().await?;
        let write = aws.update_assume_role_policy().role_name(role);
        write
            .policy_document(trust(life, Some(&until)))
            .send()
            .await?;
        aws.get_role().role_name(role).send().await?;
        Ok(())
    }

    /// Three calls: the guard that ends the sessions, the statement out, read back.
    async fn close(&self, life: &Life) -> Outcome<()> {
        self.put_guard(life, &guard(life, None)).await?;
        let aws = &self.0.aws;
        let write = aws.update_assume_role_policy().role_name(&life.role);
        write.policy_document(trust(life, None)).send().await?;
        aws.get_role().role_name(&life.role).send().await?;
        Ok(())
    }

    async fn put_guard(&self, life: &Life, document: &str) -> Outcome<()> {
        let write = self.0.aws.put_role_policy().role_name(&life.role);
        let write = write.policy_name(GUARD).policy_document(document);
        write.send().await?;
        Ok(())
    }
}

impl Life {
    async fn event(&self, tx: &mut PgConnection, action: &str) -> Outcome<()> {
        let told = "INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, details, concerns)
             VALUES ($1, clock_timestamp(), $2, 'machine', 'bench', 'bench', $3, 'system', 'success', $4, $5)";
        sqlx::query(told)
            .bind(EventId::new().uuid())
            .bind(action)
            .bind(self.grant.to_string())
            .bind(json!({"request": self.request, "entitlement": self.role}))
            .bind(self.requester.0)
            .execute(tx)
            .await?;
        Ok(())
    }
}

const OPENING: &str = "UPDATE grants SET state = 'opening', opening_at = now() WHERE id = $1";
const ACTIVE: &str = r#"
    WITH part AS (UPDATE parts SET state = 'open', opened_at = now(), sent_until = now() + interval '1 hour' WHERE "grant" = $1)
    UPDATE grants SET state = 'active', opened_at = now() WHERE id = $1"#;
const CLOSING: &str = "UPDATE grants SET state = 'closing', closing_at = now(), cause = 'released', closing_by = person WHERE id = $1";
const ENDED: &str = r#"
    WITH part AS (UPDATE parts SET state = 'closed', closed_at = now() WHERE "grant" = $1),
         name AS (UPDATE names SET guard_until = now(), guard_gone_at = now() WHERE "grant" = $1)
    UPDATE grants SET state = 'ended', ended_at = now() WHERE id = $1"#;
const NEVER_OPENED: &str = r#"
    WITH part AS (UPDATE parts SET state = 'closed', closed_at = now() WHERE "grant" = $1),
         name AS (UPDATE names SET guard_gone_at = now() WHERE "grant" = $1)
    UPDATE grants SET state = 'ended', closing_at = now(), cause = 'released', closing_by = person, ended_at = now() WHERE id = $1"#;

/// An hour from now, as a policy writes it.
fn deadline() -> String {
    let hour = Duration::from_secs(3600);
    let at = DateTime::<Utc>::from(std::time::SystemTime::now() + hour);
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The trust policy as it was written by hand, and the grant's statement while it is open.
fn trust(life: &Life, until: Option<&str>) -> String {
    let by_hand = r#"{"Sid":"Automation","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}"#;
    let ours = until.map_or_else(String::new, |until| {
        let (sid, arn, user, grant) = (
            sid(life.grant),
            user_arn(&life.user),
            &life.user,
            life.grant,
        );
        format!(
            r#",{{"Sid":"{sid}","Effect":"Allow","Principal":{{"AWS":"{arn}"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:RoleSessionName":["{user}","{grant}"]}},"DateLessThan":{{"aws:CurrentTime":"{until}"}}}}}}"#
        )
    });
    format!(r#"{{"Version":"2012-10-17","Statement":[{by_hand}{ours}]}}"#)
}

/// A guard of the product's form: who is not listed is denied, who is listed from the deadline on,
/// and the way out.
fn guard(life: &Life, until: Option<&str>) -> String {
    let (grant, user, arn) = (life.grant, &life.user, role_arn(&life.role));
    let from = until.map_or_else(
        || format!(r#"{{"StringEquals":{{"aws:userid":["AROABENCHBENCHBENCH00:{user}"]}}}}"#),
        |until| {
            format!(
                r#"{{"StringEquals":{{"aws:userid":["AROABENCHBENCHBENCH00:{grant}","AROABENCHBENCHBENCH00:{user}"]}},"DateGreaterThanEqualsIfExists":{{"aws:CurrentTime":"{until}"}}}}"#
            )
        },
    );
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"CountersignRev1ibenchmrk","Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringLike":{{"aws:userid":["AROABENCHBENCHBENCH00:grant_*"]}},"StringNotEquals":{{"aws:userid":["AROABENCHBENCHBENCH00:{grant}"]}}}}}},{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{from}}},{{"Sid":"CountersignShield","Effect":"Deny","Action":["iam:Attach*","iam:Delete*","iam:Detach*","iam:PassRole","iam:Put*","iam:Tag*","iam:Untag*","iam:Update*","sts:AssumeRole"],"Resource":"{arn}","Condition":{{"StringLike":{{"aws:userid":["AROABENCHBENCHBENCH00:grant_*","AROABENCHBENCHBENCH00:{user}"]}}}}}}]}}"#
    )
}
