//! What happens to the rows while a worker has them, or wants them.

use std::time::Duration;

use countersign::db::work;
use countersign::ids::GrantId;
use countersign::sandbox::When;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

use super::minutes;
use crate::sandbox::reached;
use crate::support::cloud::Knob;
use crate::support::parts::FOLLOW;
use crate::support::stage::{FOREIGN, Stage};

/// An ended grant of alice, and an active one of another alice, who cannot have the name yet.
pub async fn two_of_a_name(stage: &Stage) -> (GrantId, GrantId) {
    let first = stage.open("alice", 30).await;
    stage.pass(minutes(30)).await;
    assert_eq!(stage.state(first).await, "ended");
    stage.pass(minutes(1)).await;
    stage.cloud.delete_user("alice");
    let arn = stage.cloud.create_user("alice");
    let person = stage.rows.person("another alice").await;
    let second = stage
        .rows
        .approve(person, &arn, stage.now(), minutes(120))
        .await;
    stage.work().await;
    assert_eq!(stage.state(second).await, "active");
    assert_eq!(stage.grant(second).await.console_since, None);
    (first, second)
}

#[tokio::test]
async fn c7_a_name_goes_on_once_who_had_it_is_forgotten() {
    let stage = Stage::new().await;
    let (first, second) = two_of_a_name(&stage).await;
    let (now, nobody) = (stage.now(), [].into());
    let named = [(second, now)].into();
    let mut tx = stage.rows.pool.begin().await.unwrap();
    let mut locked = work::lock(&mut tx, stage.rows.target).await.unwrap();
    let early = work::store(&mut tx, stage.rows.target, &locked, &named).await;
    let refused = early.unwrap_err();
    let constraint = refused.as_database_error().unwrap().constraint();
    assert_eq!(constraint, Some("name_of_another"));
    tx.rollback().await.unwrap();

    for (grant, _) in locked.iter_mut().filter(|(grant, _)| grant.id == first) {
        grant.marks.guard_gone_at = Some(now);
    }
    for named in [&nobody, &named] {
        let mut conn = stage.rows.pool.acquire().await.unwrap();
        work::store(&mut conn, stage.rows.target, &locked, named)
            .await
            .unwrap();
    }
    assert_eq!(stage.grant(second).await.console_since, Some(now));
}

/// Carol's grant of half an hour from now, which nothing was sent for.
async fn scheduled(stage: &Stage) -> GrantId {
    let arn = stage.cloud.create_user("carol");
    let person = stage.rows.person("carol").await;
    let start = stage.now() + minutes(30);
    let later = stage.rows.approve(person, &arn, start, minutes(60)).await;
    stage.work().await;
    assert_eq!(stage.state(later).await, "scheduled");
    later
}

/// Ends a scheduled grant as the verb does, and leaves the transaction open.
async fn end(stage: &Stage, conn: &mut PgConnection, grant: GrantId) {
    let (at, id) = (stage.now(), grant.uuid());
    let sql = format!(
        "UPDATE grants SET state = 'ended', closing_at = '{at}', cause = 'revoked', ended_at = '{at}',
                closing_by = (SELECT id FROM people WHERE name = 'bob') WHERE id = '{id}';
         UPDATE names SET guard_gone_at = '{at}' WHERE \"grant\" = '{id}'; {FOLLOW}"
    );
    conn.execute(sqlx::raw_sql(AssertSqlSafe(sql)))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_end_that_the_worker_waited_for_is_seen_whole() {
    let stage = Stage::new().await;
    let active = stage.open("alice", 60).await;
    let later = scheduled(&stage).await;
    stage.advance(minutes(2));
    let mut tx = stage.rows.owner.begin().await.unwrap();
    end(&stage, &mut tx, later).await;
    let worker = stage.worker().await;
    let work = tokio::spawn(async move { worker.step().await });
    stage.waits_for_a_lock().await;
    tx.commit().await.unwrap();
    work.await.unwrap().unwrap();
    assert_eq!(stage.state(active).await, "active");
    assert_eq!(stage.state(later).await, "ended");
}

#[tokio::test]
async fn an_answer_outlives_a_transaction_that_the_database_cut_off() {
    let stage = Stage::new().await;
    let active = stage.open("alice", 60).await;
    stage.revoke(active).await;
    let read = stage
        .cloud
        .knobs()
        .hold("GetRolePolicy", 2, When::AfterEffect);
    let worker = stage.worker().await;
    let working = tokio::spawn(async move { worker.step().await });
    reached(&read).await;
    // The transaction that would put the answer on record is cut off while it waits.
    let mut tx = stage.rows.owner.begin().await.unwrap();
    tx.execute("SELECT FROM grants FOR UPDATE").await.unwrap();
    read.release();
    stage.waits_for_a_lock().await;
    let cut_off = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    stage.rows.app.db.as_superuser(cut_off).await;
    tx.rollback().await.unwrap();
    assert!(working.await.unwrap().is_err());
    stage.advance(minutes(2));
    stage.work().await;
    // Without the answer the guard would count as one that may still land, for 15 minutes.
    assert_eq!(stage.state(active).await, "ended");
}

/// The COMMIT that put it on record went through, and its answer was lost.
#[tokio::test]
async fn an_answer_that_is_on_record_already_counts_once() {
    let stage = Stage::new().await;
    stage.open("alice", 60).await;
    stage.cloud.delete_guard();
    stage.advance(minutes(2));
    let read = stage
        .cloud
        .knobs()
        .hold("GetRolePolicy", 2, When::AfterEffect);
    let worker = stage.worker().await;
    let working = tokio::spawn(async move { worker.step().await });
    reached(&read).await;
    // As if the answer had been stored, with what follows from it, and then the connection lost.
    stage
        .rows
        .as_owner(
            "UPDATE documents SET unclear_at = NULL WHERE key = 'guard';
             UPDATE targets SET guard_restores = 1",
        )
        .await;
    read.release();
    working.await.unwrap().unwrap();
    let restores = stage.rows.target("guard_restores").await;
    assert_eq!(restores.as_deref(), Some("1"));
}

#[tokio::test]
async fn sts_that_is_silent_keeps_no_closing_waiting() {
    let mut stage = Stage::new().await;
    stage.timeout = Duration::from_secs(1);
    let active = stage.open("alice", 60).await;
    scheduled(&stage).await;
    stage.cloud.always("GetCallerIdentity", Knob::Silence);
    stage.revoke(active).await;
    stage.work().await;
    assert_eq!(stage.state(active).await, "ended");
    // Beside an opening as well, for which it has to be known whose the role is.
    stage.advance(minutes(30));
    let erin = stage.cloud.create_user("erin");
    let person = stage.rows.person("erin").await;
    let closing = stage
        .rows
        .approve(person, &erin, stage.now(), minutes(5))
        .await;
    stage.work().await;
    assert_eq!(stage.state(closing).await, "opening");
    stage.revoke(closing).await;
    stage.work().await;
    assert_eq!(
        stage.state(closing).await,
        "ended",
        "long before its deadline"
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
}
