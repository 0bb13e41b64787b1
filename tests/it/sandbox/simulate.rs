//! SimulatePrincipalPolicy and GetAccountAuthorizationDetails.

use aws_sdk_iam::operation::simulate_principal_policy::builders::SimulatePrincipalPolicyFluentBuilder;
use aws_sdk_iam::types::{ContextEntry, EntityType, EvaluationResult};

use super::*;

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const DATED: &str = "{\"Version\":\"2012-10-17\",\n \"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\",\"Resource\":\"arn:aws:iam::111122223333:role/prod-admin\",\"Condition\":{\"DateLessThan\":{\"aws:CurrentTime\":\"2026-06-01T12:00:00Z\"},\"StringEquals\":{\"sts:RoleSessionName\":\"${aws:username}\"}}}]}";

fn entry(key: &str, values: &[&str]) -> ContextEntry {
    let values = values.iter().map(|it| (*it).to_owned()).collect();
    ContextEntry::builder()
        .context_key_name(key)
        .set_context_key_values(Some(values))
        .build()
}

fn asking(sandbox: &Sandbox, arn: &str, action: &str) -> SimulatePrincipalPolicyFluentBuilder {
    let iam = as_user(sandbox, "admin").0;
    let call = iam.simulate_principal_policy().policy_source_arn(arn);
    call.action_names(action).resource_arns(ROLE)
}

async fn one(call: SimulatePrincipalPolicyFluentBuilder) -> EvaluationResult {
    let answer = call.send().await.unwrap();
    let results = answer.evaluation_results();
    assert_eq!(results.len(), 1);
    results[0].clone()
}

#[tokio::test]
async fn a_decision_names_its_statement_and_the_keys_that_it_lacks() {
    let sandbox = start(&trusts(ALICE)).await;
    sandbox
        .knobs()
        .put_user_policy(ALICE, "p", Some(DATED))
        .unwrap();
    let call = || asking(&sandbox, ALICE, "sts:AssumeRole");
    let unknown = one(call()).await;
    assert_eq!(unknown.eval_decision().as_str(), "implicitDeny");
    assert_eq!(
        unknown.missing_context_values(),
        ["aws:CurrentTime", "sts:RoleSessionName"]
    );
    assert!(unknown.matched_statements().is_empty());
    let known = |at: &str, name: &str| {
        call()
            .context_entries(entry("aws:CurrentTime", &[at]))
            .context_entries(entry("sts:RoleSessionName", &[name]))
    };
    let allowed = one(known("2026-06-01T11:59:59Z", "alice")).await;
    assert_eq!(allowed.eval_decision().as_str(), "allowed");
    assert_eq!(allowed.eval_action_name(), "sts:AssumeRole");
    assert_eq!(allowed.eval_resource_name(), Some(ROLE));
    assert!(allowed.missing_context_values().is_empty());
    let statement = &allowed.matched_statements()[0];
    assert_eq!(statement.source_policy_id(), Some("user_alice_p"));
    assert_eq!(statement.source_policy_type().unwrap().as_str(), "user");
    let (start, end) = (
        statement.start_position().unwrap(),
        statement.end_position().unwrap(),
    );
    assert_eq!((start.line(), start.column()), (2, 15));
    let end_column = i32::try_from(DATED.lines().nth(1).unwrap().len()).unwrap() - 1;
    assert_eq!((end.line(), end.column()), (2, end_column));
    for (at, name) in [
        ("2026-06-01T12:00:00Z", "alice"),
        ("2026-06-01T11:00:00Z", "zzz"),
    ] {
        let refused = one(known(at, name)).await;
        assert_eq!(
            refused.eval_decision().as_str(),
            "implicitDeny",
            "{at} {name}"
        );
    }
    // A statement that is about another action lacks nothing here.
    let own = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${x:y}"}]}"#;
    let knobs = sandbox.knobs();
    knobs.put_user_policy(ALICE, "q", Some(own)).unwrap();
    let bucket = one(asking(&sandbox, ALICE, "s3:GetObject")).await;
    assert_eq!(bucket.missing_context_values(), ["x:y"]);
    let other = one(call()
        .action_names("iam:ListUsers")
        .max_items(1)
        .marker("1"))
    .await;
    assert_eq!(other.eval_action_name(), "iam:ListUsers");
    assert!(
        other.missing_context_values().is_empty(),
        "no statement is about it"
    );
}

#[tokio::test]
async fn a_deny_is_told_apart_and_the_guard_by_the_names_that_are_sent() {
    let sandbox = start(&trusts(ALICE)).await;
    let id = sandbox.knobs().unique_id(ROLE).unwrap();
    let deny = format!(r#"{{"StringEquals":{{"aws:userid":"{id}:grant_1"}}}}"#);
    let deny = identity("Deny", "*", &deny);
    sandbox
        .knobs()
        .put_role_policy(ROLE, "guard", Some(&deny))
        .unwrap();
    for (name, decision, source) in [
        ("grant_1", "explicitDeny", "role_prod-admin_guard"),
        ("grant_2", "allowed", "role_prod-admin_all"),
    ] {
        let call = asking(&sandbox, ROLE, "iam:ListUsers");
        let userid = format!("{id}:{name}");
        let result = one(call.context_entries(entry("aws:userid", &[&userid]))).await;
        assert_eq!(result.eval_decision().as_str(), decision);
        let sources = result.matched_statements().iter();
        let sources: Vec<_> = sources.filter_map(|it| it.source_policy_id()).collect();
        assert_eq!(sources, [source]);
    }
}

#[tokio::test]
async fn managed_policies_and_boundaries_count_and_several_values_are_sent() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let attach = iam
        .attach_user_policy()
        .user_name("alice")
        .policy_arn(READ_ONLY);
    assert_eq!(code(attach.send().await), "ok");
    let result = one(asking(&sandbox, ALICE, "iam:ListUsers")).await;
    assert_eq!(result.eval_decision().as_str(), "allowed");
    let statement = &result.matched_statements()[0];
    assert_eq!(
        statement.source_policy_type().unwrap().as_str(),
        "aws-managed"
    );
    assert!(result.permissions_boundary_decision_detail().is_none());
    let boundary = iam.put_user_permissions_boundary().user_name("alice");
    let only = "arn:aws:iam::111122223333:policy/only";
    let tags = r#"{"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"]}}"#;
    let tags = identity("Allow", "iam:ListUsers", tags);
    sandbox
        .knobs()
        .put_managed_policy(only, Some(&tags))
        .unwrap();
    assert_eq!(code(boundary.permissions_boundary(only).send().await), "ok");
    for (keys, allowed) in [(["team", "cost"], true), (["team", "x"], false)] {
        let call = asking(&sandbox, ALICE, "iam:ListUsers");
        let result = one(call.context_entries(entry("aws:TagKeys", &keys))).await;
        assert_eq!(result.eval_decision().as_str() == "allowed", allowed);
        let detail = result.permissions_boundary_decision_detail().unwrap();
        assert_eq!(detail.allowed_by_permissions_boundary(), allowed);
    }
}

#[tokio::test]
async fn who_is_simulated_is_a_user_or_role_of_the_account_and_the_caller_may() {
    let other = account_of(OTHER, vec![user("carol", None)], vec![]);
    let sandbox = start_all(vec![account(&trusts(ALICE)), other]).await;
    for (arn, expected) in [
        ("arn:aws:iam::111122223333:user/ghost", "NoSuchEntity"),
        ("arn:aws:iam::444455556666:user/carol", "NoSuchEntity"),
        (
            "arn:aws:sts::111122223333:assumed-role/prod-admin/x",
            "InvalidInput",
        ),
        (ALICE, "ok"),
    ] {
        let call = asking(&sandbox, arn, "iam:ListUsers");
        assert_eq!(code(call.send().await), expected, "{arn}");
    }
    let call = asking(&sandbox, ALICE, "iam:ListUsers").caller_arn(ALICE);
    assert_eq!(code(call.send().await), "ValidationError", "not heard here");
    let own = identity("Allow", "iam:SimulatePrincipalPolicy", "{}")
        .replace("\"*\"", &format!("\"{ROLE}\""));
    sandbox
        .knobs()
        .put_user_policy(ALICE, "own", Some(&own))
        .unwrap();
    let iam = as_user(&sandbox, "alice").0;
    for (arn, expected) in [(ROLE, "ok"), (ALICE, "AccessDenied")] {
        let call = iam.simulate_principal_policy().policy_source_arn(arn);
        assert_eq!(code(call.action_names("a:b").send().await), expected);
    }
}

#[tokio::test]
async fn an_account_is_told_whole_page_by_page() {
    let mut account = account(&trusts(ALICE));
    account.roles.push(role("other", &trusts(ALICE)));
    let sandbox = start_with(account).await;
    let iam = as_user(&sandbox, "admin").0;
    let mine = "arn:aws:iam::111122223333:policy/mine";
    sandbox
        .knobs()
        .put_managed_policy(mine, Some(ALLOW_ALL))
        .unwrap();
    let attach = iam.attach_user_policy().user_name("alice").policy_arn(mine);
    assert_eq!(code(attach.send().await), "ok");
    sandbox
        .knobs()
        .put_user_policy(ALICE, "p", Some(DATED))
        .unwrap();
    let (mut users, mut roles, mut policies) = (Vec::new(), Vec::new(), Vec::new());
    let (mut marker, mut pages) = (None, 0);
    loop {
        let call = iam.get_account_authorization_details().max_items(2);
        let page = call.set_marker(marker).send().await.unwrap();
        users.extend(page.user_detail_list().to_owned());
        roles.extend(page.role_detail_list().to_owned());
        policies.extend(page.policies().to_owned());
        pages += 1;
        marker = page.marker().map(str::to_owned);
        assert_eq!(page.is_truncated(), marker.is_some());
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(
        (users.len(), roles.len(), policies.len(), pages),
        (3, 2, 1, 3)
    );
    let alice = users.iter().find(|it| it.arn() == Some(ALICE)).unwrap();
    let inline = &alice.user_policy_list()[0];
    assert_eq!(inline.policy_name(), Some("p"));
    assert_eq!(decoded(inline.policy_document().unwrap()), DATED);
    assert_eq!(
        alice.attached_managed_policies()[0].policy_arn(),
        Some(mine)
    );
    let role = roles.iter().find(|it| it.arn() == Some(ROLE)).unwrap();
    let trust = role.assume_role_policy_document().unwrap();
    assert_eq!(decoded(trust), trusts(ALICE));
    assert_eq!(role.role_policy_list()[0].policy_name(), Some("all"));
    assert_eq!(policies[0].arn(), Some(mine));
    let text = policies[0].policy_version_list()[0].document().unwrap();
    assert_eq!(decoded(text), ALLOW_ALL);
    let only = iam
        .get_account_authorization_details()
        .filter(EntityType::Role);
    let only = only.send().await.unwrap();
    assert_eq!(
        (only.user_detail_list().len(), only.role_detail_list().len()),
        (0, 2)
    );
    sandbox.knobs().stale_reads(true);
    let stale = iam
        .get_account_authorization_details()
        .send()
        .await
        .unwrap();
    assert!(stale.user_detail_list().iter().all(|it| {
        it.user_policy_list()
            .iter()
            .all(|it| it.policy_name() != Some("p"))
    }));
}
