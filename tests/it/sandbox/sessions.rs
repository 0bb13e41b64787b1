//! What opens a session, and what ends it.

use chrono::TimeDelta;

use super::*;

#[tokio::test]
async fn trust_opens_and_a_dated_deny_on_the_role_ends_the_live_session() {
    let sandbox = start(&trusting(ALICE, "{}")).await;
    let session = assume(&sandbox, "alice", "alice")
        .await
        .expect("trusted by name");
    assert!(works(&sandbox, &session).await);
    assert!(
        assume(&sandbox, "bob", "bob").await.is_err(),
        "bob is not trusted"
    );
    sandbox
        .knobs()
        .put_trust(
            ROLE,
            &trusting(
                "111122223333",
                r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#,
            ),
        )
        .expect("a good document");
    assert!(
        assume(&sandbox, "alice", "alice").await.is_err(),
        "no longer trusted"
    );
    assert!(
        works(&sandbox, &session).await,
        "the live session goes on without the trust"
    );

    let deny = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{
        "DateGreaterThanEquals":{"aws:CurrentTime":"DATE"}}}]}"#;
    let at = sandbox.knobs().now() + TimeDelta::minutes(5);
    let deny = deny.replace("DATE", &at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    sandbox
        .knobs()
        .put_role_policy(ROLE, "guard", Some(&deny))
        .expect("a good document");
    assert!(works(&sandbox, &session).await, "not yet");
    sandbox.knobs().advance(TimeDelta::minutes(5));
    assert!(!works(&sandbox, &session).await, "from that moment on");
    let identity = as_session(&sandbox, &session)
        .1
        .get_caller_identity()
        .send()
        .await;
    assert!(
        identity.is_ok(),
        "GetCallerIdentity answers even under a deny"
    );
}
