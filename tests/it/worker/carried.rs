//! A database of the release before the parts, documents and names: written by that release, with
//! grants in every state, and let run to their end by this one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use countersign::aws::GUARD_NAME;
use countersign::db::migrate::{Migrated, migrate};
use countersign::ids::GrantId;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::ledger::two_of_a_name;
use super::minutes;
use crate::support::TestDb;
use crate::support::cloud::Cloud;
use crate::support::rows::ROLE;
use crate::support::stage::{FOREIGN, Stage};

/// All of its rows.
const ROWS: &str = include_str!("carried/rows.sql");
/// What it had left in AWS.
const TRUST: &str = include_str!("carried/trust.json");
const GUARD: &str = include_str!("carried/guard.json");
/// The role's unique id in both.
const ROLE_ID: &str = "AROAFFFKZ3BJ33QXBIM2R";
/// Those of the users that are there.
const USERS: [(&str, &str); 5] = [
    ("alice", "AIDAAKYQFETV5NEYOEF3R"),
    ("carol", "AIDA4WB3MHKQXZCT3ZS7V"),
    ("dora", "AIDAW3C67RB5YD2OOUW3H"),
    ("erin", "AIDARLGZ5RGDXSVLKGJZZ"),
    ("hal", "AIDA5YUG2Z6LTNDV2V2NI"),
];
/// When it was left.
const LEFT: &str = "2026-01-06T05:39:00Z";
/// The migrations that it had.
const LAST: i64 = 6;

/// A database with the release's schema and rows, where this AWS has other unique ids.
async fn database(cloud: &Cloud) -> TestDb {
    let mut rows = ROWS.replace(ROLE_ID, &cloud.knobs().unique_id(ROLE).unwrap());
    for (name, id) in USERS {
        let arn = cloud.create_user(name);
        rows = rows.replace(id, &cloud.knobs().unique_id(&arn).unwrap());
    }
    TestDb::of_release(LAST, &rows).await
}

async fn stage() -> Stage {
    let left: DateTime<Utc> = LEFT.parse().unwrap();
    let cloud = Cloud::start(FOREIGN, left).await;
    let db = database(&cloud).await;
    cloud.edit_trust(|_| TRUST.to_owned());
    let guard = GUARD.replace(ROLE_ID, &cloud.knobs().unique_id(ROLE).unwrap());
    let put = cloud
        .keys("admin")
        .iam()
        .put_role_policy()
        .role_name("prod-admin");
    let put = put.policy_name(GUARD_NAME).policy_document(guard);
    put.send().await.unwrap();
    assert_eq!(migrate(&db.owner_url).await.unwrap(), Migrated::UpToDate);
    Stage::carried(db, cloud, left).await
}

/// The grants by the name of whom they are for.
async fn grants(stage: &Stage) -> BTreeMap<String, GrantId> {
    let sql = "SELECT p.name, g.id FROM grants g JOIN people p ON p.id = g.person";
    let rows = stage.rows.owner.fetch_all(sql).await.unwrap();
    let named = |row: &sqlx::postgres::PgRow| (row.get("name"), GrantId::from_uuid(row.get("id")));
    rows.iter().map(named).collect()
}

#[tokio::test]
async fn grants_of_the_release_before_run_to_their_end() {
    let stage = stage().await;
    let grants = grants(&stage).await;
    for (name, state) in [
        ("frank", "ended"),
        ("greg", "failed"),
        ("alice", "ended"),
        ("carol", "active"),
        ("dora", "closing"),
        ("erin", "opening"),
        ("hal", "scheduled"),
    ] {
        assert_eq!(stage.state(grants[name]).await, state, "{name}");
    }
    let carol = stage.cloud.keys("carol").assume("carol").await.unwrap();
    assert!(carol.work().await, "what was open is open");

    // The write that nobody answered may land for 15 minutes; nothing opens until then.
    stage.work().await;
    assert_eq!(stage.state(grants["erin"]).await, "opening");
    for _ in 0..16 {
        stage.pass(minutes(1)).await;
    }
    assert_eq!(stage.state(grants["dora"]).await, "ended");
    assert_eq!(stage.state(grants["erin"]).await, "active");
    assert!(carol.work().await && stage.listed(grants["carol"]));
    for _ in 0..11 {
        stage.pass(minutes(10)).await;
    }
    assert_eq!(stage.state(grants["hal"]).await, "active");
    let hal = stage.cloud.keys("hal").assume("hal").await.unwrap();
    assert!(hal.work().await);

    for _ in 0..20 {
        stage.pass(minutes(10)).await;
    }
    assert!(!carol.work().await && !hal.work().await);
    for name in ["alice", "carol", "dora", "erin", "hal"] {
        assert_eq!(stage.state(grants[name]).await, "ended", "{name}");
    }
    assert_eq!(stage.cloud.trust(), FOREIGN, "as it was before all of them");
    for _ in 0..28 {
        stage.pass(minutes(30)).await;
    }
    assert_eq!(stage.cloud.guard(), None);
    for (name, grant) in &grants {
        assert!(stage.grant(*grant).await.guard_gone_at.is_some(), "{name}");
        let told = stage.rows.told(*grant).await;
        for action in ["grant.opening", "grant.opened", "grant.ended"] {
            let times = told.iter().filter(|it| *it == action).count();
            let once = usize::from(name != "greg" || action == "grant.opening");
            assert_eq!(times, once, "{name}: {told:?}");
        }
    }
}

/// That release gave a name to a second principal before it had forgotten the first.
#[tokio::test]
async fn a_name_that_two_hold_in_the_rows_of_the_release_before_keeps_no_closing_waiting() {
    let stage = Stage::new().await;
    let (first, second) = two_of_a_name(&stage).await;
    let carried = format!(
        "SET session_replication_role = replica;
         INSERT INTO names (target, name, \"grant\", principal_id, target_uid, since)
         SELECT g.target, g.console_name, g.id, g.principal_id, p.target_uid, g.approved_at FROM grants g
         JOIN parts p ON p.\"grant\" = g.id WHERE g.id = '{}'",
        second.uuid()
    );
    stage.rows.app.db.as_superuser(&carried).await;
    stage.revoke(second).await;
    stage.work().await;
    assert_eq!(stage.state(second).await, "ended");
    for _ in 0..14 {
        stage.pass(minutes(60)).await;
    }
    assert!(stage.grant(first).await.guard_gone_at.is_some());
}

#[tokio::test]
async fn every_fact_of_a_grant_is_carried_over() {
    let cloud = Cloud::start(FOREIGN, LEFT.parse().unwrap()).await;
    let db = database(&cloud).await;
    // No two of a row's times are the same, so that none can stand for another.
    db.as_superuser(
        "SET session_replication_role = replica;
         UPDATE grants SET console_since = console_since + interval '1 s', sent_until = sent_until + interval '2 s', unclear_at = unclear_at + interval '3 s',
             opened_at = opened_at + interval '4 s', ended_at = ended_at + interval '5 s', guard_until = guard_until + interval '6 s',
             guard_gone_at = guard_gone_at + interval '7 s', restores = 2;
         UPDATE targets SET trust_wrote_at = now() + interval '1 s', trust_unclear_at = now() + interval '2 s', trust_sent_at = now() + interval '3 s',
             guard_wrote_at = now() + interval '4 s', guard_unclear_at = now() + interval '5 s'",
    )
    .await;
    let before = facts(
        &db,
        "SELECT grant_name, ROW(role_id, sent_until, unclear_at, restores, console_since, guard_until, guard_gone_at, CASE WHEN console_since IS NOT NULL THEN principal_id END, CASE WHEN console_since IS NOT NULL THEN role_id END, opened_at, ended_at)::text
         FROM grants ORDER BY id",
    )
    .await;
    let documents = facts(
        &db,
        "SELECT 'trust', ROW(written_trust_hash, trust_wrote_at, trust_unclear_at, trust_sent_at, original_trust)::text FROM targets
         UNION ALL SELECT 'guard', ROW(written_guard_hash, guard_wrote_at, guard_unclear_at, guard_wrote_at, NULL)::text FROM targets",
    )
    .await;
    migrate(&db.owner_url).await.unwrap();
    let after = facts(
        &db,
        r#"SELECT grant_name, ROW(p.target_uid, sent_until, unclear_at, restores, c.since, n.guard_until, n.guard_gone_at, c.principal_id, c.target_uid, p.opened_at, p.closed_at)::text
           FROM grants g JOIN parts p ON p."grant" = g.id JOIN names n ON n."grant" = g.id AND n.name = grant_name
           LEFT JOIN names c ON c."grant" = g.id AND c.name = console_name
             AND (c.guard_until, c.guard_gone_at) IS NOT DISTINCT FROM (n.guard_until, n.guard_gone_at) ORDER BY g.id"#,
    )
    .await;
    assert_eq!(before.len(), 7);
    assert_eq!(before, after);
    let carried = facts(
        &db,
        "SELECT key, ROW(sha256, wrote_at, unclear_at, sent_at, original)::text FROM documents ORDER BY key DESC",
    )
    .await;
    assert_eq!(documents, carried);
}

async fn facts(db: &TestDb, sql: &'static str) -> Vec<(String, String)> {
    let mut owner = PgConnection::connect(&db.owner_url).await.unwrap();
    let rows = owner.fetch_all(sql).await.unwrap();
    let both = |row: &sqlx::postgres::PgRow| (row.get(0), row.get(1));
    rows.iter().map(both).collect()
}
