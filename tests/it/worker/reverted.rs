//! Somebody undoes what we write (docs/guard.md §3, step 6).

use super::minutes;
use crate::support::rows::ROLE;
use crate::support::stage::{FOREIGN, Stage};

#[tokio::test]
async fn a_statement_is_put_back_twice_on_record_and_then_its_grant_ends() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    for _ in 0..2 {
        stage.cloud.edit_trust(|_| FOREIGN.to_owned());
        stage.pass(minutes(2)).await;
        assert_eq!(
            (stage.state(grant).await.as_str(), stage.statements()),
            ("active", 1)
        );
    }
    let told = stage.rows.told(grant).await;
    assert_eq!(
        told.iter().filter(|it| *it == "grant.restored").count(),
        2,
        "{told:?}"
    );
    stage.cloud.edit_trust(|_| FOREIGN.to_owned());
    stage.pass(minutes(2)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("ended", Some("reverted_by_owner"))
    );
    assert_eq!(
        stage.rows.target("condition").await.as_deref(),
        Some("contested")
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
    let late = stage.approve("carol", 60).await;
    stage.work().await;
    assert_eq!(
        (stage.state(late).await.as_str(), stage.statements()),
        ("opening", 0)
    );
}

#[tokio::test]
async fn a_guard_that_is_deleted_twice_ends_every_grant_and_stands_again() {
    let stage = Stage::new().await;
    let (one, two) = (stage.open("alice", 60).await, stage.open("carol", 60).await);
    let session = stage.cloud.keys("alice").assume("alice").await.unwrap();
    stage.cloud.delete_guard();
    stage.pass(minutes(2)).await;
    assert!(stage.listed(one) && stage.listed(two));
    assert_eq!(stage.state(one).await, "active");
    stage.cloud.delete_guard();
    stage.pass(minutes(2)).await;
    for grant in [one, two] {
        let row = stage.grant(grant).await;
        assert_eq!(
            (row.state.as_str(), row.cause.as_deref()),
            ("ended", Some("reverted_by_owner"))
        );
    }
    assert!(!session.work().await);
    assert_eq!(
        stage.rows.target("condition").await.as_deref(),
        Some("contested")
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn a_guard_lost_under_one_grant_does_not_count_against_the_next() {
    let stage = Stage::new().await;
    for name in ["alice", "carol"] {
        let grant = stage.open(name, 60).await;
        stage.cloud.delete_guard();
        stage.pass(minutes(2)).await;
        assert_eq!(stage.state(grant).await, "active", "{name}");
        stage.revoke(grant).await;
        stage.work().await;
        assert_eq!(stage.state(grant).await, "ended", "{name}");
    }
}

#[tokio::test]
async fn the_guard_of_another_installation_is_left_alone_and_nothing_opens() {
    let stage = Stage::new().await;
    let other = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"CountersignRev1iffffffff\",\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{\"StringLike\":{\"aws:userid\":\"AROAX:grant_*\"}}}]}";
    stage
        .cloud
        .knobs()
        .put_role_policy(ROLE, "CountersignGuard", Some(other))
        .unwrap();
    let grant = stage.approve("alice", 60).await;
    stage.work().await;
    assert_eq!(
        stage.rows.target("condition").await.as_deref(),
        Some("safe_mode")
    );
    assert_eq!(stage.state(grant).await, "opening");
    stage.pass(minutes(60)).await;
    assert_eq!(stage.state(grant).await, "failed");
    assert_eq!(stage.cloud.guard().as_deref(), Some(other));
    assert!(stage.cloud.take_writes().is_empty());
}
