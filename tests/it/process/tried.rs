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
