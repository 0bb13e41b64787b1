//! From one account into another: both sides must allow.

use super::*;

const DENIED: &str = "AccessDenied";
const CAROL: &str = "arn:aws:iam::444455556666:user/carol";
const MAY_ASSUME: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"arn:aws:iam::111122223333:role/prod-admin"}]}"#;

/// carol of another account asks for `prod-admin`.
async fn outcome(trust: &str, own: Option<&str>) -> String {
    let other = account_of(OTHER, vec![user("carol", own)], vec![]);
    let sandbox = start_all(vec![account(&trusts("*")), other]).await;
    sandbox.knobs().put_trust(ROLE, trust).unwrap();
    code(assume(&sandbox, "carol", "carol").await)
}

#[tokio::test]
async fn both_sides_must_allow_however_she_is_named() {
    for named in [CAROL, OTHER, "arn:aws:iam::444455556666:root", "*"] {
        let trust = trusts(named);
        assert_eq!(outcome(&trust, None).await, DENIED, "{named}");
        assert_eq!(outcome(&trust, Some(MAY_ASSUME)).await, "ok", "{named}");
    }
    assert_eq!(outcome(&trusts(ALICE), Some(MAY_ASSUME)).await, DENIED);
    let elsewhere = MAY_ASSUME.replace(ACCOUNT, THIRD);
    assert_eq!(outcome(&trusts(CAROL), Some(&elsewhere)).await, DENIED);
}

#[tokio::test]
async fn a_deny_on_either_side_wins() {
    let deny = r#",{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}]}"#;
    let own = MAY_ASSUME.replace("]}", deny);
    assert_eq!(outcome(&trusts(CAROL), Some(&own)).await, DENIED);
    let deny = format!(
        r#",{{"Effect":"Deny","Principal":{{"AWS":"{OTHER}"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    let trust = trusts(CAROL).replace("]}", &deny);
    assert_eq!(outcome(&trust, Some(MAY_ASSUME)).await, DENIED);
}

#[tokio::test]
async fn the_callers_own_policy_sees_the_name_the_time_and_the_second_factor() {
    for (condition, expected) in [
        (
            r#"{"StringEquals":{"sts:RoleSessionName":["x-1","carol"]}}"#,
            "ok",
        ),
        (r#"{"StringEquals":{"sts:RoleSessionName":"x-1"}}"#, DENIED),
        (
            r#"{"DateLessThan":{"aws:CurrentTime":"2999-01-01T00:00:00Z"}}"#,
            "ok",
        ),
        (
            r#"{"DateLessThan":{"aws:CurrentTime":"2001-01-01T00:00:00Z"}}"#,
            DENIED,
        ),
        (r#"{"StringEquals":{"aws:username":"carol"}}"#, "ok"),
        (
            r#"{"StringEquals":{"aws:PrincipalAccount":"444455556666"}}"#,
            "ok",
        ),
        (
            r#"{"StringEquals":{"aws:PrincipalAccount":"${aws:userid}"}}"#,
            DENIED,
        ),
        (
            r#"{"StringLike":{"aws:PrincipalArn":"*/${aws:username}"}}"#,
            "ok",
        ),
        (r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#, DENIED),
    ] {
        let own = identity("Allow", "sts:AssumeRole", condition);
        assert_eq!(
            outcome(&trusts(CAROL), Some(&own)).await,
            expected,
            "{condition}"
        );
    }
    let own = identity(
        "Allow",
        "sts:AssumeRole",
        r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#,
    );
    let other = account_of(OTHER, vec![user("carol", Some(&own))], vec![]);
    let sandbox = start_all(vec![account(&trusts(CAROL)), other]).await;
    let call = as_user(&sandbox, "carol").1.assume_role().role_arn(ROLE);
    let call = call.role_session_name("carol").token_code("123456");
    let call = call.serial_number("arn:aws:iam::444455556666:mfa/carol");
    assert_eq!(code(call.send().await), "ok");
}

/// A hub in one account, a manager and a target in another.
async fn chain(target: &str, manager_may: &str) -> Sandbox {
    let hub = "arn:aws:iam::444455556666:role/hub";
    let mut member = account(target);
    member.roles.push(role("manager", &trusts(hub)));
    member.roles[1].policies = BTreeMap::from([("own".to_owned(), manager_may.to_owned())]);
    let hub = role("hub", &trusts(CAROL));
    let home = account_of(OTHER, vec![user("carol", None)], vec![hub]);
    start_all(vec![member, home]).await
}

async fn step(
    sandbox: &Sandbox,
    from: &AssumeRoleOutput,
    arn: &str,
    name: &str,
) -> AssumeRoleOutput {
    let call = as_session(sandbox, from).1.assume_role().role_arn(arn);
    call.role_session_name(name).send().await.unwrap()
}

async fn manager(sandbox: &Sandbox) -> AssumeRoleOutput {
    let call = as_user(sandbox, "carol").1.assume_role();
    let call = call.role_arn("arn:aws:iam::444455556666:role/hub");
    let hub = call.role_session_name("ci").send().await.unwrap();
    step(
        sandbox,
        &hub,
        "arn:aws:iam::111122223333:role/manager",
        "countersign",
    )
    .await
}

#[tokio::test]
async fn a_hub_reaches_a_manager_in_another_account_and_acts_there() {
    let sandbox = chain(&trusts(ALICE), ALLOW_ALL).await;
    let manager = manager(&sandbox).await;
    let (iam, sts) = as_session(&sandbox, &manager);
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(
        who.arn(),
        Some("arn:aws:sts::111122223333:assumed-role/manager/countersign")
    );
    let user = iam.get_user().user_name("alice").send().await.unwrap();
    assert_eq!(user.user().unwrap().arn(), ALICE);
    let put = iam.put_user_policy().user_name("alice").policy_name("p");
    assert_eq!(code(put.policy_document(MAY_ASSUME).send().await), "ok");
}

/// The statements that a target has for its manager: each action has keys of its own.
fn pinned(each: bool) -> String {
    let manager = "arn:aws:iam::111122223333:role/manager";
    let statement = |action: &str, condition: &str| {
        format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{manager}"}},"Action":{action},"Condition":{condition}}}"#
        )
    };
    let name = r#""StringLike":{"sts:RoleSessionName":"grant_*","sts:SourceIdentity":"person_*"}"#;
    let tag = r#""StringLike":{"aws:RequestTag/countersign:grant":"grant_*"},"ForAllValues:StringEquals":{"aws:TagKeys":["countersign:grant"]}"#;
    let all = if each {
        vec![
            statement(r#""sts:AssumeRole""#, &format!("{{{name}}}")),
            statement(
                r#""sts:SetSourceIdentity""#,
                r#"{"StringLike":{"sts:SourceIdentity":"person_*"}}"#,
            ),
            statement(r#""sts:TagSession""#, &format!("{{{tag}}}")),
        ]
    } else {
        let actions = r#"["sts:AssumeRole","sts:SetSourceIdentity","sts:TagSession"]"#;
        vec![statement(actions, &format!("{{{name}}}"))]
    };
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        all.join(",")
    )
}

#[tokio::test]
async fn each_action_sees_keys_of_its_own() {
    for (each, name, identity, tag, expected) in [
        (true, "grant_1", Some("person_1"), "countersign:grant", "ok"),
        (true, "zzz", Some("person_1"), "countersign:grant", DENIED),
        (true, "grant_1", Some("root"), "countersign:grant", DENIED),
        (true, "grant_1", None, "countersign:grant", DENIED),
        (true, "grant_1", Some("person_1"), "team", DENIED),
        // One statement for the three: a session name is no key of the other two.
        (
            false,
            "grant_1",
            Some("person_1"),
            "countersign:grant",
            DENIED,
        ),
    ] {
        let sandbox = chain(&pinned(each), ALLOW_ALL).await;
        let manager = manager(&sandbox).await;
        let tag = aws_sdk_sts::types::Tag::builder().key(tag).value("grant_1");
        let call = as_session(&sandbox, &manager)
            .1
            .assume_role()
            .role_arn(ROLE);
        let call = call.role_session_name(name).tags(tag.build().unwrap());
        let call = call.set_source_identity(identity.map(str::to_owned));
        let answer = call.send().await;
        assert_eq!(code(answer), expected, "{each} {name} {identity:?}");
    }
}

#[tokio::test]
async fn a_trust_policy_can_ask_for_an_organization() {
    let condition = r#"{"StringEquals":{"aws:PrincipalOrgID":"o-abc"}}"#;
    let other = account_of(OTHER, vec![user("carol", Some(MAY_ASSUME))], vec![]);
    let sandbox = start_all(vec![account(&trusting("*", condition)), other]).await;
    assert_eq!(code(assume(&sandbox, "carol", "carol").await), DENIED);
    sandbox.knobs().join_organization(OTHER, "o-xyz");
    assert_eq!(code(assume(&sandbox, "carol", "carol").await), DENIED);
    sandbox.knobs().join_organization(OTHER, "o-abc");
    assert_eq!(code(assume(&sandbox, "carol", "carol").await), "ok");
    let alice = assume(&sandbox, "alice", "alice").await;
    assert_eq!(code(alice), DENIED, "her account is of none");
}
