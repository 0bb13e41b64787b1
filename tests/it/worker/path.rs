//! What is meant to happen.

use std::sync::Arc;

use tokio::sync::Notify;

use super::minutes;
use crate::support::cloud::reached;
use crate::support::stage::{FOREIGN, Stage};
use crate::support::wait;

#[tokio::test]
async fn a_grant_opens_closes_and_leaves_the_trust_policy_as_it_was() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    assert_eq!(stage.statements(), 1);
    assert!(stage.listed(grant));
    let opened = stage.cloud.trust();
    let (head, tail) = FOREIGN.split_once("} ]").unwrap();
    assert!(
        opened.starts_with(head) && opened.ends_with(tail),
        "{opened}"
    );

    stage.pass(minutes(60)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("ended", Some("deadline"))
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
    assert!(stage.cloud.guard().is_some() && !stage.listed(grant));

    stage.pass(minutes(12 * 60 + 1)).await;
    assert_eq!(stage.cloud.guard(), None);
    assert_eq!(stage.rows.target("due_at").await, None);
    assert_eq!(
        stage.rows.told(grant).await,
        [
            "grant.opening",
            "grant.opened",
            "grant.closing",
            "grant.ended",
            "guard.removed"
        ]
    );
}

#[tokio::test]
async fn the_guard_is_read_back_before_the_trust_policy_opens() {
    let stage = Stage::new().await;
    stage.open("alice", 60).await;
    let mut log = stage.cloud.take_log();
    // Who we are is asked once by each process, the quota every few minutes; the look's reads are
    // sent together but for the trust policy, which comes last.
    log.retain(|call| !["GetCallerIdentity", "GetAccountSummary"].contains(&call.as_str()));
    log[..2].sort_unstable();
    let opening = [
        "GetRolePolicy",
        "GetUser",
        "GetRole",
        "PutRolePolicy",
        "GetRolePolicy",
        "UpdateAssumeRolePolicy",
        "GetRole",
    ];
    assert_eq!(log, opening);
}

#[tokio::test]
async fn a_closing_reads_everything_once_and_then_what_it_has_written() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.cloud.take_log();
    stage.advance(minutes(5));
    stage.revoke(grant).await;
    stage.work().await;
    let mut log = stage.cloud.take_log();
    log.retain(|call| call != "GetAccountSummary");
    let closing = [
        "GetRolePolicy",
        "GetRole",
        "PutRolePolicy",
        "GetRolePolicy",
        "UpdateAssumeRolePolicy",
        "GetRole",
    ];
    assert_eq!(log, closing);
}

#[tokio::test]
async fn a_deadline_asks_for_nobody() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.cloud.take_log();
    stage.pass(minutes(60)).await;
    assert_eq!(stage.state(grant).await, "ended");
    let log = stage.cloud.take_log();
    assert!(!log.contains(&"GetUser".to_owned()), "{log:?}");
}

#[tokio::test]
async fn a_revoked_grant_leaves_the_guards_list_first_and_then_the_trust_policy() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.cloud.take_log();
    stage.advance(minutes(5));
    stage.revoke(grant).await;
    stage.work().await;
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(
        stage.cloud.take_writes(),
        ["PutRolePolicy", "UpdateAssumeRolePolicy"]
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
    assert!(!stage.listed(grant));
}

#[tokio::test]
async fn ending_one_grant_leaves_the_others_open() {
    let stage = Stage::new().await;
    let alice = stage.open("alice", 60).await;
    let carol = stage.open("carol", 30).await;
    stage.revoke(alice).await;
    stage.work().await;
    assert_eq!(
        (
            stage.state(alice).await.as_str(),
            stage.state(carol).await.as_str()
        ),
        ("ended", "active")
    );
    assert_eq!(stage.statements(), 1);
    assert!(stage.listed(carol) && !stage.listed(alice));
    stage.pass(minutes(30)).await;
    assert_eq!(stage.state(carol).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn several_grants_cost_one_write_of_each_document() {
    let stage = Stage::new().await;
    for name in ["alice", "carol", "dave"] {
        stage.approve(name, 60).await;
    }
    stage.work().await;
    assert_eq!(stage.statements(), 3);
    assert_eq!(
        stage.cloud.take_writes(),
        ["PutRolePolicy", "UpdateAssumeRolePolicy"]
    );
}

#[tokio::test]
async fn asking_again_straight_after_the_end_works_with_the_old_guard_in_place() {
    let stage = Stage::new().await;
    let first = stage.open("alice", 30).await;
    stage.pass(minutes(30)).await;
    let person = stage.rows.person("alice2").await;
    let arn = "arn:aws:iam::111122223333:user/alice";
    let second = stage
        .rows
        .approve(person, arn, stage.now(), minutes(30))
        .await;
    stage.work().await;
    assert_eq!(
        (
            stage.state(first).await.as_str(),
            stage.state(second).await.as_str()
        ),
        ("ended", "active")
    );
    assert!(stage.listed(second) && !stage.listed(first));
}

#[tokio::test]
async fn somebody_who_may_not_ask_any_more_is_not_let_in() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    stage.rows.leave("alice").await;
    stage.work().await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("not_eligible"))
    );
    assert_eq!(stage.rows.told(grant).await, ["grant.failed"]);
    assert!(stage.cloud.take_writes().is_empty());
}

#[tokio::test]
async fn somebody_who_left_the_group_before_the_start_is_not_let_in() {
    let stage = Stage::new().await;
    let arn = stage.cloud.create_user("alice");
    let person = stage.rows.person("alice").await;
    let start = stage.now() + minutes(30);
    let grant = stage.rows.approve(person, &arn, start, minutes(60)).await;
    stage.work().await;
    assert_eq!(stage.state(grant).await, "scheduled");
    stage.rows.leave("alice").await;
    stage.pass(minutes(29)).await;
    assert_eq!(stage.state(grant).await, "scheduled", "it is not time yet");
    stage.pass(minutes(1)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("not_eligible"))
    );
    assert!(stage.cloud.take_writes().is_empty());
}

#[tokio::test]
async fn as_many_approvers_as_were_needed_must_still_be_approvers() {
    // Needed, who approved, who left since, whether it opens.
    let cases: [(i32, &[&str], &[&str], bool); 5] = [
        (1, &["bob"], &["bob"], false),
        (2, &["bob", "olga"], &[], true),
        (2, &["bob", "olga"], &["olga"], false),
        (1, &["bob", "olga"], &["olga"], true),
        (1, &["bob", "olga"], &["bob", "olga"], false),
    ];
    for (needed, approved, left, opens) in cases {
        let stage = Stage::new().await;
        let arn = stage.cloud.create_user("alice");
        let person = stage.rows.person("alice").await;
        let grant = stage
            .rows
            .approve_by(approved, needed, person, &arn, stage.now(), minutes(60))
            .await;
        for name in left {
            stage.rows.leave(name).await;
        }
        stage.work().await;
        let row = stage.grant(grant).await;
        let wanted = if opens {
            ("active", None)
        } else {
            ("failed", Some("not_eligible"))
        };
        assert_eq!(
            (row.state.as_str(), row.cause.as_deref()),
            wanted,
            "{needed} of {approved:?} without {left:?}"
        );
        assert_eq!(stage.cloud.take_writes().is_empty(), !opens);
        // What is open stays open: a person ends it, or its deadline.
        for name in ["alice", "bob", "olga"] {
            stage.rows.leave(name).await;
        }
        stage.pass(minutes(1)).await;
        assert_eq!(stage.state(grant).await, wanted.0);
    }
}

#[tokio::test]
async fn a_no_is_not_a_voice_for_it() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    stage.rows.leave("bob").await;
    // Another approver's word on the same request, but not an approval.
    stage.rows.deny(grant, "olga", stage.now()).await;
    stage.work().await;
    assert_eq!(stage.state(grant).await, "failed");
}

#[tokio::test]
async fn a_grant_whose_time_is_over_before_anybody_worked_fails() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    stage.pass(minutes(60)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("deadline"))
    );
    assert!(stage.cloud.take_writes().is_empty());
}

#[tokio::test]
async fn a_wake_after_the_commit_is_enough_and_a_stop_gives_the_target_back() {
    let stage = Stage::new().await;
    let wake = Arc::new(Notify::new());
    let worker = stage.worker_woken_by(wake.clone()).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(worker.run(async move { drop(stopped.await) }));
    let grant = stage.approve("alice", 60).await;
    wake.notify_one();
    wait::until_async("the grant is open", || async {
        stage.state(grant).await == "active"
    })
    .await;
    let held = stage.cloud.hold("PutRolePolicy", false);
    stage.revoke(grant).await;
    wake.notify_one();
    reached(&held).await;
    stop.send(()).unwrap();
    held.release();
    running.await.unwrap();
    assert_eq!(stage.rows.target("lease_token").await, None);
    assert!(!stage.listed(grant), "the call in flight was finished");
    stage.work().await;
    assert_eq!(stage.state(grant).await, "ended");
}
