//! Three accounts in an AWS stand-in of the driver's own process, which can be told to leave one of
//! them silent, with a database and a `serve` of their own; and grants that are put there as
//! approved.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use countersign::ids::{GrantId, RequestId};
use countersign::sandbox::{Knobs, Options, Sandbox};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::catalog::approver;
use crate::places::{self, Size};
use crate::process::Process;
use crate::world::{Db, FAST, World, settings};
use crate::{Outcome, Plan};

pub struct Stage {
    // In the order in which they are to end.
    pub serve: Process,
    pub db: Db,
    pub size: Size,
    pub heard: Heard,
    sandbox: Sandbox,
}

impl Stage {
    pub async fn start(plan: &Plan, world: &World) -> Outcome<Self> {
        let size = Size::of(plan);
        let heard = Heard::default();
        let ours = Targets::new().with_target("countersign::sandbox", Level::DEBUG);
        let layer = heard.clone().with_filter(ours);
        tracing_subscriber::registry().with(layer).try_init()?;
        let sandbox = Sandbox::start(Options {
            addr: ([127, 0, 0, 1], 0).into(),
            seed: places::aws(&size),
            state_file: None,
            allow_non_loopback: false,
        });
        let sandbox = sandbox.await?;
        let db = world.place("accounts", &places::toml(&size)).await?;
        let mut environment = settings(&db, &sandbox.url(), FAST);
        // What is put there by SQL wakes nobody.
        let poll = ("COUNTERSIGN_WORKER__POLL", "PT1S");
        environment.push((poll.0.to_owned(), poll.1.to_owned()));
        if plan.quick {
            // A silent account is waited for in each call.
            let limit = ("COUNTERSIGN_AWS__OPERATION_TIMEOUT", "PT2S");
            environment.push((limit.0.to_owned(), limit.1.to_owned()));
        }
        let log = world.folder().join("serve-accounts.log");
        let serve = Process::start(&["serve"], &environment, &log)?;
        Ok(Self {
            serve,
            db,
            size,
            heard,
            sandbox,
        })
    }

    pub fn knobs(&self) -> &Knobs {
        self.sandbox.knobs()
    }

    pub async fn stop(self) {
        let Self {
            serve, db, sandbox, ..
        } = self;
        drop(serve);
        db.admin.close().await;
        sandbox.stop().await;
    }

    /// Puts grants there as approved, of those entitlements for those people, and makes them due.
    pub async fn seed(&self, seeded: &Seeded<'_>) -> Outcome<Vec<GrantId>> {
        let (mut requests, mut grants, mut names) = (vec![], vec![], vec![]);
        let (mut entitlements, mut people) = (vec![], vec![]);
        let mut ids = Vec::new();
        for (entitlement, person) in &seeded.grants {
            let grant = GrantId::new();
            ids.push(grant);
            requests.push(RequestId::new().uuid());
            grants.push(grant.uuid());
            names.push(grant.to_string());
            entitlements.push(entitlement.clone());
            people.push(person.clone());
        }
        let mut tx = self.db.admin.begin().await?;
        // As in `seeded`: the order of these rows is another than a verb's.
        sqlx::raw_sql("SET LOCAL session_replication_role = replica")
            .execute(&mut *tx)
            .await?;
        sqlx::query(SEED)
            .bind(requests)
            .bind(&grants)
            .bind(names)
            .bind(entitlements)
            .bind(people)
            .bind(seeded.starts_at)
            .bind(seeded.deadline)
            .bind(approver(0))
            .bind(format!("seeded, {}", seeded.label))
            .execute(&mut *tx)
            .await?;
        let due = "UPDATE targets SET due_at = $2 WHERE id IN (SELECT target FROM parts WHERE \"grant\" = ANY($1))";
        sqlx::query(due)
            .bind(&grants)
            .bind(seeded.starts_at)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(ids)
    }

    /// Waits until all grants of that label are in that state.
    pub async fn all_are(&self, label: &str, state: &str, until: DateTime<Utc>) -> Outcome<()> {
        loop {
            let (now, all, count): (DateTime<Utc>, i64, i64) = sqlx::query_as(
                "SELECT clock_timestamp(), count(*), count(*) FILTER (WHERE g.state = $2)
                 FROM grants g JOIN requests r ON r.id = g.request WHERE r.justification = 'seeded, ' || $1",
            )
            .bind(label)
            .bind(state)
            .fetch_one(&self.db.admin)
            .await?;
            if count == all {
                return Ok(());
            }
            if now >= until {
                let told = format!("only {count} of {all} grants of {label} were {state} in time");
                return Err(told.into());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// From the deadline to the end of each grant of that label, in seconds.
    pub async fn lags(&self, label: &str) -> Outcome<Vec<f64>> {
        let lags: Vec<(f64,)> = sqlx::query_as(
            "SELECT extract(epoch FROM g.ended_at - g.deadline)::float8 FROM grants g JOIN requests r ON r.id = g.request
             WHERE r.justification = 'seeded, ' || $1",
        )
        .bind(label)
        .fetch_all(&self.db.admin)
        .await?;
        Ok(lags.into_iter().map(|(lag,)| lag).collect())
    }
}

/// Grants that are put there: each an entitlement and a person.
pub struct Seeded<'a> {
    pub label: &'a str,
    pub grants: Vec<(String, String)>,
    pub starts_at: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
}

const SEED: &str = "
    WITH new AS (
        SELECT it.request, it.id, it.name, p.id AS person, i.id AS principal, i.arn AS user_arn, e.id AS entitlement, e.method, e.statements,
               coalesce(e.target, u.id) AS target,
               jsonb_strip_nulls(jsonb_build_object('account', e.account, 'account_name', e.account, 'role_arn', t.arn, 'name', e.name,
                   'min_duration_seconds', 1, 'max_duration_seconds', 28800, 'requester_group', 'engineers',
                   'stages', jsonb_build_array(jsonb_build_object('groups', jsonb_build_array(jsonb_build_object('group', 'sre-leads', 'needed', 1)))),
                   'method', e.method, 'statements', e.statements, 'description', '', 'version', 1)) AS terms
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[]) it (request, id, name, entitlement, subject)
        JOIN people p USING (subject) JOIN entitlements e ON e.name = it.entitlement LEFT JOIN targets t ON t.id = e.target
        LEFT JOIN principals i ON i.person = p.id AND e.method = 'attach' LEFT JOIN targets u ON u.arn = i.arn),
    requests AS (
        INSERT INTO requests (id, version, person, principal, principal_arn, entitlement, target, terms, justification, duration_seconds,
                              target_checked, state, submitted_at, expires_at, closed_at)
        SELECT request, 2, person, principal, user_arn, entitlement, target, terms, $9, extract(epoch FROM $7 - $6)::int, true,
               'approved', now(), now() + interval '1 day', now() FROM new),
    groups AS (
        INSERT INTO approver_groups (request, stage, \"group\", needed, escalation, wanted, state)
        SELECT request, 1, 'sre-leads', 1, false, false, 'approved' FROM new),
    voices AS (
        INSERT INTO decisions (id, request, seq, revision, person, verdict, duration_seconds, channel, at)
        SELECT gen_random_uuid(), request, 1, 1, (SELECT id FROM people WHERE subject = $8), 'approve', extract(epoch FROM $7 - $6)::int, 'api', now() FROM new),
    made AS (
        INSERT INTO grants (id, request, target, person, method, principal_arn, grant_name, state, starts_at, deadline, approved_at)
        SELECT id, request, target, person, method, user_arn, name, 'scheduled', $6, $7, now() FROM new),
    part AS (
        INSERT INTO parts (id, \"grant\", target, kind, state, allows)
        SELECT gen_random_uuid(), id, target, CASE method WHEN 'attach' THEN 'inline' ELSE 'listed' END, 'waiting',
               CASE method WHEN 'attach' THEN jsonb_build_object('statements', statements) END FROM new)
    INSERT INTO names (target, name, \"grant\", since) SELECT target, name, id, now() FROM new";

/// What the stand-in was called, and when it was written to. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    counts: BTreeMap<String, usize>,
    /// The role or user of each write, and when it was done.
    writes: Vec<(String, DateTime<Utc>)>,
}

impl Heard {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each action since the last time, and how often.
    pub fn take(&self) -> BTreeMap<String, usize> {
        let mut log = self.log();
        log.writes.clear();
        std::mem::take(&mut log.counts)
    }

    /// When a role or user was first written to since `from`.
    pub fn first_write(&self, on: &str, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let log = self.log();
        let mut writes = log.writes.iter();
        writes
            .find(|(name, at)| name == on && *at >= from)
            .map(|(_, at)| *at)
    }
}

/// The fields of a line of the stand-in's log.
#[derive(Default)]
struct Line {
    action: String,
    on: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "action" => value.clone_into(&mut self.action),
            "on" => value.clone_into(&mut self.on),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        if line.action.is_empty() {
            return;
        }
        let writes = ["Put", "Update", "Delete"];
        let is_write = writes.iter().any(|it| line.action.starts_with(it));
        let mut log = self.log();
        *log.counts.entry(line.action).or_default() += 1;
        if is_write {
            log.writes.push((line.on, now()));
        }
    }
}

/// The clock of this machine, which is the stand-in's and the database's.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
