//! The queue on the target rows.

use chrono::TimeDelta;
use countersign::db::targets::{self, Lease, LeaseError, Release};

use super::minutes;
use crate::support::stage::Stage;

async fn claim(stage: &Stage, closings_only: bool) -> Option<Lease> {
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    targets::claim(&mut conn, stage.now(), minutes(1), closings_only)
        .await
        .unwrap()
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
    let release = rested(minutes(5), &stage);
    let lost = targets::release(&mut conn, &first, &release).await;
    assert!(matches!(lost, Err(LeaseError::Lost)));
    targets::release(&mut conn, &second, &release)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_made_due_during_the_work_is_due_after_it() {
    let stage = Stage::new().await;
    stage.approve("alice", 60).await;
    let lease = claim(&stage, false).await.unwrap();
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    // Even what is due only later: it may be something that the one at work has not seen.
    let later = stage.now() + minutes(30);
    targets::make_due(&mut conn, lease.target, later)
        .await
        .unwrap();
    let until = stage.now() + minutes(2);
    targets::hold(&mut conn, &lease, stage.now(), until)
        .await
        .unwrap();
    targets::release(&mut conn, &lease, &rested(minutes(50), &stage))
        .await
        .unwrap();
    stage.advance(minutes(1));
    assert!(claim(&stage, false).await.is_some());
}

#[tokio::test]
async fn a_target_that_rests_is_left_alone_until_it_is_due() {
    let stage = Stage::new().await;
    stage.approve("alice", 60).await;
    let lease = claim(&stage, false).await.unwrap();
    let mut conn = stage.rows.pool.acquire().await.unwrap();
    targets::hold(&mut conn, &lease, stage.now(), stage.now() + minutes(2))
        .await
        .unwrap();
    targets::release(&mut conn, &lease, &rested(minutes(5), &stage))
        .await
        .unwrap();
    assert_eq!(
        targets::next_due(&mut conn, stage.now()).await.unwrap(),
        Some(stage.now() + minutes(5))
    );
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
    targets::make_due(&mut conn, lease.target, stage.now())
        .await
        .unwrap();
    assert_eq!(claim(&stage, false).await, None);
    targets::release(&mut conn, &lease, &rested(minutes(50), &stage))
        .await
        .unwrap();
    assert!(claim(&stage, false).await.is_some());
}
