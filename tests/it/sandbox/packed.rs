//! Session policies: inline and managed ones, what they limit, and how much of them fits.

use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};

use super::*;

const DENIED: &str = "AccessDenied";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const MINE: &str = "arn:aws:iam::111122223333:policy/mine";

fn call(sandbox: &Sandbox) -> AssumeRoleFluentBuilder {
    let call = as_user(sandbox, "alice").1.assume_role().role_arn(ROLE);
    call.role_session_name("alice")
}

fn managed(arn: &str) -> PolicyDescriptorType {
    PolicyDescriptorType::builder().arn(arn).build()
}

/// Whether a session may list users, and make one.
async fn may(sandbox: &Sandbox, session: &AssumeRoleOutput) -> (String, String) {
    let (iam, _) = as_session(sandbox, session);
    let make = iam.create_user().user_name("alice").send().await;
    let made = code(make).replace("EntityAlreadyExists", "ok");
    (code(iam.list_users().send().await), made)
}

#[tokio::test]
async fn managed_session_policies_limit_like_inline_ones_and_together_they_are_a_union() {
    let sandbox = start(&trusts(ALICE)).await;
    let make = identity("Allow", "iam:CreateUser", "{}");
    sandbox
        .knobs()
        .put_managed_policy(MINE, Some(&make))
        .unwrap();
    let (ok, no) = ("ok".to_owned(), DENIED.to_owned());
    let session = call(&sandbox)
        .policy_arns(managed(READ_ONLY))
        .send()
        .await
        .unwrap();
    assert_eq!(may(&sandbox, &session).await, (ok.clone(), no.clone()));
    let session = call(&sandbox)
        .policy_arns(managed(MINE))
        .send()
        .await
        .unwrap();
    assert_eq!(may(&sandbox, &session).await, (no.clone(), ok.clone()));
    let both = call(&sandbox).policy_arns(managed(READ_ONLY)).policy(&make);
    let session = both.send().await.unwrap();
    assert_eq!(may(&sandbox, &session).await, (ok.clone(), ok.clone()));
    // A Deny alone, beside policies that allow, takes away what it says.
    let deny = identity("Deny", "iam:List*", "{}");
    let both = call(&sandbox).policy_arns(managed(READ_ONLY)).policy(&deny);
    let session = both.send().await.unwrap();
    assert_eq!(may(&sandbox, &session).await, (no.clone(), no.clone()));
    // What the role does not allow, no session policy gives.
    let only = identity("Allow", "iam:ListUsers", "{}");
    sandbox
        .knobs()
        .put_role_policy(ROLE, "all", Some(&only))
        .unwrap();
    let session = call(&sandbox).policy(ALLOW_ALL).send().await.unwrap();
    assert_eq!(may(&sandbox, &session).await, (ok, no));
}

#[tokio::test]
async fn a_dated_deny_in_a_session_policy_ends_the_session() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    knobs.set_clock("2026-06-01T12:00:00Z".parse().unwrap());
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEqualsIfExists":{"aws:CurrentTime":"2026-06-01T12:05:00Z"}}}]}"#;
    let session = call(&sandbox).policy(policy).send().await.unwrap();
    assert!(works(&sandbox, &session).await);
    knobs.set_clock("2026-06-01T12:04:59Z".parse().unwrap());
    assert!(works(&sandbox, &session).await);
    knobs.set_clock("2026-06-01T12:05:00Z".parse().unwrap());
    assert!(!works(&sandbox, &session).await);
    let refused = refusal(as_session(&sandbox, &session).0.list_users().send().await);
    assert!(
        refused.ends_with("with an explicit deny in a session policy"),
        "{refused}"
    );
    // The Deny alone allows nothing, whatever the role does.
    knobs.set_clock("2026-06-01T12:00:00Z".parse().unwrap());
    let alone = policy.replace(r#"{"Effect":"Allow","Action":"*","Resource":"*"},"#, "");
    let session = call(&sandbox).policy(alone).send().await.unwrap();
    assert!(!works(&sandbox, &session).await);
}

#[tokio::test]
async fn managed_session_policies_are_of_the_roles_account_and_ten_at_most() {
    let sandbox = start(&trusts(ALICE)).await;
    for arn in [MINE, "arn:aws:iam::444455556666:policy/mine", "x"] {
        let refused = call(&sandbox).policy_arns(managed(arn)).send().await;
        assert_eq!(code(refused), "ValidationError", "{arn}");
    }
    let many = |n| call(&sandbox).set_policy_arns(Some(vec![managed(READ_ONLY); n]));
    assert_eq!(code(many(10).send().await), "ok");
    assert_eq!(code(many(11).send().await), "ValidationError");
}

/// A text of words that are all new, which packs badly.
fn words(count: usize) -> String {
    let mut seed: u32 = 1;
    let mut word = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("\"s3:x{seed:08x}\"")
    };
    let all: Vec<_> = (0..count).map(|_| word()).collect();
    let all = all.join(",");
    format!(r#"{{"Statement":[{{"Effect":"Allow","Action":[{all}],"Resource":"*"}}]}}"#)
}

#[expect(deprecated, reason = "AWS still answers it")]
fn packed(answer: &AssumeRoleOutput) -> Option<i32> {
    answer.packed_policy_size()
}

#[tokio::test]
async fn how_much_is_packed_is_told_and_too_much_refused() {
    let sandbox = start(&trusts(ALICE).replace("sts:AssumeRole", "sts:*")).await;
    let used = async |call: AssumeRoleFluentBuilder| {
        let answer = call.send().await.unwrap();
        (packed(&answer), answer.session_token_utilization().unwrap())
    };
    let plain = used(call(&sandbox)).await;
    assert_eq!(plain.0, None);
    let small = used(call(&sandbox).policy(ALLOW_ALL)).await;
    assert!(small.0 > Some(0) && small.0 < Some(15), "{small:?}");
    let tag = Tag::builder().key("countersign:grant").value("grant_1");
    let tagged = call(&sandbox).policy(ALLOW_ALL).tags(tag.build().unwrap());
    let tagged = used(tagged).await;
    assert!(tagged.0 > small.0, "{tagged:?}");
    assert!(
        plain.1 < small.1 && small.1 < tagged.1,
        "{plain:?} {small:?} {tagged:?}"
    );
    // A text that fits as a plain one and does not when packed.
    let (fits, large) = (words(50), words(120));
    assert!(large.len() < 2_048);
    assert_eq!(code(call(&sandbox).policy(&fits).send().await), "ok");
    let refused = refusal(call(&sandbox).policy(&large).send().await);
    assert!(
        refused.starts_with(
            "PackedPolicyTooLarge: Packed size of session policies and session tags consumes 1"
        ),
        "{refused}"
    );
    // As was seen: nine tags of 252 characters.
    let tags = (1..=9).map(|n| {
        let tag = Tag::builder().key(format!("T{n}")).value("a".repeat(250));
        tag.build().unwrap()
    });
    let refused = call(&sandbox).set_tags(Some(tags.collect())).send().await;
    assert_eq!(
        refusal(refused),
        "PackedPolicyTooLarge: Packed size of session tags consumes 498% of allotted space."
    );
    // Repeated words pack well.
    let same = large.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(code(call(&sandbox).policy(same).send().await), "ok");
    sandbox.knobs().packed_quota(100);
    let refused = call(&sandbox).policy(&fits).send().await;
    assert_eq!(code(refused), "PackedPolicyTooLarge");
}

#[tokio::test]
async fn session_policies_have_2048_characters_and_white_space_counts() {
    let sandbox = start(&trusts(ALICE)).await;
    let of = |size: usize| format!("{ALLOW_ALL}{}", " ".repeat(size - ALLOW_ALL.len()));
    let with = |text: &str, arns: usize| {
        let arns = vec![managed(READ_ONLY); arns];
        call(&sandbox)
            .policy(text)
            .set_policy_arns(Some(arns))
            .send()
    };
    assert_eq!(code(with(&of(2_048), 0).await), "ok");
    assert_eq!(code(with(&of(2_049), 0).await), "ValidationError");
    let left = 2_048 - READ_ONLY.len();
    assert_eq!(code(with(&of(left), 1).await), "ok");
    assert_eq!(code(with(&of(left + 1), 1).await), "ValidationError");
}

#[tokio::test]
async fn session_policies_do_not_limit_what_names_the_session_itself() {
    let live = "arn:aws:sts::111122223333:assumed-role/prod-admin/alice";
    for (named, expected) in [(ROLE, DENIED), (live, "ok")] {
        let mut account = account(&trusts(ALICE));
        account.roles.push(role("other", &trusts(named)));
        let sandbox = start_with(account).await;
        let session = call(&sandbox)
            .policy_arns(managed(READ_ONLY))
            .send()
            .await
            .unwrap();
        let on = as_session(&sandbox, &session).1.assume_role();
        let on = on.role_arn("arn:aws:iam::111122223333:role/other");
        assert_eq!(
            code(on.role_session_name("xx").send().await),
            expected,
            "{named}"
        );
    }
}
