//! The AWS stand-in against the documented behaviour of AWS, through the real SDKs.

mod accounts;
mod across;
mod boundaries;
pub mod bucket;
mod chained;
mod conditions;
mod console;
mod documents;
mod entities;
mod inline;
mod knobs;
mod packed;
mod quotas;
mod restart;
mod sessions;
mod simulate;
mod switches;
mod trust;
mod wire;

use std::collections::BTreeMap;

use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::{AssumeRoleError, AssumeRoleOutput};
use countersign::sandbox::{Hold, Options, Sandbox, Seed, SeedAccount, SeedRole, SeedUser};

pub const ACCOUNT: &str = "111122223333";
/// Other accounts.
pub const OTHER: &str = "444455556666";
pub const THIRD: &str = "777788889999";
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
        tags: BTreeMap::new(),
    }
}

/// alice and bob without policies, an admin, and `prod-admin` with the trust policy.
pub fn account(trust: &str) -> SeedAccount {
    SeedAccount {
        id: ACCOUNT.to_owned(),
        trust_quota: 2_048,
        users: vec![
            user("alice", None),
            user("bob", None),
            user("admin", Some(ALLOW_ALL)),
        ],
        roles: vec![role("prod-admin", trust)],
    }
}

pub fn options(accounts: Vec<SeedAccount>) -> Options {
    Options {
        addr: ([127, 0, 0, 1], 0).into(),
        seed: Seed { accounts },
        state_file: None,
        allow_non_loopback: false,
    }
}

/// A sandbox with [`account`].
pub async fn start(trust: &str) -> Sandbox {
    start_with(account(trust)).await
}

pub async fn start_with(account: SeedAccount) -> Sandbox {
    Sandbox::start(options(vec![account]))
        .await
        .expect("a free port")
}

/// A sandbox with these accounts.
pub async fn start_all(accounts: Vec<SeedAccount>) -> Sandbox {
    Sandbox::start(options(accounts))
        .await
        .expect("a free port")
}

/// An account with these users and roles alone.
pub fn account_of(id: &str, users: Vec<SeedUser>, roles: Vec<SeedRole>) -> SeedAccount {
    SeedAccount {
        id: id.to_owned(),
        trust_quota: 2_048,
        users,
        roles,
    }
}

/// Trust of one principal under a condition.
pub fn trusting(principal: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole","Condition":{condition}}}]}}"#
    )
}

/// Trust of one principal.
pub fn trusts(principal: &str) -> String {
    trusting(principal, "{}")
}

/// One statement on everything, under a condition.
pub fn identity(effect: &str, action: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Action":"{action}","Resource":"*","Condition":{condition}}}]}}"#
    )
}

/// A document as reads give it, decoded.
pub fn decoded(text: &str) -> String {
    let text = percent_encoding::percent_decode_str(text);
    text.decode_utf8().expect("UTF-8").into_owned()
}

/// AWS's code, or `ok`.
pub fn code<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().unwrap_or("no answer").to_owned(),
    }
}

/// AWS's code and message, where it refused.
pub fn refusal<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!(
            "{}: {}",
            error.code().unwrap_or("no answer"),
            error.message().unwrap_or_default()
        ),
    }
}

/// Clients with these credentials; they do not try again.
pub fn credentials(
    sandbox: &Sandbox,
    credentials: Credentials,
) -> (aws_sdk_iam::Client, aws_sdk_sts::Client) {
    let iam = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(sandbox.url())
        .retry_config(RetryConfig::disabled())
        .credentials_provider(credentials.clone())
        .build();
    let sts = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(sandbox.url())
        .retry_config(RetryConfig::disabled())
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

/// Clients with the keys that STS gave out.
pub fn with_keys(
    sandbox: &Sandbox,
    keys: &aws_sdk_sts::types::Credentials,
) -> (aws_sdk_iam::Client, aws_sdk_sts::Client) {
    let token = Some(keys.session_token().to_owned());
    let (id, secret) = (keys.access_key_id(), keys.secret_access_key());
    credentials(sandbox, Credentials::new(id, secret, token, None, "test"))
}

/// Clients with a session's keys.
pub fn as_session(
    sandbox: &Sandbox,
    session: &AssumeRoleOutput,
) -> (aws_sdk_iam::Client, aws_sdk_sts::Client) {
    with_keys(sandbox, session.credentials().expect("credentials"))
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

/// A session of `prod-admin` for whom its trust policy admits.
pub async fn session(sandbox: &Sandbox, name: &str, session: &str) -> AssumeRoleOutput {
    assume(sandbox, name, session).await.expect("trusted")
}

/// Waits until the call is held; one that never comes is a failure and not a wait without end.
pub async fn reached(hold: &Hold) {
    let patience = std::time::Duration::from_secs(60);
    let there = tokio::time::timeout(patience, hold.reached()).await;
    there.expect("the call that is to be held");
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
