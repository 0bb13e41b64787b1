//! AWS that takes one thing and not another: what it refuses keeps nothing else from being done.

use chrono::TimeDelta;

use super::minutes;
use crate::support::cloud::{ELSEWHERE, Knob};
use crate::support::stage::{FOREIGN, Stage};

const DENIED: Knob = Knob::Refuse("AccessDenied", 403);
const FULL: Knob = Knob::Refuse("LimitExceeded", 409);
const MALFORMED: Knob = Knob::Refuse("MalformedPolicyDocument", 400);

#[tokio::test]
async fn a_guard_that_cannot_be_put_back_takes_every_statement_with_it() {
    for refusal in [DENIED, FULL, MALFORMED] {
        for (lag, revoked) in [(0, false), (0, true), (2, false), (2, true)] {
            let mut stage = Stage::new().await;
            stage.margins.propagation = minutes(lag);
            let grant = stage.open("alice", 60).await;
            stage.pass(minutes(5)).await;
            stage.cloud.delete_guard();
            stage.cloud.always("PutRolePolicy", refusal);
            if revoked {
                stage.revoke(grant).await;
            }
            stage.pass(minutes(1)).await;
            let case = format!("{refusal:?}, P {lag} min, revoked: {revoked}");
            assert_eq!(stage.cloud.trust(), FOREIGN, "{case}");
            // A grant that the guard is too large for gives way; missing rights may come back.
            let stays = !revoked && matches!(refusal, Knob::Refuse("AccessDenied", _));
            let state = if stays { "active" } else { "closing" };
            assert_eq!(stage.state(grant).await, state, "{case}");
            let told = stage.rows.told(grant).await;
            assert!(
                told.iter().any(|it| it == "grant.delayed"),
                "{case}: {told:?}"
            );
            if stays {
                stage.cloud.knobs().clear();
                stage.pass(minutes(5)).await;
                assert_eq!(stage.statements(), 1, "{case}: back behind its guard");
                assert!(stage.listed(grant), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_guard_that_may_not_be_written_keeps_no_revoked_statement_in() {
    let stage = Stage::new().await;
    let (grant, other) = (stage.open("alice", 60).await, stage.open("carol", 60).await);
    stage.cloud.always("PutRolePolicy", DENIED);
    stage.revoke(grant).await;
    stage.work().await;
    assert_eq!(stage.statements(), 1, "the other one's");
    stage.pass(minutes(5)).await;
    assert_eq!(
        stage.state(grant).await,
        "closing",
        "until the guard can be written"
    );
    stage.cloud.knobs().clear();
    stage.pass(minutes(6)).await;
    assert_eq!(stage.state(grant).await, "ended");
    assert_eq!(stage.state(other).await, "active");
}

#[tokio::test]
async fn a_guard_that_is_too_large_without_any_opening_is_written_as_a_closing() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.revoke(grant).await;
    stage.cloud.once("PutRolePolicy", FULL);
    stage.work().await;
    assert!(!stage.listed(grant));
    assert_eq!(stage.cloud.trust(), FOREIGN);
    stage.pass(minutes(1)).await;
    assert_eq!(stage.state(grant).await, "ended");
}

#[tokio::test]
async fn users_that_cannot_be_read_keep_nothing_from_closing() {
    let stage = Stage::new().await;
    let (alice, carol) = (stage.open("alice", 60).await, stage.open("carol", 60).await);
    stage.cloud.always("GetUser", DENIED);
    stage.revoke(alice).await;
    let new = stage.approve("chuck", 60).await;
    stage.work().await;
    assert_eq!(stage.state(alice).await, "ended");
    assert_eq!(stage.state(carol).await, "active");
    assert_eq!(stage.state(new).await, "opening", "nobody knows who it is");
    assert!(!stage.cloud.trust().contains("chuck"));
    for _ in 0..8 {
        stage.pass(minutes(5)).await;
    }
    assert_eq!(stage.state(new).await, "failed");
    assert_eq!(stage.state(carol).await, "active");
    assert_eq!(stage.rows.target("attempts").await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_user_name_that_iam_does_not_take_is_nobodys() {
    let stage = Stage::new().await;
    let grant = stage.approve("alice", 60).await;
    let invalid = Knob::Refuse("ValidationError", 400);
    stage.cloud.always("GetUser", invalid);
    stage.work().await;
    stage.pass(TimeDelta::seconds(5)).await;
    let row = stage.grant(grant).await;
    assert_eq!(
        (row.state.as_str(), row.cause.as_deref()),
        ("failed", Some("principal_gone"))
    );
}

#[tokio::test]
async fn another_accounts_credentials_do_not_make_a_role_gone() {
    let mut stage = Stage::new().await;
    let (alice, carol) = (stage.open("alice", 60).await, stage.open("carol", 60).await);
    stage.revoke(alice).await;
    let own = std::mem::replace(&mut stage.key, ELSEWHERE);
    for _ in 0..3 {
        stage.pass(minutes(1)).await;
    }
    assert_eq!(stage.state(alice).await, "closing");
    assert_eq!(stage.state(carol).await, "active");
    assert_eq!(
        stage.rows.target("last_error").await.as_deref(),
        Some("denied")
    );
    stage.key = own;
    stage.pass(minutes(5)).await;
    assert_eq!(stage.state(alice).await, "ended");
    assert_eq!(stage.statements(), 1);
}

#[tokio::test]
async fn what_is_never_answered_is_told_once_an_hour_and_ends_an_opening() {
    let mut stage = Stage::new().await;
    stage.margins.propagation = minutes(2);
    let grant = stage.approve("alice", 600).await;
    stage.cloud.always("PutRolePolicy", Knob::Drop(false));
    for _ in 0..55 {
        stage.pass(minutes(1)).await;
    }
    let told = stage.rows.told(grant).await;
    let delayed = told.iter().filter(|it| *it == "grant.delayed").count();
    assert_eq!(delayed, 1, "{told:?}");
    assert!(told.iter().any(|it| it == "grant.closing"), "{told:?}");
}

#[tokio::test]
async fn every_text_that_is_overwritten_is_kept_whatever_it_means() {
    let stage = Stage::new().await;
    let grant = stage.open("alice", 60).await;
    stage.revoke(grant).await;
    stage.work().await;
    // The same to AWS, and not to its author.
    let edited = FOREIGN.replace("\\u0065", "e");
    stage.cloud.edit_trust(|_| edited.clone());
    stage.open("carol", 60).await;
    let kept = stage.rows.kept().await;
    assert!(kept.contains(&FOREIGN.to_owned()), "{kept:?}");
    assert!(kept.contains(&edited), "{kept:?}");
}
