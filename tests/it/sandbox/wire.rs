//! The protocol itself: signatures, what is not signed, what is not an action. The signer here is
//! our own; SDKs, boto3 and curl sign elsewhere.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::*;

const LIST: &str = "Action=ListUsers&Version=2010-05-08";

/// A request to be signed.
struct Ask<'a> {
    key: &'a str,
    secret: &'a str,
    service: &'a str,
    at: DateTime<Utc>,
    method: &'a str,
    /// What is signed, and what is sent.
    signed: &'a str,
    sent: &'a str,
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Ask<'_> {
    /// Status and body of the answer.
    async fn send(&self, sandbox: &Sandbox) -> (u16, String) {
        let (day, at) = (
            self.at.format("%Y%m%d").to_string(),
            self.at.format("%Y%m%dT%H%M%SZ").to_string(),
        );
        let url = sandbox.url();
        let host = url.trim_start_matches("http://");
        let scope = format!("{day}/us-east-1/{}/aws4_request", self.service);
        // The parameters are the query of a GET, and the body of a POST.
        let method = self.method.parse::<reqwest::Method>().unwrap();
        let is_get = method == reqwest::Method::GET;
        let (query, body) = if is_get {
            (self.signed, "")
        } else {
            ("", self.signed)
        };
        let canonical = format!(
            "{method}\n/\n{query}\nhost:{host}\nx-amz-date:{at}\n\nhost;x-amz-date\n{}",
            hex::encode(Sha256::digest(body))
        );
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{at}\n{scope}\n{}",
            hex::encode(Sha256::digest(canonical))
        );
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [day.as_str(), "us-east-1", self.service, "aws4_request"] {
            key = mac(&key, part);
        }
        let signature = hex::encode(mac(&key, &to_sign));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}",
            self.key
        );
        let client = reqwest::Client::new();
        let request = if is_get {
            client.get(format!("{url}/?{}", self.sent))
        } else {
            client.post(url).body(self.sent.to_owned())
        };
        let answer = request
            .header("x-amz-date", at)
            .header("authorization", authorization)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn ask<'a>(sandbox: &Sandbox, body: &'a str) -> Ask<'a> {
    Ask {
        key: "AKIAADMIN",
        secret: "secret-of-admin",
        service: "iam",
        at: sandbox.knobs().now(),
        method: "POST",
        signed: body,
        sent: body,
    }
}

/// Status and code of a refusal.
fn refused(answer: &(u16, String)) -> (u16, &str) {
    let code = answer
        .1
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    (answer.0, code.map_or("none", |(code, _)| code))
}

#[tokio::test]
async fn a_good_signature_is_answered_in_xml() {
    let sandbox = start(&trusts(ALICE)).await;
    let (status, body) = ask(&sandbox, LIST).send(&sandbox).await;
    assert_eq!(status, 200);
    assert!(body.starts_with("<ListUsersResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListUsersResult>"), "{body}");
    assert!(
        body.contains("<Arn>arn:aws:iam::111122223333:user/alice</Arn>")
            && body.contains("<RequestId>")
    );
}

#[tokio::test]
async fn a_signature_must_be_whole_fresh_and_made_with_the_secret() {
    let sandbox = start(&trusts(ALICE)).await;
    let now = sandbox.knobs().now();
    let good = || ask(&sandbox, LIST);
    const MISMATCH: (u16, &str) = (403, "SignatureDoesNotMatch");
    for (name, ask, expected) in [
        (
            "a wrong secret",
            Ask {
                secret: "secret-of-alice",
                ..good()
            },
            MISMATCH,
        ),
        (
            "another body",
            Ask {
                sent: "Action=ListRoles&Version=2010-05-08",
                ..good()
            },
            MISMATCH,
        ),
        (
            "an unknown key",
            Ask {
                key: "AKIANOBODY",
                ..good()
            },
            (403, "InvalidClientTokenId"),
        ),
        (
            "16 minutes old",
            Ask {
                at: now - TimeDelta::minutes(16),
                ..good()
            },
            MISMATCH,
        ),
        (
            "16 minutes ahead",
            Ask {
                at: now + TimeDelta::minutes(16),
                ..good()
            },
            MISMATCH,
        ),
        (
            "another service",
            Ask {
                service: "ec2",
                ..good()
            },
            MISMATCH,
        ),
        (
            "another query",
            Ask {
                method: "GET",
                sent: "Action=ListRoles&Version=2010-05-08",
                ..good()
            },
            MISMATCH,
        ),
        (
            "14 minutes old",
            Ask {
                at: now - TimeDelta::minutes(14),
                ..good()
            },
            (200, "none"),
        ),
    ] {
        let answer = ask.send(&sandbox).await;
        assert_eq!(refused(&answer), expected, "{name}: {}", answer.1);
    }
    assert_eq!(sandbox.knobs().calls().len(), 1, "nothing else was decided");
}

#[tokio::test]
async fn stepping_the_clock_breaks_no_signature() {
    let sandbox = start(&trusts(ALICE)).await;
    let ask = ask(&sandbox, LIST);
    sandbox.knobs().advance(TimeDelta::days(400));
    assert_eq!(ask.send(&sandbox).await.0, 200);
}

#[tokio::test]
async fn what_is_not_signed_is_not_heard() {
    let sandbox = start(&trusts("*")).await;
    let plain = reqwest::Client::new().post(sandbox.url()).body(LIST);
    let answer = plain.send().await.unwrap();
    let answer = (answer.status().as_u16(), answer.text().await.unwrap());
    assert_eq!(refused(&answer), (403, "MissingAuthenticationToken"));
    for (authorization, date) in [
        ("Bearer x", "20260601T120000Z"),
        ("AWS4-HMAC-SHA256 Credential=AKIAADMIN", "20260601T120000Z"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host, Signature=00",
            "June",
        ),
    ] {
        let client = reqwest::Client::new().post(sandbox.url()).body(LIST);
        let request = client
            .header("authorization", authorization)
            .header("x-amz-date", date);
        let answer = request.send().await.unwrap();
        let answer = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(
            refused(&answer),
            (400, "IncompleteSignature"),
            "{authorization}"
        );
    }
}

#[tokio::test]
async fn a_session_needs_its_token_and_another_ones_does_not_do() {
    let sandbox = start(&trusts("*")).await;
    let (one, two) = (
        session(&sandbox, "alice", "one").await,
        session(&sandbox, "bob", "two").await,
    );
    let keys = |it: &AssumeRoleOutput| it.credentials().unwrap().clone();
    let (one, two) = (keys(&one), keys(&two));
    for (token, expected) in [
        (Some(one.session_token()), "ok"),
        (Some(two.session_token()), "InvalidClientTokenId"),
        (None, "InvalidClientTokenId"),
    ] {
        let token = token.map(str::to_owned);
        let keys = Credentials::new(
            one.access_key_id(),
            one.secret_access_key(),
            token,
            None,
            "test",
        );
        let answer = credentials(&sandbox, keys)
            .1
            .get_caller_identity()
            .send()
            .await;
        assert_eq!(code(answer), expected);
    }
}

#[tokio::test]
async fn an_action_that_is_not_there_is_named() {
    let sandbox = start(&trusts(ALICE)).await;
    for (service, body, expected) in [
        (
            "iam",
            "Action=SummonUser&Version=2010-05-08",
            "Could not find operation SummonUser for version 2010-05-08",
        ),
        (
            "iam",
            "Action=AssumeRole&Version=2010-05-08",
            "Could not find operation AssumeRole for version 2010-05-08",
        ),
        (
            "sts",
            "Action=ListUsers&Version=2011-06-15",
            "Could not find operation ListUsers for version 2011-06-15",
        ),
        (
            "iam",
            "Action=ListUsers",
            "Could not find operation ListUsers for version NO_VERSION_SPECIFIED",
        ),
        (
            "iam",
            "Action=ListUsers&Version=2011-06-15",
            "Could not find operation ListUsers for version 2011-06-15",
        ),
    ] {
        let answer = Ask {
            service,
            ..ask(&sandbox, body)
        }
        .send(&sandbox)
        .await;
        assert_eq!(refused(&answer), (400, "InvalidAction"));
        assert!(answer.1.contains(expected), "{}", answer.1);
    }
    let answer = ask(&sandbox, "x=1").send(&sandbox).await;
    assert_eq!(refused(&answer), (400, "MissingAction"));
}

#[tokio::test]
async fn what_it_cannot_do_it_refuses_rather_than_overlook() {
    let sandbox = start(&trusts(ALICE)).await;
    let context = aws_sdk_sts::types::ProvidedContext::builder()
        .provider_arn("arn:aws:iam::aws:contextProvider/IdentityCenter")
        .context_assertion("eyJ");
    let call = as_user(&sandbox, "alice").1.assume_role().role_arn(ROLE);
    let call = call
        .role_session_name("alice")
        .provided_contexts(context.build());
    assert_eq!(code(call.send().await), "ValidationError");
}

#[tokio::test]
async fn a_signed_get_is_heard_by_its_query() {
    let sandbox = start(&trusts(ALICE)).await;
    let get = |query| Ask {
        method: "GET",
        ..ask(&sandbox, query)
    };
    let (status, body) = get(LIST).send(&sandbox).await;
    assert_eq!(status, 200, "{body}");
    // Sorted by name: `=` comes after `-`, which no name of AWS's has.
    let (status, body) = get("Action=ListUsers&Version=2010-05-08&a=1&a-b=2")
        .send(&sandbox)
        .await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn a_credential_is_scoped_to_a_whole_day() {
    let sandbox = start(&trusts(ALICE)).await;
    let at = sandbox.knobs().now().format("%Y%m%dT%H%M%SZ").to_string();
    let request = reqwest::Client::new().post(sandbox.url()).body(LIST);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIANOBODY/{}/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=00",
        &at[..4]
    );
    let request = request.header("authorization", authorization);
    let answer = request.header("x-amz-date", &at).send().await.unwrap();
    let answer = (answer.status().as_u16(), answer.text().await.unwrap());
    assert_eq!(
        refused(&answer),
        (403, "SignatureDoesNotMatch"),
        "before the key is looked up"
    );
}

#[tokio::test]
async fn an_answer_is_xml_whatever_was_asked() {
    let sandbox = start(&trusts(ALICE)).await;
    let body = "Action=GetUser&Version=2010-05-08&UserName=a%01%EF%BF%BE%3C";
    let answer = ask(&sandbox, body).send(&sandbox).await;
    assert_eq!(refused(&answer), (400, "ValidationError"));
    assert!(answer.1.contains("a\u{fffd}\u{fffd}&lt;"), "{:?}", answer.1);
}

#[tokio::test]
async fn an_action_is_asked_for_the_entity_that_it_changes() {
    let mut account = account(&trusts(ALICE));
    let own = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"iam:*","Resource":["arn:aws:iam::111122223333:role/mine","arn:aws:iam::111122223333:user/alice"]}]}"#;
    account.users[0] = user("alice", Some(own));
    account.roles.push(role("mine", &trusts(ALICE)));
    let sandbox = start_with(account).await;
    let policy = "PolicyName=p&PolicyDocument=%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%7D";
    for (call, expected) in [
        ("PutUserPolicy&UserName=bob&RoleName=mine", 403),
        ("PutRolePolicy&RoleName=prod-admin&UserName=alice", 403),
        ("CreateAccessKey&UserName=bob&RoleName=mine", 403),
        ("GetUser&UserName=bob&RoleName=mine", 403),
        ("PutUserPolicy&RoleName=mine", 400),
        ("PutRolePolicy&UserName=alice", 400),
        ("PutUserPolicy&UserName=alice&RoleName=ghost", 200),
        ("PutRolePolicy&RoleName=mine&UserName=ghost", 200),
    ] {
        let body = format!("Action={call}&Version=2010-05-08&{policy}");
        let ask = Ask {
            key: "AKIAALICE",
            secret: "secret-of-alice",
            ..ask(&sandbox, &body)
        };
        let (status, body) = ask.send(&sandbox).await;
        assert_eq!(status, expected, "{call}: {body}");
    }
}
