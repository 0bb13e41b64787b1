//! Workers that die, sleep or meet.

use super::minutes;
use crate::support::cloud::{is_write, reached};
use crate::support::stage::{FOREIGN, Stage};
use countersign::db::targets::LeaseError;
use countersign::sandbox::Hold;

const WRITES: [&str; 2] = ["PutRolePolicy", "UpdateAssumeRolePolicy"];

/// A worker is dropped while a call is held, and a new one comes when the lease has expired. The
/// call stays held as long as what is returned.
async fn die_at(stage: &Stage, call: &'static str, after: bool) -> Hold {
    let held = stage.cloud.hold(call, after);
    let worker = stage.worker().await;
    tokio::select! {
        done = worker.run_until_idle() => panic!("{call} was never made: {done:?}"),
        () = reached(&held) => {}
    }
    drop(worker);
    stage.work().await;
    assert!(
        stage.rows.target("lease_token").await.is_some(),
        "the dead worker's lease keeps others away"
    );
    stage.pass(minutes(2)).await;
    held
}

#[tokio::test]
async fn what_a_dead_worker_left_of_an_opening_is_adopted() {
    for (call, after) in WRITES
        .into_iter()
        .flat_map(|call| [(call, false), (call, true)])
    {
        let stage = Stage::new().await;
        let grant = stage.approve("alice", 60).await;
        let _held = die_at(&stage, call, after).await;
        // A write that landed is read back; else nothing opens while it may still land.
        if call == "PutRolePolicy" || !after {
            assert_eq!(stage.state(grant).await, "opening", "{call} {after}");
            assert_eq!(stage.statements(), 0);
            stage.pass(minutes(15)).await;
        }
        assert_eq!(stage.state(grant).await, "active", "{call} {after}");
        assert_eq!(stage.statements(), 1, "{call} {after}");
        stage.pass(minutes(60)).await;
        stage.pass(minutes(15)).await;
        assert_eq!(stage.state(grant).await, "ended", "{call} {after}");
        assert_eq!(stage.cloud.trust(), FOREIGN, "{call} {after}");
        let told = stage.rows.told(grant).await;
        assert_eq!(
            told,
            [
                "grant.opening",
                "grant.opened",
                "grant.closing",
                "grant.ended"
            ],
            "{call} {after}"
        );
    }
}

#[tokio::test]
async fn a_closing_survives_a_dead_worker() {
    for (call, after) in WRITES
        .into_iter()
        .flat_map(|call| [(call, false), (call, true)])
    {
        let stage = Stage::new().await;
        let grant = stage.open("alice", 60).await;
        stage.revoke(grant).await;
        let _held = die_at(&stage, call, after).await;
        assert_eq!(stage.statements(), 0, "{call} {after}");
        stage.pass(minutes(16)).await;
        assert_eq!(stage.state(grant).await, "ended", "{call} {after}");
        assert_eq!(stage.cloud.trust(), FOREIGN, "{call} {after}");
    }
}

#[tokio::test]
async fn a_clean_up_survives_a_dead_worker() {
    for after in [false, true] {
        let stage = Stage::new().await;
        let grant = stage.open("alice", 60).await;
        stage.pass(minutes(60)).await;
        assert_eq!(stage.state(grant).await, "ended");
        let row = stage.grant(grant).await;
        stage.advance(row.guard_until.unwrap() - stage.now() + minutes(1));
        let _held = die_at(&stage, "DeleteRolePolicy", after).await;
        stage.pass(minutes(16)).await;
        assert_eq!(stage.cloud.guard(), None, "{after}");
        assert_eq!(stage.cloud.trust(), FOREIGN, "{after}");
        let told = stage.rows.told(grant).await;
        assert_eq!(told.last().unwrap(), "guard.removed", "{after}");
        let removed = told.iter().filter(|it| *it == "guard.removed").count();
        assert_eq!(removed, 1, "{after}");
        assert_eq!(stage.rows.target("due_at").await, None, "{after}");
    }
}

#[tokio::test]
async fn an_opening_whose_worker_died_until_the_deadline_is_never_shown_as_open() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    let held = stage.cloud.hold("UpdateAssumeRolePolicy", true);
    let worker = stage.worker().await;
    tokio::select! {
        _ = worker.run_until_idle() => panic!("never written"),
        () = reached(&held) => {}
    }
    stage.pass(minutes(60)).await;
    assert_eq!(stage.state(grant).await, "failed");
    assert_eq!(
        stage.rows.told(grant).await,
        ["grant.opening", "grant.closing", "grant.failed"]
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn h4_a_worker_paused_past_its_lease_writes_nothing() {
    for call in ["GetRole", "GetRolePolicy"] {
        let stage = Stage::new().await;
        let grant = stage.approve("alice", 60).await;
        let held = stage.cloud.hold(call, true);
        let worker = stage.worker().await;
        let paused = tokio::spawn(async move { worker.step().await });
        reached(&held).await;
        stage.advance(minutes(2));
        stage.work().await;
        assert_eq!(stage.state(grant).await, "active");
        let (trust, guard) = (stage.cloud.trust(), stage.cloud.guard());
        stage.cloud.take_log();
        held.release();
        let said = paused.await.unwrap();
        assert!(matches!(said, Err(LeaseError::Lost)), "{said:?}");
        assert!(!stage.cloud.take_log().iter().any(|it| is_write(it)));
        assert_eq!((stage.cloud.trust(), stage.cloud.guard()), (trust, guard));
        assert_eq!(
            stage.rows.told(grant).await,
            ["grant.opening", "grant.opened"]
        );
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_the_lease_is_lost_changes_nothing() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    let held = stage.cloud.hold("UpdateAssumeRolePolicy", true);
    let worker = stage.worker().await;
    let paused = tokio::spawn(async move { worker.step().await });
    reached(&held).await;
    stage.advance(minutes(2));
    stage.work().await;
    held.release();
    assert!(matches!(paused.await.unwrap(), Err(LeaseError::Lost)));
    assert_eq!(stage.state(grant).await, "active");
    let revision = stage.rows.target("revision").await;
    assert_eq!(revision.as_deref(), Some("1"));
}

#[tokio::test]
async fn two_workers_on_one_postgres_do_nothing_twice() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    let (one, two) = (stage.worker().await, stage.worker().await);
    let (first, second) = tokio::join!(one.run_until_idle(), two.run_until_idle());
    first.and(second).unwrap();
    assert_eq!(stage.cloud.take_writes(), WRITES);
    stage.advance(minutes(60));
    let (first, second) = tokio::join!(one.run_until_idle(), two.run_until_idle());
    first.and(second).unwrap();
    assert_eq!(stage.cloud.take_writes(), WRITES);
    let told = stage.rows.told(grant).await;
    assert_eq!(
        told,
        [
            "grant.opening",
            "grant.opened",
            "grant.closing",
            "grant.ended"
        ]
    );
}

#[tokio::test]
async fn what_changes_while_a_worker_is_at_work_is_not_forgotten() {
    for call in ["GetRole", "PutRolePolicy", "UpdateAssumeRolePolicy"] {
        let stage = Stage::new().await;
        let grant = stage.approve("alice", 60).await;
        let held = stage.cloud.hold(call, false);
        let worker = stage.worker().await;
        let working = tokio::spawn(async move { worker.run_until_idle().await });
        reached(&held).await;
        stage.revoke(grant).await;
        held.release();
        working.await.unwrap().unwrap();
        assert_eq!(stage.state(grant).await, "ended", "{call}");
        assert_eq!(stage.cloud.trust(), FOREIGN, "{call}");
        assert!(!stage.listed(grant), "{call}");
    }
}
