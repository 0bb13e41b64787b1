//! Sessions that assume roles: what goes on from one to the next, and for how long.

use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::types::Tag;

use super::*;

const DENIED: &str = "AccessDenied";
const HUB: &str = "arn:aws:iam::111122223333:role/hub";

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

/// alice may assume `hub`, and `hub` may assume `prod-admin`, with whatever is asked for besides.
async fn start_chain() -> Sandbox {
    let every = |principal: &str| trusts(principal).replace("sts:AssumeRole", "sts:*");
    let mut account = account(&every(HUB));
    account.roles.push(role("hub", &every(ALICE)));
    start_with(account).await
}

fn to_hub(sandbox: &Sandbox) -> AssumeRoleFluentBuilder {
    let call = as_user(sandbox, "alice").1.assume_role().role_arn(HUB);
    call.role_session_name("first")
}

fn on(sandbox: &Sandbox, from: &AssumeRoleOutput) -> AssumeRoleFluentBuilder {
    let call = as_session(sandbox, from).1.assume_role().role_arn(ROLE);
    call.role_session_name("second")
}

#[tokio::test]
async fn only_transitive_tags_go_on_and_they_cannot_be_set_anew() {
    let sandbox = start_chain().await;
    let call = to_hub(&sandbox)
        .tags(tag("team", "sre"))
        .tags(tag("shift", "night"));
    let first = call.transitive_tag_keys("team").send().await.unwrap();
    for (key, value, expected) in [
        ("team", "sre", false),
        ("team", "other", true),
        ("shift", "night", true),
        ("cost", "42", false),
    ] {
        let call = on(&sandbox, &first).tags(tag("cost", "42"));
        let second = call.send().await.unwrap();
        let condition = format!(r#"{{"StringEquals":{{"aws:PrincipalTag/{key}":"{value}"}}}}"#);
        let deny = identity("Deny", "*", &condition);
        sandbox
            .knobs()
            .put_role_policy(ROLE, "deny", Some(&deny))
            .unwrap();
        assert_eq!(works(&sandbox, &second).await, expected, "{key} {value}");
    }
    let again = on(&sandbox, &first).tags(tag("Team", "sre")).send().await;
    assert_eq!(code(again), "InvalidParameterValue");
    let unknown = to_hub(&sandbox).transitive_tag_keys("team").send().await;
    assert_eq!(
        code(unknown),
        "InvalidParameterValue",
        "it is no tag of the call"
    );
}

#[tokio::test]
async fn tags_that_go_on_must_be_allowed_like_those_that_are_set() {
    let sandbox = start_chain().await;
    let with = to_hub(&sandbox).tags(tag("team", "sre"));
    let transitive = with.clone().transitive_tag_keys("team");
    let (plain, transitive) = (with.send().await.unwrap(), transitive.send().await.unwrap());
    sandbox.knobs().put_trust(ROLE, &trusts(HUB)).unwrap();
    assert_eq!(code(on(&sandbox, &plain).send().await), "ok");
    assert_eq!(code(on(&sandbox, &transitive).send().await), DENIED);
    // Pinned to other tags, as by one who expects none of the caller's.
    let pinned = trusting(
        HUB,
        r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["grant"]}}"#,
    );
    let pinned = pinned.replace("sts:AssumeRole", "sts:*");
    sandbox.knobs().put_trust(ROLE, &pinned).unwrap();
    let grant = || tag("grant", "g1");
    let refused = on(&sandbox, &transitive).tags(grant()).send().await;
    assert_eq!(code(refused), DENIED);
    assert_eq!(code(on(&sandbox, &plain).tags(grant()).send().await), "ok");
    let keys = r#"{"Null":{"sts:TransitiveTagKeys":"true"}}"#;
    let none = trusting(HUB, keys).replace("sts:AssumeRole", "sts:*");
    sandbox.knobs().put_trust(ROLE, &none).unwrap();
    assert_eq!(code(on(&sandbox, &transitive).send().await), DENIED);
    assert_eq!(code(on(&sandbox, &plain).tags(grant()).send().await), "ok");
}

#[tokio::test]
async fn who_tags_or_names_a_source_across_accounts_needs_it_on_both_sides() {
    let carol = "arn:aws:iam::444455556666:user/carol";
    let trust = trusts(carol).replace("sts:AssumeRole", "sts:*");
    for (own, tagged, named) in [
        (identity("Allow", "sts:*", "{}"), "ok", "ok"),
        (identity("Allow", "sts:AssumeRole", "{}"), DENIED, DENIED),
    ] {
        let other = account_of(OTHER, vec![user("carol", Some(&own))], vec![]);
        let sandbox = start_all(vec![account(&trusts("*")), other]).await;
        sandbox.knobs().put_trust(ROLE, &trust).unwrap();
        let call = as_user(&sandbox, "carol").1.assume_role().role_arn(ROLE);
        let call = call.role_session_name("carol");
        let with_tag = call.clone().tags(tag("team", "sre")).send().await;
        let with_source = call.clone().source_identity("person_1").send().await;
        assert_eq!(
            (code(with_tag).as_str(), code(with_source).as_str()),
            (tagged, named)
        );
        assert_eq!(code(call.send().await), "ok");
    }
}

#[tokio::test]
async fn a_source_identity_has_its_characters_and_is_a_key_of_every_request() {
    let sandbox = start_chain().await;
    for (identity, expected) in [
        ("p", "ValidationError"),
        ("a b", "ValidationError"),
        ("aws:me", "ValidationError"),
        ("person_1", "ok"),
        (&"x".repeat(65), "ValidationError"),
    ] {
        let call = to_hub(&sandbox).source_identity(identity);
        assert_eq!(code(call.send().await), expected, "{identity}");
    }
    let first = to_hub(&sandbox).source_identity("person_1").send().await;
    let second = on(&sandbox, &first.unwrap()).send().await.unwrap();
    let deny = r#"{"StringEquals":{"aws:SourceIdentity":"person_1"}}"#;
    sandbox
        .knobs()
        .put_role_policy(ROLE, "deny", Some(&identity("Deny", "*", deny)))
        .unwrap();
    assert!(!works(&sandbox, &second).await);
}

#[tokio::test]
async fn chained_sessions_last_an_hour_and_no_more_in_every_region() {
    let sandbox = start_chain().await;
    let first = to_hub(&sandbox)
        .duration_seconds(43_200)
        .send()
        .await
        .unwrap();
    for (seconds, expected) in [
        (899, "ValidationError"),
        (900, "ok"),
        (3_600, "ok"),
        (3_601, "ValidationError"),
    ] {
        let call = on(&sandbox, &first).duration_seconds(seconds);
        assert_eq!(code(call.send().await), expected, "{seconds}");
    }
    let keys = first.credentials().unwrap();
    for region in ["us-east-1", "eu-central-1", "aws-global"] {
        let token = Some(keys.session_token().to_owned());
        let (id, secret) = (keys.access_key_id(), keys.secret_access_key());
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .endpoint_url(sandbox.url())
            .credentials_provider(Credentials::new(id, secret, token, None, "test"));
        let sts = aws_sdk_sts::Client::from_conf(config.build());
        let call = sts.assume_role().role_arn(ROLE).role_session_name("second");
        assert_eq!(code(call.send().await), "ok", "{region}");
    }
}

#[tokio::test]
async fn what_a_users_session_asks_for_counts_as_chained() {
    let sandbox = start_chain().await;
    let sts = as_user(&sandbox, "alice").1;
    let token = sts.get_session_token().send().await.unwrap();
    let (_, sts) = with_keys(&sandbox, token.credentials().unwrap());
    for (seconds, expected) in [(3_600, "ok"), (3_601, "ValidationError")] {
        let call = sts.assume_role().role_arn(HUB).role_session_name("first");
        let call = call.duration_seconds(seconds);
        assert_eq!(code(call.send().await), expected, "{seconds}");
    }
    let own = to_hub(&sandbox).duration_seconds(3_601).send().await;
    assert_eq!(code(own), "ok", "with her own key");
}
