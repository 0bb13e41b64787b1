//! How much fits, and which roles nobody may change.

use super::*;

/// A trust policy of exactly this many characters that count, and some white space.
fn trust_of(size: usize) -> String {
    let pin = |length: usize| {
        trusting(
            ALICE,
            &format!(
                r#"{{"StringNotEquals":{{"aws:userid":"{}"}}}}"#,
                "x".repeat(length)
            ),
        )
    };
    let text = pin(size - pin(0).len());
    assert_eq!(text.len(), size);
    text.replacen("{\"Effect\"", " \n\t{ \"Effect\"", 1)
}

/// An inline policy of exactly this many characters.
fn inline_of(size: usize) -> String {
    let pin = |length: usize| {
        identity(
            "Deny",
            "x:y",
            &format!(
                r#"{{"StringEquals":{{"aws:userid":"{}"}}}}"#,
                "x".repeat(length)
            ),
        )
    };
    pin(size - pin(0).len())
}

#[tokio::test]
async fn a_trust_policy_has_the_accounts_quota_and_white_space_is_free() {
    for quota in [2_048, 8_192] {
        let mut account = account(&trusts(ALICE));
        account.trust_quota = quota;
        let sandbox = start_with(account).await;
        let iam = as_user(&sandbox, "admin").0;
        let put = async |text: String| {
            let call = iam.update_assume_role_policy().role_name("prod-admin");
            refusal(call.policy_document(text).send().await)
        };
        assert_eq!(put(trust_of(quota)).await, "ok");
        let full = format!("LimitExceeded: Cannot exceed quota for ACLSizePerRole: {quota}");
        assert_eq!(put(trust_of(quota + 1)).await, full);
        let create = iam.create_role().role_name("big");
        let create = create.assume_role_policy_document(trust_of(quota + 1));
        assert_eq!(refusal(create.send().await), full);
        let summary = iam.get_account_summary().send().await.unwrap();
        let map = summary.summary_map().unwrap();
        let shown = map
            .iter()
            .find(|(key, _)| key.as_str() == "AssumeRolePolicySizeQuota");
        assert_eq!(shown.map(|(_, value)| *value), i32::try_from(quota).ok());
    }
}

#[tokio::test]
async fn the_inline_policies_of_a_role_share_10240_characters() {
    let mut account = account(&trusts(ALICE));
    account.roles[0].policies.clear();
    let sandbox = start_with(account).await;
    let iam = as_user(&sandbox, "admin").0;
    let put = async |name: &str, text: String| {
        let call = iam
            .put_role_policy()
            .role_name("prod-admin")
            .policy_name(name);
        refusal(call.policy_document(text).send().await)
    };
    let full = "LimitExceeded: Maximum policy size of 10240 bytes exceeded for role prod-admin";
    assert_eq!(put("one", inline_of(10_241)).await, full);
    assert_eq!(put("one", inline_of(6_000)).await, "ok");
    assert_eq!(put("two", inline_of(4_241)).await, full);
    assert_eq!(put("two", inline_of(4_240)).await, "ok");
    assert_eq!(put("one", inline_of(6_000)).await, "ok", "in its own place");
    let delete = iam
        .delete_role_policy()
        .role_name("prod-admin")
        .policy_name("one");
    delete.send().await.unwrap();
    assert_eq!(put("three", inline_of(6_000)).await, "ok", "room again");
}

#[tokio::test]
async fn the_inline_policies_of_a_user_share_2048_characters() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let put = async |name: &str, size: usize| {
        let call = iam.put_user_policy().user_name("alice").policy_name(name);
        refusal(call.policy_document(inline_of(size)).send().await)
    };
    assert_eq!(put("one", 1_000).await, "ok");
    assert_eq!(put("two", 1_048).await, "ok");
    assert_eq!(
        put("two", 1_049).await,
        "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user alice"
    );
}

#[tokio::test]
async fn a_user_has_two_access_keys_at_most() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let create = || iam.create_access_key().user_name("alice").send();
    let key = create().await.unwrap();
    assert_eq!(code(create().await), "LimitExceeded");
    let key = key.access_key().unwrap();
    let list = iam
        .list_access_keys()
        .user_name("alice")
        .send()
        .await
        .unwrap();
    assert_eq!(list.access_key_metadata().len(), 2);
    let alice = Credentials::new(
        key.access_key_id(),
        key.secret_access_key(),
        None,
        None,
        "test",
    );
    let who = credentials(&sandbox, alice).1;
    let arn = who.get_caller_identity().send().await.unwrap();
    assert_eq!(arn.arn(), Some(ALICE));
    let delete = || {
        iam.delete_access_key()
            .user_name("alice")
            .access_key_id(key.access_key_id())
            .send()
    };
    assert_eq!(code(delete().await), "ok");
    assert_eq!(code(delete().await), "NoSuchEntity");
    assert_eq!(
        code(who.get_caller_identity().send().await),
        "InvalidClientTokenId"
    );
}

#[tokio::test]
async fn aws_own_roles_cannot_be_changed() {
    for (name, path) in [
        (
            "AWSReservedSSO_Admin_0123456789abcdef",
            "/aws-reserved/sso.amazonaws.com/eu-west-1/",
        ),
        (
            "AWSServiceRoleForSupport",
            "/aws-service-role/support.amazonaws.com/",
        ),
    ] {
        let mut account = account(&trusts(ALICE));
        account.roles.push(SeedRole {
            path: path.to_owned(),
            ..role(name, &trusts(ALICE))
        });
        let sandbox = start_with(account).await;
        let iam = as_user(&sandbox, "admin").0;
        let trust = iam
            .update_assume_role_policy()
            .role_name(name)
            .policy_document(trusts(ALICE));
        let put = iam
            .put_role_policy()
            .role_name(name)
            .policy_name("x")
            .policy_document(ALLOW_ALL);
        let delete = iam.delete_role_policy().role_name(name).policy_name("all");
        let tag = aws_sdk_iam::types::Tag::builder()
            .key("k")
            .value("v")
            .build()
            .unwrap();
        for refused in [
            refusal(trust.send().await),
            refusal(put.send().await),
            refusal(delete.send().await),
            refusal(
                iam.update_role()
                    .role_name(name)
                    .max_session_duration(3_600)
                    .send()
                    .await,
            ),
            refusal(iam.tag_role().role_name(name).tags(tag).send().await),
            refusal(iam.delete_role().role_name(name).send().await),
        ] {
            assert!(
                refused.starts_with(
                    "UnmodifiableEntity: Cannot perform the operation on the protected role"
                ),
                "{refused}"
            );
        }
        let create = iam.create_role().role_name("mine").path(path);
        let create = create.assume_role_policy_document(trusts(ALICE));
        assert_eq!(code(create.send().await), "ValidationError");
        let read = iam.get_role().role_name(name).send().await.unwrap();
        assert_eq!(read.role().unwrap().path(), path);
    }
}
