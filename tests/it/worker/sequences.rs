//! The sequences of GUARD §4, by their names, as far as they concern the loop.

use super::cloud::Knob;
use super::minutes;
use super::stage::{FOREIGN, Stage};

#[tokio::test]
async fn c7_a_console_name_is_another_principals_only_when_its_last_session_is_dead() {
    let stage = Stage::new().await;
    let first = stage.open("alice", 30).await;
    stage.pass(minutes(30)).await;
    assert_eq!(stage.state(first).await, "ended");
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
async fn c8_another_role_of_the_same_name_gets_nothing() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.cloud.delete_role();
    stage.cloud.create_role(FOREIGN);
    stage.cloud.take_log();
    stage.pass(minutes(1)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("ended", Some("target_replaced"))
    );
    assert!(stage.cloud.take_writes().is_empty());
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
    assert_eq!(stage.state(late).await, "opening");
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
    let orphan = FOREIGN.replace(
        "{\"Service\":[\"ec2.amazonaws.com\"]}",
        "{\"AWS\":\"AIDA00000000000000099\"}",
    );
    stage.cloud.create_role(&orphan);
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
async fn h3_the_guard_names_a_grant_for_twelve_hours_whatever_the_role_says() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.pass(minutes(60)).await;
    stage.pass(minutes(12 * 60)).await;
    assert!(stage.cloud.guard().unwrap().contains(":alice"));
    assert_eq!(stage.grant(grant).await.guard_gone_at, None);
    stage.pass(minutes(1)).await;
    assert_eq!(stage.cloud.guard(), None);
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
