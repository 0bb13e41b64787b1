//! An object in a bucket whose policy may name anybody, a session among them.

use aws_sdk_sts::types::{Credentials as Keys, PolicyDescriptorType};
use chrono::{DateTime, Utc};
use countersign::sandbox::{Document, Rule};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::*;

const BUCKET: &str = "payroll";

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Reads `bucket/key`, signed as S3 wants it: status and body.
async fn signed(
    sandbox: &Sandbox,
    key: [&str; 2],
    token: Option<&str>,
    path: &str,
    now: DateTime<Utc>,
) -> (u16, String) {
    let (day, at) = (now.format("%Y%m%d"), now.format("%Y%m%dT%H%M%SZ"));
    let url = sandbox.url();
    let host = url.trim_start_matches("http://");
    let scope = format!("{day}/us-east-1/s3/aws4_request");
    let (more, names) = match token {
        Some(token) => (
            format!("x-amz-security-token:{token}\n"),
            "host;x-amz-date;x-amz-security-token",
        ),
        None => (String::new(), "host;x-amz-date"),
    };
    let canonical = format!(
        "GET\n/{path}\n\nhost:{host}\nx-amz-date:{at}\n{more}\n{names}\n{}",
        hex::encode(Sha256::digest(""))
    );
    let digest = hex::encode(Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}");
    let mut secret = format!("AWS4{}", key[1]).into_bytes();
    for part in [day.to_string().as_str(), "us-east-1", "s3", "aws4_request"] {
        secret = mac(&secret, part);
    }
    let signature = hex::encode(mac(&secret, &to_sign));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        key[0]
    );
    let mut request = reqwest::Client::new().get(format!("{url}/{path}"));
    if let Some(token) = token {
        request = request.header("x-amz-security-token", token);
    }
    let request = request.header("x-amz-date", at.to_string());
    let answer = request.header("authorization", authorization).send();
    let answer = answer.await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Reads an object with the keys that STS gave out: status and body.
pub async fn read_object(sandbox: &Sandbox, keys: &Keys, path: &str) -> (u16, String) {
    read_object_at(sandbox, keys, path, sandbox.knobs().now()).await
}

/// The same, signed at the time on the wall, by which the stand-in takes signatures where its own
/// stands still.
pub async fn read_object_at(
    sandbox: &Sandbox,
    keys: &Keys,
    path: &str,
    now: DateTime<Utc>,
) -> (u16, String) {
    let pair = [keys.access_key_id(), keys.secret_access_key()];
    signed(sandbox, pair, Some(keys.session_token()), path, now).await
}

/// The same with a user's own key.
pub async fn read_as(sandbox: &Sandbox, user: &str, path: &str) -> (u16, String) {
    let (id, secret) = key(user);
    signed(sandbox, [&id, &secret], None, path, sandbox.knobs().now()).await
}

fn grants(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::{BUCKET}/*"}}]}}"#
    )
}

/// A bucket in the account of `prod-admin`, which carol of another account may not read.
pub async fn start_bucket(policy: Option<&str>) -> Sandbox {
    let other = account_of(OTHER, vec![user("carol", Some(ALLOW_ALL))], vec![]);
    let sandbox = start_all(vec![account(&trusts(ALICE)), other]).await;
    let knobs = sandbox.knobs();
    knobs.create_bucket(ACCOUNT, BUCKET);
    knobs.put_object(BUCKET, "may", "42");
    knobs.put_bucket_policy(BUCKET, policy).unwrap();
    sandbox
}

#[tokio::test]
async fn within_an_account_either_policy_suffices_and_from_another_both_are_needed() {
    for (policy, user, status) in [
        (None, "alice", 403),
        (None, "admin", 200),
        (None, "carol", 403),
        (Some(grants(ALICE)), "alice", 200),
        (Some(grants("*")), "alice", 200),
        (Some(grants(ACCOUNT)), "alice", 403),
        (
            Some(grants("arn:aws:iam::444455556666:user/carol")),
            "carol",
            200,
        ),
        (Some(grants(OTHER)), "carol", 200),
        (Some(grants(ALICE)), "carol", 403),
        (Some(grants("*").replace("Allow", "Deny")), "admin", 403),
    ] {
        let sandbox = start_bucket(policy.as_deref()).await;
        let answer = read_as(&sandbox, user, "payroll/may").await;
        assert_eq!(answer.0, status, "{policy:?} {user} {}", answer.1);
        if status == 200 {
            assert_eq!(answer.1, "42");
        }
    }
}

#[tokio::test]
async fn who_is_another_accounts_needs_an_own_policy_too() {
    let other = account_of(OTHER, vec![user("carol", None)], vec![]);
    let sandbox = start_all(vec![account(&trusts(ALICE)), other]).await;
    let knobs = sandbox.knobs();
    knobs.create_bucket(ACCOUNT, BUCKET);
    knobs.put_object(BUCKET, "may", "42");
    let named = grants("arn:aws:iam::444455556666:user/carol");
    knobs.put_bucket_policy(BUCKET, Some(&named)).unwrap();
    assert_eq!(read_as(&sandbox, "carol", "payroll/may").await.0, 403);
    knobs.without(Rule::BothAccounts);
    assert_eq!(read_as(&sandbox, "carol", "payroll/may").await.0, 200);
}

#[tokio::test]
async fn a_policy_that_names_the_session_passes_its_session_policy_but_no_deny() {
    let live = "arn:aws:sts::111122223333:assumed-role/prod-admin/grant_1";
    let list = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:List*","Resource":"*"}]}"#;
    let dated = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEqualsIfExists":{"aws:CurrentTime":"2001-01-01T00:00:00Z"}}}]}"#;
    for (named, policy, status) in [
        (ROLE, list, 403),
        (live, list, 200),
        (
            "arn:aws:sts::111122223333:assumed-role/prod-admin/grant_2",
            list,
            403,
        ),
        (live, dated, 403),
    ] {
        let sandbox = start_bucket(Some(&grants(named))).await;
        let call = as_user(&sandbox, "alice").1.assume_role().role_arn(ROLE);
        let call = call.role_session_name("grant_1").policy(policy);
        let session = call.send().await.unwrap();
        let keys = session.credentials().unwrap();
        let answer = read_object(&sandbox, keys, "payroll/may").await;
        assert_eq!(answer.0, status, "{named} {policy} {}", answer.1);
    }
    let sandbox = start_bucket(Some(&grants(live))).await;
    let call = as_user(&sandbox, "alice").1.assume_role().role_arn(ROLE);
    let denies = PolicyDescriptorType::builder().arn("arn:aws:iam::aws:policy/AWSDenyAll");
    let call = call
        .role_session_name("grant_1")
        .policy_arns(denies.build());
    let session = call.send().await.unwrap();
    let answer = read_object(&sandbox, session.credentials().unwrap(), "payroll/may").await;
    assert_eq!(answer.0, 403);
}

#[tokio::test]
async fn a_bucket_answers_in_its_own_form_and_its_policy_has_two_planes() {
    let sandbox = start_bucket(None).await;
    let knobs = sandbox.knobs();
    for (path, expected) in [
        ("payroll/none", "<Code>NoSuchKey</Code>"),
        ("nowhere/may", "<Code>NoSuchBucket</Code>"),
    ] {
        let (status, body) = read_as(&sandbox, "admin", path).await;
        assert!(status == 404 && body.contains(expected), "{body}");
    }
    let document = Document::Bucket(BUCKET.to_owned());
    knobs.freeze(&document);
    knobs
        .put_bucket_policy(BUCKET, Some(&grants(ALICE)))
        .unwrap();
    let (status, body) = read_as(&sandbox, "alice", "payroll/may").await;
    assert!(
        status == 403 && body.contains("<Code>AccessDenied</Code>"),
        "{body}"
    );
    knobs.thaw(&document);
    assert_eq!(read_as(&sandbox, "alice", "payroll/may").await.0, 200);
    assert_eq!(knobs.calls().last().unwrap().action, "GetObject");
    knobs.put_bucket_policy(BUCKET, None).unwrap();
    assert_eq!(read_as(&sandbox, "alice", "payroll/may").await.0, 403);
    for wrong in [
        ALLOW_ALL,
        &trusts(ALICE),
        &grants("arn:aws:iam::111122223333:user/ghost"),
    ] {
        let refused = knobs.put_bucket_policy(BUCKET, Some(wrong)).unwrap_err();
        assert_eq!(refused.code, "MalformedPolicyDocument", "{wrong}");
    }
    let mine = "arn:aws:iam::111122223333:policy/mine";
    let narrow = identity("Allow", "sts:*", "{}");
    knobs.put_managed_policy(mine, Some(&narrow)).unwrap();
    let iam = as_user(&sandbox, "admin").0;
    let boundary = iam.put_user_permissions_boundary().user_name("alice");
    let boundary = boundary.permissions_boundary(mine);
    assert_eq!(code(boundary.send().await), "ok");
    knobs
        .put_bucket_policy(BUCKET, Some(&grants(ALICE)))
        .unwrap();
    assert_eq!(read_as(&sandbox, "alice", "payroll/may").await.0, 200);
}
