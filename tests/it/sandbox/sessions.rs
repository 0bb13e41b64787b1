//! What a session may do, how long it lasts, and what ends it.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;

const VALIDATION: &str = "ValidationError";

#[tokio::test]
async fn trust_opens_and_a_dated_deny_on_the_role_ends_the_live_session() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let session = session(&sandbox, "alice", "alice").await;
    assert!(works(&sandbox, &session).await);
    knobs
        .put_trust(ROLE, &trusts("arn:aws:iam::111122223333:user/bob"))
        .unwrap();
    assert_eq!(
        code(assume(&sandbox, "alice", "alice").await),
        "AccessDenied"
    );
    assert!(
        works(&sandbox, &session).await,
        "a live session goes on without the trust"
    );

    let at = knobs.now() + TimeDelta::minutes(5);
    let from = format!(
        r#"{{"DateGreaterThanEquals":{{"aws:CurrentTime":"{}"}}}}"#,
        stamp(at)
    );
    let deny = identity("Deny", "*", &from);
    knobs.put_role_policy(ROLE, "guard", Some(&deny)).unwrap();
    assert!(works(&sandbox, &session).await, "not yet");
    knobs.advance(TimeDelta::minutes(5));
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

#[tokio::test]
async fn a_deny_on_older_tokens_or_on_another_session_spares_this_one() {
    let sandbox = start(&trusts(ALICE)).await;
    let session = session(&sandbox, "alice", "alice").await;
    let id = sandbox.knobs().unique_id(ROLE).unwrap();
    let other = format!(r#"{{"StringEquals":{{"aws:userid":"{id}:bob"}}}}"#);
    let old = r#"{"DateLessThan":{"aws:TokenIssueTime":"2000-01-01T00:00:00Z"}}"#;
    let own = format!(r#"{{"StringEquals":{{"aws:userid":"{id}:alice"}}}}"#);
    for (condition, expected) in [(other.as_str(), true), (old, true), (&own, false)] {
        let deny = identity("Deny", "*", condition);
        sandbox
            .knobs()
            .put_role_policy(ROLE, "deny", Some(&deny))
            .unwrap();
        assert_eq!(works(&sandbox, &session).await, expected, "{condition}");
    }
}

#[tokio::test]
async fn a_session_may_do_only_what_its_role_allows_now() {
    let mut account = account(&trusts(ALICE));
    account.roles[0].policies.clear();
    let sandbox = start_with(account).await;
    let session = session(&sandbox, "alice", "alice").await;
    let list = async || refusal(as_session(&sandbox, &session).0.list_users().send().await);
    let refused = list().await;
    assert!(refused.starts_with("AccessDenied: User: arn:aws:sts::111122223333:assumed-role/prod-admin/alice is not authorized to perform: iam:ListUsers on resource:"), "{refused}");
    sandbox
        .knobs()
        .put_role_policy(ROLE, "all", Some(ALLOW_ALL))
        .unwrap();
    assert_eq!(list().await, "ok");
    let deny = identity("Deny", "iam:*", "{}");
    sandbox
        .knobs()
        .put_role_policy(ROLE, "deny", Some(&deny))
        .unwrap();
    assert!(
        list()
            .await
            .ends_with("with an explicit deny in an identity-based policy")
    );
}

#[tokio::test]
async fn a_session_lasts_as_long_as_was_asked_and_the_role_permits() {
    let mut account = account(&trusts(ALICE));
    account.roles[0].max_session_duration = 7_200;
    let sandbox = start_with(account).await;
    let ask = async |seconds: i32| {
        let call = as_user(&sandbox, "alice").1.assume_role().role_arn(ROLE);
        call.role_session_name("alice")
            .duration_seconds(seconds)
            .send()
            .await
    };
    for seconds in [60, 899, 7_201, 43_200, 99_999] {
        assert_eq!(code(ask(seconds).await), VALIDATION, "{seconds}");
    }
    let session = ask(900).await.unwrap();
    assert_eq!(code(ask(7_200).await), "ok");
    assert!(works(&sandbox, &session).await);
    sandbox.knobs().advance(TimeDelta::seconds(900));
    let refused = as_session(&sandbox, &session).0.list_users().send().await;
    assert_eq!(code(refused), "ExpiredToken");
}

#[tokio::test]
async fn a_chained_session_lasts_an_hour_at_most() {
    let sandbox = start(&trusts(ACCOUNT)).await;
    let session = session(&sandbox, "admin", "first").await;
    let chain = async |seconds: Option<i32>| {
        let call = as_session(&sandbox, &session)
            .1
            .assume_role()
            .role_arn(ROLE);
        call.role_session_name("second")
            .set_duration_seconds(seconds)
            .send()
            .await
    };
    assert_eq!(code(chain(Some(7_200)).await), VALIDATION);
    assert_eq!(code(chain(Some(3_601)).await), VALIDATION);
    let second = chain(Some(3_600)).await.unwrap();
    assert!(works(&sandbox, &second).await);
    assert_eq!(code(chain(None).await), "ok");
}

#[tokio::test]
async fn a_role_can_trust_a_role_and_a_session() {
    let mut account = account(&trusts("arn:aws:iam::111122223333:role/hub"));
    account.roles.push(role("hub", &trusts(ALICE)));
    account.roles[1].policies.clear();
    let sandbox = start_with(account).await;
    let hub = async |name: &str| {
        let call = as_user(&sandbox, "alice")
            .1
            .assume_role()
            .role_session_name(name);
        call.role_arn("arn:aws:iam::111122223333:role/hub")
            .send()
            .await
            .unwrap()
    };
    let chain = async |hub: &AssumeRoleOutput| {
        let call = as_session(&sandbox, hub).1.assume_role().role_arn(ROLE);
        code(call.role_session_name("x1").send().await)
    };
    let (one, two) = (hub("one").await, hub("two").await);
    assert_eq!(
        chain(&one).await,
        "ok",
        "the role is named: nothing else is needed"
    );
    assert_eq!(
        code(assume(&sandbox, "alice", "alice").await),
        "AccessDenied"
    );
    let only = trusts("arn:aws:sts::111122223333:assumed-role/hub/one");
    sandbox.knobs().put_trust(ROLE, &only).unwrap();
    assert_eq!(chain(&one).await, "ok");
    assert_eq!(
        chain(&two).await,
        "AccessDenied",
        "only the one session is named"
    );
}

#[tokio::test]
async fn session_names_have_2_to_64_of_their_characters() {
    let sandbox = start(&trusts(ALICE)).await;
    let longest = "x".repeat(64);
    for name in ["ab", "a_+=,.@-Z9", &longest] {
        assert_eq!(code(assume(&sandbox, "alice", name).await), "ok", "{name}");
    }
    for name in ["a", "a b", "a/b", "a:b", "ä1", "a*", &"x".repeat(65)] {
        assert_eq!(
            code(assume(&sandbox, "alice", name).await),
            VALIDATION,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_session_policy_limits_the_session() {
    let sandbox = start(&trusts(ALICE)).await;
    let with = async |policy: &str| {
        let call = as_user(&sandbox, "alice").1.assume_role().role_arn(ROLE);
        call.role_session_name("alice").policy(policy).send().await
    };
    assert_eq!(code(with("no JSON").await), "MalformedPolicyDocument");
    let long = ALLOW_ALL.replace(':', &format!(":{}", " ".repeat(700)));
    assert_eq!(code(with(&long).await), VALIDATION);
    let narrow = with(&identity("Allow", "iam:ListUsers", "{}"))
        .await
        .unwrap();
    assert!(works(&sandbox, &narrow).await);
    let roles = as_session(&sandbox, &narrow).0.list_roles().send().await;
    assert_eq!(code(roles), "AccessDenied");
    let dead = with(&identity("Deny", "*", "{}")).await.unwrap();
    assert!(!works(&sandbox, &dead).await);
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// docs/guard.md §1: grant_a and grant_b are live, alice as well since `cut`, bob has ended, nobody
/// else is known.
fn guard(role_id: &str, cut: DateTime<Utc>, deadline: DateTime<Utc>) -> String {
    let text = r#"{"Version":"2012-10-17","Statement":[
     {"Sid":"CountersignRev412","Effect":"Deny","Action":"*","Resource":"*","Condition":{
        "StringLike":{"aws:userid":"ID:grant_*"},"StringNotEquals":{"aws:userid":["ID:grant_a","ID:grant_b"]}}},
     {"Effect":"Deny","Action":"*","Resource":"*","Condition":{
        "StringEquals":{"aws:userid":["ID:alice","ID:grant_a"]},"DateGreaterThanEqualsIfExists":{"aws:CurrentTime":"DEADLINE"}}},
     {"Effect":"Deny","Action":"*","Resource":"*","Condition":{
        "StringEquals":{"aws:userid":"ID:alice"},"DateLessThanEqualsIfExists":{"aws:TokenIssueTime":"CUT"}}},
     {"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:userid":["ID:bob"]}}},
     {"Sid":"CountersignShield","Effect":"Deny","Action":["iam:Attach*","iam:Delete*","iam:Detach*","iam:PassRole","iam:Put*","iam:Tag*","iam:Untag*","iam:Update*","sts:AssumeRole"],
        "Resource":"ROLE","Condition":{"StringEquals":{"aws:userid":["ID:alice","ID:grant_a","ID:grant_b"]}}}]}"#;
    text.replace("ID", role_id)
        .replace("CUT", &stamp(cut))
        .replace("DEADLINE", &stamp(deadline))
        .replace("ROLE", ROLE)
}

#[tokio::test]
async fn the_guard_lists_cuts_ends_and_shields() {
    let sandbox = start(&trusts(ACCOUNT)).await;
    let knobs = sandbox.knobs();
    let begin: DateTime<Utc> = "2026-06-01T12:00:00Z".parse().unwrap();
    let (cut, deadline) = (
        begin + TimeDelta::minutes(1),
        begin + TimeDelta::minutes(30),
    );
    knobs.set_clock(cut);
    let old_alice = session(&sandbox, "admin", "alice").await;
    knobs.advance(TimeDelta::seconds(1));
    let mut live = Vec::new();
    for name in ["alice", "grant_a", "grant_b"] {
        live.push(session(&sandbox, "admin", name).await);
    }
    let bob = session(&sandbox, "admin", "bob").await;
    let unknown = session(&sandbox, "admin", "grant_z").await;
    let operator = session(&sandbox, "admin", "operator").await;
    let text = guard(&knobs.unique_id(ROLE).unwrap(), cut, deadline);
    knobs
        .put_role_policy(ROLE, "CountersignGuard", Some(&text))
        .unwrap();
    for session in &live {
        assert!(works(&sandbox, session).await);
        let (iam, sts) = as_session(&sandbox, session);
        let delete = iam.delete_role_policy().role_name("prod-admin");
        assert_eq!(
            code(delete.policy_name("CountersignGuard").send().await),
            "AccessDenied"
        );
        let put = iam
            .put_role_policy()
            .role_name("prod-admin")
            .policy_name("CountersignGuard");
        assert_eq!(
            code(put.policy_document(ALLOW_ALL).send().await),
            "AccessDenied"
        );
        for name in ["other", "grant_b"] {
            let again = sts.assume_role().role_arn(ROLE).role_session_name(name);
            assert_eq!(code(again.send().await), "AccessDenied", "{name}");
        }
    }
    for dead in [&old_alice, &bob, &unknown] {
        assert!(
            !works(&sandbox, dead).await,
            "{:?}",
            dead.assumed_role_user()
        );
    }
    assert!(works(&sandbox, &operator).await);
    knobs.set_clock(deadline - TimeDelta::seconds(1));
    assert!(works(&sandbox, &live[0]).await && works(&sandbox, &live[1]).await);
    knobs.set_clock(deadline);
    assert!(!works(&sandbox, &live[0]).await && !works(&sandbox, &live[1]).await);
    assert!(
        works(&sandbox, &live[2]).await,
        "grant_b has no deadline in this guard"
    );
    assert!(works(&sandbox, &operator).await);
    assert_eq!(knobs.role_policy(ROLE, "CountersignGuard"), Some(text));
}

#[tokio::test]
async fn without_the_shield_an_elevated_session_walks_out_of_the_guard() {
    let sandbox = start(&trusts(ACCOUNT)).await;
    let knobs = sandbox.knobs();
    let admin = session(&sandbox, "admin", "alice").await;
    let own = format!(
        r#"{{"StringEquals":{{"aws:userid":"{}:alice"}},"DateGreaterThanEquals":{{"aws:CurrentTime":"{}"}}}}"#,
        knobs.unique_id(ROLE).unwrap(),
        stamp(knobs.now() + TimeDelta::minutes(1))
    );
    knobs
        .put_role_policy(ROLE, "guard", Some(&identity("Deny", "*", &own)))
        .unwrap();
    let again = as_session(&sandbox, &admin).1.assume_role().role_arn(ROLE);
    let juggled = again.role_session_name("zzz").send().await.unwrap();
    knobs.advance(TimeDelta::minutes(2));
    assert!(!works(&sandbox, &admin).await);
    assert!(
        works(&sandbox, &juggled).await,
        "another name is another session"
    );
}
