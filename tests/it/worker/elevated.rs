//! The sequences of docs/guard.md §5 in which the elevated person does something with the session.

use aws_sdk_iam::error::ProvideErrorMetadata as _;
use countersign::aws::GUARD_NAME;

use super::minutes;
use crate::support::cloud::Keys;
use crate::support::stage::Stage;

/// Everybody in the account may assume the role, and the role may do everything.
const OPEN: &str = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:root\"},\"Action\":\"sts:AssumeRole\"}]}";

#[tokio::test]
async fn c3_a_service_that_does_not_tell_the_time_is_closed_during_the_grant_not_open_after_it() {
    let stage = Stage::with_trust(OPEN).await;
    let operator = stage.cloud.keys("admin").assume("operator").await.unwrap();
    let grant = stage.open("alice", 60).await;
    let alice = stage.cloud.keys("alice");
    stage.cloud.knobs().without_current_time("ListRoles");
    let list_roles = async |keys: &Keys| {
        let answer = keys.iam().list_roles().send().await;
        answer.map_err(|it| it.code().unwrap_or("-").to_owned())
    };
    let mut sessions = Vec::new();
    for name in ["alice".to_owned(), grant.to_string()] {
        let session = alice.assume(&name).await.unwrap();
        assert!(session.work().await, "where the time is told it works");
        let refused = list_roles(&session).await.unwrap_err();
        assert_eq!(refused, "AccessDenied", "{name}");
        sessions.push(session);
    }
    list_roles(&operator).await.expect("the guard is not hers");
    // With nobody there to enforce it, and after the worker has come by.
    stage.advance(minutes(60));
    for _ in 0..2 {
        for session in &sessions {
            assert_eq!(list_roles(session).await.unwrap_err(), "AccessDenied");
            assert!(!session.work().await);
        }
        stage.work().await;
    }
    assert_eq!(stage.state(grant).await, "ended");
}

#[tokio::test]
async fn c4_the_elevated_person_cannot_delete_the_guard_or_leave_her_name() {
    let stage = Stage::with_trust(OPEN).await;
    let operator = stage.cloud.keys("admin").assume("operator").await.unwrap();
    let grant = stage.open("alice", 60).await;
    assert!(
        operator.assume("other").await.is_some(),
        "nothing but the guard stands against it"
    );
    let alice = stage.cloud.keys("alice");
    for name in ["alice".to_owned(), grant.to_string()] {
        let session = alice.assume(&name).await.unwrap();
        assert!(session.work().await);
        let delete = session.iam().delete_role_policy();
        let deleted = delete
            .role_name("prod-admin")
            .policy_name(GUARD_NAME)
            .send()
            .await;
        assert!(deleted.is_err() && stage.cloud.guard().is_some());
        assert!(session.assume("other").await.is_none());
        assert!(
            session
                .assume("grant_00000000000000000000000000")
                .await
                .is_none()
        );
    }
}
