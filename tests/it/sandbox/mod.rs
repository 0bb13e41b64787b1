//! The AWS stand-in against the documented behaviour of AWS, through the real SDKs.

mod sessions;

use std::collections::BTreeMap;

use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sts::error::SdkError;
use aws_sdk_sts::operation::assume_role::{AssumeRoleError, AssumeRoleOutput};
use countersign::sandbox::{Options, Sandbox, Seed, SeedAccount, SeedRole, SeedUser};

pub const ACCOUNT: &str = "111122223333";
pub const ROLE: &str = "arn:aws:iam::111122223333:role/prod-admin";
pub const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
pub const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Access keys: id and secret of a user are made from the name.
pub fn key(name: &str) -> (String, String) {
    (
        format!("AKIA{}", name.to_uppercase()),
        format!("secret-of-{name}"),
    )
}

pub fn user(name: &str, policy: Option<&str>) -> SeedUser {
    let (id, secret) = key(name);
    SeedUser {
        name: name.to_owned(),
        path: "/".to_owned(),
        access_key_id: Some(id),
        secret_access_key: Some(secret),
        policies: policy
            .map(|text| ("own".to_owned(), text.to_owned()))
            .into_iter()
            .collect(),
        mfa_code: Some("123456".to_owned()),
    }
}

pub fn role(name: &str, trust: &str) -> SeedRole {
    SeedRole {
        name: name.to_owned(),
        path: "/".to_owned(),
        trust: trust.to_owned(),
        policies: BTreeMap::from([("all".to_owned(), ALLOW_ALL.to_owned())]),
        max_session_duration: 43_200,
    }
}

/// alice and bob without policies, an admin, and `prod-admin` with the trust policy.
pub async fn start(trust: &str) -> Sandbox {
    let account = SeedAccount {
        id: ACCOUNT.to_owned(),
        trust_quota: 2_048,
        users: vec![
            user("alice", None),
            user("bob", None),
            user("admin", Some(ALLOW_ALL)),
        ],
        roles: vec![role("prod-admin", trust)],
    };
    let options = Options {
        addr: ([127, 0, 0, 1], 0).into(),
        seed: Seed {
            accounts: vec![account],
        },
        state_file: None,
        allow_non_loopback: false,
    };
    Sandbox::start(options).await.expect("a free port")
}

/// Trust of one principal under a condition.
pub fn trusting(principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole","Condition":{condition}}}]}}"#
    )
}

fn credentials(
    sandbox: &Sandbox,
    credentials: Credentials,
) -> (aws_sdk_iam::Client, aws_sdk_sts::Client) {
    let iam = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(sandbox.url())
        .credentials_provider(credentials.clone())
        .build();
    let sts = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(sandbox.url())
        .credentials_provider(credentials)
        .build();
    (
        aws_sdk_iam::Client::from_conf(iam),
        aws_sdk_sts::Client::from_conf(sts),
    )
}

/// Clients with a user's own access key.
pub fn as_user(sandbox: &Sandbox, name: &str) -> (aws_sdk_iam::Client, aws_sdk_sts::Client) {
    let (id, secret) = key(name);
    credentials(sandbox, Credentials::new(id, secret, None, None, "test"))
}

/// Clients with a session's keys.
pub fn as_session(
    sandbox: &Sandbox,
    session: &AssumeRoleOutput,
) -> (aws_sdk_iam::Client, aws_sdk_sts::Client) {
    let keys = session.credentials().expect("credentials");
    credentials(
        sandbox,
        Credentials::new(
            keys.access_key_id(),
            keys.secret_access_key(),
            Some(keys.session_token().to_owned()),
            None,
            "test",
        ),
    )
}

pub async fn assume(
    sandbox: &Sandbox,
    name: &str,
    session: &str,
) -> Result<AssumeRoleOutput, SdkError<AssumeRoleError>> {
    as_user(sandbox, name)
        .1
        .assume_role()
        .role_arn(ROLE)
        .role_session_name(session)
        .send()
        .await
}

/// Whether a session may do something: the role allows everything that no Deny forbids.
pub async fn works(sandbox: &Sandbox, session: &AssumeRoleOutput) -> bool {
    as_session(sandbox, session)
        .0
        .list_users()
        .send()
        .await
        .is_ok()
}
