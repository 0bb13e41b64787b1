//! Who may assume a role, and who may not (the rows of moto's table that trust and identity
//! policies decide).

use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;

use super::*;

const DENIED: &str = "AccessDenied";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const MFA: &str = r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#;
const MAY_ASSUME: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/prod-*"}]}"#;

fn call(sandbox: &Sandbox, name: &str) -> AssumeRoleFluentBuilder {
    let sts = as_user(sandbox, name).1;
    sts.assume_role().role_arn(ROLE).role_session_name(name)
}

async fn outcome(trust: &str, caller: &str) -> String {
    let sandbox = start(trust).await;
    code(assume(&sandbox, caller, caller).await)
}

/// The outcome for alice with an inline policy of her own.
async fn with_policy(trust: &str, policy: &str) -> String {
    let mut account = account(trust);
    account.users[0] = user("alice", Some(policy));
    let sandbox = start_with(account).await;
    code(assume(&sandbox, "alice", "alice").await)
}

#[tokio::test]
async fn a_user_named_in_the_trust_policy_needs_nothing_else_and_nobody_else_gets_in() {
    assert_eq!(outcome(&trusts(ALICE), "alice").await, "ok");
    assert_eq!(outcome(&trusts(ALICE), "bob").await, DENIED);
    assert_eq!(outcome(&trusts(ALICE), "admin").await, DENIED);
}

#[tokio::test]
async fn a_longer_name_does_not_match_a_shorter_one() {
    let mut account = account(&trusts("*"));
    account.users.push(user("alice2", None));
    account.roles[0].trust = trusts("arn:aws:iam::111122223333:user/alice2");
    let sandbox = start_with(account).await;
    assert_eq!(code(assume(&sandbox, "alice", "alice").await), DENIED);
    assert_eq!(code(assume(&sandbox, "alice2", "alice").await), "ok");
}

#[tokio::test]
async fn the_whole_account_is_admitted_only_with_a_policy_of_the_callers_own() {
    for account in [ROOT, ACCOUNT] {
        assert_eq!(with_policy(&trusts(account), MAY_ASSUME).await, "ok");
        assert_eq!(outcome(&trusts(account), "alice").await, DENIED);
    }
    assert_eq!(
        with_policy(&trusts("444455556666"), MAY_ASSUME).await,
        DENIED
    );
}

#[tokio::test]
async fn another_account_must_allow_as_well() {
    let trust = trusts("arn:aws:iam::444455556666:user/carol");
    for (policy, expected) in [(None, DENIED), (Some(MAY_ASSUME), "ok")] {
        let mut other = account(&trusts("*"));
        other.id = "444455556666".to_owned();
        other.users = vec![user("carol", policy)];
        let accounts = vec![account(&trust), other];
        let sandbox = Sandbox::start(options(accounts)).await.unwrap();
        assert_eq!(code(assume(&sandbox, "carol", "carol").await), expected);
    }
}

#[tokio::test]
async fn a_role_that_is_not_there_cannot_be_assumed() {
    let sandbox = start(&trusts("*")).await;
    let call = call(&sandbox, "admin").role_arn("arn:aws:iam::111122223333:role/ghost");
    assert_eq!(code(call.send().await), DENIED);
}

#[tokio::test]
async fn trust_ends_at_its_date() {
    let until = |date: &str| {
        trusting(
            ALICE,
            &format!(r#"{{"DateLessThan":{{"aws:CurrentTime":"{date}"}}}}"#),
        )
    };
    assert_eq!(
        outcome(&until("2020-01-01T00:00:00Z"), "alice").await,
        DENIED
    );
    assert_eq!(outcome(&until("2999-01-01T00:00:00Z"), "alice").await, "ok");
    let sandbox = start(&until("2026-06-01T12:00:00Z")).await;
    let knobs = sandbox.knobs();
    knobs.set_clock("2026-06-01T11:59:59Z".parse().unwrap());
    assert_eq!(code(assume(&sandbox, "alice", "alice").await), "ok");
    knobs.advance(chrono::TimeDelta::seconds(1));
    assert_eq!(code(assume(&sandbox, "alice", "alice").await), DENIED);
}

#[tokio::test]
async fn the_users_own_allow_ends_at_its_date() {
    let until = |date: &str| {
        let condition = format!(r#"{{"DateLessThan":{{"aws:CurrentTime":"{date}"}}}}"#);
        identity("Allow", "sts:AssumeRole", &condition)
    };
    let trust = trusts(ROOT);
    assert_eq!(
        with_policy(&trust, &until("2999-01-01T00:00:00Z")).await,
        "ok"
    );
    assert_eq!(
        with_policy(&trust, &until("2020-01-01T00:00:00Z")).await,
        DENIED
    );
}

#[tokio::test]
async fn an_explicit_deny_wins_wherever_it_stands() {
    let deny = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"sts:AssumeRole"}},
            {{"Effect":"Deny","Principal":{{"AWS":"{ALICE}"}},"Action":"sts:*"}}]}}"#
    );
    assert_eq!(outcome(&deny, "alice").await, DENIED);
    assert_eq!(outcome(&deny, "bob").await, "ok");
    let own = identity("Deny", "sts:AssumeRole", "{}");
    assert_eq!(with_policy(&trusts(ALICE), &own).await, DENIED);
}

#[tokio::test]
async fn a_second_factor_that_is_asked_for_must_be_shown() {
    let sandbox = start(&trusting(ALICE, MFA)).await;
    let device = "arn:aws:iam::111122223333:mfa/alice";
    let with = |serial: &str, code: &str| {
        let call = call(&sandbox, "alice");
        call.serial_number(serial).token_code(code).send()
    };
    assert_eq!(code(call(&sandbox, "alice").send().await), DENIED);
    assert_eq!(code(with(device, "654321").await), DENIED, "a wrong code");
    let bobs = "arn:aws:iam::111122223333:mfa/bob";
    assert_eq!(code(with(bobs, "123456").await), DENIED, "bob's device");
    assert_eq!(code(with(device, "123456").await), "ok");
}

#[tokio::test]
async fn a_session_token_carries_the_second_factor() {
    let sandbox = start(&trusting(ALICE, MFA)).await;
    let (iam, sts) = as_user(&sandbox, "alice");
    drop(iam);
    let plain = sts.get_session_token().send().await.unwrap();
    let (iam, plain) = with_keys(&sandbox, plain.credentials().unwrap());
    let assume = |sts: &aws_sdk_sts::Client| {
        let call = sts.assume_role().role_arn(ROLE);
        call.role_session_name("alice").send()
    };
    assert_eq!(code(assume(&plain).await), DENIED);
    assert_eq!(code(iam.list_users().send().await), "InvalidClientTokenId");
    assert_eq!(code(plain.get_session_token().send().await), DENIED);
    let strong = sts
        .get_session_token()
        .serial_number("arn:aws:iam::111122223333:mfa/alice")
        .token_code("123456")
        .send()
        .await
        .unwrap();
    let (iam, strong) = with_keys(&sandbox, strong.credentials().unwrap());
    assert_eq!(code(assume(&strong).await), "ok");
    assert_eq!(code(iam.list_users().send().await), DENIED, "no policy");
}

#[tokio::test]
async fn an_external_id_that_is_asked_for_must_be_sent() {
    let trust = trusting(ALICE, r#"{"StringEquals":{"sts:ExternalId":"x-42"}}"#);
    let sandbox = start(&trust).await;
    let with = |id: &str| call(&sandbox, "alice").external_id(id).send();
    assert_eq!(code(call(&sandbox, "alice").send().await), DENIED);
    assert_eq!(code(with("x-43").await), DENIED);
    assert_eq!(code(with("x-42").await), "ok");
    assert_eq!(code(with("ä ä").await), "ValidationError");
}

#[tokio::test]
async fn the_session_name_can_be_pinned() {
    let names = r#"{"StringEquals":{"sts:RoleSessionName":["alice","grant_01"]}}"#;
    let sandbox = start(&trusting(ALICE, names)).await;
    for (name, expected) in [
        ("alice", "ok"),
        ("grant_01", "ok"),
        ("Alice", DENIED),
        ("bob", DENIED),
    ] {
        assert_eq!(
            code(assume(&sandbox, "alice", name).await),
            expected,
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_answer_names_the_session_by_role_id_and_name() {
    let sandbox = start(&trusts(ALICE)).await;
    let session = session(&sandbox, "alice", "grant_01").await;
    let user = session.assumed_role_user().unwrap();
    let role_id = sandbox.knobs().unique_id(ROLE).unwrap();
    assert_eq!(user.assumed_role_id(), format!("{role_id}:grant_01"));
    assert_eq!(
        user.arn(),
        "arn:aws:sts::111122223333:assumed-role/prod-admin/grant_01"
    );
    let who = as_session(&sandbox, &session)
        .1
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    assert_eq!(who.user_id(), Some(user.assumed_role_id()));
    assert_eq!(who.arn(), Some(user.arn()));
    assert_eq!(who.account(), Some(ACCOUNT));
}

#[tokio::test]
async fn a_source_identity_needs_its_own_permission_and_is_given_back() {
    let sandbox = start(&trusts(ALICE)).await;
    let with = || call(&sandbox, "alice").source_identity("person-1").send();
    assert_eq!(
        code(with().await),
        DENIED,
        "sts:SetSourceIdentity is not allowed"
    );
    let both = trusts(ALICE).replace(
        "\"sts:AssumeRole\"",
        r#"["sts:AssumeRole","sts:SetSourceIdentity"]"#,
    );
    sandbox.knobs().put_trust(ROLE, &both).unwrap();
    let session = with().await.unwrap();
    assert_eq!(session.source_identity(), Some("person-1"));
    let deny = identity(
        "Deny",
        "*",
        r#"{"StringEquals":{"aws:SourceIdentity":"person-1"}}"#,
    );
    assert!(works(&sandbox, &session).await);
    sandbox
        .knobs()
        .put_role_policy(ROLE, "deny", Some(&deny))
        .unwrap();
    assert!(!works(&sandbox, &session).await);
}

#[tokio::test]
async fn not_principal_and_services_name_no_user() {
    let spare = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}},
            {{"Effect":"Deny","NotPrincipal":{{"AWS":["{ALICE}","{ROOT}"]}},"Action":"sts:AssumeRole"}}]}}"#
    );
    assert_eq!(outcome(&spare, "alice").await, "ok");
    let service = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    assert_eq!(outcome(service, "admin").await, DENIED);
}

/// alice may assume `hub`, and `hub` may assume `prod-admin`, with whatever is asked for besides.
async fn chain() -> Sandbox {
    let every = |principal: &str| trusts(principal).replace("sts:AssumeRole", "sts:*");
    let hub = "arn:aws:iam::111122223333:role/hub";
    let mut account = account(&every(hub));
    account.roles.push(role("hub", &every(ALICE)));
    start_with(account).await
}

#[tokio::test]
async fn a_source_identity_goes_on_through_chaining_and_cannot_be_changed() {
    let sandbox = chain().await;
    let hub = "arn:aws:iam::111122223333:role/hub";
    let call = call(&sandbox, "alice").role_arn(hub);
    let first = call.source_identity("person-1").send().await.unwrap();
    let again = |identity: Option<&str>| {
        let sts = as_session(&sandbox, &first).1;
        let call = sts
            .assume_role()
            .role_arn(ROLE)
            .role_session_name("chained");
        call.set_source_identity(identity.map(str::to_owned)).send()
    };
    for identity in [None, Some("person-1")] {
        let second = again(identity).await.unwrap();
        assert_eq!(second.source_identity(), Some("person-1"));
    }
    assert_eq!(code(again(Some("person-2")).await), DENIED);
    // The hub's own policies must let it hand the identity on, although the trust policy names the
    // hub.
    let deny = identity("Allow", "sts:AssumeRole", "{}");
    sandbox
        .knobs()
        .put_role_policy(hub, "all", Some(&deny))
        .unwrap();
    assert_eq!(code(again(None).await), DENIED);
    let only = trusts(hub);
    sandbox
        .knobs()
        .put_role_policy(hub, "all", Some(ALLOW_ALL))
        .unwrap();
    sandbox.knobs().put_trust(ROLE, &only).unwrap();
    assert_eq!(
        code(again(None).await),
        DENIED,
        "nor does the trust policy allow it"
    );
}

#[tokio::test]
async fn session_tags_need_their_own_permission_and_are_the_callers() {
    let sandbox = start(&trusts(ALICE)).await;
    let with = || {
        let tag = aws_sdk_sts::types::Tag::builder().key("team").value("sre");
        call(&sandbox, "alice").tags(tag.build().unwrap()).send()
    };
    assert_eq!(code(with().await), DENIED);
    let pinned = trusting(
        ALICE,
        r#"{"StringEqualsIfExists":{"aws:RequestTag/team":"sre"},"ForAllValues:StringEquals":{"aws:TagKeys":"team"}}"#,
    );
    let pinned = pinned.replace(
        "\"sts:AssumeRole\"",
        r#"["sts:AssumeRole","sts:TagSession"]"#,
    );
    sandbox.knobs().put_trust(ROLE, &pinned).unwrap();
    let session = with().await.unwrap();
    assert!(works(&sandbox, &session).await);
    let deny = identity(
        "Deny",
        "*",
        r#"{"StringEquals":{"aws:PrincipalTag/team":"sre"}}"#,
    );
    sandbox
        .knobs()
        .put_role_policy(ROLE, "deny", Some(&deny))
        .unwrap();
    assert!(!works(&sandbox, &session).await);
}

#[tokio::test]
async fn a_role_is_assumed_by_its_whole_arn() {
    let mut account = account("{}");
    let path = "/team/".to_owned();
    account.roles.push(SeedRole {
        path,
        ..role("deploy", &trusts("*"))
    });
    let sandbox = start_with(account).await;
    for (arn, expected) in [
        ("arn:aws:iam::111122223333:role/team/deploy", "ok"),
        ("arn:aws:iam::111122223333:role/deploy", DENIED),
        ("arn:aws:iam::111122223333:role/team/Deploy", DENIED),
        ("arn:aws:iam::444455556666:role/team/deploy", DENIED),
    ] {
        let call = call(&sandbox, "alice").role_arn(arn);
        assert_eq!(code(call.send().await), expected, "{arn}");
    }
}

#[tokio::test]
async fn a_session_that_a_seeded_trust_policy_names_is_admitted() {
    let mut account = account(&trusts(ALICE));
    let named = "arn:aws:sts::111122223333:assumed-role/prod-admin/chained";
    account.roles.push(role("other", &trusts(named)));
    let sandbox = start_with(account).await;
    for (name, expected) in [("chained", "ok"), ("else", DENIED)] {
        let session = session(&sandbox, "alice", name).await;
        let call = as_session(&sandbox, &session).1.assume_role();
        let call = call.role_arn("arn:aws:iam::111122223333:role/other");
        assert_eq!(
            code(call.role_session_name("xx").send().await),
            expected,
            "{name}"
        );
    }
}
