//! AWS that refuses, is silent, or was changed by somebody else.

use std::time::Duration;

use chrono::TimeDelta;

use super::minutes;
use crate::support::cloud::{Knob, reached};
use crate::support::rows::ROLE;
use crate::support::stage::{FOREIGN, Stage};

const WRITES: [&str; 2] = ["PutRolePolicy", "UpdateAssumeRolePolicy"];

#[tokio::test]
async fn a_lost_answer_is_read_back_before_anything_is_written_again() {
    for (call, after) in WRITES
        .into_iter()
        .flat_map(|call| [(call, false), (call, true)])
    {
        let stage = Stage::new().await;
        let grant = stage.approve("alice", 60).await;
        stage.cloud.once(call, Knob::Drop(after));
        stage.work().await;
        assert_eq!(stage.state(grant).await, "opening", "{call} {after}");
        stage.pass(minutes(1)).await;
        if call == "PutRolePolicy" || !after {
            assert_eq!(
                stage.statements(),
                0,
                "nothing opens while a write may still land"
            );
            stage.pass(minutes(15)).await;
        }
        assert_eq!(stage.state(grant).await, "active", "{call} {after}");
        let writes = stage.cloud.take_writes();
        assert_eq!(writes, WRITES, "{call} {after}: each took effect once");
        assert_eq!(stage.statements(), 1);
        stage.pass(minutes(60)).await;
        stage.pass(minutes(15)).await;
        assert_eq!(stage.cloud.trust(), FOREIGN);
        assert_eq!(stage.state(grant).await, "ended", "{call} {after}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_waited_for_no_longer_than_the_operation_timeout() {
    let mut stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.timeout = Duration::from_secs(3);
    stage.revoke(grant).await;
    stage.cloud.once("UpdateAssumeRolePolicy", Knob::Silence);
    stage.work().await;
    assert_eq!(
        (stage.state(grant).await.as_str(), stage.statements()),
        ("closing", 1)
    );
    assert!(!stage.listed(grant), "its sessions are dead meanwhile");
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn a_closing_that_aws_denies_goes_on_and_is_told_once_and_then_hourly() {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    let grant = stage.open("alice", 60).await;
    stage
        .cloud
        .always("PutRolePolicy", Knob::Refuse("AccessDenied", 403));
    stage
        .cloud
        .always("UpdateAssumeRolePolicy", Knob::Refuse("AccessDenied", 403));
    stage.revoke(grant).await;
    for _ in 0..12 {
        stage.pass(minutes(5)).await;
    }
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("closing", Some("revoked"))
    );
    let attempts: i32 = stage
        .rows
        .target("attempts")
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert!(attempts >= 12, "{attempts}");
    let delayed = |told: Vec<String>| told.iter().filter(|it| *it == "grant.delayed").count();
    assert_eq!(delayed(stage.rows.told(grant).await), 1);
    stage.pass(minutes(30)).await;
    assert_eq!(delayed(stage.rows.told(grant).await), 2);
    stage.cloud.knobs().clear();
    stage.pass(minutes(6)).await;
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(stage.cloud.trust(), FOREIGN);
    assert_eq!(stage.rows.target("last_error").await, None);
}

#[tokio::test]
async fn a_closing_is_recorded_and_retried_while_aws_cannot_be_read() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage
        .cloud
        .always("GetRole", Knob::Refuse("AccessDenied", 403));
    stage.pass(minutes(60)).await;
    assert_eq!(stage.state(grant).await, "closing");
    stage.cloud.knobs().clear();
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "ended");
}

#[tokio::test]
async fn an_opening_that_aws_denies_is_given_up_after_some_attempts() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    stage
        .cloud
        .always("PutRolePolicy", Knob::Refuse("Throttling", 400));
    for _ in 0..7 {
        assert_eq!(
            stage.state(grant).await.as_str(),
            if stage.rows.told(grant).await.is_empty() {
                "scheduled"
            } else {
                "opening"
            }
        );
        stage.pass(minutes(5)).await;
    }
    stage.pass(minutes(5)).await;
    stage.cloud.knobs().clear();
    stage.pass(minutes(5)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("could_not_open"))
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
    assert_eq!(stage.statements(), 0);
}

#[tokio::test]
async fn a_role_that_is_gone_before_the_opening_lets_the_grant_fail() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    stage.cloud.knobs().delete_role(ROLE);
    stage.work().await;
    assert_eq!(
        stage.state(grant).await,
        "opening",
        "one answer may be wrong"
    );
    stage.pass(TimeDelta::seconds(5)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("target_gone"))
    );
}

#[tokio::test]
async fn a_role_that_is_gone_counts_as_closed() {
    let stage = Stage::new().await;
    let (closing, active) = (stage.open("alice", 60).await, stage.open("carol", 60).await);
    stage.revoke(closing).await;
    stage.cloud.knobs().delete_role(ROLE);
    stage.work().await;
    stage.pass(TimeDelta::seconds(5)).await;
    let row = stage.grant(active).await;
    assert_eq!(stage.state(closing).await, "ended");
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("ended", Some("target_gone"))
    );
    assert_eq!(
        stage.rows.target("condition").await.as_deref(),
        Some("gone")
    );
}

#[tokio::test]
async fn a_protected_role_is_never_opened() {
    let stage = Stage::new().await;
    stage
        .cloud
        .always("PutRolePolicy", Knob::Refuse("UnmodifiableEntity", 400));
    let grant = stage.approve("alice", 60).await;
    stage.work().await;
    stage.pass(minutes(1)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("could_not_open"))
    );
    assert_eq!(stage.cloud.trust(), FOREIGN);
}

#[tokio::test]
async fn a_full_trust_policy_lets_closings_through_and_the_newest_opening_fails() {
    let stage = Stage::new().await;
    let mut open = Vec::new();
    for name in ["alice", "carol", "chuck", "craig", "david", "erin2"] {
        open.push(stage.open(name, 60).await);
    }
    assert_eq!(stage.statements(), 6, "and there is no room for a seventh");
    stage.revoke(open[0]).await;
    let (frank, grace) = (
        stage.approve("frank", 60).await,
        stage.approve("grace", 60).await,
    );
    stage.work().await;
    assert_eq!(stage.state(open[0]).await, "ended");
    assert_eq!(stage.state(frank).await, "active", "there was room for one");
    let row = stage.grant(grace).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("could_not_open"))
    );
    assert_eq!(stage.statements(), 6);
}

#[tokio::test]
async fn what_aws_says_is_too_much_is_written_without_the_opening() {
    for call in WRITES {
        let stage = Stage::new().await;
        let closing = stage.open("alice", 60).await;
        stage.revoke(closing).await;
        let opening = stage.approve("carol", 60).await;
        // The guard's first write carries both; the trust policy's first one is the closing alone.
        let nth = if call == "PutRolePolicy" { 1 } else { 2 };
        stage
            .cloud
            .nth(call, nth, Knob::Refuse("LimitExceeded", 409));
        stage.work().await;
        assert_eq!(stage.state(closing).await, "ended", "{call}");
        let row = stage.grant(opening).await;
        assert_eq!(
            (row.state.as_str(), row.cause.as_deref()),
            ("failed", Some("could_not_open")),
            "{call}"
        );
        assert_eq!(stage.cloud.trust(), FOREIGN);
    }
}

#[tokio::test]
async fn a_trust_policy_that_cannot_be_edited_is_left_alone() {
    let broken = "{\"Version\":\"2012-10-17\",\"Statement\":[}";
    let stage = Stage::with_trust(broken).await;
    let grant = stage.approve("alice", 60).await;
    stage.work().await;
    assert_eq!(
        stage.rows.target("condition").await.as_deref(),
        Some("unreadable")
    );
    stage.pass(minutes(60)).await;
    assert_eq!(stage.cloud.trust(), broken);
    assert_eq!(stage.state(grant).await, "failed");
}

#[tokio::test]
async fn a_guard_that_somebody_deleted_goes_back() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.cloud.delete_guard();
    stage.cloud.take_log();
    stage.pass(minutes(1)).await;
    assert!(stage.listed(grant));
    assert_eq!(stage.cloud.take_writes(), ["PutRolePolicy"]);
    assert_eq!(stage.state(grant).await, "active");
}

#[tokio::test]
async fn a_foreign_edit_survives_and_is_kept() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage
        .cloud
        .edit_trust(|trust| trust.replace("ec2.amazonaws.com", "lambda.amazonaws.com"));
    stage.revoke(grant).await;
    stage.work().await;
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(
        stage.cloud.trust(),
        FOREIGN.replace("ec2.amazonaws.com", "lambda.amazonaws.com")
    );
    let kept = stage.rows.kept().await;
    assert!(kept.iter().any(|text| text == FOREIGN), "the first of all");
    assert!(
        kept.iter().any(|text| text.contains("lambda")),
        "and the edited one"
    );
}

#[tokio::test]
async fn what_aws_refused_is_not_waited_for() {
    for call in WRITES {
        let mut stage = Stage::new().await;
        stage.margins.propagation = minutes(2);
        let grant = stage.approve("alice", 60).await;
        stage.cloud.once(call, Knob::Refuse("Throttling", 400));
        stage.work().await;
        assert_eq!(stage.state(grant).await, "opening", "{call}");
        stage.pass(TimeDelta::seconds(2)).await;
        assert_eq!(stage.state(grant).await, "active", "{call}");
    }
}

#[tokio::test]
async fn a_plus_sign_in_a_foreign_statement_stays_one() {
    let trust = FOREIGN.replace(
        "\"Action\"",
        "\"Condition\":{\"StringEquals\":{\"sts:RoleSessionName\":[\"a+b@example.com\",\"a b\",\"100%2B+\"]}},\"Action\"",
    );
    for bare in [false, true] {
        let stage = Stage::with_trust(&trust).await;
        stage.cloud.knobs().bare_plus_reads(bare);
        let grant = stage.open("alice", 60).await;
        assert!(stage.cloud.trust().contains("a+b@example.com"), "{bare}");
        stage.revoke(grant).await;
        stage.work().await;
        assert_eq!(stage.state(grant).await, "ended");
        assert_eq!(stage.cloud.trust(), trust, "{bare}");
        assert_eq!(stage.rows.kept().await[0], trust, "{bare}");
    }
}

/// More is due on one role than one pass looks for: grants come and go while it writes.
#[tokio::test]
async fn a_role_with_much_to_do_is_not_put_off() {
    let stage = Stage::new().await;
    let mut last = stage.approve("alice", 60).await;
    let worker = stage.worker().await;
    let mut held = stage.cloud.hold("PutRolePolicy", false);
    let run = tokio::spawn(async move { worker.run_until_idle().await });
    for nth in 0..30 {
        reached(&held).await;
        stage.revoke(last).await;
        last = stage.approve(&format!("person{nth}"), 60).await;
        let next = stage.cloud.hold("PutRolePolicy", false);
        held.release();
        held = next;
    }
    reached(&held).await;
    held.release();
    run.await.unwrap().unwrap();
    assert_eq!(
        stage.state(last).await,
        "active",
        "and the clock stood still"
    );
}

/// Grants begin and end while it writes, and nobody makes the role due.
#[tokio::test]
async fn a_role_whose_grants_begin_and_end_while_it_is_worked_on_is_not_put_off() {
    let stage = Stage::new().await;
    // Shorter than the lease.
    let step = TimeDelta::seconds(20);
    let mut last = None;
    for nth in 0..12 {
        let name = format!("person{nth}");
        let arn = stage.cloud.create_user(&name);
        let person = stage.rows.person(&name).await;
        let from = stage.now() + step * nth;
        last = Some(stage.rows.approve(person, &arn, from, step * 2).await);
    }
    let last = last.unwrap();
    let worker = stage.worker().await;
    let mut held = stage.cloud.hold("UpdateAssumeRolePolicy", false);
    let run = tokio::spawn(async move { worker.run_until_idle().await });
    // One write opens each of the first two; from then on one closes and the next one opens.
    for write in 0..21 {
        reached(&held).await;
        if write == 0 || write % 2 == 1 {
            stage.advance(step);
        }
        let next = stage.cloud.hold("UpdateAssumeRolePolicy", false);
        held.release();
        held = next;
    }
    reached(&held).await;
    held.release();
    run.await.unwrap().unwrap();
    assert_eq!(
        stage.state(last).await,
        "active",
        "and the clock stood still"
    );
}
