//! Inline policies of users and roles: listed, put, read, deleted, evaluated; and their knobs.

use chrono::TimeDelta;
use countersign::sandbox::{Document, Rule, When};

use super::*;

const LIST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}]}"#;

async fn put(sandbox: &Sandbox, name: &str, text: &str) -> String {
    let iam = as_user(sandbox, "admin").0;
    let call = iam.put_user_policy().user_name("alice").policy_name(name);
    code(call.policy_document(text).send().await)
}

/// The policy `p` of alice as it is read.
async fn read(sandbox: &Sandbox) -> Result<String, String> {
    let iam = as_user(sandbox, "admin").0;
    let call = iam.get_user_policy().user_name("alice").policy_name("p");
    match call.send().await {
        Ok(read) => Ok(decoded(read.policy_document())),
        error => Err(code(error)),
    }
}

/// Whether alice may list users, by her own key.
async fn may(sandbox: &Sandbox) -> bool {
    as_user(sandbox, "alice")
        .0
        .list_users()
        .send()
        .await
        .is_ok()
}

#[tokio::test]
async fn names_are_listed_page_by_page() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let names: Vec<String> = (0..5).map(|n| format!("p{n}")).collect();
    for name in &names {
        assert_eq!(put(&sandbox, name, LIST).await, "ok");
        let role = iam.put_role_policy().role_name("prod-admin");
        let role = role.policy_name(name).policy_document(LIST);
        assert_eq!(code(role.send().await), "ok");
    }
    let (mut of_user, mut marker, mut pages) = (Vec::new(), None, 0);
    loop {
        let call = iam.list_user_policies().user_name("alice").max_items(2);
        let page = call.set_marker(marker).send().await.unwrap();
        of_user.extend(page.policy_names().to_owned());
        pages += 1;
        assert_eq!(page.is_truncated(), page.marker().is_some());
        marker = page.marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!((of_user, pages), (names.clone(), 3));
    let pages = iam
        .list_role_policies()
        .role_name("prod-admin")
        .max_items(4);
    let of_role = pages.into_paginator().items().send();
    let of_role: Vec<_> = of_role.try_collect().await.unwrap();
    assert_eq!(of_role, [&["all".to_owned()], names.as_slice()].concat());
}

#[tokio::test]
async fn what_is_not_there_is_refused_as_aws_does() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let get = iam.get_user_policy().user_name("alice").policy_name("p");
    let missing = "NoSuchEntity: The user policy with name p cannot be found.";
    assert_eq!(refusal(get.send().await), missing);
    let delete = iam.delete_user_policy().user_name("alice");
    assert_eq!(refusal(delete.policy_name("p").send().await), missing);
    let ghost = "NoSuchEntity: The user with name ghost cannot be found.";
    let put = iam.put_user_policy().user_name("ghost").policy_name("p");
    assert_eq!(refusal(put.policy_document(LIST).send().await), ghost);
    let delete = iam.delete_user_policy().user_name("ghost");
    assert_eq!(refusal(delete.policy_name("p").send().await), ghost);
    let list = iam.list_user_policies().user_name("ghost");
    assert_eq!(refusal(list.send().await), ghost);
    let put = |name: &str, text: &str| {
        let put = iam.put_user_policy().user_name("alice").policy_name(name);
        put.policy_document(text).send()
    };
    for (name, text, expected) in [
        ("a b", LIST, "ValidationError"),
        (&"x".repeat(129), LIST, "ValidationError"),
        (&"x".repeat(128), LIST, "ok"),
        ("p", "{", "MalformedPolicyDocument"),
        ("p", &trusts(ALICE), "MalformedPolicyDocument"),
        (
            "p",
            &LIST.replace("\"*\"", "\"\u{2014}\""),
            "ValidationError",
        ),
    ] {
        assert_eq!(code(put(name, text).await), expected, "{name} {text}");
    }
}

#[tokio::test]
async fn white_space_is_free_in_a_users_policies_and_a_deleted_one_makes_room() {
    let sandbox = start(&trusts(ALICE)).await;
    let of = |size: usize| {
        let pin = |length: usize| {
            let value = "x".repeat(length);
            identity(
                "Deny",
                "x:y",
                &format!(r#"{{"Null":{{"x:{value}":"true"}}}}"#),
            )
        };
        pin(size - pin(0).len()).replacen("{\"Effect\"", " \r\n\t{ \"Effect\"", 1)
    };
    assert_eq!(put(&sandbox, "one", &of(2_049)).await, "LimitExceeded");
    assert_eq!(put(&sandbox, "one", &of(2_048)).await, "ok");
    assert_eq!(put(&sandbox, "one", &of(2_000)).await, "ok", "in its place");
    assert_eq!(put(&sandbox, "two", &of(151)).await, "LimitExceeded");
    let knobs = sandbox.knobs();
    assert!(knobs.put_user_policy(ALICE, "one", None).is_ok());
    assert_eq!(put(&sandbox, "two", &of(151)).await, "ok");
    let foreign = knobs.put_user_policy(ALICE, "one", Some(&of(2_000)));
    assert_eq!(
        foreign.unwrap_err().code,
        "LimitExceeded",
        "another hand's too"
    );
    knobs.without(Rule::InlineQuota);
    assert_eq!(put(&sandbox, "one", &of(2_000)).await, "ok");
}

#[tokio::test]
async fn a_users_policy_works_for_keys_and_for_sessions_and_ends_with_it() {
    let sandbox = start(&trusts(ALICE)).await;
    assert!(!may(&sandbox).await);
    assert_eq!(put(&sandbox, "p", LIST).await, "ok");
    assert!(may(&sandbox).await);
    let sts = as_user(&sandbox, "alice").1;
    let token = sts.get_session_token();
    let token = token.serial_number("arn:aws:iam::111122223333:mfa/alice");
    let token = token.token_code("123456").send().await.unwrap();
    let (session, _) = with_keys(&sandbox, token.credentials().unwrap());
    assert_eq!(code(session.list_users().send().await), "ok");
    assert_eq!(code(session.list_roles().send().await), "AccessDenied");
    let knobs = sandbox.knobs();
    assert_eq!(knobs.user_policy(ALICE, "p").as_deref(), Some(LIST));
    knobs.put_user_policy(ALICE, "p", None).unwrap();
    assert_eq!(knobs.user_policy(ALICE, "p"), None);
    assert!(!may(&sandbox).await);
    assert_eq!(code(session.list_users().send().await), "AccessDenied");
}

#[tokio::test]
async fn a_dated_allow_of_a_user_ends_at_its_date() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    knobs.set_clock("2026-06-01T12:00:00Z".parse().unwrap());
    let until = r#"{"DateLessThan":{"aws:CurrentTime":"2026-06-01T12:00:05Z"}}"#;
    assert_eq!(
        put(&sandbox, "p", &identity("Allow", "iam:List*", until)).await,
        "ok"
    );
    assert!(may(&sandbox).await);
    knobs.advance(TimeDelta::seconds(5));
    assert!(!may(&sandbox).await);
}

#[tokio::test]
async fn each_account_has_users_of_its_own() {
    let other = account_of(
        OTHER,
        vec![
            user("boss", Some(ALLOW_ALL)),
            SeedUser {
                access_key_id: None,
                secret_access_key: None,
                ..user("alice", None)
            },
        ],
        vec![],
    );
    let sandbox = start_all(vec![account(&trusts("*")), other]).await;
    let who = async |caller: &str| {
        let call = as_user(&sandbox, caller).0.get_user().user_name("alice");
        let user = call.send().await.unwrap().user().unwrap().clone();
        (user.arn().to_owned(), user.user_id().to_owned())
    };
    let (here, there) = (who("admin").await, who("boss").await);
    assert_eq!(here.0, ALICE);
    assert_eq!(there.0, "arn:aws:iam::444455556666:user/alice");
    assert_ne!(here.1, there.1);
    let ghost = as_user(&sandbox, "boss").0.get_user().user_name("bob");
    assert_eq!(code(ghost.send().await), "NoSuchEntity");
    // Without a name it is the caller, who must be a user.
    let own = as_user(&sandbox, "boss").0.get_user().send().await.unwrap();
    assert_eq!(own.user().unwrap().user_name(), "boss");
    let session = session(&sandbox, "admin", "admin").await;
    let nobody = as_session(&sandbox, &session).0.get_user().send().await;
    assert_eq!(
        refusal(nobody),
        "ValidationError: Must specify userName when calling with non-User credentials"
    );
}

#[tokio::test]
async fn a_users_policy_has_two_planes_like_a_roles() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let document = Document::UserPolicy(ALICE.to_owned(), "p".to_owned());
    knobs.freeze(&document);
    assert_eq!(put(&sandbox, "p", LIST).await, "ok");
    assert!(!may(&sandbox).await, "not yet");
    assert_eq!(read(&sandbox).await.as_deref(), Ok(LIST));
    knobs.thaw(&document);
    assert!(may(&sandbox).await);
    knobs.freeze(&document);
    knobs.put_user_policy(ALICE, "p", None).unwrap();
    assert!(may(&sandbox).await, "nor is it gone at once");
    knobs.thaw(&document);
    knobs.set_clock("2030-06-01T12:00:00Z".parse().unwrap());
    knobs.propagation_delay(TimeDelta::seconds(10));
    assert_eq!(put(&sandbox, "p", LIST).await, "ok");
    assert!(!may(&sandbox).await);
    knobs.advance(TimeDelta::seconds(10));
    assert!(may(&sandbox).await);
}

#[tokio::test]
async fn reads_of_a_users_policies_are_stale_or_normalised() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let spaced = LIST.replace(':', ": ");
    assert_eq!(put(&sandbox, "p", LIST).await, "ok");
    knobs.stale_reads(true);
    assert_eq!(read(&sandbox).await, Err("NoSuchEntity".to_owned()));
    let iam = as_user(&sandbox, "admin").0;
    let list = iam.list_user_policies().user_name("alice");
    assert!(list.send().await.unwrap().policy_names().is_empty());
    assert_eq!(put(&sandbox, "p", &spaced).await, "ok");
    assert_eq!(read(&sandbox).await.as_deref(), Ok(LIST));
    knobs.stale_reads(false);
    assert_eq!(read(&sandbox).await, Ok(spaced.clone()));
    knobs.normalised_reads(true);
    let shown = read(&sandbox).await.unwrap();
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(
        shown != spaced && parsed(&shown) == parsed(&spaced),
        "{shown}"
    );
}

#[tokio::test]
async fn a_late_write_or_deletion_lands_over_another_hands() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let late = knobs.land_late("PutUserPolicy", 1);
    assert_eq!(put(&sandbox, "p", LIST).await, "no answer");
    knobs.put_user_policy(ALICE, "p", Some(ALLOW_ALL)).unwrap();
    late.land();
    assert_eq!(knobs.user_policy(ALICE, "p").as_deref(), Some(LIST));
    let late = knobs.land_late("DeleteUserPolicy", 1);
    let iam = as_user(&sandbox, "admin").0;
    let delete = iam.delete_user_policy().user_name("alice").policy_name("p");
    assert_eq!(code(delete.send().await), "no answer");
    knobs.put_user_policy(ALICE, "p", Some(ALLOW_ALL)).unwrap();
    late.land();
    assert_eq!(knobs.user_policy(ALICE, "p"), None);
}

#[tokio::test]
async fn another_hand_writes_between_a_read_and_a_write() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    assert_eq!(put(&sandbox, "p", LIST).await, "ok");
    let hold = knobs.hold("GetUserPolicy", 1, When::AfterEffect);
    let call = as_user(&sandbox, "admin").0.get_user_policy();
    let call = call.user_name("alice").policy_name("p");
    let reading = tokio::spawn(call.send());
    reached(&hold).await;
    knobs.put_user_policy(ALICE, "p", Some(ALLOW_ALL)).unwrap();
    hold.release();
    let old = reading.await.unwrap().unwrap();
    assert_eq!(decoded(old.policy_document()), LIST);
    assert_eq!(put(&sandbox, "p", LIST).await, "ok", "the last writer wins");
    assert_eq!(knobs.user_policy(ALICE, "p").as_deref(), Some(LIST));
}

#[tokio::test]
async fn reads_show_a_list_of_one_as_its_entry() {
    let sandbox = start(&trusts(ALICE)).await;
    let lists = LIST.replace("\"iam:ListUsers\"", "[\"iam:ListUsers\"]");
    assert_eq!(put(&sandbox, "p", &lists).await, "ok");
    sandbox.knobs().collapsed_reads(true);
    let shown = read(&sandbox).await.unwrap();
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parsed(&shown), parsed(LIST));
    sandbox.knobs().collapsed_reads(false);
    assert_eq!(read(&sandbox).await, Ok(lists));
}

#[tokio::test]
async fn an_inert_deny_is_taken_and_decides_nothing() {
    let inert = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*","Condition":{"NumericLessThan":{"aws:EpochTime":"1"}}}]}"#;
    for (trust, expected) in [(trusts(ALICE), "ok"), (trusts(ACCOUNT), "AccessDenied")] {
        let sandbox = start(&trust).await;
        assert_eq!(put(&sandbox, "p", inert).await, "ok");
        let role = sandbox.knobs().put_role_policy(ROLE, "p", Some(inert));
        assert!(role.is_ok());
        assert_eq!(code(assume(&sandbox, "alice", "xx").await), expected);
    }
}
