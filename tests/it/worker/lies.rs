//! Answers that are wrong once, late or missing: C14, H11 and H12 of the guard's sequences.

use chrono::TimeDelta;
use sqlx::{Executor as _, PgPool};

use super::minutes;
use crate::support::cloud::{Knob, reached};
use crate::support::stage::{FOREIGN, Stage};
use crate::support::wait;

async fn stage_with_lag() -> Stage {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    stage
}

/// A read that lags behind the role's creation, say: twice within milliseconds it says that there
/// is no role.
#[tokio::test]
async fn c14_a_role_that_is_not_found_for_a_moment_is_not_gone() {
    let stage = stage_with_lag().await;
    let grant = stage.open("alice", 480).await;
    let alice = stage.cloud.keys("alice");
    let session = alice.assume("alice").await.unwrap();
    stage.revoke(grant).await;
    for nth in [1, 2] {
        stage
            .cloud
            .nth("GetRole", nth, Knob::Refuse("NoSuchEntity", 404));
    }
    stage.work().await;
    assert_eq!(stage.state(grant).await, "closing");
    for _ in 0..4 {
        stage.pass(minutes(2)).await;
    }
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
    assert!(!session.work().await && alice.assume("alice").await.is_none());
}

/// Believed, and wrong all the same: what was on the role is looked for until no session can be
/// left.
#[tokio::test]
async fn c14_what_was_on_a_role_is_looked_for_though_it_was_believed_gone() {
    let stage = stage_with_lag().await;
    let grant = stage.open("alice", 480).await;
    let session = stage.cloud.keys("alice").assume("alice").await.unwrap();
    stage
        .cloud
        .always("GetRole", Knob::Refuse("NoSuchEntity", 404));
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "active");
    stage.pass(minutes(3)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("ended", Some("target_gone"))
    );
    stage.pass(minutes(60)).await;
    stage.cloud.knobs().clear();
    stage.pass(minutes(5)).await;
    assert_eq!(stage.cloud.trust(), FOREIGN);
    assert!(!session.work().await);
}

#[tokio::test]
async fn c14_a_user_that_is_not_found_for_a_moment_is_not_gone() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage
        .cloud
        .once("GetUser", Knob::Refuse("NoSuchEntity", 404));
    stage.pass(minutes(1)).await;
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "active");
    stage
        .cloud
        .always("GetUser", Knob::Refuse("NoSuchEntity", 404));
    stage.pass(minutes(1)).await;
    stage.pass(minutes(1)).await;
    assert_eq!(
        stage.grant(grant).await.cause.as_deref(),
        Some("principal_gone"),
        "twice, and long enough apart"
    );
}

/// Three trust writes without an answer land one after the other, over a grant that was opened
/// since.
#[tokio::test]
async fn h11_our_own_late_writes_end_no_grant() {
    let stage = stage_with_lag().await;
    stage.open("alice", 300).await;
    stage.pass(minutes(5)).await;
    let mut lates = Vec::new();
    for name in ["bobby", "carol", "craig"] {
        lates.push(stage.cloud.knobs().land_late("UpdateAssumeRolePolicy", 1));
        stage.approve(name, 200).await;
        stage.work().await;
        stage.pass(minutes(3)).await;
    }
    let innocent = stage.approve("david", 200).await;
    stage.work().await;
    assert_eq!(
        stage.state(innocent).await,
        "opening",
        "nothing opens while one may still land"
    );
    for late in lates {
        late.land();
        stage.pass(minutes(1)).await;
        stage.pass(minutes(2)).await;
    }
    for _ in 0..20 {
        stage.pass(minutes(1)).await;
    }
    assert_eq!(stage.state(innocent).await, "active");
    assert!(stage.cloud.keys("david").assume("david").await.is_some());
    let told = stage.rows.told(innocent).await;
    assert!(!told.contains(&"grant.restored".to_owned()), "{told:?}");
    assert_eq!(stage.rows.target("condition").await.as_deref(), Some("ok"));
}

/// AWS does not take a document for one of the openings in it (its user was deleted after the
/// look): the other is innocent.
#[tokio::test]
async fn h12_a_malformed_opening_takes_no_innocent_one_with_it() {
    for guilty_is_first in [true, false] {
        let stage = Stage::new().await;
        let (one, two) = (
            stage.approve("alice", 60).await,
            stage.approve("carol", 60).await,
        );
        let (guilty, innocent, name) = if guilty_is_first {
            (one, two, "alice")
        } else {
            (two, one, "carol")
        };
        let held = stage.cloud.hold("UpdateAssumeRolePolicy", false);
        let worker = stage.worker().await;
        let run = tokio::spawn(async move { worker.run_until_idle().await });
        reached(&held).await;
        stage.cloud.delete_user(name);
        held.release();
        run.await.unwrap().unwrap();
        stage.pass(minutes(1)).await;
        assert_eq!(stage.state(innocent).await, "active", "{guilty_is_first}");
        assert_eq!(stage.state(guilty).await, "failed", "{guilty_is_first}");
    }
}

/// A refused opening beside a revocation, while reads lag behind our last guard: a third person's
/// live grant goes on.
#[tokio::test]
async fn h12_a_refused_opening_beside_a_lagging_read_cuts_nobody() {
    let stage = stage_with_lag().await;
    let bob = stage.open("bobby", 60).await;
    stage.pass(minutes(5)).await;
    let alice = stage.open("alice", 60).await;
    let keys = stage.cloud.keys("alice");
    let mut sessions = Vec::new();
    for name in ["alice".to_owned(), alice.to_string()] {
        sessions.push(keys.assume(&name).await.unwrap());
    }
    stage.approve("carol", 60).await;
    stage.revoke(bob).await;
    stage.cloud.knobs().stale_reads(true);
    stage
        .cloud
        .once("PutRolePolicy", Knob::Refuse("LimitExceeded", 409));
    stage.work().await;
    for _ in 0..8 {
        assert!(stage.listed(alice), "at {}", stage.now());
        for session in &sessions {
            assert!(session.work().await, "at {}", stage.now());
        }
        stage.pass(TimeDelta::seconds(30)).await;
    }
    stage.cloud.knobs().stale_reads(false);
    stage.pass(minutes(2)).await;
    assert_eq!(stage.state(bob).await, "ended");
    assert_eq!(stage.state(alice).await, "active");
}

/// The transaction between look and write is stuck in the database; meanwhile somebody else edits
/// the trust policy.
#[tokio::test]
async fn h12_a_trust_policy_is_not_written_from_a_read_that_has_grown_old() {
    let mut stage = Stage::new().await;
    stage.approve("alice", 60).await;
    // The plan waits for the lock however slow the test is.
    let options = stage.rows.pool.connect_options().as_ref().clone();
    let options = options.options([("lock_timeout", "0"), ("statement_timeout", "0")]);
    stage.rows.pool = PgPool::connect_with(options).await.unwrap();
    let mut blocker = stage.rows.owner.acquire().await.unwrap();
    let worker = stage.worker().await;
    let held = stage.cloud.hold("PutRolePolicy", true);
    let run = tokio::spawn(async move { worker.run_until_idle().await });
    reached(&held).await;
    let lock = "BEGIN; LOCK TABLE foreign_documents IN ACCESS EXCLUSIVE MODE";
    (&mut *blocker).execute(sqlx::raw_sql(lock)).await.unwrap();
    held.release();
    // Longer than a read may be old, and until the planning transaction is stuck.
    wait::until_async("the plan waits for the table", async || {
        let waits =
            "SELECT FROM pg_locks WHERE NOT granted AND relation = 'foreign_documents'::regclass";
        stage
            .rows
            .owner
            .fetch_optional(waits)
            .await
            .unwrap()
            .is_some()
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    stage
        .cloud
        .edit_trust(|_| FOREIGN.replace("ec2.amazonaws.com", "lambda.amazonaws.com"));
    (&mut *blocker).execute("COMMIT").await.unwrap();
    run.await.unwrap().unwrap();
    assert_eq!(stage.statements(), 1);
    assert!(
        stage.cloud.trust().contains("lambda.amazonaws.com"),
        "{}",
        stage.cloud.trust()
    );
}
