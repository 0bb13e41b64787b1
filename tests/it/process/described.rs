//! What `demo.json` says.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};

use super::demo::{Demo, text};

/// What docs/machines.md has one type works as it stands there.
pub async fn assert_asks(demo: &Demo) {
    let page = fs::read_to_string("docs/machines.md").expect("it is there");
    let (_, rest) = page.split_once("-d '").expect("an ask");
    let (body, _) = rest.split_once('\'').expect("its end");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let token = text(&demo.described["machines"][0]["token"]);
    let (status, asked) = demo.server.post(token, "/requests", &body).await;
    assert_eq!(status, 201, "{asked}");
    assert_eq!(text(&asked["requested_by"]["name"]), "deploys");
}

pub fn assert_described(demo: &Demo) {
    let people = demo.described["people"].as_array().expect("a list");
    let known: Vec<_> = people
        .iter()
        .map(|it| (text(&it["email"]), text(&it["groups"][0])))
        .collect();
    assert_eq!(
        known,
        [
            ("alice@example.com", "engineers"),
            ("bob@example.com", "sre-leads"),
            ("carol@example.com", "sre-leads"),
            ("dave@example.com", "security-admins"),
            ("erin@example.com", "auditors"),
            ("frank@example.com", "engineers"),
            ("grace@example.com", "engineers"),
        ]
    );
    for person in people {
        let user = text(&person["email"]).split('@').next().expect("a name");
        let comes_as = match user {
            "frank" => {
                "role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Engineer_0123456789abcdef"
            }
            "grace" => "role/saml-engineer",
            user => &format!("user/{user}"),
        };
        let arn = format!("arn:aws:iam::111122223333:{comes_as}");
        assert_eq!(text(&person["aws"]["arn"]), arn);
        let is_role = comes_as.starts_with("role/");
        assert_eq!(person["aws"]["session_token"].is_string(), is_role);
        assert_eq!(person["aws"]["mfa_code"].is_string(), !is_role);
        assert!(text(&person["name"]).to_lowercase().starts_with(user));
        let secrets = [
            &person["api_token"],
            &person["aws"]["access_key_id"],
            &person["aws"]["secret_access_key"],
        ];
        assert!(secrets.iter().all(|it| text(it).len() >= 16), "{person}");
    }
    let machines = demo.described["machines"].as_array().expect("a list");
    assert_eq!(machines.len(), 1);
    assert_eq!(text(&machines[0]["name"]), "deploys");
    assert!(text(&machines[0]["token"]).starts_with("csm_"));
    let unlinked = &demo.described["unlinked"];
    assert_eq!(
        text(&unlinked["arn"]),
        "arn:aws:iam::111122223333:user/unlinked"
    );
    assert!(
        text(&unlinked["secret_access_key"]).len() >= 16,
        "{unlinked}"
    );
    assert_eq!(
        demo.described["entitlements"],
        json!([
            {"name": "prod-admin", "role_arn": "arn:aws:iam::111122223333:role/prod-admin", "method": "trust_policy"},
            {"name": "prod-change", "role_arn": "arn:aws:iam::111122223333:role/prod-change", "method": "trust_policy"},
            {"name": "prod-db", "role_arn": "arn:aws:iam::111122223333:role/prod-db", "method": "trust_policy"},
            {"name": "prod-s3-write", "role_arn": null, "method": "attach"},
            {"name": "staging-power", "role_arn": "arn:aws:iam::444455556666:role/staging-power", "method": "sts_credentials"},
            {"name": "staging-switch", "role_arn": "arn:aws:iam::444455556666:role/staging-switch", "method": "switch"},
            {"name": "vendor-support", "role_arn": "arn:aws:iam::777788889999:role/vendor-support", "method": "trust_policy"},
        ])
    );
    for file in ["demo.json", "keys.json", "machine.json"] {
        let file = fs::metadata(demo.folder.join(file)).expect("it is there");
        assert_eq!(file.mode() & 0o777, 0o600, "it holds secrets");
    }
    let folder = fs::metadata(&demo.folder).expect("it is there");
    assert_eq!(folder.mode() & 0o777, 0o700);
}
