//! The sequences of docs/guard.md §5, by their names, as far as they concern the loop.

use chrono::TimeDelta;
use countersign::sandbox::Document;

use super::minutes;
use crate::support::cloud::Knob;
use crate::support::rows::ROLE;
use crate::support::stage::{FOREIGN, Stage};
use crate::support::wait;

#[tokio::test]
async fn c1_an_early_end_holds_while_sts_still_honours_the_old_trust_policy() {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    let grant = stage.open("alice", 60).await;
    let alice = stage.cloud.keys("alice");
    let before = alice.assume("alice").await.unwrap();
    assert!(before.work().await);
    stage.advance(minutes(10));
    let trust = Document::Trust(ROLE.to_owned());
    stage.cloud.knobs().freeze(&trust);
    stage.revoke(grant).await;
    stage.work().await;
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
    let mut sessions = vec![before];
    for name in ["alice".to_owned(), grant.to_string()] {
        stage.pass(TimeDelta::seconds(30)).await;
        sessions.push(
            alice
                .assume(&name)
                .await
                .expect("the old trust policy still admits her"),
        );
    }
    stage.pass(minutes(1)).await;
    stage.cloud.knobs().thaw(&trust);
    for _ in 0..15 {
        assert!(alice.assume("alice").await.is_none());
        for session in &sessions {
            assert!(!session.work().await, "at {}", stage.now());
        }
        stage.pass(minutes(55)).await;
    }
    assert_eq!(stage.cloud.guard(), None);
}

#[tokio::test]
async fn c2_at_the_deadline_aws_itself_ends_the_access() {
    let stage = Stage::new().await;
    let alice = stage.cloud.create_user("alice");
    assert!(
        stage.cloud.keys("alice").assume("alice").await.is_none(),
        "{alice}"
    );
    stage.cloud.delete_user("alice");
    let grant = stage.open("alice", 60).await;
    let (alice, name) = (stage.cloud.keys("alice"), grant.to_string());
    let mut sessions = Vec::new();
    for session in ["alice", &name] {
        sessions.push(alice.assume(session).await.unwrap());
    }
    assert!(
        alice.assume("somebody").await.is_none(),
        "the session name is pinned"
    );
    stage.cloud.create_user("mallory");
    assert!(stage.cloud.keys("mallory").assume("alice").await.is_none());
    stage.advance(minutes(59));
    for session in &sessions {
        assert!(session.work().await);
    }
    // No worker is there at the deadline.
    stage.advance(minutes(1));
    for (session, again) in sessions.iter().zip(["alice", &name]) {
        assert!(!session.work().await);
        assert!(alice.assume(again).await.is_none());
    }
}

#[tokio::test]
async fn c7_a_console_name_is_another_principals_only_when_its_last_session_is_dead() {
    let stage = Stage::new().await;
    let first = stage.open("alice", 30).await;
    stage.pass(minutes(30)).await;
    assert_eq!(stage.state(first).await, "ended");
    stage.pass(minutes(1)).await;
    // A new hire gets the name, in AWS another user.
    stage.cloud.delete_user("alice");
    let arn = stage.cloud.create_user("alice");
    let person = stage.rows.person("the new alice").await;
    let open = async |length| {
        let grant = stage
            .rows
            .approve(person, &arn, stage.now(), minutes(length))
            .await;
        stage.work().await;
        assert_eq!(stage.state(grant).await, "active");
        grant
    };
    let second = open(30).await;
    assert_eq!(stage.grant(second).await.console_since, None);
    assert!(
        !stage.cloud.trust().contains("[\"alice\","),
        "{}",
        stage.cloud.trust()
    );
    stage.pass(minutes(13 * 60)).await;
    let third = open(30).await;
    assert_eq!(stage.grant(third).await.console_since, Some(stage.now()));
}

#[tokio::test]
async fn c8_a_principal_that_was_created_anew_is_not_let_in() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.cloud.delete_user("alice");
    stage.cloud.create_user("alice");
    stage.pass(minutes(1)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("ended", Some("principal_gone"))
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn c8_another_user_of_the_approved_name_is_not_let_in() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    let approved = stage
        .cloud
        .knobs()
        .unique_id("arn:aws:iam::111122223333:user/alice");
    let fixed = format!("UPDATE grants SET principal_id = '{}'", approved.unwrap());
    stage.rows.run(fixed).await;
    stage.cloud.delete_user("alice");
    stage.cloud.create_user("alice");
    stage.work().await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("principal_gone"))
    );
    assert!(
        !stage
            .cloud
            .take_writes()
            .contains(&"UpdateAssumeRolePolicy".to_owned())
    );
}

#[tokio::test]
async fn c8_another_role_of_the_same_name_gets_nothing() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.cloud.knobs().delete_role(ROLE);
    stage.cloud.knobs().create_role(ROLE, FOREIGN).unwrap();
    stage.cloud.take_log();
    stage.pass(minutes(1)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("ended", Some("target_replaced"))
    );
    assert!(stage.cloud.take_writes().is_empty());
}

/// The old role's sessions died with it: whoever has the name now gets it on the new role.
#[tokio::test]
async fn c8_a_name_of_the_role_before_is_free_on_the_new_one() {
    let stage = Stage::new().await;
    let before = stage.open("alice", 60).await;
    stage.cloud.knobs().delete_role(ROLE);
    stage.cloud.knobs().create_role(ROLE, FOREIGN).unwrap();
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(before).await, "ended");
    assert_eq!(stage.grant(before).await.guard_gone_at, None);
    stage.cloud.delete_user("alice");
    let arn = stage.cloud.create_user("alice");
    let alice = stage.rows.person("alice").await;
    let after = stage
        .rows
        .approve(alice, &arn, stage.now(), minutes(60))
        .await;
    stage.work().await;
    assert_eq!(stage.state(after).await, "active");
    assert_eq!(stage.grant(after).await.console_since, Some(stage.now()));
}

#[tokio::test]
async fn c9_a_guard_of_a_later_revision_stops_openings_only() {
    let stage = Stage::new().await;
    let open = stage.open("alice", 60).await;
    stage
        .rows
        .run("UPDATE targets SET revision = 0".to_owned())
        .await;
    let late = stage.approve("carol", 60).await;
    stage.work().await;
    assert_eq!(
        stage.rows.target("condition").await.as_deref(),
        Some("safe_mode")
    );
    // It may have been open, and revoked, in the time that is lost.
    assert_eq!(stage.state(late).await, "failed");
    stage.revoke(open).await;
    stage.work().await;
    assert_eq!(stage.state(open).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn h1_a_statement_that_terraform_removed_holds_nobody_up() {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    let grant = stage.open("alice", 60).await;
    let closing = stage.open("carol", 60).await;
    stage.pass(minutes(5)).await;
    stage.cloud.edit_trust(|_| FOREIGN.to_owned());
    stage.revoke(closing).await;
    stage.work().await;
    assert_eq!(stage.state(closing).await, "ended");
    stage.pass(minutes(5)).await;
    assert_eq!(stage.state(grant).await, "active");
    assert_eq!(stage.statements(), 1, "drift is repaired");
}

#[tokio::test]
async fn h2_a_deleted_principal_of_ours_blocks_nobodys_closing() {
    let stage = Stage::new().await;
    let (gone, other) = (stage.open("alice", 60).await, stage.open("carol", 60).await);
    stage.cloud.delete_user("alice");
    stage.revoke(other).await;
    stage.work().await;
    assert_eq!(stage.state(other).await, "ended");
    assert_eq!(
        stage.grant(gone).await.cause.as_deref(),
        Some("principal_gone")
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn h2_a_refused_opening_does_not_hold_up_the_closings_beside_it() {
    let stage = Stage::new().await;
    let closing = stage.open("alice", 60).await;
    stage.revoke(closing).await;
    let pill = stage.approve("carol", 60).await;
    stage.cloud.once(
        "PutRolePolicy",
        Knob::Refuse("MalformedPolicyDocument", 400),
    );
    stage.work().await;
    assert_eq!(stage.state(closing).await, "ended");
    assert_eq!(
        stage.grant(pill).await.cause.as_deref(),
        Some("could_not_open")
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn h2_a_foreign_orphan_keeps_new_grants_out() {
    let stage = Stage::new().await;
    let mallory = stage.cloud.create_user("mallory");
    let trusted = format!("{{\"AWS\":\"{mallory}\"}}");
    stage
        .cloud
        .edit_trust(|trust| trust.replace("{\"Service\":[\"ec2.amazonaws.com\"]}", &trusted));
    stage.cloud.delete_user("mallory");
    let orphan = stage.cloud.trust();
    assert!(orphan.contains("\"AIDA"), "{orphan}");
    let grant = stage.approve("alice", 60).await;
    stage.work().await;
    assert_eq!(
        stage.rows.target("condition").await.as_deref(),
        Some("blocked_by_foreign_principal")
    );
    assert_eq!(stage.state(grant).await, "opening");
    stage.pass(minutes(60)).await;
    assert_eq!(stage.state(grant).await, "failed");
    assert_eq!(stage.cloud.trust(), orphan);
}

#[tokio::test]
async fn h3_a_twelve_hour_session_stays_dead_though_the_role_allows_less_by_now() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.advance(minutes(59));
    let session = stage.cloud.keys("alice").assume("alice").await.unwrap();
    let admin = stage.cloud.keys("admin").iam();
    admin
        .update_role()
        .role_name("prod-admin")
        .max_session_duration(3_600)
        .send()
        .await
        .unwrap();
    assert!(session.work().await);
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "ended");
    for _ in 0..12 {
        assert!(!session.work().await, "at {}", stage.now());
        stage.pass(minutes(60)).await;
    }
    assert_eq!(stage.grant(grant).await.guard_gone_at, None);
    stage.pass(minutes(1)).await;
    assert_eq!(stage.cloud.guard(), None);
    assert!(!session.work().await, "it has expired by itself");
}

#[tokio::test]
async fn h4_the_end_is_not_announced_while_an_unanswered_write_may_still_land() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.revoke(grant).await;
    stage.cloud.once("PutRolePolicy", Knob::Drop(true));
    stage.work().await;
    stage.pass(minutes(1)).await;
    assert_eq!(
        (stage.state(grant).await.as_str(), stage.statements()),
        ("closing", 0)
    );
    stage.pass(minutes(13)).await;
    assert_eq!(stage.state(grant).await, "closing");
    stage.pass(minutes(2)).await;
    assert_eq!(stage.state(grant).await, "ended");
}

#[tokio::test]
async fn h4_a_write_that_lands_after_the_end_is_noticed_and_undone() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    let late = stage.cloud.knobs().land_late("UpdateAssumeRolePolicy", 1);
    stage.work().await;
    assert_eq!(
        (stage.state(grant).await.as_str(), stage.statements()),
        ("opening", 0)
    );
    stage.revoke(grant).await;
    stage.pass(minutes(1)).await;
    assert_eq!(
        (stage.state(grant).await.as_str(), stage.statements()),
        ("closing", 0)
    );

    late.land();
    wait::until_async("it has landed", async || stage.statements() == 1).await;
    let alice = stage.cloud.keys("alice");
    for name in ["alice".to_owned(), grant.to_string()] {
        let session = alice
            .assume(&name)
            .await
            .expect("the old statement admits her");
        assert!(!session.work().await, "and the guard denies her");
    }
    stage.pass(minutes(1)).await;
    assert_eq!(
        (stage.state(grant).await.as_str(), stage.statements()),
        ("closing", 0)
    );
    stage.pass(minutes(16)).await;
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn f15_reads_that_lag_behind_our_writes_are_waited_for() {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    let grant = stage.approve("alice", 60).await;
    stage.cloud.knobs().stale_reads(true);
    stage.work().await;
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "opening");
    assert_eq!(
        stage.cloud.take_writes(),
        ["PutRolePolicy"],
        "the guard alone, and once, though no read shows it"
    );
    stage.cloud.knobs().stale_reads(false);
    stage.pass(minutes(1)).await;
    assert_eq!(stage.cloud.take_writes(), ["UpdateAssumeRolePolicy"]);
    assert_eq!(stage.state(grant).await, "active");

    stage.revoke(grant).await;
    stage.cloud.knobs().stale_reads(true);
    stage.work().await;
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "closing");
    stage.cloud.knobs().stale_reads(false);
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn h5_nothing_is_opened_when_the_guard_could_not_be_everywhere_in_time() {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    let grant = stage.approve("alice", 5).await;
    stage.pass(minutes(3)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("could_not_open"))
    );
    assert!(stage.cloud.take_writes().is_empty());
}
