//! Roles and users: made, named, listed, tagged, deleted.

use super::*;

fn tag(key: &str, value: &str) -> aws_sdk_iam::types::Tag {
    let tag = aws_sdk_iam::types::Tag::builder().key(key).value(value);
    tag.build().unwrap()
}

#[tokio::test]
async fn a_role_from_its_making_to_its_end() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let create = |name: &str| {
        let call = iam.create_role().role_name(name).path("/team/");
        call.assume_role_policy_document(trusts(ALICE))
            .tags(tag("team", "sre"))
            .send()
    };
    let made = create("Deploy").await.unwrap();
    let made = made.role().unwrap();
    assert_eq!(made.arn(), "arn:aws:iam::111122223333:role/team/Deploy");
    assert!(made.role_id().starts_with("AROA") && made.role_id().len() == 21);
    assert_eq!(made.max_session_duration(), Some(3_600));
    assert_eq!(
        code(create("deploy").await),
        "EntityAlreadyExists",
        "names differ by more than case"
    );

    let update = iam
        .update_role()
        .role_name("deploy")
        .description("<&> \"d\"");
    update.max_session_duration(7_200).send().await.unwrap();
    iam.tag_role()
        .role_name("Deploy")
        .tags(tag("env", "prod"))
        .send()
        .await
        .unwrap();
    let again = async |tags: &[(&str, &str)]| {
        let call = iam.tag_role().role_name("deploy");
        let tags = tags.iter().map(|(key, value)| tag(key, value)).collect();
        code(call.set_tags(Some(tags)).send().await)
    };
    assert_eq!(again(&[("AWS:team", "x")]).await, "InvalidInput");
    assert_eq!(again(&[("a", "x"), ("A", "x")]).await, "InvalidInput");
    assert_eq!(again(&[("ENV", "prod")]).await, "ok");
    assert_eq!(again(&[("env", "prod")]).await, "ok");
    let read = iam.get_role().role_name("Deploy").send().await.unwrap();
    let read = read.role().unwrap();
    assert_eq!(read.description(), Some("<&> \"d\""));
    assert_eq!(read.max_session_duration(), Some(7_200));
    let tags: Vec<_> = read
        .tags()
        .iter()
        .map(|it| (it.key(), it.value()))
        .collect();
    assert_eq!(tags, [("env", "prod"), ("team", "sre")]);
    let listed = iam
        .list_role_tags()
        .role_name("Deploy")
        .send()
        .await
        .unwrap();
    assert_eq!(listed.tags(), read.tags());

    let put = iam.put_role_policy().role_name("Deploy").policy_name("p");
    put.policy_document(ALLOW_ALL).send().await.unwrap();
    let names = iam
        .list_role_policies()
        .role_name("Deploy")
        .send()
        .await
        .unwrap();
    assert_eq!(names.policy_names(), ["p"]);
    let delete = || iam.delete_role().role_name("Deploy").send();
    assert_eq!(code(delete().await), "DeleteConflict");
    let drop = || {
        iam.delete_role_policy()
            .role_name("Deploy")
            .policy_name("p")
            .send()
    };
    assert_eq!(code(drop().await), "ok");
    assert_eq!(code(drop().await), "NoSuchEntity");
    assert_eq!(code(delete().await), "ok");
    assert_eq!(code(delete().await), "NoSuchEntity");
    let gone = refusal(iam.get_role().role_name("Deploy").send().await);
    assert_eq!(
        gone,
        "NoSuchEntity: The role with name Deploy cannot be found."
    );
}

#[tokio::test]
async fn a_user_from_its_making_to_its_end() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let made = iam
        .create_user()
        .user_name("Carol")
        .path("/team/")
        .send()
        .await
        .unwrap();
    let made = made.user().unwrap();
    assert_eq!(made.arn(), "arn:aws:iam::111122223333:user/team/Carol");
    assert!(made.user_id().starts_with("AIDA"));
    let again = iam.create_user().user_name("CAROL").send().await;
    assert_eq!(code(again), "EntityAlreadyExists");
    let put = iam.put_user_policy().user_name("Carol").policy_name("p");
    put.policy_document(ALLOW_ALL).send().await.unwrap();
    let get = iam
        .get_user_policy()
        .user_name("Carol")
        .policy_name("p")
        .send()
        .await
        .unwrap();
    let decoded = percent_encoding::percent_decode_str(get.policy_document()).decode_utf8();
    assert_eq!(decoded.unwrap(), ALLOW_ALL);
    let names = iam
        .list_user_policies()
        .user_name("Carol")
        .send()
        .await
        .unwrap();
    assert_eq!(names.policy_names(), ["p"]);
    let delete = || iam.delete_user().user_name("Carol").send();
    assert_eq!(code(delete().await), "DeleteConflict");
    let drop = iam.delete_user_policy().user_name("Carol").policy_name("p");
    drop.send().await.unwrap();
    assert_eq!(code(delete().await), "ok");
    let gone = refusal(iam.get_user().user_name("Carol").send().await);
    assert_eq!(
        gone,
        "NoSuchEntity: The user with name Carol cannot be found."
    );
    let mine = iam.get_user().send().await.unwrap();
    assert_eq!(
        mine.user().unwrap().user_name(),
        "admin",
        "without a name: the caller"
    );
    let with_key = iam.delete_user().user_name("alice").send().await;
    assert_eq!(code(with_key), "DeleteConflict");
}

#[tokio::test]
async fn names_and_paths_that_iam_does_not_take() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let longest = "x".repeat(64);
    for (name, expected) in [
        ("a_+=,.@-Z9", "ok"),
        (longest.as_str(), "ok"),
        ("a b", "ValidationError"),
        ("a/b", "ValidationError"),
        ("ä", "ValidationError"),
        (&"x".repeat(65), "ValidationError"),
    ] {
        let role = iam.create_role().role_name(name);
        let role = role.assume_role_policy_document(trusts(ALICE)).send().await;
        assert_eq!(code(role), expected, "role {name}");
        let user = iam.create_user().user_name(name).send().await;
        assert_eq!(code(user), expected, "user {name}");
    }
    for path in ["team", "/team", "team/", "/te am/"] {
        let user = iam.create_user().user_name("carol").path(path).send().await;
        assert_eq!(code(user), "ValidationError", "{path}");
    }
    let long = "x".repeat(129);
    for name in ["a b", "ü", &format!("{}!", "x".repeat(100)), &long] {
        let put = iam
            .put_role_policy()
            .role_name("prod-admin")
            .policy_name(name);
        let put = put.policy_document(ALLOW_ALL).send().await;
        assert_eq!(code(put), "ValidationError", "{name}");
    }
}

#[tokio::test]
async fn a_path_in_front_of_a_name_does_not_lead_around_the_policies() {
    let own = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::111122223333:role/mine/*"}]}"#;
    let mut account = account(&trusts(ALICE));
    account.users[0] = user("alice", Some(own));
    let sandbox = start_with(account).await;
    let iam = as_user(&sandbox, "alice").0;
    let put = iam.update_assume_role_policy().role_name("mine/prod-admin");
    let put = put.policy_document(trusts("*")).send().await;
    assert_eq!(code(put), "ValidationError");
    assert_eq!(sandbox.knobs().trust(ROLE), Some(trusts(ALICE)));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let trust = iam.update_assume_role_policy().role_name("ghost");
    let put = iam.put_role_policy().role_name("ghost").policy_name("p");
    for refused in [
        code(trust.policy_document(trusts(ALICE)).send().await),
        code(put.policy_document(ALLOW_ALL).send().await),
        code(iam.list_role_policies().role_name("ghost").send().await),
        code(iam.list_role_tags().role_name("ghost").send().await),
        code(iam.update_role().role_name("ghost").send().await),
        code(iam.list_user_policies().user_name("ghost").send().await),
        code(iam.create_access_key().user_name("ghost").send().await),
        code(
            iam.get_user_policy()
                .user_name("alice")
                .policy_name("p")
                .send()
                .await,
        ),
        code(
            iam.delete_user_policy()
                .user_name("alice")
                .policy_name("p")
                .send()
                .await,
        ),
    ] {
        assert_eq!(refused, "NoSuchEntity");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let mut account = account(&trusts(ALICE));
    account
        .users
        .extend((0..120).map(|n| user(&format!("user{n:03}"), None)));
    account.roles.push(SeedRole {
        path: "/team/".to_owned(),
        ..role("deploy", &trusts(ALICE))
    });
    let sandbox = start_with(account).await;
    let iam = as_user(&sandbox, "admin").0;
    let first = iam.list_users().send().await.unwrap();
    assert_eq!((first.users().len(), first.is_truncated()), (100, true));
    let pages = iam
        .list_users()
        .into_paginator()
        .page_size(50)
        .items()
        .send();
    let all: Vec<_> = pages.try_collect().await.unwrap();
    let names: std::collections::BTreeSet<_> = all.iter().map(|it| it.user_name()).collect();
    assert_eq!((all.len(), names.len()), (123, 123));
    let team = iam.list_roles().path_prefix("/team/").send().await.unwrap();
    let names: Vec<_> = team.roles().iter().map(|it| it.role_name()).collect();
    assert_eq!(names, ["deploy"]);
}

#[tokio::test]
async fn policies_confine_to_a_resource_and_to_its_tags() {
    let own = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"iam:GetRole","Resource":"arn:aws:iam::111122223333:role/prod-*"},
        {"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/managed":"true"}}}]}"#;
    let mut account = account(&trusts(ALICE));
    account.users[0] = user("alice", Some(own));
    account.roles.push(role("other", &trusts(ALICE)));
    account.roles[0].tags = [("managed".to_owned(), "true".to_owned())].into();
    let sandbox = start_with(account).await;
    let iam = as_user(&sandbox, "alice").0;
    for (name, expected) in [
        ("prod-admin", "ok"),
        ("other", "AccessDenied"),
        ("ghost", "AccessDenied"),
    ] {
        assert_eq!(
            code(iam.get_role().role_name(name).send().await),
            expected,
            "{name}"
        );
        let put = iam.put_role_policy().role_name(name).policy_name("p");
        assert_eq!(
            code(put.policy_document(ALLOW_ALL).send().await),
            expected,
            "{name}"
        );
    }
    assert_eq!(code(iam.list_roles().send().await), "AccessDenied");
}
