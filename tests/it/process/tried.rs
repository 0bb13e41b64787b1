//! What the demo offers, tried by whoever starts it.

use aws_sdk_iam::config::Credentials;
use serde_json::{Value, json};

use super::demo::{Demo, text};
use crate::support::open_folder;

/// An entitlement of each method: asked for, approved, used and ended by whoever tries the demo.
#[tokio::test(flavor = "multi_thread")]
async fn every_entitlement_of_the_demo_opens_works_and_ends() {
    let folder = open_folder();
    let demo = Demo::start(folder.path());
    let alice = demo.token("alice");
    let mut asking = Vec::new();
    for entitlement in demo.described["entitlements"].as_array().expect("a list") {
        let name = text(&entitlement["name"]);
        let request = demo.ask_for(name, "PT1H").await;
        let grant = demo.approve(&request).await;
        let session = match text(&entitlement["method"]) {
            "sts_credentials" => {
                let path = format!("/grants/{grant}/credentials");
                let (status, keys) = demo.server.post(alice, &path, &json!({})).await;
                assert_eq!(status, 200, "{name}: {keys}");
                let key = |of: &str| text(&keys[of]).to_owned();
                let token = Some(key("SessionToken"));
                let (id, secret) = (key("AccessKeyId"), key("SecretAccessKey"));
                Some(Credentials::new(id, secret, token, None, "demo"))
            }
            // Her own keys may do it, and there is no session.
            "attach" => None,
            _ => {
                let role = text(&entitlement["role_arn"]);
                let path = format!("/grants/{grant}");
                let asked = demo.server.get(alice, &path).await;
                if asked["mfa"] == true || asked["external_id"].is_string() {
                    let nothing = demo.assume_showing("alice", role, &grant, &Value::Null);
                    assert_eq!(nothing.await.expect_err(name), "AccessDenied");
                    asking.push(name);
                }
                let assumed = demo.assume_showing("alice", role, &grant, &asked).await;
                Some(assumed.unwrap_or_else(|code| panic!("{name}: {code}")))
            }
        };
        if let Some(session) = &session {
            assert!(demo.works(session).await, "{name}");
        }
        let path = format!("/grants/{grant}/end");
        let (status, ended) = demo.server.post(alice, &path, &json!({})).await;
        assert_eq!(status, 202, "{name}: {ended}");
        demo.server.reaches(alice, &grant, "ended").await;
        if let Some(session) = &session {
            assert!(!demo.works(session).await, "{name}");
        }
    }
    assert_eq!(asking, ["prod-db", "vendor-support"]);
    assert!(demo.end("TERM").success());
}

/// Who has no IAM user comes with the keys of a session: of Identity Center into a role that is
/// opened for that session alone, of SAML by a switch into another account.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_as_a_session_of_a_role_is_let_in_works_and_is_cut() {
    let folder = open_folder();
    let demo = Demo::start(folder.path());
    let offers = demo.described["entitlements"].as_array().expect("a list");
    for (name, entitlement) in [("frank", "prod-admin"), ("grace", "staging-switch")] {
        let offer = offers.iter().find(|it| it["name"] == entitlement);
        let role = text(&offer.expect(entitlement)["role_arn"]);
        let request = demo.ask_as(name, entitlement, "PT1H").await;
        let assume =
            async |who, session| demo.assume_showing(who, role, session, &Value::Null).await;
        assert_eq!(assume(name, "early").await.expect_err(name), "AccessDenied");
        let grant = demo.approve_of(name, &request).await;
        let own = demo.token(name);
        let console_name = format!("{name}@example.com");
        let mut sessions = Vec::new();
        for session in [grant.as_str(), &console_name] {
            let session = assume(name, session).await.expect(name);
            assert!(demo.works(&session).await, "{name}");
            sessions.push(session);
        }
        for other in ["alice", "frank", "grace"] {
            assert_eq!(
                assume(other, &grant).await.is_ok(),
                other == name,
                "{other}"
            );
        }
        let path = format!("/grants/{grant}/end");
        let (status, ended) = demo.server.post(own, &path, &json!({})).await;
        assert_eq!(status, 202, "{name}: {ended}");
        demo.server.reaches(own, &grant, "ended").await;
        for session in &sessions {
            assert!(!demo.works(session).await, "{name}");
        }
        assert_eq!(assume(name, &grant).await.expect_err(name), "AccessDenied");
    }

    // Nobody but AWS puts a policy on a role of Identity Center: what goes instead is named.
    let ask = json!({"entitlement": "staging-switch", "duration": "PT1H", "justification": "x"});
    let (status, refused) = demo
        .server
        .post(demo.token("frank"), "/requests", &ask)
        .await;
    assert_eq!(status, 422, "{refused}");
    let told = refused.to_string();
    assert!(told.contains("trust_policy and sts_credentials"), "{told}");
    let request = demo.ask_as("frank", "staging-power", "PT1H").await;
    demo.approve_of("frank", &request).await;
    assert!(demo.end("TERM").success());
}
