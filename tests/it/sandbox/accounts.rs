//! Several accounts: each with quotas of its own, and one alone that is slow, throttled or silent.

use std::time::{Duration, Instant};

use countersign::sandbox::{Fault, When};

use super::*;

const PATIENCE: Duration = Duration::from_millis(300);

/// Three accounts: an administrator in each, and a role that everybody who may may assume.
async fn start_three() -> Sandbox {
    let of = |id: &str, admin: &str, quota: usize| SeedAccount {
        trust_quota: quota,
        ..account_of(
            id,
            vec![user(admin, Some(ALLOW_ALL))],
            vec![role("prod-admin", &trusts("*"))],
        )
    };
    start_all(vec![
        of(ACCOUNT, "one", 2_048),
        of(OTHER, "two", 4_096),
        of(THIRD, "three", 8_192),
    ])
    .await
}

/// Whether an ordinary call of an administrator is answered within a moment.
async fn answers(sandbox: &Sandbox, admin: &str) -> bool {
    let iam = as_user(sandbox, admin).0;
    let call = tokio::time::timeout(PATIENCE, iam.list_users().send());
    call.await.is_ok_and(|it| it.is_ok())
}

/// Whether AssumeRole of the role of an account is answered within a moment.
async fn assumes(sandbox: &Sandbox, admin: &str, account: &str) -> bool {
    let call = as_user(sandbox, admin).1.assume_role();
    let call = call.role_arn(ROLE.replace(ACCOUNT, account));
    let call = call.role_session_name("xx").send();
    let call = tokio::time::timeout(PATIENCE, call);
    call.await.is_ok_and(|it| it.is_ok())
}

#[tokio::test]
async fn each_account_has_its_own_quota() {
    let sandbox = start_three().await;
    for (admin, quota) in [("one", 2_048), ("two", 4_096), ("three", 8_192)] {
        let iam = as_user(&sandbox, admin).0;
        let summary = iam.get_account_summary().send().await.unwrap();
        let map = summary.summary_map().unwrap();
        let shown = map
            .iter()
            .find(|(key, _)| key.as_str() == "AssumeRolePolicySizeQuota");
        assert_eq!(shown.map(|(_, value)| *value), Some(quota), "{admin}");
    }
}

#[tokio::test]
async fn one_account_fails_alone_and_does_nothing() {
    let sandbox = start_three().await;
    let knobs = sandbox.knobs();
    knobs.failing(OTHER, true);
    assert!(answers(&sandbox, "one").await && answers(&sandbox, "three").await);
    let call = as_user(&sandbox, "two").0.delete_user().user_name("two");
    assert_eq!(code(call.send().await), "ServiceFailure");
    assert!(!assumes(&sandbox, "one", OTHER).await, "nor do its roles");
    assert!(!assumes(&sandbox, "two", THIRD).await, "nor its users");
    knobs.failing(OTHER, false);
    assert!(answers(&sandbox, "two").await, "it is still there");
    assert!(assumes(&sandbox, "one", OTHER).await);
}

#[tokio::test]
async fn one_account_has_another_quota_from_now_on() {
    let sandbox = start_three().await;
    let knobs = sandbox.knobs();
    let trust = knobs.trust(ROLE).unwrap();
    knobs.trust_quota(ACCOUNT, 20);
    assert!(knobs.put_trust(ROLE, &trust).is_err());
    let elsewhere = ROLE.replace(ACCOUNT, OTHER);
    assert!(knobs.put_trust(&elsewhere, &trust).is_ok());
    knobs.trust_quota(ACCOUNT, 2_048);
    assert!(knobs.put_trust(ROLE, &trust).is_ok());
}

#[tokio::test]
async fn one_account_is_silent_alone() {
    let sandbox = start_three().await;
    let knobs = sandbox.knobs();
    knobs.silent(OTHER, true);
    assert!(answers(&sandbox, "one").await && answers(&sandbox, "three").await);
    assert!(!answers(&sandbox, "two").await);
    assert!(!assumes(&sandbox, "one", OTHER).await, "nor do its roles");
    assert!(assumes(&sandbox, "one", THIRD).await);
    assert!(
        !assumes(&sandbox, "two", THIRD).await,
        "nor its users elsewhere"
    );
    knobs.silent(OTHER, false);
    assert!(answers(&sandbox, "two").await && assumes(&sandbox, "one", OTHER).await);
}

#[tokio::test]
async fn one_account_is_throttled_alone_and_its_calls_of_sts_are_not() {
    let sandbox = start_three().await;
    let knobs = sandbox.knobs();
    knobs.calls_per_second_of(OTHER, 1);
    let mut throttled = 0;
    for _ in 0..20 {
        assert!(answers(&sandbox, "one").await);
        let call = as_user(&sandbox, "two").0.list_users().send().await;
        throttled += usize::from(code(call) == "Throttling");
    }
    assert!(throttled >= 1);
    assert_eq!(knobs.throttled_of(OTHER), throttled);
    assert_eq!(
        (knobs.throttled(), knobs.throttled_of(ACCOUNT)),
        (throttled, 0)
    );
    assert!(assumes(&sandbox, "two", OTHER).await);
    knobs.clear_accounts();
    for _ in 0..5 {
        assert!(answers(&sandbox, "two").await);
    }
}

#[tokio::test]
async fn one_account_is_slow_alone() {
    let sandbox = start_three().await;
    let late = Duration::from_millis(150);
    sandbox.knobs().latency(OTHER, late);
    for (admin, slow) in [("one", false), ("two", true)] {
        let began = Instant::now();
        let iam = as_user(&sandbox, admin).0;
        assert_eq!(code(iam.list_users().send().await), "ok");
        assert_eq!(began.elapsed() >= late, slow, "{admin}");
    }
}

#[tokio::test]
async fn a_call_fails_or_lands_late_in_one_account_alone() {
    let sandbox = start_three().await;
    let knobs = sandbox.knobs();
    let put = async |admin: &str| {
        let call = as_user(&sandbox, admin).0.put_role_policy();
        let call = call.role_name("prod-admin").policy_name("p");
        code(call.policy_document(ALLOW_ALL).send().await)
    };
    let broken = || Fault::DropConnection;
    knobs.fail_in(OTHER, "PutRolePolicy", 2, When::BeforeEffect, broken());
    for (admin, expected) in [
        ("one", "ok"),
        ("two", "ok"),
        ("three", "ok"),
        ("one", "ok"),
        ("two", "no answer"),
        ("two", "ok"),
    ] {
        assert_eq!(put(admin).await, expected, "{admin}");
    }
    knobs.fail_in(THIRD, "AssumeRole", 0, When::BeforeEffect, broken());
    assert!(assumes(&sandbox, "one", OTHER).await);
    assert!(
        !assumes(&sandbox, "one", THIRD).await,
        "the role's account counts"
    );
    assert!(assumes(&sandbox, "three", OTHER).await);
    let late = knobs.land_late_in(OTHER, "DeleteRolePolicy", 1);
    let delete = async |admin: &str| {
        let call = as_user(&sandbox, admin).0.delete_role_policy();
        let call = call.role_name("prod-admin").policy_name("p");
        code(call.send().await)
    };
    assert_eq!(delete("one").await, "ok");
    assert_eq!(delete("two").await, "no answer");
    let role = ROLE.replace(ACCOUNT, OTHER);
    assert!(knobs.role_policy(&role, "p").is_some());
    late.land();
    assert!(knobs.role_policy(&role, "p").is_none());
}
