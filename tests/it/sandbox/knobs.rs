//! The knobs that tests turn.

use chrono::{DateTime, TimeDelta, Utc};
use countersign::sandbox::{Document, Fault, When};
use futures_util::future::join_all;

use super::*;

const PUT: &str = "PutRolePolicy";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A Deny of nothing, recognisable.
fn mark(name: &str) -> String {
    identity(
        "Deny",
        "x:y",
        &format!(r#"{{"StringEquals":{{"aws:userid":"{name}"}}}}"#),
    )
}

async fn put(sandbox: &Sandbox, text: &str) -> String {
    let iam = as_user(sandbox, "admin").0;
    let call = iam
        .put_role_policy()
        .role_name("prod-admin")
        .policy_name("p");
    code(call.policy_document(text).send().await)
}

fn there(sandbox: &Sandbox) -> Option<String> {
    sandbox.knobs().role_policy(ROLE, "p")
}

#[tokio::test]
async fn the_clock_is_set_stepped_and_let_go() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let real = knobs.now();
    knobs.set_clock(at("2030-01-01T00:00:00Z"));
    assert_eq!(knobs.now(), at("2030-01-01T00:00:00Z"));
    knobs.advance(TimeDelta::hours(1));
    assert_eq!(knobs.now(), at("2030-01-01T01:00:00Z"));
    let session = session(&sandbox, "alice", "alice").await;
    let expires = session.credentials().unwrap().expiration().secs();
    assert_eq!(expires, at("2030-01-01T02:00:00Z").timestamp());
    knobs.real_clock();
    assert!(knobs.now() >= real && knobs.now() < at("2030-01-01T00:00:00Z"));
    knobs.advance(TimeDelta::days(1));
    assert!(knobs.now() >= real + TimeDelta::days(1));
}

#[tokio::test]
async fn a_call_is_held_before_or_after_its_effect() {
    for (when, done) in [(When::BeforeEffect, false), (When::AfterEffect, true)] {
        let sandbox = start(&trusts(ALICE)).await;
        let hold = sandbox.knobs().hold(PUT, 2, when);
        assert_eq!(put(&sandbox, &mark("first")).await, "ok");
        assert!(!hold.is_reached());
        let iam = as_user(&sandbox, "admin").0;
        let call = iam
            .put_role_policy()
            .role_name("prod-admin")
            .policy_name("p");
        let call = tokio::spawn(call.policy_document(mark("second")).send());
        reached(&hold).await;
        let expected = if done { "second" } else { "first" };
        assert_eq!(there(&sandbox), Some(mark(expected)));
        assert!(!call.is_finished());
        hold.release();
        assert!(call.await.unwrap().is_ok());
        assert_eq!(there(&sandbox), Some(mark("second")));
        assert_eq!(
            put(&sandbox, &mark("third")).await,
            "ok",
            "only that one call"
        );
    }
}

#[tokio::test]
async fn a_call_fails_before_or_after_its_effect() {
    let fault = Fault::Error {
        status: 500,
        code: "ServiceFailure".to_owned(),
        message: "x".to_owned(),
    };
    for (fault, expected) in [
        (fault, "ServiceFailure"),
        (Fault::DropConnection, "no answer"),
    ] {
        for (when, done) in [(When::BeforeEffect, false), (When::AfterEffect, true)] {
            let sandbox = start(&trusts(ALICE)).await;
            sandbox.knobs().fail(PUT, 1, when, fault.clone());
            assert_eq!(put(&sandbox, &mark("first")).await, expected);
            assert_eq!(there(&sandbox).is_some(), done, "{fault:?} {when:?}");
            assert_eq!(put(&sandbox, &mark("second")).await, "ok");
        }
    }
}

#[tokio::test]
async fn a_call_is_never_answered() {
    let sandbox = start(&trusts(ALICE)).await;
    let hold = sandbox.knobs().hold(PUT, 1, When::AfterEffect);
    sandbox
        .knobs()
        .fail(PUT, 1, When::AfterEffect, Fault::NeverAnswer);
    let iam = as_user(&sandbox, "admin").0;
    let call = iam
        .put_role_policy()
        .role_name("prod-admin")
        .policy_name("p");
    let call = tokio::spawn(call.policy_document(mark("first")).send());
    reached(&hold).await;
    hold.release();
    assert_eq!(put(&sandbox, &mark("second")).await, "ok");
    assert!(!call.is_finished());
    call.abort();
}

#[tokio::test]
async fn every_call_fails_until_the_knobs_are_cleared() {
    let sandbox = start(&trusts(ALICE)).await;
    let fault = Fault::Error {
        status: 400,
        code: "Throttling".to_owned(),
        message: "Rate exceeded".to_owned(),
    };
    sandbox.knobs().fail_always(PUT, When::BeforeEffect, fault);
    for _ in 0..3 {
        assert_eq!(put(&sandbox, &mark("first")).await, "Throttling");
    }
    let other = as_user(&sandbox, "admin").0.list_users().send().await;
    assert_eq!(code(other), "ok", "other actions go on");
    sandbox.knobs().clear();
    assert_eq!(put(&sandbox, &mark("first")).await, "ok");
}

#[tokio::test]
async fn a_write_lands_late_over_what_came_after_it() {
    let sandbox = start(&trusts(ALICE)).await;
    let late = sandbox.knobs().land_late(PUT, 1);
    assert!(!late.is_reached());
    assert_eq!(put(&sandbox, &mark("late")).await, "no answer");
    assert!(late.is_reached());
    assert_eq!(there(&sandbox), None);
    assert_eq!(put(&sandbox, &mark("later")).await, "ok");
    late.land();
    assert_eq!(there(&sandbox), Some(mark("late")));
}

#[tokio::test]
async fn a_frozen_trust_policy_goes_on_admitting() {
    let sandbox = start(&trusts(ALICE)).await;
    let (knobs, trust) = (sandbox.knobs(), Document::Trust(ROLE.to_owned()));
    let bob = trusts("arn:aws:iam::111122223333:user/bob");
    knobs.freeze(&trust);
    knobs.put_trust(ROLE, &bob).unwrap();
    assert_eq!(knobs.trust(ROLE), Some(bob), "reads show the new one");
    assert_eq!(code(assume(&sandbox, "alice", "alice").await), "ok");
    assert_eq!(code(assume(&sandbox, "bob", "bob").await), "AccessDenied");
    knobs.thaw(&trust);
    assert_eq!(
        code(assume(&sandbox, "alice", "alice").await),
        "AccessDenied"
    );
    assert_eq!(code(assume(&sandbox, "bob", "bob").await), "ok");
}

#[tokio::test]
async fn a_frozen_inline_policy_is_the_only_one_that_lags() {
    let sandbox = start(&trusts(ALICE)).await;
    let (knobs, frozen) = (
        sandbox.knobs(),
        Document::RolePolicy(ROLE.to_owned(), "guard".to_owned()),
    );
    let session = session(&sandbox, "alice", "alice").await;
    let deny = identity("Deny", "*", "{}");
    knobs.freeze(&frozen);
    knobs.put_role_policy(ROLE, "guard", Some(&deny)).unwrap();
    assert!(
        works(&sandbox, &session).await,
        "the guard is not there yet"
    );
    knobs.put_role_policy(ROLE, "other", Some(&deny)).unwrap();
    assert!(!works(&sandbox, &session).await, "another document is");
    knobs.put_role_policy(ROLE, "other", None).unwrap();
    assert!(works(&sandbox, &session).await);
    knobs.thaw(&frozen);
    assert!(!works(&sandbox, &session).await);
    knobs.freeze(&frozen);
    knobs.put_role_policy(ROLE, "guard", None).unwrap();
    assert!(!works(&sandbox, &session).await, "nor is it gone at once");
}

#[tokio::test]
async fn every_document_lags_by_the_propagation_delay() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    knobs.set_clock(at("2026-06-01T12:00:00Z"));
    knobs.propagation_delay(TimeDelta::seconds(10));
    knobs
        .put_trust(ROLE, &trusts("arn:aws:iam::111122223333:user/bob"))
        .unwrap();
    knobs.advance(TimeDelta::seconds(9));
    assert_eq!(code(assume(&sandbox, "alice", "alice").await), "ok");
    assert_eq!(code(assume(&sandbox, "bob", "bob").await), "AccessDenied");
    knobs.advance(TimeDelta::seconds(1));
    assert_eq!(
        code(assume(&sandbox, "alice", "alice").await),
        "AccessDenied"
    );
    assert_eq!(code(assume(&sandbox, "bob", "bob").await), "ok");
}

#[tokio::test]
async fn a_data_plane_that_lags_far_behind_still_has_an_old_document() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let session = session(&sandbox, "alice", "alice").await;
    knobs.propagation_delay(TimeDelta::hours(1));
    for n in 0..40 {
        let bob = trusts("arn:aws:iam::111122223333:user/bob");
        knobs.put_trust(ROLE, &bob).unwrap();
        let deny =
            identity("Deny", "*", "{}").replace("Deny\",", &format!("Deny\",\"Sid\":\"n{n}\","));
        knobs.put_role_policy(ROLE, "guard", Some(&deny)).unwrap();
    }
    assert!(works(&sandbox, &session).await, "no guard is there yet");
    assert_ne!(
        code(assume(&sandbox, "alice", "alice").await),
        code(assume(&sandbox, "bob", "bob").await),
        "one of the trust policies is"
    );
}

#[tokio::test]
async fn reads_are_stale_or_normalised_while_it_is_on() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let read = async || {
        let iam = as_user(&sandbox, "admin").0;
        let role = iam.get_role().role_name("prod-admin").send().await.unwrap();
        let text = role
            .role()
            .unwrap()
            .assume_role_policy_document()
            .unwrap()
            .to_owned();
        percent_encoding::percent_decode_str(&text)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    let new =
        trusts("arn:aws:iam::111122223333:user/bob").replace("\"Statement\":", "\"Statement\": ");
    knobs.put_trust(ROLE, &new).unwrap();
    knobs.stale_reads(true);
    assert_eq!(read().await, trusts(ALICE));
    assert_eq!(
        code(assume(&sandbox, "bob", "bob").await),
        "ok",
        "evaluation is not a read"
    );
    knobs.stale_reads(false);
    assert_eq!(read().await, new);
    let policy = async || {
        let iam = as_user(&sandbox, "admin").0;
        let call = iam
            .get_role_policy()
            .role_name("prod-admin")
            .policy_name("p");
        code(call.send().await)
    };
    assert_eq!(put(&sandbox, &mark("first")).await, "ok");
    knobs.stale_reads(true);
    assert_eq!(policy().await, "NoSuchEntity", "nor is a first version");
    knobs.stale_reads(false);
    assert_eq!(policy().await, "ok");
    knobs.normalised_reads(true);
    let shown = read().await;
    assert_ne!(shown, new);
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parsed(&shown), parsed(&new));
}

#[tokio::test]
async fn the_log_tells_who_called_what_and_what_came_of_it() {
    let sandbox = start(&trusts(ALICE)).await;
    let alice = as_user(&sandbox, "alice");
    let call = alice
        .1
        .assume_role()
        .role_arn(ROLE)
        .role_session_name("alice");
    let call = call.serial_number("arn:aws:iam::111122223333:mfa/alice");
    call.token_code("123456").send().await.unwrap();
    assert_eq!(code(alice.0.list_users().send().await), "AccessDenied");
    let calls = sandbox.knobs().calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (calls[0].action.as_str(), calls[0].caller.as_str()),
        ("AssumeRole", ALICE)
    );
    assert_eq!((calls[0].status, calls[0].code.as_deref()), (200, None));
    assert_eq!(calls[0].params["RoleSessionName"], "alice");
    assert!(!calls[0].params.contains_key("TokenCode"));
    assert_eq!(
        (calls[1].status, calls[1].code.as_deref()),
        (403, Some("AccessDenied"))
    );
}

#[tokio::test]
async fn a_request_without_the_time_meets_no_condition_on_it_but_the_one_if_it_exists() {
    let before = r#"{"DateLessThan":{"aws:CurrentTime":"2099-01-01T00:00:00Z"}}"#;
    let after = r#"{"DateGreaterThanIfExists":{"aws:CurrentTime":"2099-01-01T00:00:00Z"}}"#;
    for (condition, untold) in [(before, "AccessDenied"), (after, "ok")] {
        let mut account = account(&trusts(ALICE));
        account.users[0] = user("alice", Some(&identity("Allow", "iam:List*", condition)));
        let sandbox = start_with(account).await;
        let alice = as_user(&sandbox, "alice").0;
        let told = code(alice.list_roles().send().await);
        assert_ne!(told, untold, "{condition}");
        sandbox.knobs().without_current_time("ListRoles");
        assert_eq!(code(alice.list_roles().send().await), untold);
        assert_eq!(code(alice.list_users().send().await), told, "only that one");
    }
}

#[tokio::test]
async fn a_plus_sign_is_read_encoded_or_bare() {
    let sandbox = start(&trusts(ALICE)).await;
    let text = mark("a+b c");
    assert_eq!(put(&sandbox, &text).await, "ok");
    let iam = as_user(&sandbox, "admin").0;
    for (bare, wanted) in [(false, "a%2Bb%20c"), (true, "a+b%20c")] {
        sandbox.knobs().bare_plus_reads(bare);
        let call = iam
            .get_role_policy()
            .role_name("prod-admin")
            .policy_name("p");
        let read = call.send().await.unwrap();
        assert!(read.policy_document().contains(wanted), "{read:?}");
    }
}

#[tokio::test]
async fn a_call_too_many_is_throttled_and_not_done() {
    let sandbox = start(&trusts(ALICE)).await;
    let (iam, sts) = as_user(&sandbox, "admin");
    sandbox.knobs().calls_per_second(1);
    // Far more than the seconds that they take.
    let calls = (0..200).map(|_| iam.get_user().user_name("alice").send());
    let codes: Vec<_> = join_all(calls).await.into_iter().map(code).collect();
    let count = |code: &str| codes.iter().filter(|it| *it == code).count();
    assert!(count("ok") >= 1, "{codes:?}");
    assert!(count("Throttling") >= 1, "{codes:?}");
    assert_eq!(count("ok") + count("Throttling"), codes.len(), "{codes:?}");
    assert_eq!(sandbox.knobs().throttled(), count("Throttling"));
    assert_eq!(sandbox.knobs().calls().len(), count("ok"));
    // STS has limits of its own.
    assert_eq!(code(sts.get_caller_identity().send().await), "ok");
}
