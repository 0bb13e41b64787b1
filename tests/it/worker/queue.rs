//! The queue on the target rows.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::db::targets::{self, Lease, LeaseError, Release};
use countersign::db::{due, entries};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::minutes;
use crate::support::stage::{FOREIGN, Stage};
use crate::support::wait;

async fn claim(stage: &Stage, closings_only: bool) -> Option<Lease> {
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let now = Some(stage.now());
    let claimed = targets::claim(&mut conn, now, minutes(1), 1, closings_only, &[]).await;
    claimed.unwrap().taken.pop().map(|taken| taken.lease)
}

/// When a target becomes due that is not due yet.
async fn next_due(stage: &Stage) -> Option<DateTime<Utc>> {
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let now = Some(stage.now());
    let claimed = targets::claim(&mut conn, now, minutes(1), 0, false, &[]).await;
    claimed.unwrap().next_due
}

/// Renews the lease for so long.
async fn renew(stage: &Stage, lease: &Lease, by: TimeDelta) {
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let held = targets::hold(&mut conn, lease, Some(stage.now())).await;
    let until = stage.now() + by;
    let stored = targets::store(&mut conn, lease, None, &held.unwrap().target, until, None).await;
    stored.unwrap();
}

async fn give_back(stage: &Stage, lease: &Lease, due: TimeDelta) {
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let held = targets::hold(&mut conn, lease, Some(stage.now())).await;
    let (target, release) = (held.unwrap().target, rested(due, stage));
    let released =
        targets::store(&mut conn, lease, None, &target, stage.now(), Some(&release)).await;
    released.unwrap();
}

fn rested(due: TimeDelta, stage: &Stage) -> Release {
    Release {
        due: Some(stage.now() + due),
        attempts: 0,
        last_error: None,
        last_error_at: None,
    }
}

#[tokio::test]
async fn the_share_of_the_closings_is_closed_to_openings() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    assert_eq!(claim(&stage, true).await, None);
    stage.work().await;
    stage.revoke(grant).await;
    assert!(claim(&stage, true).await.is_some());
}

#[tokio::test]
async fn a_deadline_is_a_closing() {
    let stage = Stage::new().await;
    stage.open("alice", 60).await;
    stage.advance(minutes(59));
    assert_eq!(claim(&stage, true).await, None);
    stage.advance(minutes(1));
    assert!(claim(&stage, true).await.is_some());
}

#[tokio::test]
async fn a_target_belongs_to_one_until_its_lease_is_over() {
    let stage = Stage::new().await;
    stage.approve("alice", 60).await;
    let first = claim(&stage, false).await.unwrap();
    assert_eq!(claim(&stage, false).await, None);
    stage.advance(minutes(1));
    let second = claim(&stage, false).await.unwrap();
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    let lost = targets::hold(&mut conn, &first, Some(stage.now())).await;
    assert!(matches!(lost, Err(LeaseError::Lost)));
    let held = targets::hold(&mut conn, &second, Some(stage.now())).await;
    let (target, release) = (held.unwrap().target, rested(minutes(5), &stage));
    let until = stage.now() + minutes(1);
    for release in [None, Some(&release)] {
        let lost = targets::store(&mut conn, &first, None, &target, until, release).await;
        assert!(matches!(lost, Err(LeaseError::Lost)));
    }
    give_back(&stage, &second, minutes(5)).await;
}

#[tokio::test]
async fn what_was_made_due_during_the_work_is_due_after_it() {
    let stage = Stage::new().await;
    stage.approve("alice", 60).await;
    let lease = claim(&stage, false).await.unwrap();
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    // Even what is due only later: it may be something that the one at work has not seen.
    let later = stage.now() + minutes(30);
    due::make_due(&mut conn, lease.target, later).await.unwrap();
    renew(&stage, &lease, minutes(2)).await;
    give_back(&stage, &lease, minutes(50)).await;
    stage.advance(minutes(1));
    assert!(claim(&stage, false).await.is_some());
}

#[tokio::test]
async fn a_target_that_rests_is_left_alone_until_it_is_due() {
    let stage = Stage::new().await;
    stage.approve("alice", 60).await;
    let lease = claim(&stage, false).await.unwrap();
    renew(&stage, &lease, minutes(2)).await;
    give_back(&stage, &lease, minutes(5)).await;
    assert_eq!(next_due(&stage).await, Some(stage.now() + minutes(5)));
    stage.advance(minutes(4));
    assert_eq!(claim(&stage, false).await, None);
    stage.advance(minutes(1));
    assert!(claim(&stage, false).await.is_some());
}

#[tokio::test]
async fn a_wake_does_not_take_a_target_out_of_its_holders_hands() {
    let stage = Stage::new().await;
    stage.approve("alice", 60).await;
    let lease = claim(&stage, false).await.unwrap();
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    due::make_due(&mut conn, lease.target, stage.now())
        .await
        .unwrap();
    assert_eq!(claim(&stage, false).await, None);
    give_back(&stage, &lease, minutes(50)).await;
    assert!(claim(&stage, false).await.is_some());
}

#[tokio::test]
async fn what_there_was_no_room_for_is_taken_as_soon_as_there_is() {
    let stage = Stage::new().await;
    for nth in 0..12 {
        let arn = format!("arn:aws:iam::111122223333:role/many-{nth}");
        stage.cloud.knobs().create_role(&arn, FOREIGN).unwrap();
        let sql = format!(
            "INSERT INTO targets (id, account, kind, arn, due_at)
             VALUES (gen_random_uuid(), '111122223333', 'role', '{arn}', '{}')",
            stage.now()
        );
        stage.rows.run(sql).await;
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    // It looks by itself once a minute only.
    let worker = stage.worker().await;
    let running = tokio::spawn(worker.run(async {
        let _ = stopped.await;
    }));
    wait::until_async("nothing is due", async || {
        let left = "SELECT count(*) FROM targets WHERE due_at IS NOT NULL";
        let row = stage.rows.owner.fetch_one(left).await.unwrap();
        row.get::<i64, _>(0) == 0
    })
    .await;
    stop.send(()).unwrap();
    running.await.unwrap();
}

/// Whoever locks several targets takes them by id: else two of them wait for each other.
#[tokio::test]
async fn targets_are_woken_by_their_ids() {
    let stage = Stage::new().await;
    // The later one comes first in the table, and by its ARN.
    let ids = [
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "00000000-0000-7000-8000-000000000000",
    ];
    let arns = ["a", "b"].map(|name| format!("arn:aws:iam::111122223333:role/{name}"));
    for (id, arn) in ids.iter().zip(&arns) {
        let sql = format!(
            "INSERT INTO targets (id, account, kind, arn) VALUES ('{id}', '111122223333', 'role', '{arn}')"
        );
        stage.rows.run(sql).await;
    }
    let lock = |id: &str| format!("SELECT FROM targets WHERE id = '{id}' FOR NO KEY UPDATE NOWAIT");
    let mut holder = stage.rows.owner.begin().await.unwrap();
    holder.execute(AssertSqlSafe(lock(ids[1]))).await.unwrap();
    // On a connection that waits for a lock as long as it takes.
    let (pool, both, now) = (stage.rows.owner.clone(), arns.to_vec(), stage.now());
    let waking = tokio::spawn(async move {
        let mut conn = pool.acquire().await.unwrap();
        entries::wake(&mut conn, &both, now).await.unwrap()
    });
    stage.waits_for_a_lock().await;
    let other = holder.execute(AssertSqlSafe(lock(ids[0]))).await;
    other.expect("whoever waits holds nothing yet");
    holder.commit().await.unwrap();
    let mut woken = waking.await.unwrap();
    woken.sort();
    assert_eq!(woken, arns);
}
