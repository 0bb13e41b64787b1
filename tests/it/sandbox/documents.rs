//! What IAM takes as a document, and how it gives it back.

use super::*;

const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const MALFORMED: &str = "MalformedPolicyDocument";

async fn update(sandbox: &Sandbox, text: &str) -> String {
    let iam = as_user(sandbox, "admin").0;
    let call = iam.update_assume_role_policy().role_name("prod-admin");
    refusal(call.policy_document(text).send().await)
}

async fn put(sandbox: &Sandbox, text: &str) -> String {
    let iam = as_user(sandbox, "admin").0;
    let call = iam
        .put_role_policy()
        .role_name("prod-admin")
        .policy_name("p");
    refusal(call.policy_document(text).send().await)
}

fn policy(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

#[tokio::test]
async fn trust_policies_that_iam_does_not_take() {
    let first = trusts(ALICE);
    let sandbox = start(&first).await;
    let allow = r#""Effect":"Allow","Action":"sts:AssumeRole""#;
    let alice = format!(r#""Principal":{{"AWS":"{ALICE}"}}"#);
    for (name, text) in [
        ("not JSON", "{\"Version\"".to_owned()),
        ("a list", "[]".to_owned()),
        ("no statement", r#"{"Version":"2012-10-17"}"#.to_owned()),
        ("an empty statement", policy("")),
        (
            "an unknown element",
            policy(&format!(r#"{{{allow},{alice},"Note":"x"}}"#)),
        ),
        (
            "an unknown key at the top",
            format!(r#"{{"Note":1,"Statement":[{{{allow},{alice}}}]}}"#),
        ),
        (
            "a resource",
            policy(&format!(r#"{{{allow},{alice},"Resource":"*"}}"#)),
        ),
        ("no principal", policy(&format!("{{{allow}}}"))),
        (
            "principals and others",
            policy(&format!(
                r#"{{{allow},{alice},"NotPrincipal":{{"AWS":"{BOB}"}}}}"#
            )),
        ),
        (
            "an empty principal",
            policy(&format!(r#"{{{allow},"Principal":{{}}}}"#)),
        ),
        (
            "a strange kind of principal",
            policy(&format!(r#"{{{allow},"Principal":{{"Group":"x"}}}}"#)),
        ),
        (
            "a user as the whole principal",
            policy(&format!(r#"{{{allow},"Principal":"{ALICE}"}}"#)),
        ),
        (
            "principals as a list",
            policy(&format!(r#"{{{allow},"Principal":["{ALICE}"]}}"#)),
        ),
        (
            "a wrong effect",
            policy(&format!(
                r#"{{{alice},"Effect":"allow","Action":"sts:AssumeRole"}}"#
            )),
        ),
        (
            "a wrong version",
            format!(r#"{{"Version":"2020-01-01","Statement":[{{{allow},{alice}}}]}}"#),
        ),
        (
            "no action",
            policy(&format!(r#"{{{alice},"Effect":"Allow"}}"#)),
        ),
        (
            "an action of another service",
            policy(&format!(
                r#"{{{alice},"Effect":"Allow","Action":"s3:GetObject"}}"#
            )),
        ),
        (
            "an action of STS that admits nobody",
            policy(&format!(
                r#"{{{alice},"Effect":"Allow","Action":"sts:GetCallerIdentity"}}"#
            )),
        ),
        (
            "every action",
            policy(&format!(r#"{{{alice},"Effect":"Allow","Action":"*"}}"#)),
        ),
        (
            "a Sid with a hyphen",
            policy(&format!(r#"{{"Sid":"a-b",{allow},{alice}}}"#)),
        ),
        (
            "a Sid twice",
            policy(&format!(
                r#"{{"Sid":"A",{allow},{alice}}},{{"Sid":"A",{allow},{alice}}}"#
            )),
        ),
        (
            "an unknown operator",
            trusting(ALICE, r#"{"StringIs":{"aws:userid":"x"}}"#),
        ),
        (
            "an operator that cannot be IfExists",
            trusting(ALICE, r#"{"NullIfExists":{"aws:userid":"true"}}"#),
        ),
        (
            "a date that is none",
            trusting(ALICE, r#"{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}"#),
        ),
        (
            "a variable as a date",
            trusting(
                ALICE,
                r#"{"DateLessThan":{"aws:CurrentTime":"${aws:CurrentTime}"}}"#,
            ),
        ),
        (
            "a key without a vendor",
            trusting(ALICE, r#"{"StringEquals":{"userid":"x"}}"#),
        ),
        (
            "a user that does not exist",
            trusts("arn:aws:iam::111122223333:user/ghost"),
        ),
        (
            "a user in other letters",
            trusts("arn:aws:iam::111122223333:user/Alice"),
        ),
        (
            "a role that does not exist",
            trusts("arn:aws:iam::111122223333:role/ghost"),
        ),
        (
            "part of a name",
            trusts("arn:aws:iam::111122223333:user/al*"),
        ),
        ("a name alone", trusts("alice")),
        ("an id of nobody", trusts("AIDAAAAAAAAAAAAAAAAAA")),
    ] {
        let refused = update(&sandbox, &text).await;
        assert!(refused.starts_with(MALFORMED), "{name}: {refused}");
        assert_eq!(sandbox.knobs().trust(ROLE).as_ref(), Some(&first), "{name}");
    }
    let ghost = update(&sandbox, &trusts("arn:aws:iam::111122223333:user/ghost")).await;
    let expected = r#"MalformedPolicyDocument: Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:user/ghost""#;
    assert_eq!(ghost, expected);
    for text in [
        trusts(ALICE).replace("sts:AssumeRole", "sts:\u{20ac}"),
        String::new(),
    ] {
        let refused = update(&sandbox, &text).await;
        assert!(refused.starts_with("ValidationError"), "{refused}");
    }
}

#[tokio::test]
async fn trust_policies_that_iam_takes_come_back_byte_for_byte() {
    let sandbox = start(&trusts(ALICE)).await;
    let iam = as_user(&sandbox, "admin").0;
    let allow = r#""Effect" : "Allow", "Action":["sts:AssumeRole"]"#;
    for text in [
        format!("{{ \"Statement\":\n\t{{{allow}, \"Principal\":{{\"AWS\":[\"{ALICE}\"]}} }}\r\n}}"),
        policy(&format!(r#"{{{allow},"Principal":"*"}}"#)),
        policy(&format!(
            r#"{{{allow},"Principal":{{"AWS":"{ACCOUNT}","Service":["ec2.amazonaws.com"],"Federated":"accounts.google.com"}}}}"#
        )),
        policy(&format!(
            r#"{{"Sid":"","Effect":"Allow","Action":"sts:*","NotPrincipal":{{"AWS":"{BOB}"}}}}"#
        )),
        trusting(
            ALICE,
            r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":3600},"Bool":{"aws:MultiFactorAuthPresent":true}}"#,
        ),
        trusting(
            ALICE,
            r#"{"StringEquals":{"aws:PrincipalTag/team":"caf\u00e9 é + % &amp; <x> ${aws:username}"}}"#,
        ),
        trusts(ALICE).replace(
            "\"sts:AssumeRole\"",
            r#"["sts:AssumeRole","sts:SetSourceIdentity","sts:TagSession"]"#,
        ),
        // The last of two equal keys counts.
        policy(&format!(
            r#"{{"Effect":"Deny",{allow},"Principal":{{"AWS":"{ALICE}"}}}}"#
        )),
    ] {
        assert_eq!(update(&sandbox, &text).await, "ok", "{text}");
        let role = iam.get_role().role_name("prod-admin").send().await.unwrap();
        let role = role.role().unwrap();
        let read = role.assume_role_policy_document().unwrap();
        assert!(read.starts_with("%7B"), "percent-encoded: {read}");
        let decoded = percent_encoding::percent_decode_str(read)
            .decode_utf8()
            .unwrap();
        assert_eq!(decoded, text);
        assert_eq!(sandbox.knobs().trust(ROLE), Some(text));
    }
    assert_eq!(code(assume(&sandbox, "alice", "alice").await), "ok");
}

#[tokio::test]
async fn inline_policies_that_iam_takes_and_does_not_take() {
    let sandbox = start(&trusts(ALICE)).await;
    let allow = r#""Effect":"Allow","Action":"*""#;
    for text in [
        "no JSON".to_owned(),
        policy(&format!("{{{allow}}}")),
        policy(&format!(r#"{{{allow},"Resource":"*","Principal":"*"}}"#)),
        policy(&format!(r#"{{{allow},"Resource":"everything"}}"#)),
        policy(r#"{"Effect":"Allow","Action":"everything","Resource":"*"}"#),
        policy(&format!(r#"{{{allow},"Resource":"*","Condition":[]}}"#)),
    ] {
        let refused = put(&sandbox, &text).await;
        assert!(refused.starts_with(MALFORMED), "{text}: {refused}");
    }
    let text = policy(&format!(
        "{{ {allow} ,\n \"Resource\": [\"arn:aws:s3:::x/*\"] }}"
    ));
    assert_eq!(put(&sandbox, &text).await, "ok");
    let iam = as_user(&sandbox, "admin").0;
    let get = |name: &str| {
        iam.get_role_policy()
            .role_name("prod-admin")
            .policy_name(name)
            .send()
    };
    let read = get("p").await.unwrap();
    let decoded = percent_encoding::percent_decode_str(read.policy_document()).decode_utf8();
    assert_eq!(decoded.unwrap(), text);
    assert_eq!(code(get("P").await), "NoSuchEntity");
}

#[tokio::test]
async fn a_deleted_user_shows_as_its_id_and_blocks_the_next_write() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let id = knobs.unique_id(ALICE).unwrap();
    let both = policy(&format!(
        "{{ \"Effect\":\"Allow\",\n \"Principal\" : {{\"AWS\": [ \"{BOB}\" ,\"{ALICE}\"]}},\"Action\":\"sts:AssumeRole\",\"Condition\":{{\"StringNotEquals\":{{\"aws:PrincipalArn\":\"{ALICE}x\"}}}} }}"
    ));
    assert_eq!(update(&sandbox, &both).await, "ok");
    knobs.delete_user(ALICE);
    let shown = knobs.trust(ROLE).unwrap();
    let expected = both.replace(&format!("\"{ALICE}\""), &format!("\"{id}\""));
    assert_eq!(shown, expected, "nothing else is touched");
    let refused = update(&sandbox, &shown).await;
    assert_eq!(
        refused,
        format!(r#"MalformedPolicyDocument: Invalid principal in policy: "AWS":"{id}""#)
    );
    assert_eq!(
        code(assume(&sandbox, "bob", "bob").await),
        "ok",
        "the others keep their access"
    );
}

#[tokio::test]
async fn a_namesake_created_anew_is_not_trusted() {
    let sandbox = start(&trusts(ALICE)).await;
    let knobs = sandbox.knobs();
    let session = session(&sandbox, "alice", "alice").await;
    let (key, secret) = key("alice");
    let id = knobs.unique_id(ALICE).unwrap();
    knobs.delete_user(ALICE);
    knobs.create_user(ALICE, &key, &secret);
    assert_ne!(knobs.unique_id(ALICE), Some(id.clone()));
    assert_eq!(
        code(assume(&sandbox, "alice", "alice").await),
        "AccessDenied"
    );
    assert!(
        knobs.trust(ROLE).unwrap().contains(&id),
        "it shows as the old id"
    );
    assert!(
        works(&sandbox, &session).await,
        "a session is the role's, not the user's"
    );
    assert_eq!(update(&sandbox, &trusts(ALICE)).await, "ok");
    assert_eq!(
        code(assume(&sandbox, "alice", "alice").await),
        "ok",
        "named anew"
    );
}

#[tokio::test]
async fn a_role_created_anew_is_another_role() {
    let hub = "arn:aws:iam::111122223333:role/hub";
    let mut account = account(&trusts(hub));
    account.roles.push(role("hub", &trusts(ALICE)));
    let sandbox = start_with(account).await;
    let knobs = sandbox.knobs();
    let call = || {
        as_user(&sandbox, "alice")
            .1
            .assume_role()
            .role_arn(hub)
            .role_session_name("hub")
    };
    let before = call().send().await.unwrap();
    assert!(works(&sandbox, &before).await);
    knobs.delete_role(hub);
    knobs.create_role(hub, &trusts(ALICE)).unwrap();
    knobs.put_role_policy(hub, "all", Some(ALLOW_ALL)).unwrap();
    assert!(!works(&sandbox, &before).await, "the old role's session");
    let after = call().send().await.unwrap();
    let chain = as_session(&sandbox, &after).1.assume_role().role_arn(ROLE);
    assert_eq!(
        code(chain.role_session_name("x1").send().await),
        "AccessDenied"
    );
    assert!(knobs.trust(ROLE).unwrap().contains("\"AROA"));
}

#[tokio::test]
async fn an_id_of_somebody_who_is_there_reads_back_as_the_arn() {
    let sandbox = start(&trusts(ALICE)).await;
    let id = sandbox.knobs().unique_id(BOB).unwrap();
    assert_eq!(update(&sandbox, &trusts(&id)).await, "ok");
    assert_eq!(sandbox.knobs().trust(ROLE), Some(trusts(BOB)));
    assert_eq!(code(assume(&sandbox, "bob", "bob").await), "ok");
}

#[tokio::test]
async fn a_seeded_document_is_taken_however_wrong_it_is() {
    for trust in [
        "no JSON",
        r#"{"Statement":[],"Statement":[]}"#,
        &trusts("arn:aws:iam::111122223333:user/ghost"),
    ] {
        let sandbox = start(trust).await;
        assert_eq!(sandbox.knobs().trust(ROLE).as_deref(), Some(trust));
        assert_eq!(
            code(assume(&sandbox, "admin", "admin").await),
            "AccessDenied"
        );
    }
}
