//! No page, list, verb or turn of the worker reads more than it shows, however long the history:
//! the rows are counted by Postgres itself. Statements have one plan for all values, as they may
//! have from their sixth time on a connection; lists with optional filters choose otherwise.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' own SQL is not in the offline data of the query macros"
)]

use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderName, Method, Request, StatusCode};
use chrono::TimeDelta;
use countersign::app::{App, expire, revoke, tokens};
use countersign::db::pool;
use countersign::worker::{Settings, Worker};
use countersign::{demo, serve};
use secrecy::ExposeSecret;
use sqlx::PgPool;
use tower::ServiceExt;

use crate::support::app::{TestApp, wanted};
use crate::support::catalog::Catalog;
use crate::support::portal;
use crate::support::{timeouts, wait};

/// Rows and index entries that one view may read from the tables that grow: fifty shown, what
/// belongs to each, and those between them that a filter leaves out. The planner may take either of
/// two walks; none of them grows with the history.
const MOST_ROWS: i64 = 2_500;

/// 30,000 people beside those of the catalog, 300 of them approvers. 12,000 requests: every other
/// one is alice's; all but the last twenty are closed. Two in three were granted, and their grants
/// are over.
const HISTORY: &str = r#"
    INSERT INTO people SELECT ('018e0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'demo', 'person' || n, 'Person ' || n, n || '@example.com', '{engineers}'
      FROM generate_series(1, 200) n;
    INSERT INTO principals (id, person, account, arn)
      SELECT gen_random_uuid(), id, '111122223333', 'arn:aws:iam::111122223333:user/' || subject FROM people WHERE subject LIKE 'person%';
    INSERT INTO people SELECT gen_random_uuid(), 'demo', 'staff' || n, 'Staff ' || n, n || '@staff.example.com', CASE WHEN n % 100 = 0 THEN '{sre-leads}' ELSE '{staff}' END::text[]
      FROM generate_series(1, 30000) n;
    INSERT INTO sessions (token_hash, person, created_at, last_seen_at, expires_at, id, user_agent, began_at)
        SELECT sha256(n::text::bytea), id, now(), now(), now() + interval '1 hour', gen_random_uuid(), '', now() FROM people, generate_series(1, 5000) n WHERE subject = 'bob';
    INSERT INTO requests (id, version, person, principal, principal_arn, entitlement, target, terms, justification, duration_seconds, target_checked,
                          state, submitted_at, expires_at, closed_at)
      SELECT ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 2,
             p.person, p.id, p.arn, e.id, e.target,
             jsonb_build_object('account', '111122223333', 'account_name', 'Production', 'role_arn', t.arn, 'name', e.name, 'min_duration_seconds', 5, 'max_duration_seconds', 28800,
                                'requester_group', 'engineers', 'stages', jsonb_build_array(jsonb_build_object('groups', jsonb_build_array(jsonb_build_object('group', 'sre-leads', 'needed', 1)))), 'method', 'trust_policy', 'description', '', 'version', 1),
             'Request ' || n, 3600, false,
             CASE WHEN n > 11980 THEN 'pending' WHEN n % 97 = 0 THEN 'withdrawn' WHEN n % 10 = 0 THEN 'denied' WHEN n % 11 = 0 THEN 'expired' ELSE 'approved' END,
             now() - interval '90 days', CASE WHEN n > 11980 THEN now() + interval '1 hour' ELSE now() - interval '89 days' END,
             CASE WHEN n > 11980 THEN NULL ELSE now() - interval '89 days' END
      FROM people alice, generate_series(1, 12000) n JOIN LATERAL (
          SELECT CASE n % 2 WHEN 0 THEN (SELECT id FROM people WHERE subject = 'alice')
                            ELSE ('018e0000-0000-7000-8000-' || lpad(to_hex(n % 200 + 1), 12, '0'))::uuid END AS person) asks ON true
          JOIN principals p ON p.person = asks.person, entitlements e JOIN targets t ON t.id = e.target
      WHERE alice.subject = 'alice' AND e.name = 'prod-admin';
    ALTER TABLE decisions DISABLE TRIGGER decisions_of_stage;
    INSERT INTO decisions (id, request, seq, revision, person, verdict, comment, duration_seconds, channel, at)
      SELECT gen_random_uuid(), r.id, 1, 1, bob.id, CASE r.state WHEN 'approved' THEN 'approve' ELSE 'deny' END, 'Said.',
             CASE r.state WHEN 'approved' THEN r.duration_seconds END, 'portal', r.closed_at FROM requests r, people bob
      WHERE r.state IN ('approved', 'denied') AND bob.subject = 'bob';
    ALTER TABLE decisions ENABLE TRIGGER decisions_of_stage;
    INSERT INTO grants (id, request, target, person, method, principal_arn, grant_name, state, starts_at, deadline, approved_at, opening_at, opened_at, closing_at, cause,
                        ended_at)
      SELECT overlay(r.id::text PLACING '019' FROM 1 FOR 3)::uuid, r.id, r.target, r.person, 'trust_policy', r.principal_arn, 'grant_0' || lpad((row_number() OVER ())::text, 25, '0'), 'ended',
             date_trunc('second', r.closed_at), date_trunc('second', r.closed_at) + interval '1 hour', r.closed_at, r.closed_at, r.closed_at, r.closed_at, 'deadline',
             r.closed_at
      FROM requests r WHERE r.state = 'approved';
    INSERT INTO parts (id, "grant", target, kind, state, sent_until, opened_at, closed_at)
      SELECT gen_random_uuid(), id, target, 'statement', 'closed', deadline, opened_at, ended_at FROM grants;
    INSERT INTO names (target, name, "grant", since, guard_until, guard_gone_at) SELECT target, grant_name, id, approved_at, ended_at, ended_at FROM grants;
    INSERT INTO audit_events (id, at, action, actor_kind, actor_id, actor_name, subject, channel, outcome, concerns)
      SELECT (overlay(left(r.id::text, 23) PLACING '8' FROM 20 FOR 1) || '-' || right(r.id::text, 11) || k)::uuid, r.submitted_at,
             (ARRAY['request.submitted', 'request.approved', 'grant.opening', 'grant.opened', 'grant.ended'])[k],
             CASE WHEN k < 3 THEN 'machine' ELSE 'system' END, CASE WHEN k < 3 THEN 'tickets' ELSE 'worker' END, 'Somebody', r.id::text, 'api', 'success', r.person
      FROM requests r, generate_series(1, 5) k;
    ANALYZE"#;

const GROWING: &str =
    "'people', 'requests', 'decisions', 'grants', 'parts', 'names', 'audit_events', 'sessions'";

struct Archive {
    app: TestApp,
    owner: PgPool,
}

/// What a view answered, and what it read.
struct Read<T> {
    answer: T,
    /// Rows and index entries.
    rows: i64,
    /// The growing tables that were read from end to end.
    scans: Vec<String>,
}

/// The groups that the history is of; erin is an auditor.
fn in_groups_of_history(catalog: &mut Catalog) {
    let offer = catalog.entitlement("prod-admin");
    offer.requester_group = "engineers".into();
    offer.approver_group = "sre-leads".into();
    for (name, group) in [
        ("alice", "engineers"),
        ("bob", "sre-leads"),
        ("carol", "sre-leads"),
        ("erin", "auditors"),
    ] {
        catalog.regroup(name, &[group]);
    }
}

impl Archive {
    async fn new() -> Self {
        let app = TestApp::with(in_groups_of_history).await.on_time();
        app.app.close().await;
        app.admin.close().await;
        let archive = Self {
            owner: PgPool::connect(&app.db.owner_url).await.unwrap(),
            app,
        };
        sqlx::raw_sql(HISTORY)
            .execute(&archive.owner)
            .await
            .unwrap();
        let generic = format!(
            "ALTER DATABASE {} SET plan_cache_mode = force_generic_plan",
            archive.app.db.name
        );
        archive.app.db.as_owner(&generic).await;
        archive.app.db.pool.close().await;
        archive
    }

    fn app(&self, pool: PgPool) -> App {
        let (clock, aws) = (self.app.clock.clone(), self.app.app.clouds().clone());
        App::new(pool, clock, aws, &self.app.config)
    }

    /// Rows read from each growing table so far, and scans of it. A connection tells what it has
    /// read when it ends.
    async fn read_so_far(&self) -> Vec<(String, i64, i64)> {
        wait::until_async("every connection has ended", async || {
            let open = sqlx::query_scalar(
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = $1 AND application_name = 'countersign'",
            );
            open.bind(&self.app.db.name).fetch_one(&self.owner).await.unwrap()
        })
        .await;
        let read = format!(
            "SELECT relname::text, (seq_tup_read + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes i WHERE i.relid = t.relid))::bigint, seq_scan
             FROM pg_stat_user_tables t WHERE relname IN ({GROWING}) ORDER BY relname"
        );
        let read = sqlx::query_as(sqlx::AssertSqlSafe(read));
        read.fetch_all(&self.owner).await.unwrap()
    }

    async fn reads<T>(&self, what: impl AsyncFnOnce(App) -> T) -> Read<T> {
        let before = self.read_so_far().await;
        let pool = pool::connect(&self.app.db.app_url, 2, timeouts())
            .await
            .unwrap();
        let app = self.app(pool);
        let answer = what(app.clone()).await;
        app.close().await;
        let after = self.read_so_far().await;
        let mut read = Read {
            answer,
            rows: 0,
            scans: vec![],
        };
        for ((table, rows, scans), (_, rows_before, scans_before)) in after.into_iter().zip(before)
        {
            read.rows += rows - rows_before;
            if scans > scans_before {
                read.scans.push(table);
            }
        }
        read
    }

    /// One call over HTTP, which must succeed.
    async fn call(
        &self,
        method: Method,
        path: &str,
        who: &(HeaderName, String),
        body: &str,
    ) -> Read<Answer> {
        let of = if body.starts_with('{') {
            "application/json"
        } else {
            portal::FORM
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(&who.0, &who.1)
            .header("sec-fetch-site", "same-origin")
            .header(CONTENT_TYPE, of)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let read = self.reads(async |app| {
            let router = serve::router(&app, &self.app.config, None, Some(demo::sign_in::PEOPLE));
            let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
            let header = |name| {
                parts
                    .headers
                    .get(name)
                    .map_or("", |it| it.to_str().unwrap())
                    .to_owned()
            };
            Answer {
                status: parts.status,
                cookie: header(SET_COOKIE)
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                location: header(LOCATION),
                body: String::from_utf8(to_bytes(body, 1 << 22).await.unwrap().to_vec()).unwrap(),
            }
        });
        let read = read.await;
        let status = read.answer.status;
        assert!(
            status.is_success() || status == StatusCode::SEE_OTHER,
            "{path}: {}",
            read.answer.body
        );
        read
    }

    async fn browser(&self, name: &str) -> (HeaderName, String) {
        let nobody = (COOKIE, String::new());
        let form = format!("person={name}%40example.com&next=%2F");
        let signed_in = self.call(Method::POST, "/sign-in", &nobody, &form).await;
        (COOKIE, signed_in.answer.cookie)
    }

    async fn token(&self, name: &str) -> (HeaderName, String) {
        let email = format!("{name}@example.com");
        let app = self.app(self.app.db.catalog().await);
        let made = tokens::create(&app, "test", &email, wanted("test", TimeDelta::days(1)));
        let (_, token) = made.await.unwrap();
        app.close().await;
        (AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
    }
}

struct Answer {
    status: StatusCode,
    cookie: String,
    location: String,
    body: String,
}

impl<T> Read<T> {
    fn short(self, what: &str) -> T {
        assert!(
            self.scans.is_empty(),
            "{what} reads from end to end: {:?}",
            self.scans
        );
        assert!(self.rows <= MOST_ROWS, "{what} reads {} rows", self.rows);
        self.answer
    }
}

#[tokio::test]
async fn pages_read_no_more_than_they_show() {
    let archive = Archive::new().await;
    for name in ["alice", "bob", "erin"] {
        let who = archive.browser(name).await;
        for path in [
            "/",
            "/requests",
            "/waiting",
            "/audit",
            "/audit?action=grant.opened",
            "/audit?action=token.revoked",
            "/audit?actor=worker",
            "/audit?actor=worker&action=token.created",
            "/audit?subject=nobody",
            "/audit?from=2020-01-01T00:00&to=2020-01-02T00:00",
        ] {
            let page = archive.call(Method::GET, path, &who, "").await;
            page.short(&format!("{path} for {name}"));
        }
    }
}

#[tokio::test]
async fn lists_of_the_api_read_no_more_than_they_show() {
    let archive = Archive::new().await;
    for name in ["alice", "bob", "erin"] {
        let who = archive.token(name).await;
        for path in [
            "/requests",
            "/requests?mine=true",
            "/requests?waiting=true",
            "/requests?state=pending",
            "/requests?state=approved",
            "/requests?state=withdrawn",
            "/requests?mine=true&state=expired",
            "/requests?mine=true&state=pending",
            "/grants",
            "/grants?mine=true",
            "/audit-events",
            "/audit-events?action=request.approved",
            "/audit-events?actor=tickets&action=request.denied",
            "/audit-events?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z",
        ] {
            let path = format!("/api/v1{path}");
            let list = archive.call(Method::GET, &path, &who, "").await;
            let list = list.short(&format!("{path} for {name}"));
            let list: serde_json::Value = serde_json::from_str(&list.body).unwrap();
            if let Some(next) = list["next"].as_str() {
                let sign = if path.contains('?') { '&' } else { '?' };
                let path = format!("{path}{sign}cursor={next}");
                let list = archive.call(Method::GET, &path, &who, "").await;
                list.short(&format!("{path} for {name}"));
            }
        }
    }
}

#[tokio::test]
async fn verbs_the_worker_and_the_sweep_read_what_they_act_on() {
    let archive = Archive::new().await;
    let (alice, bob) = (archive.browser("alice").await, archive.browser("bob").await);
    let form = "duration=3600s&justification=Orders+are+stuck.";
    let asked = archive
        .call(Method::POST, "/entitlements/prod-admin", &alice, form)
        .await;
    let request = asked.short("submit").location;
    let page = archive.call(Method::GET, &request, &bob, "").await;
    page.short("the page of a request");
    let decided = archive
        .call(
            Method::POST,
            &format!("{request}/decide"),
            &bob,
            "choice=approve",
        )
        .await;
    decided.short("approve");
    let worked = archive.reads(async |app| {
        let settings = Settings::from(&archive.app.config);
        let (pool, clock, aws) = (
            app.pool().clone(),
            app.clock().clone(),
            app.clouds().clone(),
        );
        Worker::new(pool, clock, aws, settings, app.wake())
            .step()
            .await
    });
    assert!(worked.await.short("a turn of the worker").unwrap());
    let swept = archive.reads(async |app| expire::expire_due(&app).await);
    assert_eq!(swept.await.short("the sweep").unwrap(), 0);
}

#[tokio::test]
async fn a_revocation_reads_what_it_ends() {
    let archive = Archive::new().await;
    let id = countersign::ids::RevocationId::new();
    // On a connection of its own: what it reads is told when it ends.
    let holds = format!(
        "INSERT INTO revocations (id, scope, reason, begun_by, begun_at)
         SELECT '{}', 'everything', 'Now', id, now() FROM people WHERE subject = 'dave'",
        id.uuid()
    );
    archive.app.as_owner(&holds).await;
    let page = archive.browser("erin").await;
    for path in ["/revocations".to_owned(), format!("/revocations/{id}")] {
        let read = archive.call(Method::GET, &path, &page, "").await;
        read.short(&path);
    }
    let token = archive.token("erin").await;
    for path in [
        format!("/revocations/{id}"),
        format!("/revocations/{id}/grants"),
    ] {
        let path = format!("/api/v1{path}");
        let read = archive.call(Method::GET, &path, &token, "").await;
        read.short(&path);
    }
    let swept = archive.reads(async |app| revoke::carry_on_all(&app).await);
    swept.await.short("the sweep of what is held").unwrap();
}
